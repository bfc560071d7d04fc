"""Fences: how far a kind has been seen, where the server does not say it by itself.

A watch that is silent may be idle or late. A bookmark tells which, but a real API server sends one a minute. So we
ask: a consistent read of the collection tells the store's version R, and the kind has progressed to R as soon as the
watch has brought all that the read has shown. A bookmark or an event beyond R proves the same, and is preferred. Kinds that
share one store have one R, read once for all of them.

What a list cannot show is an object that was created and removed between the last event seen and R. A second round
trip after the watch has caught up gives such events the time to arrive; should one arrive even later, the merged order
notices it (`cuts.Receiver.late`) and a running ``always`` says that it could not see, instead of being green.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.observe.history import Mark, What
from pytest_daemonset.observe.signals import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.observe.constants import Constants
    from pytest_daemonset.observe.history import Record
    from pytest_daemonset.observe.reflector import Reflector

_UNREAD: Final = (ApiError, aiohttp.ClientError, asyncio.TimeoutError, OSError)


async def fence(
    client: Client,
    reflector: Reflector,
    *,
    emit: Callable[[Record], None],
    changed: Callable[[], asyncio.Future[None]],
    constants: Constants,
    present: int | None = None,
) -> int:
    """Wait until one kind has been seen up to the present moment.

    Args:
        client: who reads.
        reflector: the kind's.
        emit: is told of the FENCE mark, if one was needed.
        changed: gives a future that is done when the next event or mark of any kind has been recorded.
        constants: how long to wait for a bookmark, and for the watch at all.
        present: the `head` of a kind whose versions are of the same store, read since the call began; None to read its own.

    Returns:
        The version up to which the kind has been seen; not lower than any write that was answered before the call.

    Raises:
        Inconclusive: the watch did not catch up, or the cluster did not answer.
    """
    version = await head(client, reflector) if present is None else present
    try:
        # Where bookmarks are rare, waiting for one each time would only make every fence slower.
        if await until(lambda: _beyond(reflector, version), changed, constants.bookmark if reflector.prompt else 0.0):
            return version
        reflector.prompt = False
        listed = await client.list(reflector.resource, reflector.namespace, metadata_only=True)
        version = int(listed["metadata"]["resourceVersion"])
        items: dict[str, int] = {
            item["metadata"]["uid"]: int(item["metadata"]["resourceVersion"]) for item in listed["items"]
        }
        if not await until(lambda: _caught_up(reflector, items, version), changed, constants.fence):
            raise Inconclusive(
                f"the watch of {reflector.resource.plural} did not catch up within {constants.fence:g} s: a list at version "
                f"{version} shows {_behind(reflector, items, version)}, which the watch (at {reflector.progress}) has not brought"
            )
    except _UNREAD as error:
        raise _unknown(reflector, error) from error
    if not _beyond(reflector, version):
        await head(client, reflector)
    if not _beyond(reflector, version):
        # The reflector resumes from its own events and bookmarks, never from this: a fence is no place in its stream.
        reflector.fenced = version
        emit(Mark(What.FENCE, reflector.kind, version, time.time()))
    return version


async def head(client: Client, reflector: Reflector) -> int:
    """The present version of a kind; where kinds share one store, that of all of them.

    Args:
        client: who reads.
        reflector: the kind's.

    Raises:
        Inconclusive: the cluster did not answer.
    """
    path = reflector.resource.path(reflector.namespace)
    try:
        found: dict[str, Any] = await client.request("GET", path, query={"limit": "1"})
    except _UNREAD as error:
        raise _unknown(reflector, error) from error
    return int(found["metadata"]["resourceVersion"])


def _unknown(reflector: Reflector, error: BaseException) -> Inconclusive:
    return Inconclusive(
        f"{reflector.resource.plural} could not be listed, so it is not known how far they have been seen: {error}"
    )


def _beyond(reflector: Reflector, version: int) -> bool:
    return reflector.synced and max(reflector.progress, reflector.fenced) >= version


def _caught_up(reflector: Reflector, items: dict[str, int], version: int) -> bool:
    return _beyond(reflector, version) or (reflector.synced and not _behind(reflector, items, version))


def _behind(reflector: Reflector, items: dict[str, int], version: int) -> str:
    """What the list shows and the watch does not: the first such object, in words; empty if there is none."""
    known = {uid: int(seen["metadata"]["resourceVersion"]) for uid, seen in reflector.known.items()}
    for uid, listed in items.items():
        if known.get(uid, -1) < listed:
            return f"the object with UID {uid} at version {listed}"
    for uid, seen in reflector.known.items():
        if uid not in items and known[uid] <= version:
            return f"no {seen['metadata']['name']} any more"
    return ""
