"""One kind, listed and watched without a hole: what a test must not miss, and what it must be told if it did."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from pytest_daemonset.contract.events import ADDED, DELETED, MODIFIED, Event
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.observe.history import Mark, What

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_daemonset.kube.client import Client, Object
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.observe.history import Record

_INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
# Seconds without a byte after which the connection is tried anew; resuming misses nothing. Less than the minute in which a
# real server's bookmarks come (and before its cache has moved none do), so on a quiet kind this is no sign of a fault.
_SILENCE: Final = 30.0


class Reflector:
    """Lists one kind, then watches it for ever, and emits what it sees.

    A lost connection is resumed where it stopped, which misses nothing. A version that is too old (410) is a *gap*: the
    kind is listed again, and what changed meanwhile is emitted as synthesized events between a GAP and a SYNCED mark.

    Args:
        client: who asks.
        resource: what to watch.
        kind: what its events are called.
        namespace: where, or `None` for all of them.
        emit: told of every event and mark, in order.
        patience: seconds of failures in a row after which it gives up.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        kind: str,
        namespace: str | None,
        emit: Callable[[Record], None],
        patience: float = 30.0,
    ) -> None:
        self.kind = kind
        self.resource = resource
        self.namespace = namespace if resource.namespaced else None
        self.known: dict[str, Object] = {}
        self.progress = -1
        self.fenced = -1  # progress that a fence proved; never resumed from, as it is no place in the stream
        self.synced = False
        self.prompt = True  # whether bookmarks come fast enough to wait for
        self._client = client
        self._emit = emit
        self._patience = patience
        self._listed_before = False
        self._watch_list = True  # until the server says that it serves none

    async def run(self) -> None:
        """Reflect until cancelled.

        Raises:
            Inconclusive: the kind cannot be seen any more.
        """
        failing_since: float | None = None
        tries = 0
        while True:
            before = (self.progress, self.synced)
            try:
                await self._connection()
                problem: Exception | None = None
            except ApiError as error:
                problem = self._refused(error)
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                problem = error
            moved = (self.progress, self.synced) != before
            if problem is None or moved:
                failing_since = None
            if moved:
                tries = 0
                continue
            if problem is not None:
                now = time.monotonic()
                failing_since = now if failing_since is None else failing_since
                if now - failing_since > self._patience:
                    raise Inconclusive(
                        f"the watch of {self.resource.plural} is lost: it failed for {self._patience:g} s, last with "
                        f"{type(problem).__name__}: {problem}. Is the API server still running?"
                    ) from problem
            # Also after a connection that ended well but brought nothing: a server that ends every watch is not hammered.
            await asyncio.sleep(min(1.0, 0.02 * 2**tries) * random.uniform(0.5, 1.0))  # noqa: S311
            tries += 1

    def _refused(self, error: ApiError) -> ApiError | None:
        """What to make of a refusal: `None` to go on at once, the error to try again later; else it raises."""
        if error.status == 410:
            if self.synced:
                self.synced = False
                self._mark(
                    What.GAP, self.progress, f"the server no longer had version {self.progress}: {error.message}"
                )
            return None
        if not self.synced and self._watch_list and error.status in (400, 422):
            self._watch_list = False
            return None
        if error.status == 429 or (error.status >= 500 and error.status != 501):
            return error
        raise Inconclusive(f"{self.resource.plural} cannot be watched: {error}") from error

    async def _connection(self) -> None:
        """One watch, from the list that it needs to the end of the connection."""
        if not self.synced and not self._watch_list:
            listed = await self._client.list(self.resource, self.namespace)
            for item in listed["items"]:  # items of a list do not say what they are; what a watch brings does
                item.setdefault("apiVersion", self.resource.api_version)
                item.setdefault("kind", self.resource.kind)
            self._snapshot(listed["items"], _version(listed))
        gathered: dict[str, Object] = {}
        watch = self._client.watch(
            self.resource,
            self.namespace,
            resource_version=str(self.progress) if self.synced else None,
            initial_events=not self.synced,
            silence=_SILENCE,
        )
        async with aclosing(watch) as events:
            async for type_, object_ in events:
                if self.synced:
                    self._follow(type_, object_)
                elif type_ != "BOOKMARK":
                    if type_ == DELETED:
                        gathered.pop(_uid(object_), None)
                    else:
                        gathered[_uid(object_)] = object_
                elif (object_["metadata"].get("annotations") or {}).get(_INITIAL_EVENTS_END) == "true":
                    self._snapshot(gathered.values(), _version(object_))

    def _follow(self, type_: str, object_: Object) -> None:
        version = _version(object_)
        self.progress = max(self.progress, version)
        if type_ == "BOOKMARK":
            self.prompt = True
            self._mark(What.PROGRESS, version)
            return
        if type_ == DELETED:
            self.known.pop(_uid(object_), None)
        else:
            self.known[_uid(object_)] = object_
        self._emit(Event(self.kind, type_, object_, version, time.time()))

    def _snapshot(self, objects: Iterable[Object], version: int) -> None:
        """Take over a consistent list: tell how it differs from what was known, oldest change first."""
        if version < self.progress:
            raise Inconclusive(
                f"{self.resource.plural} were listed at version {version}, but had been seen at {self.progress} before: "
                "the cluster went back in time"
            )
        listed = {_uid(object_): object_ for object_ in objects}
        named = {_name(object_): object_ for object_ in listed.values()}
        changes: list[tuple[int, bool, str, Object]] = []
        for uid, object_ in self.known.items():
            if uid not in listed:
                # Gone at an unknown moment: at the latest when its successor of the same name came.
                successor = named.get(_name(object_))
                changes.append((_version(successor) if successor else version, False, DELETED, object_))
        for uid, object_ in listed.items():
            before = self.known.get(uid)
            if before is None:
                changes.append((_version(object_), True, ADDED, object_))
            elif _version(before) != _version(object_):
                changes.append((_version(object_), True, MODIFIED, object_))
        at = time.time()
        self.known = listed
        for changed, _, type_, object_ in sorted(changes, key=lambda change: change[:2]):
            self._emit(Event(self.kind, type_, object_, changed, at))
        self.progress = version
        self.synced = True
        note = "listed again: events between may have been missed" if self._listed_before else ""
        self._listed_before = True
        self._mark(What.SYNCED, version, note)

    def _mark(self, what: What, version: int, note: str = "") -> None:
        self._emit(Mark(what, self.kind, version, time.time(), note))


def _uid(object_: Object) -> str:
    return str(object_["metadata"]["uid"])


def _name(object_: Object) -> tuple[str, str]:
    metadata: dict[str, Any] = object_["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _version(object_: Object) -> int:
    version = object_["metadata"].get("resourceVersion")
    try:
        return int(version)
    except (TypeError, ValueError):
        raise Inconclusive(
            f"a resourceVersion that is no number: {version!r}; without an order, nothing that was seen can be judged"
        ) from None
