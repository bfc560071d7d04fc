"""Waiting for a controller that is a process to show that it works."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.kube.audit import WRITES
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import LEASES
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pytest_daemonset.controllers.replica import Replica
    from pytest_daemonset.kube.audit import AuditLog
    from pytest_daemonset.kube.client import Client

_PAUSE: Final = 0.05  # seconds between two looks at what has no way to tell us


async def answers(url: str) -> None:
    """Wait until a URL answers 200."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass  # not listening yet; the process's own death and the time limit end this
            await asyncio.sleep(_PAUSE)


async def wrote(audit: AuditLog, user: str, mark: int) -> None:
    """Wait until a user's first write is accepted; a Lease and an Event are writes too.

    Args:
        audit: the cluster's log.
        user: the controller's.
        mark: where the log ended before the controller was started.
    """
    while True:
        if audit.entries(user=user, since=mark, accepted=True):
            return
        await asyncio.sleep(_PAUSE)


async def stirred(replica: Replica, audit: AuditLog, mark: int) -> None:
    """Wait until a replica has written anything, its Lease too, or has ended.

    Args:
        replica: which; its credential must be its own.
        audit: the cluster's log.
        mark: where the log ended before.
    """
    while True:
        if not replica.running:
            return
        if any(entry.credential == replica.credential.id for entry in audit.entries(verbs=WRITES, since=mark)):
            return
        await asyncio.sleep(_PAUSE)


async def renewed_at(client: Client, lease: str) -> str:
    """When a Lease was last renewed; empty if there is none."""
    namespace, _, name = lease.partition("/")
    try:
        found = await client.get(LEASES, name, namespace)
    except ApiError as error:
        if error.status != 404:
            raise
        return ""
    return str((found.get("spec") or {}).get("renewTime") or "")


def led(client: Client, lease: str, before: str) -> Callable[[], Awaitable[None]]:
    """Waits until a Lease is held, and has been renewed since.

    Args:
        client: to watch with.
        lease: namespace and name.
        before: when it had last been renewed before the controller was started.
    """
    namespace, _, name = lease.partition("/")

    def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
        spec = (seen["Lease"].get(name) or {}).get("spec") or {}
        return bool(spec.get("holderIdentity")) and spec.get("renewTime", "") not in ("", before)

    async def wait() -> None:
        while not await until(client, [(LEASES, namespace)], good, 60.0):
            pass  # the caller has a time limit of its own

    return wait
