"""ControllerRevisions: what a set's template was, as data that brings it back, and under which hash its pods carry it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.reference.views import HASH_LABEL, Json, controller_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class RevisionView:
    """A ControllerRevision, with the object itself: renumbering it writes all of it."""

    uid: str
    namespace: str
    name: str
    labels: Json
    owner: str | None
    terminating: bool
    number: int
    object: Json

    @classmethod
    def of(cls, revision: Json) -> RevisionView:
        """The view of a ControllerRevision object."""
        metadata = revision["metadata"]
        return cls(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            labels=metadata.get("labels") or {},
            owner=controller_of(revision),
            terminating="deletionTimestamp" in metadata,
            number=int(revision.get("revision") or 0),
            object=revision,
        )

    @property
    def hash(self) -> str:
        """What the pods made from it carry."""
        return self.labels.get(HASH_LABEL) or self.name


def data_of(daemonset: Json) -> dict[str, Any]:
    """The revision data of a set: a patch that replaces the template (REV-04). Nothing else of the spec counts (UPD-09)."""
    return {"spec": {"template": {**daemonset["spec"]["template"], "$patch": "replace"}}}


def hash_of(data: Json, collisions: int) -> str:
    """A short name for revision data: the same in every process and for every set that has this template (REV-13, OWN-10).

    Args:
        data: the revision data.
        collisions: the set's collisionCount, which changes the name after a clash (REV-11).
    """
    digest = hashlib.sha256(
        orjson.dumps(data, option=orjson.OPT_SORT_KEYS) + (b"%d" % collisions if collisions else b"")
    ).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def revision_for(daemonset: Json, data: Json, number: int, owner: Json) -> dict[str, Any]:
    """The ControllerRevision that records the set's template.

    Args:
        daemonset: the set.
        data: its revision data.
        number: above all others.
        owner: its owner reference.
    """
    metadata = daemonset["metadata"]
    name = hash_of(data, int((daemonset.get("status") or {}).get("collisionCount") or 0))
    labels = (daemonset["spec"]["template"].get("metadata") or {}).get("labels") or {}
    recorded: dict[str, Any] = {
        "name": f"{metadata['name'][: _LONGEST_NAME - len(name) - 1]}-{name}",
        "namespace": metadata["namespace"],
        "labels": {**labels, HASH_LABEL: name},
        "ownerReferences": [owner],
    }
    if metadata.get("annotations"):
        recorded["annotations"] = metadata["annotations"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": recorded,
        "data": data,
        "revision": number,
    }


@dataclass(frozen=True)
class History:
    """A set's own revisions, sorted by what they are to its current template.

    Args:
        current: the one that records it, None if there is none yet; of several, the highest number (REV-10).
        twins: further ones with the same data.
        others: those of other templates, lowest number first.
    """

    current: RevisionView | None
    twins: list[RevisionView]
    others: list[RevisionView]

    @classmethod
    def of(cls, revisions: Iterable[RevisionView], data: Json) -> History:
        """Sort a set's revisions by its current revision data; data is compared as JSON, not as bytes."""
        ordered = sorted(revisions, key=lambda r: (r.number, r.name))
        same = [r for r in ordered if r.object.get("data") == data]
        return cls(same[-1] if same else None, same[:-1], [r for r in ordered if r.object.get("data") != data])

    @property
    def next_number(self) -> int:
        """A number above those of all other templates."""
        return 1 + max((r.number for r in self.others), default=0)

    def to_update(self) -> dict[str, Any] | None:
        """The current revision as it should be stored, or None if it is stored so: numbered on top (REV-05), with its hash."""
        if self.current is None or (self.current.number >= self.next_number and HASH_LABEL in self.current.labels):
            return None
        metadata = {**self.current.object["metadata"], "labels": {**self.current.labels, HASH_LABEL: self.current.hash}}
        return {**self.current.object, "metadata": metadata, "revision": max(self.current.number, self.next_number)}

    def expired(self, limit: int, live: Collection[str | None]) -> list[RevisionView]:
        """The revisions to delete: beyond the limit, lowest number first, none that a pod still carries (REV-07, REV-08).

        Args:
            limit: how many old ones may stay; 0 is legal (REV-09).
            live: the hashes of all owned pods, terminating and terminal ones included.
        """
        surplus = len(self.others) - limit
        return [r for r in self.others if r.hash not in live][: max(0, surplus)]
