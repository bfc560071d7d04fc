"""Creation: which event shows that a pod was made for a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.contract.events import ADDED, POD
from pytest_daemonset.contract.views import Pod

if TYPE_CHECKING:
    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.state import Change, Subject


def created(event: Event, change: Change, subject: Subject) -> Pod | None:
    """The pod of the set that an event shows to be created for its target node; None if it shows no such thing.

    That is the pod's first event, or, for one created without a target, the event that gives it one. Adoption creates
    nothing, nor does a pod that is listed again.
    """
    before, after = change.before, change.after
    if event.kind != POD or not isinstance(after, Pod) or after.owner != subject.uid or after.target is None:
        return None
    if before is None:
        return after if event.type == ADDED else None
    unplaced = isinstance(before, Pod) and before.owner == subject.uid and before.target is None
    return after if unplaced else None
