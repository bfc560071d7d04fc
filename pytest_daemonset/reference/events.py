"""Events on a DaemonSet: best effort, and bounded whatever goes wrong (EVT-04)."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_daemonset.reference.client import ApiError, Body, Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.reference.views import Json

log = logging.getLogger(__name__)


class Filter:
    """Lets through 25 events per object at once, then one every five minutes, as client-go's spam filter does.

    Args:
        now: a monotonic clock, seconds.
    """

    def __init__(self, now: Callable[[], float], burst: float = 25.0, period: float = 300.0) -> None:
        self._now, self._burst, self._period = now, burst, period
        self._tokens: dict[str, tuple[float, float]] = {}

    def allows(self, key: str) -> bool:
        """Whether one more event on this object may be written."""
        now = self._now()
        tokens, since = self._tokens.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) / self._period)
        self._tokens[key] = (max(tokens - 1.0, 0.0) if tokens >= 1.0 else tokens, now)
        return tokens >= 1.0

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._tokens.pop(key, None)


class Recorder:
    """Writes events one after the other, behind the work.

    Args:
        client: where to write to.
        filter: which events are written at all.
    """

    def __init__(self, client: Client, filter: Filter) -> None:  # noqa: A002
        self._client, self._filter = client, filter
        self._pending: asyncio.Queue[Body] = asyncio.Queue(maxsize=1000)

    def record(self, daemonset: Json, kind: str, reason: str, message: str) -> None:
        """Note an event.

        Args:
            daemonset: what it is about.
            kind: "Normal" or "Warning".
            reason: in one word, as "SuccessfulCreate".
            message: the sentence.
        """
        metadata = daemonset["metadata"]
        if not self._filter.allows(metadata["uid"]):
            return
        about = {k: metadata[k] for k in ("namespace", "name", "uid", "resourceVersion")}
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        event: Body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": metadata["namespace"]},
            "involvedObject": {"apiVersion": "apps/v1", "kind": "DaemonSet", **about},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": "daemonset-controller"},
            "reportingComponent": "daemonset-controller",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._pending.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("event dropped, 1000 are waiting already: %s: %s", reason, message)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._filter.forget(uid)

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        while True:
            event = await self._pending.get()
            try:
                await self._client.create(f"/api/v1/namespaces/{event['metadata']['namespace']}/events", event)
            except ApiError as error:
                log.warning("event not written: %s: %s", event["reason"], error)
