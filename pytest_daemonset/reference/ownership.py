"""Adoption and release: which pods and revisions a set claims, and the two patches that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pytest_daemonset.reference.caches import Ownable, Owners
from pytest_daemonset.reference.selectors import selects

if TYPE_CHECKING:
    from pytest_daemonset.reference.views import Json

T = TypeVar("T", bound=Ownable)


def to_release(daemonset: Json, owners: Owners[T]) -> list[T]:
    """What the set controls although its selector no longer matches (OWN-04)."""
    selector = daemonset["spec"]["selector"]
    return [thing for thing in owners.of(daemonset["metadata"]["uid"]) if not selects(selector, thing.labels)]


def to_adopt(daemonset: Json, owners: Owners[T]) -> list[T]:
    """What matches, in the set's namespace, is not terminating and has no controller (OWN-01, OWN-03)."""
    selector, namespace = daemonset["spec"]["selector"], daemonset["metadata"]["namespace"]
    return [thing for thing in owners.orphans(namespace) if not thing.terminating and selects(selector, thing.labels)]


def adoption(uid: str, owner: Json) -> dict[str, Any]:
    """The patch that adopts the object `uid`; the UID makes it fail for another object of that name."""
    return {"metadata": {"ownerReferences": [owner], "uid": uid}}


def release(uid: str, owner: str) -> dict[str, Any]:
    """The patch that takes the owner's reference off the object `uid`."""
    return {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": owner}], "uid": uid}}
