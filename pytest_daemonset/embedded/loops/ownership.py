"""Who owns whom: the graph of owner references, kept up to date change by change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.embedded.store import Entry


class Owner(NamedTuple):
    """One owner reference."""

    api_version: str
    kind: str
    name: str
    uid: str
    blocks: bool


@dataclass(frozen=True)
class Known:
    """What the collector remembers of one object.

    Args:
        resource: as `Api` names it.
        deleting: it has a deletionTimestamp.
    """

    resource: str
    namespace: str
    name: str
    uid: str
    owners: tuple[Owner, ...]
    deleting: bool
    finalizers: tuple[str, ...]


def known(resource: str, entry: Entry) -> Known:
    """Read what the collector needs of an object."""
    owners = tuple(
        Owner(each["apiVersion"], each["kind"], each["name"], each["uid"], bool(each.get("blockOwnerDeletion")))
        for each in entry.owners or ()
    )
    return Known(resource, *entry.key, entry.uid, owners, entry.deleting, tuple(entry.finalizers or ()))


class Ownership:
    """What was put here by uid, and for each uid the objects that name it as an owner (whether it is here or not)."""

    def __init__(self) -> None:
        self._objects: dict[str, Known] = {}
        self._dependents: dict[str, dict[str, None]] = {}

    def get(self, uid: str) -> Known | None:
        """The object with this uid, or None."""
        return self._objects.get(uid)

    def put(self, new: Known) -> Known | None:
        """Remember an object; gives what was known of it before. Costs as much as it has owners."""
        old = self._objects.get(new.uid)
        if old is not None and old.owners != new.owners:
            self._unlink(old)
        self._objects[new.uid] = new
        for owner in new.owners:
            self._dependents.setdefault(owner.uid, {})[new.uid] = None
        return old

    def remove(self, uid: str) -> Known | None:
        """Forget an object that is gone; those that name it as an owner stay known as its dependents."""
        gone = self._objects.pop(uid, None)
        if gone is not None:
            self._unlink(gone)
        return gone

    def dependents(self, uid: str) -> Iterator[Known]:
        """The objects that name this uid as an owner, in the order in which they began to."""
        return (self._objects[each] for each in tuple(self._dependents.get(uid, ())))

    def _unlink(self, old: Known) -> None:
        for owner in old.owners:
            dependents = self._dependents.get(owner.uid)
            if dependents is not None:
                dependents.pop(old.uid, None)
                if not dependents:
                    del self._dependents[owner.uid]
