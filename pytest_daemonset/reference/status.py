"""The counters of a DaemonSet's status: nodes, not pods (STAT-01 to STAT-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.eligibility import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_daemonset.reference.placement import Pods
    from pytest_daemonset.reference.views import Json, PodView

_OMITTED_WHEN_ZERO = ("updatedNumberScheduled", "numberAvailable", "numberUnavailable")


def counters(
    decisions: Mapping[str, Decision], pods: Mapping[str, Pods], revision: str, available: Callable[[PodView], bool]
) -> dict[str, int]:
    """The counters that follow from the nodes and the owned pods by node.

    Each node counts by one pod, so that available <= ready <= current <= desired in every value: a running one before a
    terminal one, then by seniority (terminating ones included: they serve until they end).
    """
    count = dict.fromkeys(
        (
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
        ),
        0,
    )
    for node, decision in decisions.items():
        there = pods.get(node)
        if decision is not Decision.START:
            count["numberMisscheduled"] += bool(there)
            continue
        count["desiredNumberScheduled"] += 1
        if there:
            pod = there[0] if len(there) == 1 else min(there, key=lambda p: (p.terminal, p.seniority()))
            count["currentNumberScheduled"] += 1
            count["numberReady"] += pod.ready_since is not None
            count["numberAvailable"] += available(pod)
            count["updatedNumberScheduled"] += pod.revision == revision
    count["numberUnavailable"] = count["desiredNumberScheduled"] - count["numberAvailable"]
    return count


def changed(status: Json, count: Mapping[str, Any], generation: int) -> bool:
    """Whether writing these counters would change the stored status (STAT-06)."""
    return int(status.get("observedGeneration") or 0) != generation or any(
        (status.get(k) or type(n)()) != n for k, n in count.items()
    )


def merged(status: Json, count: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """The stored status with our counters in it; conditions and fields of others survive (STAT-08)."""
    result = {**status, **count, "observedGeneration": generation}
    for name in _OMITTED_WHEN_ZERO:
        if not result[name]:
            del result[name]
    return result
