"""The managers of an object's fields: read from managedFields, changed by writes, written back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.apply import fieldsets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.embedded.apply.fieldsets import Difference, Paths
    from pytest_daemonset.embedded.apply.shapes import Node

Object = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
BEFORE = "before-first-apply"


class Writer(NamedTuple):
    """Who writes, as managedFields tells managers apart."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True)
class _Share:
    paths: Paths
    time: str


class Managers:
    """Who owns which fields of one object."""

    def __init__(self, entries: Iterable[Object] = ()) -> None:
        self._shares: dict[Writer, _Share] = {}
        for each in entries:
            writer = Writer(
                each.get("manager", ""),
                each.get("operation", ""),
                each.get("apiVersion", ""),
                each.get("subresource", ""),
            )
            self._shares[writer] = _Share(fieldsets.decode(each.get("fieldsV1")), each.get("time", ""))

    def __bool__(self) -> bool:
        return bool(self._shares)

    def entries(self) -> list[Object]:
        """As `metadata.managedFields`: those that apply before those that update, each in the order of their times."""
        order = sorted(self._shares.items(), key=lambda item: (item[0].operation, item[1].time, item[0].name))
        return [_entry(writer, share) for writer, share in order]

    def of(self, writer: Writer) -> Paths:
        """The fields of one manager."""
        share = self._shares.get(writer)
        return set() if share is None else share.paths

    def others(self, writer: Writer) -> list[tuple[Writer, Paths]]:
        """The other managers and their fields."""
        return [(each, share.paths) for each, share in self._shares.items() if each != writer]

    def owned(self) -> Paths:
        """All fields that somebody owns."""
        return set().union(*(share.paths for share in self._shares.values()))

    def give(self, writer: Writer, paths: Paths, time: str) -> None:
        """Let these, and no others, be the fields of a manager; its time stays if they are the same as before."""
        share = self._shares.get(writer)
        if not paths:
            self._shares.pop(writer, None)
        elif share is None or share.paths != paths:
            self._shares[writer] = _Share(paths, time)

    def take(self, paths: Paths, writer: Writer) -> None:
        """Take fields away from everybody but one manager."""
        for other, share in list(self._shares.items()):
            if other != writer and not share.paths.isdisjoint(paths):
                left = share.paths - paths
                if left:
                    self._shares[other] = replace(share, paths=left)
                else:
                    del self._shares[other]

    def update(self, writer: Writer, found: Difference, time: str) -> None:
        """What a write that is no apply does: the writer owns what it changed, and nobody owns what is gone."""
        changed = found.added | found.modified
        self.take(changed | found.removed, writer)
        if changed or found.removed:
            self.give(writer, (self.of(writer) | changed) - found.removed, time)

    def follow(self, node: Node, old: Object, new: Object, writer: Writer, time: str) -> None:
        """Do `update` for the step from one state to the next."""
        self.update(writer, fieldsets.difference(node, old, new), time)


def _entry(writer: Writer, share: _Share) -> Object:
    entry = {
        "manager": writer.name,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        **({"time": share.time} if share.time else {}),
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.encode(share.paths),
    }
    if writer.subresource:
        entry["subresource"] = writer.subresource
    return entry
