"""The same objects in another version of the API: a table that follows another one, change by change, once somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.store import Change, Entry, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.embedded.calls import Served
    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]


class Mirror:
    """One other version of a kind.

    Args:
        source: what is kept.
        kind: how it is seen.
        forth, back: from what is kept to what is seen, and the opposite; None where only the version's name differs.
    """

    def __init__(
        self,
        source: Served,
        kind: Kind,
        forth: Callable[[Object], Object] | None = None,
        back: Callable[[Object], Object] | None = None,
    ) -> None:
        self.source = source
        self.kind = kind
        self.table = Table(kind.api_version, kind.kind, source.table.ring_size)
        self._forth = forth
        self._back = back
        self._active = False

    def stored(self, obj: Object) -> Object:
        """An object of this version as it is kept."""
        return obj if self._back is None else self._back(obj)

    def shown(self, obj: Object) -> Object:
        """An object that is kept as this version shows it."""
        return obj if self._forth is None else self._forth(obj)

    def activate(self) -> None:
        """Begin to follow, with all that is there and was: before anybody asks, it costs nothing."""
        if self._active:
            return
        self._active = True
        source = self.source.table
        seen: dict[int, Entry] = {}

        def see(entry: Entry) -> Entry:
            if id(entry) not in seen:
                seen[id(entry)] = self._see(entry)
            return seen[id(entry)]

        self.table.compacted = source.compacted
        for change in source.ring:
            previous = None if change.previous is None else see(change.previous)
            self.table.ring.append(Change(change.rv, change.type, see(change.entry), previous))
        for entry in source:
            self.table.put(see(entry))
        source.mirrors.append(self.follow)

    def close(self) -> None:
        """Follow no more."""
        if self._active:
            self.source.table.mirrors.remove(self.follow)

    def follow(self, change: Change) -> Change:
        """Do after a change of what is kept; returns it as it is seen."""
        seen = self._see(change.entry)
        previous = self.table.entries.get(seen.key)
        if seen.key in self.source.table.entries:
            self.table.put(seen)
        else:
            self.table.pop(seen.key)
        mirrored = Change(change.rv, change.type, seen, previous)
        self.table.remember(mirrored)
        return mirrored

    def _see(self, entry: Entry) -> Entry:
        if self._forth is None:
            return entry.seen_in(self.table)
        obj = self._forth(entry.object)
        return Entry(self.table, obj, entry.rv, entry.labels, self.kind.field_labels(obj))
