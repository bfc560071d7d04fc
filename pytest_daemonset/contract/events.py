"""What was seen to happen: one event of one watched kind, as every floor passes it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NODE: Final = "Node"
POD: Final = "Pod"
DAEMONSET: Final = "DaemonSet"
REVISION: Final = "ControllerRevision"

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"


@dataclass(frozen=True, slots=True)
class Event:
    """One watch event.

    Args:
        kind: "Node", "Pod", "DaemonSet" or "ControllerRevision"; "DaemonSet" stands for the daemonset-like kind under
            test, whatever its API group is called.
        type: "ADDED", "MODIFIED" or "DELETED"; what a list brings counts as ADDED, what a later one misses as
            DELETED.
        object: the object as plain JSON; never changed afterwards.
        rv: its resourceVersion as a number.
        at: when it was seen, in unix seconds.
    """

    kind: str
    type: str
    object: Mapping[str, Any]
    rv: int
    at: float
