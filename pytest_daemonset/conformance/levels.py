"""How the rows are sorted: by section of the contract, by level, by the feature that they need; and those not checked yet."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_daemonset.conformance.rows import ROWS, selected
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "PLACE": "Placement and eligibility",
        "TAINT": "Taints and tolerations",
        "NCOND": "Node conditions",
        "NODE": "Nodes joining and leaving",
        "AMO": "At most one pod per node",
        "FAIL": "Pod failure, recreation, back-off",
        "TERM": "Terminating pods and empty sets",
        "GC": "Deletion and garbage collection",
        "OWN": "Ownership: adoption, release, selectors",
        "UPD": "Update strategies",
        "KRU": "OpenKruise extensions",
        "REV": "Revisions, history, rollback",
        "STAT": "Status",
        "EVT": "Events",
        "RES": "Host ports and resources",
        "API": "API surface",
        "ROB": "The controller's own robustness",
    }
)
"""The sections of the contract, by the family of their rows, in its order."""

_OPTIONAL: Final = frozenset(
    (
        *(
            "PLACE-10",
            "PLACE-15",
            "TAINT-10",
            "NCOND-04",
            "NODE-06",
            "AMO-07",
            "FAIL-06",
            "FAIL-09",
            "FAIL-10",
            "TERM-04",
        ),
        *("GC-08", "OWN-02", "OWN-09", "OWN-12", "UPD-16", "UPD-17", "UPD-18", "UPD-19", "UPD-20", "UPD-21", "UPD-22"),
        *("REV-11", "REV-14", "EVT-01", "EVT-02", "EVT-03", "EVT-04", "RES-03", "API-01", "API-03", "API-04", "API-07"),
        *("API-08", "KRU-09", "ROB-01", "ROB-02", "ROB-13", "ROB-15"),
    )
)

FEATURES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "rolling-update": frozenset(f"UPD-{number:02}" for number in (*range(3, 16), 22))
        | {"REV-06", "TERM-03", "STAT-11", "KRU-09"},
        "on-delete": frozenset(("UPD-01", "UPD-02", "UPD-11", "PLACE-13", "STAT-03")),
        "surge": frozenset((*(f"UPD-{number}" for number in range(16, 22)), "AMO-06", "AMO-07", "FAIL-10")),
        "min-ready-seconds": frozenset(("UPD-12", "UPD-13", "STAT-10")),
        "history": frozenset((*(f"REV-{number:02}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12)), "OWN-12")),
        "adoption": frozenset(("OWN-01", "OWN-02", "OWN-04", "OWN-07", "OWN-08", "OWN-10", "OWN-11", "OWN-12")),
        "events": frozenset(("EVT-01", "EVT-02", "EVT-03", "EVT-04")),
        "validation": frozenset(("API-01", "API-02", "API-03", "API-04")),
        "partition": frozenset(("KRU-01", "KRU-06")),
        "pause": frozenset(("KRU-02",)),
        "update-selector": frozenset(("KRU-03",)),
        "partitioned-scaling": frozenset(("KRU-06",)),
        "burst": frozenset(("KRU-07",)),
        "status-hash": frozenset(("KRU-08",)),
    }
)
"""What a controller may declare that it does or does not offer, and the rows that are unsupported where it does not."""

EXTENSIONS: Final = frozenset(
    ("partition", "pause", "update-selector", "partitioned-scaling", "burst", "status-hash"),
)
"""The features that no DaemonSet has: offered only where a profile says so."""

LATER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "KRU-04": "needs a kubelet that restarts a container when its image changes",
        "KRU-05": "needs the life-cycle hooks of OpenKruise, which hold pods by its own labels",
        "PLACE-15": "needs an API server that reads the namespace's node selector",
        "REV-14": "is an old habit of the built-in controller, never to be asked of others",
    }
)
"""Rows of the contract that the suite does not check yet, and why."""

LATER_ROWS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "KRU-04": "an image changes in place, and anything else recreates the pod",
        "KRU-05": "a hook before deletion holds a pod, one at a time within the budget",
        "PLACE-15": "a namespace's default node selector restricts the eligible nodes further",
        "REV-14": "a pod counts as current by its legacy generation label, too",
    }
)
"""What the rows that are not checked yet promise."""

LEVELS: Final = ("core", "all")


def section_of(row: str) -> str:
    """The title of the section that a row belongs to."""
    return SECTIONS[row.rpartition("-")[0]]


def level_of(row: str) -> str:
    """``core`` for what every controller has to keep, ``optional`` for the rest."""
    return "optional" if row in _OPTIONAL or row.startswith("KRU-") else "core"


def feature_of(row: str, declared: Mapping[str, bool]) -> str | None:
    """The feature that a row needs and that is declared not to be there; None if there is none.

    Args:
        row: its id.
        declared: by feature, whether the controller offers it; see `offered`.
    """
    return next((name for name, rows in FEATURES.items() if row in rows and not offered(name, declared)), None)


def offered(feature: str, declared: Mapping[str, bool]) -> bool:
    """Whether a controller offers a feature: as declared, else yes for what every DaemonSet has, and no for `EXTENSIONS`."""
    return declared.get(feature, feature not in EXTENSIONS)


def at_level(level: str) -> frozenset[str]:
    """The ids of the rows of a level.

    Args:
        level: one of `LEVELS`.
    """
    return frozenset(row for row in ROWS if level == "all" or level_of(row) == "core")


def chosen(rows: str | None, level: str) -> frozenset[str]:
    """The ids of the rows that a run must judge.

    Args:
        rows: ids or prefixes, as for `selected`.
        level: one of `LEVELS`.

    Raises:
        UsageError: a part that fits no row, or nothing that is left.
    """
    left = selected(rows) & at_level(level)
    if not left:
        raise UsageError(f"--rows {rows} --level {level}: no row is left; see --list")
    return left
