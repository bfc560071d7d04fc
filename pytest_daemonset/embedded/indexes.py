"""The keys of a table in their order, and by the labels and fields that lists ask for: a page is a bisect, a selector a look-up.

An index is made when it is first asked for, and follows from then on: what nobody asks for costs a write nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_daemonset.embedded.store import Entry

    Span = tuple[list[tuple[str, str]], int, int]  # ordered keys, and where in them something begins and ends

Key = tuple[str, str]  # namespace ("" for cluster-wide kinds), name

BEGINNING: Key = ("", "")
_MOST = 64  # labels that are followed at once: who asks for ever new ones makes the oldest be forgotten
_NOTHING: Mapping[str, str] = {}


def span(keys: list[Key], namespace: str = "", after: Key = BEGINNING) -> Span:
    """The part of ordered keys that is in a namespace ("" for all) and after a key."""
    first, last = 0, len(keys)
    if namespace:
        first = bisect_left(keys, (namespace, ""))
        last = bisect_left(keys, (f"{namespace}\0", ""), first)
    if after != BEGINNING:
        first = bisect_right(keys, after, first, last)
    return keys, first, last


def _size(part: Span) -> int:
    return part[2] - part[1]


class Followed:
    """The ordered keys by the values of labels, for those labels that were asked for."""

    def __init__(self, labels_of: Callable[[Entry], Mapping[str, str]]) -> None:
        self._labels_of = labels_of
        self._labels: dict[str, dict[str, list[Key]]] = {}

    def __contains__(self, label: str) -> bool:
        return label in self._labels

    def values(self, label: str, entries: Iterable[Entry]) -> Mapping[str, list[Key]]:
        """The keys by the value of one label.

        Args:
            entries: all, in the order of their keys; read if the label was not followed yet.
        """
        values = self._labels.get(label)
        if values is None:
            values = {}
            for entry in entries:
                value = self._labels_of(entry).get(label)
                if value is not None:
                    values.setdefault(value, []).append(entry.key)
            if len(self._labels) >= _MOST:
                del self._labels[next(iter(self._labels))]
            self._labels[label] = values
        return values

    def follow(self, key: Key, previous: Entry | None, entry: Entry | None) -> None:
        """Do after a change of one object; None where it was or is not there."""
        if not self._labels:
            return
        was = _NOTHING if previous is None else self._labels_of(previous)
        now = _NOTHING if entry is None else self._labels_of(entry)
        if was == now:
            return
        for label, values in self._labels.items():
            before, after = was.get(label), now.get(label)
            if before == after:
                continue
            if before is not None:
                keys = values[before]
                del keys[bisect_left(keys, key)]
                if not keys:
                    del values[before]
            if after is not None:
                insort(values.setdefault(after, []), key)


class Index:
    """The keys of one table.

    Args:
        entries: the objects by key. Whoever changes them tells `follow`.
    """

    def __init__(self, entries: Mapping[Key, Entry]) -> None:
        self._entries = entries
        self.keys: list[Key] = []
        self._labels = Followed(lambda entry: entry.labels)
        self._fields = Followed(lambda entry: entry.fields)

    def follow(self, key: Key, previous: Entry | None, entry: Entry | None) -> None:
        """Do after a change of one object; None where it was or is not there."""
        if previous is None:
            insort(self.keys, key)
        elif entry is None:
            del self.keys[bisect_left(self.keys, key)]
        self._labels.follow(key, previous, entry)
        self._fields.follow(key, previous, entry)

    def by_field(self, label: str) -> Mapping[str, list[Key]]:
        """The ordered keys by the value of a field label."""
        return self._fields.values(label, map(self._entries.__getitem__, self.keys))

    def narrowed(
        self,
        namespace: str = "",
        fields: Mapping[str, str] = _NOTHING,
        labels: Iterable[tuple[str, frozenset[str] | None]] = (),
        after: Key = BEGINNING,
    ) -> Span:
        """The smallest known part of the keys that holds all of what is asked for, and more.

        Args:
            namespace: "" for all.
            fields: what field labels must be.
            labels: which values labels may have; None for any, if only they are there.
            after: only what is behind this key.
        """
        namespace = namespace or fields.get("metadata.namespace", "")
        name = fields.get("metadata.name")
        if name is not None and (namespace or not self.keys or not self.keys[0][0]):
            key = (namespace, name)
            return span([key] if key in self._entries else [], after=after)
        best = span(self.keys, namespace, after)
        for label, value in fields.items():
            best = min(best, span(self.by_field(label).get(value, []), namespace, after), key=_size)
        made = False
        for label, wanted in labels:
            # of a selector with a thousand labels one gets its index: the next time another one
            if label not in self._labels:
                if made:
                    continue
                made = True
            found = self._labels.values(label, map(self._entries.__getitem__, self.keys))
            several = found.values() if wanted is None else [found[value] for value in wanted if value in found]
            if sum(map(len, several)) < _size(best) or len(several) == 1:
                parts = [span(keys, namespace, after) for keys in several]
                joined = parts[0] if len(parts) == 1 else span(sorted(chain(*(k[a:z] for k, a, z in parts))))
                best = min(best, joined, key=_size)
        return best
