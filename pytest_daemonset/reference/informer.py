"""One kind, listed and watched into a store: every change is told once, with the view before and the view after."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_daemonset.reference.client import ApiError, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

V = TypeVar("V")
log = logging.getLogger(__name__)


class Store(Generic[V]):
    """The objects of one kind, by UID: an object recreated under the same name is another one.

    Args:
        view: makes of an object what is kept of it; an event that leaves the view equal is not told.
        changed: is told each change as (before, after), None for not there.
        moved: is told whenever `progress` has risen.
    """

    def __init__(
        self, view: Callable[[Any], V], changed: Callable[[V | None, V | None], None], moved: Callable[[], None]
    ) -> None:
        self._view, self._changed, self._moved = view, changed, moved
        self.items: dict[str, V] = {}
        self.progress = 0
        """The resourceVersion up to which this store has seen everything."""

    def replace(self, objects: Iterable[Any], resource_version: str) -> None:
        """Take over a complete list: what it lacks was deleted while nobody watched (ROB-06)."""
        fresh = {item["metadata"]["uid"]: item for item in objects}
        for uid in [uid for uid in self.items if uid not in fresh]:
            self._set(uid, None)
        for uid, item in fresh.items():
            self._set(uid, self._view(item))
        self._reach(resource_version)

    def apply(self, events: Iterable[Any]) -> None:
        """Take over a batch of watch events, bookmarks included."""
        reached = None
        for event in events:
            item = event["object"]
            reached = item["metadata"]["resourceVersion"]
            if event["type"] in ("ADDED", "MODIFIED"):
                self._set(item["metadata"]["uid"], self._view(item))
            elif event["type"] == "DELETED":
                self._set(item["metadata"]["uid"], None)
        if reached is not None:
            self._reach(reached)

    def _set(self, uid: str, after: V | None) -> None:
        before = self.items.get(uid)
        if before == after:
            return
        if after is None:
            del self.items[uid]
        else:
            self.items[uid] = after
        self._changed(before, after)

    def _reach(self, resource_version: str) -> None:
        if int(resource_version) > self.progress:
            self.progress = int(resource_version)
            self._moved()


class Reflector:
    """Keeps a store up to date: list, watch, resume, and list again when the server has forgotten the way (410).

    Args:
        client: where to read from.
        path: the collection, over all namespaces.
        store: what to keep up to date.
    """

    def __init__(self, client: Client, path: str, store: Store[Any]) -> None:
        self._client, self._path, self._store = client, path, store
        self._version: str | None = None
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        failures = 0
        while True:
            try:
                if self._version is None:
                    self._version = await self._list()
                    self.synced.set()
                await self._watch(self._version)
                failures = 0
            except ApiError as error:
                log.warning("%s: %s", self._path, error)
                failures = min(failures + 1, 8)
                await asyncio.sleep(random.uniform(0.5, 1.0) * min(0.05 * 2**failures, 5.0))  # noqa: S311

    async def _list(self) -> str:
        pages: list[Any] = []
        query = {"limit": "500"}
        while True:
            try:
                page = await self._client.get(self._path, **query)
            except ApiError as error:
                if error.status != 410 or "continue" not in query:
                    raise
                pages, query = [], {}
                continue
            pages += page.get("items") or []
            if not page["metadata"].get("continue"):
                break
            query = {"limit": "500", "continue": page["metadata"]["continue"]}
        version: str = page["metadata"]["resourceVersion"]
        self._store.replace(pages, version)
        return version

    async def _watch(self, version: str) -> None:
        """Watch once, noting how far it came; a server that has forgotten that place is listed anew."""
        try:
            async with aclosing(self._client.watch(self._path, version, random.randint(300, 600))) as watch:  # noqa: S311
                async for events in watch:
                    for event in events:
                        if event["type"] == "ERROR":
                            log.info("%s: the watch ended: %s", self._path, event["object"].get("message"))
                            self._version = None
                            return
                    self._store.apply(events)
                    self._version = events[-1]["object"]["metadata"]["resourceVersion"] if events else self._version
        except ApiError as error:
            if error.status != 410:
                raise
            self._version = None
