"""Leader election by a Lease: of several controllers one works, and the others wait (client-go, tools/leaderelection)."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.client import ApiError

if TYPE_CHECKING:
    from pytest_daemonset.reference.client import Client

log = logging.getLogger(__name__)

Object = dict[str, Any]

_JITTER = 1.2


@dataclass(frozen=True)
class Terms:
    """How leadership is held; the defaults are client-go's. Times in seconds.

    Args:
        namespace: where the Lease is.
        name: the Lease's.
        lease_duration: how long the others leave a leader alone that does not renew.
        renew_deadline: how long a leader tries to renew before it gives up; it writes nothing later than that.
        retry_period: between two tries.
        identity: what the Lease calls us; unique.

    Raises:
        ValueError: times that cannot keep two leaders apart.
    """

    namespace: str = "kube-system"
    name: str = "pytest-daemonset-reference"
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    identity: str = ""

    def __post_init__(self) -> None:
        if not self.lease_duration > self.renew_deadline > self.retry_period * _JITTER > 0:
            raise ValueError(
                f"a lease of {self.lease_duration:g} s, renewed within {self.renew_deadline:g} s, tried every "
                f"{self.retry_period:g} s: each must be longer than the next, the last one times {_JITTER}"
            )

    @property
    def path(self) -> str:
        """Of the collection of Leases."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"


class LeadershipLostError(Exception):
    """The Lease was not renewed in time: somebody else may lead."""


class Election:
    """One candidate.

    Args:
        client: for the Lease alone: a renewal must not wait behind other writes.
        terms: how leadership is held.
    """

    def __init__(self, client: Client, terms: Terms) -> None:
        self._client, self.terms = client, terms
        self.identity = terms.identity or f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4()}"
        self.entered = asyncio.Event()
        """Set once the Lease has been read or made: from then on we lead, or are ready to."""
        self._seen: Object = {}
        self._seen_at = 0.0  # by our own clock: the clocks of other candidates are not to be trusted
        self._renewed = float("-inf")

    def check(self) -> None:
        """Let a write pass only while nobody else can lead: a leader that was frozen must not write when it wakes up.

        Raises:
            LeadershipLostError: the last renewal is too long ago.
        """
        if time.monotonic() >= self._renewed + self.terms.renew_deadline:
            raise LeadershipLostError(f"{self.identity} has not renewed its lease for {self.terms.renew_deadline:g} s")

    async def acquire(self) -> None:
        """Wait until we lead."""
        log.info("attempting to acquire leader lease %s/%s...", self.terms.namespace, self.terms.name)
        while True:
            if await self.attempt():
                break
            await asyncio.sleep(self.terms.retry_period * random.uniform(1, _JITTER))  # noqa: S311
        log.info("%s became leader of %s/%s", self.identity, self.terms.namespace, self.terms.name)

    async def hold(self) -> None:
        """Renew for as long as we lead.

        Raises:
            LeadershipLostError: it could not be renewed in time.
        """
        while True:
            await asyncio.sleep(self.terms.retry_period)
            while not await self.attempt():
                self.check()
                await asyncio.sleep(self.terms.retry_period / 4)
            self.check()

    async def release(self) -> None:
        """Let the next one lead at once, if we do; to be called when nothing of ours can write any more."""
        held = self._seen
        try:
            self.check()
        except LeadershipLostError:
            return
        now = _stamp()
        spec = {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now}
        self._renewed = float("-inf")
        try:
            await self._client.replace(f"{self.terms.path}/{self.terms.name}", {**held, "spec": spec})
        except ApiError as error:
            log.warning("the lease could not be released, and will run out: %s", error)

    async def attempt(self) -> bool:
        """Try once to take the Lease or to renew it; whether we lead then."""
        began = time.monotonic()
        try:
            taken = await asyncio.wait_for(self._take(), self.terms.renew_deadline)
        except (ApiError, asyncio.TimeoutError) as error:
            log.warning("lease %s/%s: %s", self.terms.namespace, self.terms.name, error or "no answer in time")
            return False
        self.entered.set()
        if taken:
            self._renewed = began
        return taken

    async def _take(self) -> bool:
        path = self.terms.path
        try:
            found = await self._client.get(f"{path}/{self.terms.name}")
        except ApiError as error:
            if error.status != 404:
                raise
            lease: Object = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.terms.name, "namespace": self.terms.namespace},
                "spec": self._spec({}),
            }
            self._note(await self._client.create(path, lease))
            return True
        if found.get("spec") != self._seen.get("spec"):
            self._note(found)
        spec = found.get("spec") or {}
        holder, duration = spec.get("holderIdentity") or "", spec.get("leaseDurationSeconds") or 0
        if holder not in ("", self.identity) and time.monotonic() < self._seen_at + duration:
            return False
        self._note(await self._client.replace(f"{path}/{self.terms.name}", {**found, "spec": self._spec(spec)}))
        return True

    def _note(self, lease: Object) -> None:
        self._seen, self._seen_at = lease, time.monotonic()

    def _spec(self, before: Object) -> Object:
        now, ours = _stamp(), before.get("holderIdentity") == self.identity
        transitions = before.get("leaseTransitions") or 0
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.terms.lease_duration)),
            "acquireTime": before.get("acquireTime") or now if ours else now,
            "renewTime": now,
            "leaseTransitions": transitions if ours or not before else transitions + 1,
        }


def _stamp() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
