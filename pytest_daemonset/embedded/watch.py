"""Watches: what one watcher is told, and in which bytes; resuming, initial events, bookmarks."""

from __future__ import annotations

import asyncio
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from pytest_daemonset.embedded import lists, statuses
from pytest_daemonset.embedded.store import ADDED, DELETED, Change, CompactedError, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_daemonset.embedded.calls import Served
    from pytest_daemonset.embedded.store import Store, Table

_BUFFERS = 16  # of one watcher: more than so many may not wait for all of them together
_IDLE = 10  # bookmarks take at most one part in so many of the server's time
_TELLING = ("metadata.name", "spec.nodeName")  # what leaves least to a watch that asks for several fields
_OPENINGS = {type_: b'{"type":"%s","object":' % type_.encode() for type_ in ("ADDED", "MODIFIED", "DELETED")}


def asks_to_watch(query: Mapping[str, str]) -> bool:
    """Whether a GET of a collection is a watch."""
    return lists.truth(query, "watch")


class Framing(Protocol):
    """How the events of a watch are written."""

    @property
    def key(self) -> str:
        """Framings with the same key write the same bytes; "" if no other watch can be told in the bytes of this one."""

    def event(self, type_: str, entry: Entry) -> bytes:
        """ADDED, MODIFIED or DELETED."""

    def bookmark(self, obj: dict[str, Any]) -> bytes:
        """BOOKMARK."""

    def error(self, status: dict[str, Any]) -> bytes:
        """ERROR."""


class Lines:
    """Whole objects as JSON, one event on each line."""

    key = "lines"

    def event(self, type_: str, entry: Entry) -> bytes:
        """The bytes are only joined."""
        return b"".join((_OPENINGS[type_], entry.table.head, entry.raw[1:], b"}\n"))

    def bookmark(self, obj: dict[str, Any]) -> bytes:
        """BOOKMARK."""
        return orjson.dumps({"type": "BOOKMARK", "object": obj}, option=orjson.OPT_APPEND_NEWLINE)

    def error(self, status: dict[str, Any]) -> bytes:
        """ERROR."""
        return orjson.dumps({"type": "ERROR", "object": status}, option=orjson.OPT_APPEND_NEWLINE)


LINES = Lines()


def compacted(gone: CompactedError) -> statuses.StatusError:
    """410, for a watch that wants to resume before what the ring holds."""
    return statuses.expired(f"too old resource version: {gone.asked} ({gone.oldest})")


class Fanout:
    """Tells the changes of one table to its watches: each event is put into bytes once in each form, however many watch.

    A watch that asks for one value of a field label (a kubelet's: `spec.nodeName=X`) is filed under it, and not looked at for others.
    """

    def __init__(self, table: Table) -> None:
        self.watches: set[Watch] = set()
        self.table = table
        self._filed: dict[str, dict[str, set[Watch]]] = {}
        self._sent: list[Watch] = []
        table.watchers.add(self._tell)

    def close(self) -> None:
        """End all watches, and listen no more."""
        self.table.watchers.discard(self._tell)
        for watch in tuple(self.watches):
            watch.close()

    def add(self, watch: Watch) -> None:
        """Tell one more watch, from now on."""
        self.watches.add(watch)
        label, value = self._file(watch.selector)
        self._filed.setdefault(label, {}).setdefault(value, set()).add(watch)

    def discard(self, watch: Watch) -> None:
        """Tell a watch no more."""
        if watch in self.watches:
            self.watches.remove(watch)
            label, value = self._file(watch.selector)
            values = self._filed[label]
            values[value].remove(watch)
            if not values[value]:
                del values[value]

    def sent(self, watch: Watch) -> None:
        """A watch has sent its first bytes in this turn of the event loop: it is told when the turn is over."""
        if not self._sent:
            asyncio.get_running_loop().call_soon(self._turn)
        self._sent.append(watch)

    def _turn(self) -> None:
        sent, self._sent = self._sent, []
        for watch in sent:
            watch.turn()

    def _file(self, selector: lists.Selector) -> tuple[str, str]:
        """The field label that leaves least to this watch, and its value; ("", "") if it has to hear of everything."""
        equal = selector.equal or {}
        for label in (*_TELLING, *equal):
            if label in equal:
                return label, equal[label]
        return ("metadata.namespace", selector.namespace) if selector.namespace else ("", "")

    def _tell(self, change: Change) -> None:
        if not self.watches:
            return
        told: dict[str, bytes] = {}
        now = change.entry.fields
        before = now if change.previous is None else change.previous.fields
        for label, values in self._filed.items():
            # what has left a selector is told to it too
            for value in {now.get(label, ""), before.get(label, "")}:
                for watch in tuple(values.get(value, ())):
                    watch.tell(change, told)


class Backlog:
    """What waits on the network for all watchers together. Above the limit the greediest are cut off, one after the other.

    Args:
        limit: in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._slow: set[Watch] = set()
        self.total = 0

    def note(self, watch: Watch, left: int) -> None:
        """So many bytes wait for a watcher now; 0 for one that has gone."""
        self.total += left - watch.noted
        watch.noted = left
        if not left:
            self._slow.discard(watch)
            return
        self._slow.add(watch)
        if self.total > self._limit:
            self._relieve()

    def _relieve(self) -> None:
        for watch in self._slow:
            # what was read since it was noted waits no more
            left = watch.left()
            self.total += left - watch.noted
            watch.noted = left
        for watch in sorted(self._slow, key=attrgetter("noted"), reverse=True):
            if self.total <= self._limit:
                break
            watch.cut()


class Watch:
    """One watcher: the bytes that wait for it.

    What comes first in a turn of the event loop goes to its `sink` at once, before whoever wrote it has an answer; what else the turn
    brings goes together when it is over, however many writes that were.

    Args:
        selector: which objects it sees.
        bookmarks: whether it wants to hear how far it has come.
        limit: how many bytes may wait here or on the network; a watcher that is slower is cut off, alone (`on_cut` is called).
        backlog: what waits for others.
        framing: how it is told.
    """

    def __init__(
        self,
        fanout: Fanout,
        selector: lists.Selector,
        bookmarks: bool,
        limit: int,
        backlog: Backlog,
        framing: Framing = LINES,
    ) -> None:
        self._backlog = backlog
        self.left: Callable[[], int] = int
        """How many bytes wait on the network."""
        self.noted = 0
        """How many of them have been added up."""
        self._fanout = fanout
        self._framing = framing
        self.selector = selector
        self._everything = selector.counts and not selector.namespace
        self.limit = limit
        self._pending: list[bytes] = []
        self._waiting = 0
        self._sent = False
        self._ended = asyncio.Event()
        self._sink: Callable[[bytes], int] | None = None
        self.bookmarks = bookmarks
        self.rv = 0
        self.begins = 0
        """The version that ends its initial events, as long as that has yet to come."""
        self.ended = False
        self.on_cut: Callable[[], None] | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._fanout.add(self)

    def close(self) -> None:
        """Stop listening; whoever waits for the end goes on."""
        self.ended = True
        self._fanout.discard(self)
        self._backlog.note(self, 0)
        self._ended.set()

    def send_to(self, sink: Callable[[bytes], int], left: Callable[[], int]) -> None:
        """Send what waits, and from now on what comes.

        Args:
            sink: takes bytes, and tells how many it has not got rid of yet.
            left: tells the same at any time.
        """
        self._sink, self.left = sink, left
        self.flush()

    def push(self, data: bytes) -> None:
        """Queue bytes; the watcher that let too many pile up is cut off."""
        self._waiting += len(data)
        self._pending.append(data)
        if self._waiting > self.limit:
            self.cut()
        elif not self._sent and self._sink is not None:
            self._sent = True
            self._fanout.sent(self)
            self.flush()

    def turn(self) -> None:
        """The turn in which something was sent is over."""
        self._sent = False
        self.flush()

    def flush(self) -> None:
        """Send what waits now."""
        if self._pending and self._sink is not None:
            data = b"".join(self._pending)
            self._pending.clear()
            self._waiting = 0
            left = self._sink(data)
            if left > self.limit:
                self.cut()
            elif left != self.noted:
                self._backlog.note(self, left)

    def cut(self) -> None:
        """Hang up on a reader that is too slow."""
        self._pending.clear()
        self.close()
        if self.on_cut is not None:
            self.on_cut()

    def _plain(self, change: Change, told: dict[str, bytes]) -> bytes:
        framing = self._framing
        known = told.get(framing.key)
        if known is None:
            known = framing.event(change.type, change.entry)
            if framing.key:
                told[framing.key] = known
        return known

    def tell(self, change: Change, told: dict[str, bytes]) -> None:
        """Queue what a change looks like through the selector: leaving it is a DELETED, entering it an ADDED.

        Args:
            told: how the change was told to others so far; filled in.
        """
        if change.rv <= self.rv:
            return
        if self._everything:
            self.rv = change.rv
            self.push(self._plain(change, told))
            return
        now = change.type != DELETED and self.selector.matches(change.entry)
        before = change.previous is not None and self.selector.matches(change.previous)
        if not now and not before:
            return
        self.rv = change.rv
        if now:
            plain = before or change.type == ADDED
            self.push(self._plain(change, told) if plain else self._framing.event(ADDED, change.entry))
        elif change.type == DELETED:
            self.push(self._plain(change, told))
        elif change.previous is not None:
            self.push(self._framing.event(DELETED, _at(change.previous, change.rv)))

    def replay(self, change: Change) -> None:
        """Tell a change of the past."""
        self.tell(change, {})

    def tell_all(self, entries: Iterable[Entry]) -> None:
        """Tell what is there already. That is no backlog of a slow watcher."""
        frames = b"".join(self._framing.event(ADDED, entry) for entry in entries)
        self.limit += len(frames)
        if frames:
            self.push(frames)

    def bookmark(self, rv: int, told: dict[str, bytes], *, initial: bool = False) -> None:
        """Queue the news that everything up to a resourceVersion has been told.

        Args:
            told: how others of the table were told the same; filled in.
        """
        self.rv = max(self.rv, rv)
        known = told.get(self._framing.key)
        if known is None:
            known = self._framing.bookmark(self._bookmark(rv, initial=initial))
            if self._framing.key:
                told[self._framing.key] = known
        self.push(known)

    def _bookmark(self, rv: int, *, initial: bool) -> dict[str, Any]:
        table = self._fanout.table
        metadata: dict[str, object] = {"resourceVersion": str(rv)}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"kind": table.kind, "apiVersion": table.api_version, "metadata": metadata}

    async def wait(self) -> None:
        """Until the watch has ended."""
        await self._ended.wait()


def _at(entry: Entry, rv: int) -> Entry:
    """A past state under a later resourceVersion: what an object that left a selector is told as."""
    return Entry(entry.table, entry.object, rv, entry.labels, entry.fields)


class Watches:
    """Opens watches over one store, and sends the bookmarks.

    Args:
        bookmark_interval: seconds between a change and the bookmark that tells idle watches of it; more where so many watch that telling
            them would take the server more than a tenth of its time.
        buffer: bytes that may wait for one watcher; for all together, sixteen times as many.
    """

    def __init__(self, store: Store, bookmark_interval: float, buffer: int) -> None:
        self._backlog = Backlog(_BUFFERS * buffer)
        self._store = store
        self._interval = self._pause = bookmark_interval
        self._buffer = buffer
        self._fanouts: dict[str, Fanout] = {}
        self._due: asyncio.TimerHandle | None = None
        store.on_change.append(self._changed)

    def close(self) -> None:
        """End all watches."""
        if self._due is not None:
            self._due.cancel()
        for name in tuple(self._fanouts):
            self.end(name)

    def watching(self, name: str) -> int:
        """How many watches of a resource are open."""
        fanout = self._fanouts.get(name)
        return 0 if fanout is None else len(fanout.watches)

    def end(self, name: str) -> None:
        """End the watches of one resource, which is served no more."""
        fanout = self._fanouts.pop(name, None)
        if fanout is not None:
            fanout.close()

    def _fanout(self, served: Served) -> Fanout:
        fanout = self._fanouts.get(served.name)
        if fanout is None:
            fanout = self._fanouts[served.name] = Fanout(served.table)
        return fanout

    def _changed(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._pause, self._send_bookmarks)

    def _send_bookmarks(self) -> None:
        self._due = None
        rv, started = self._store.rv, time.thread_time()
        for fanout in self._fanouts.values():
            told: dict[str, bytes] = {}
            for watch in tuple(fanout.watches):
                if watch.begins:
                    if watch.begins <= rv:
                        watch.begins = 0
                        watch.bookmark(rv, {}, initial=True)
                        watch.flush()
                elif watch.bookmarks and watch.rv < rv:
                    watch.bookmark(rv, told)
                    watch.flush()
        self._pause = max(self._interval, _IDLE * (time.thread_time() - started))

    def open(self, served: Served, namespace: str, query: Mapping[str, str], framing: Framing = LINES) -> Watch:
        """Open a watch and queue what it has missed.

        Raises:
            StatusError: 400, 422 or 500 for parameters that make no sense, 410 for a past that is forgotten.
        """
        bookmarks = lists.truth(query, "allowWatchBookmarks")
        initial = "sendInitialEvents" in query
        self._check(query, initial)
        rv = lists.resource_version(query.get("resourceVersion", ""), of_list=False)
        chosen = lists.selector(served, namespace, query)
        watch = Watch(self._fanout(served), chosen, bookmarks, self._buffer, self._backlog, framing)
        if lists.truth(query, "sendInitialEvents"):
            self._tell_all(watch, served)
            if bookmarks and rv > self._store.rv:
                watch.begins = rv
            elif bookmarks:
                watch.bookmark(self._store.rv, {}, initial=True)
        elif rv == 0 and not initial:
            self._tell_all(watch, served)
        elif rv:
            try:
                missed = served.table.since(rv)
            except CompactedError as gone:
                raise compacted(gone) from None
            watch.rv = rv
            for change in missed:
                watch.replay(change)
        watch.open()
        return watch

    def _tell_all(self, watch: Watch, served: Served) -> None:
        watch.tell_all(watch.selector.find(served.table))
        watch.rv = self._store.rv

    def _check(self, query: Mapping[str, str], initial: bool) -> None:
        match = query.get("resourceVersionMatch", "")
        problem = ""
        if initial and match != "NotOlderThan":
            problem = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        elif query.get("continue") and not match and query.get("resourceVersion", "") in {"", "0"}:
            problem = "resourceVersionMatch is forbidden when continue is provided"
        elif match and not initial:
            problem = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        if problem:
            raise statuses.invalid_option(
                "ListOptions", "resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {problem}"
            )
