"""The objects of the server, in memory: one rising resourceVersion, one bounded ring of events per kind, fan-out to watchers.

Pure: no clock, no network, no Kubernetes rules. An object is kept as the bytes of its JSON, encoded once, and decoded when somebody
asks for a dict.

Bytes are kept without `kind` and `apiVersion` (`{"metadata":...}`), as the items of a list are told; `Table.head` puts them in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from pytest_daemonset.embedded.indexes import Index, Key, span

Object = dict[str, Any]

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


class CompactedError(Exception):
    """The events after the asked resourceVersion are no longer all in the ring.

    Args:
        asked: the resourceVersion that was asked for.
        oldest: the lowest one that can still be answered.
    """

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"resourceVersion {asked} is too old: the ring reaches back to {oldest}")
        self.asked = asked
        self.oldest = oldest


class Entry:
    """One object at one resourceVersion, as bytes: a thousand pods as dicts would cost ten times that, and the collector's time.

    Args:
        key: namespace and name.
        raw: its JSON, without `kind` and `apiVersion`.
        labels: its labels, for selectors.
        fields: its field labels, for selectors.
        uid: of its metadata; "" if it has none.
        owners, finalizers: of its metadata; None if it has none.
        deleting: whether it has a deletionTimestamp.
        message: its protobuf form, once somebody has asked for it.
    """

    __slots__ = ("deleting", "fields", "finalizers", "key", "labels", "message", "owners", "raw", "rv", "table", "uid")

    def __init__(
        self, table: Table, obj: Object, rv: int, labels: Mapping[str, str], fields: Mapping[str, str]
    ) -> None:
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(rv)
        self.table = table
        self.key: Key = (metadata.get("namespace", ""), metadata["name"])
        self.rv = rv
        encoded = orjson.dumps({k: v for k, v in obj.items() if k not in {"kind", "apiVersion"}})
        # a copy: orjson's own bytes keep the buffer in which they grew, four times their size
        self.raw = bytes(memoryview(encoded))
        self.labels = labels
        self.fields = fields
        self.message: bytes | None = None
        self.uid: str = metadata.get("uid", "")
        self.owners: list[Object] | None = metadata.get("ownerReferences")
        self.finalizers: list[str] | None = metadata.get("finalizers")
        self.deleting = "deletionTimestamp" in metadata

    def seen_in(self, table: Table) -> Entry:
        """The same object at the same moment in a table of another version; the bytes are shared."""
        seen = Entry.__new__(Entry)
        for name in self.__slots__:
            setattr(seen, name, getattr(self, name))
        seen.table = table
        seen.message = None
        return seen

    @property
    def object(self) -> Object:
        """The object as a dict of one's own, `kind` and `apiVersion` first. Decoded anew each time: ask once."""
        loaded: Object = orjson.loads(self.encoded)
        return loaded

    @property
    def encoded(self) -> bytes:
        """The object's JSON, with `kind` and `apiVersion`."""
        return self.table.head + self.raw[1:]


class Change:
    """One event: what became of one object.

    `previous` is None where it was ADDED; `writer` is who did it, if that was said; `mirrored` is the same event in other versions.
    """

    __slots__ = ("entry", "mirrored", "previous", "rv", "type", "writer")

    def __init__(
        self, rv: int, type_: str, entry: Entry, previous: Entry | None, writer: tuple[str, str] | None = None
    ) -> None:
        self.rv = rv
        self.type = type_
        self.entry = entry
        self.previous = previous
        self.writer = writer
        self.mirrored: list[Change] | None = None

    @property
    def object(self) -> Object:
        """The object after the change (the last state, with the resourceVersion of its end, if it was DELETED)."""
        return self.entry.object


Watcher = Callable[["Change"], None]


class Table:
    """All objects of one kind, by key, with the index of their keys; and their ring.

    Args:
        api_version, kind: what every object of the table says of itself.
        ring: how many events are remembered.
    """

    def __init__(self, api_version: str, kind: str, ring: int) -> None:
        self.api_version = api_version
        self.kind = kind
        self.head = orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1] + b","
        self.entries: dict[Key, Entry] = {}
        self.index = Index(self.entries)
        self.ring: deque[Change] = deque()
        self.ring_size = ring
        self.compacted = 0
        self.watchers: set[Watcher] = set()
        self.mirrors: list[Callable[[Change], Change]] = []

    def rename(self, api_version: str, kind: str) -> None:
        """Let every object say something else of itself."""
        self.api_version = api_version
        self.kind = kind
        self.head = orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1] + b","

    def within(self, namespace: str) -> list[Entry]:
        """The objects of a namespace ("" for all), in the order of their keys."""
        keys, first, last = span(self.index.keys, namespace)
        return [self.entries[key] for key in keys[first:last]]

    def holds(self, namespace: str) -> bool:
        """Whether a namespace has objects here."""
        if not self.entries:
            return False
        _, first, last = span(self.index.keys, namespace)
        return first < last

    def put(self, entry: Entry) -> Entry | None:
        """Make it the newest state of its object; the index follows."""
        previous = self.entries.get(entry.key)
        self.entries[entry.key] = entry
        self.index.follow(entry.key, previous, entry)
        return previous

    def pop(self, key: Key) -> Entry:
        """Take the object out."""
        entry = self.entries.pop(key)
        self.index.follow(key, entry, None)
        return entry

    def remember(self, change: Change) -> None:
        """Append to the ring; the oldest event goes when it is full."""
        if len(self.ring) >= self.ring_size:
            self.compacted = self.ring.popleft().rv
        self.ring.append(change)

    def since(self, rv: int) -> list[Change]:
        """The changes after a resourceVersion, in order. It costs what it returns.

        Raises:
            CompactedError: some of them have been forgotten.
        """
        if rv < self.compacted:
            raise CompactedError(rv, self.compacted)
        missed: list[Change] = []
        for change in reversed(self.ring):
            if change.rv <= rv:
                break
            missed.append(change)
        missed.reverse()
        return missed

    def history(self, key: Key) -> list[Change]:
        """The changes of one object since it was made, in order, as far as the ring reaches back. Costs a walk over the ring."""
        found: list[Change] = []
        for change in reversed(self.ring):
            if change.entry.key == key:
                if change.type == DELETED:
                    break
                found.append(change)
                if change.type == ADDED:
                    break
        found.reverse()
        return found

    def undone(self, rv: int) -> dict[Key, Entry | None]:
        """What has changed since a resourceVersion as it was then; None for what was not there. The rest is as it is.

        Raises:
            CompactedError: that state can no longer be told.
        """
        return {change.entry.key: change.previous for change in reversed(self.since(rv))}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def __len__(self) -> int:
        return len(self.entries)


class Store:
    """The tables of all kinds under one strictly rising resourceVersion.

    A write is in two parts, so that an audit line can be written in between: `put` or `remove` makes it the truth and gives the Change,
    `publish` tells the watchers.
    """

    def __init__(self) -> None:
        self.rv = 0
        self.tables: dict[str, Table] = {}
        self.on_change: list[Callable[[], None]] = []

    def drop_table(self, name: str) -> None:
        """Serve a kind no more."""
        del self.tables[name]

    def add_table(self, name: str, table: Table) -> Table:
        """Serve one more kind, under a name that is unique (its resource, such as `daemonsets.apps`)."""
        self.tables[name] = table
        return table

    def put(
        self,
        table: Table,
        obj: Object,
        labels: Mapping[str, str],
        fields: Mapping[str, str],
        writer: tuple[str, str] | None = None,
    ) -> Change:
        """Keep the object as the newest state of its name; the next resourceVersion is set in it.

        Args:
            writer: the field manager and the subresource that it wrote to, for the object's history.
        """
        self.rv += 1
        entry = Entry(table, obj, self.rv, labels, fields)
        previous = table.put(entry)
        change = Change(self.rv, ADDED if previous is None else MODIFIED, entry, previous, writer)
        table.remember(change)
        if table.mirrors:
            change.mirrored = [follow(change) for follow in table.mirrors]
        return change

    def remove(self, table: Table, key: Key) -> Change:
        """Take an object away; the event tells its last state under the resourceVersion of its end."""
        self.rv += 1
        previous = table.pop(key)
        last = Entry(table, previous.object, self.rv, previous.labels, previous.fields)
        change = Change(self.rv, DELETED, last, previous)
        table.remember(change)
        if table.mirrors:
            change.mirrored = [follow(change) for follow in table.mirrors]
        return change

    def publish(self, table: Table, change: Change) -> None:
        """Tell every watcher of the table, in the order of the resourceVersions."""
        for watcher in tuple(table.watchers):
            watcher(change)
        for seen in change.mirrored or ():
            for watcher in tuple(seen.entry.table.watchers):
                watcher(seen)
        for told in self.on_change:
            told()
