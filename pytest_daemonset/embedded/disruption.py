"""How many pods of a PodDisruptionBudget may go: its status, from the pods as they are (kubernetes/pkg/controller/disruption)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.kinds.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.embedded.calls import Served
    from pytest_daemonset.embedded.store import Entry

Object = dict[str, Any]

BUDGETS = "poddisruptionbudgets.policy"


def is_ready(pod: Object) -> bool:
    """Whether a pod's condition Ready holds."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _covered(budget: Object, labels: Mapping[str, str]) -> bool:
    selector = budget["spec"].get("selector")
    return selector is not None and matches(selector, dict(labels))


def _scaled(value: int | str, expected: int) -> int:
    return math.ceil(int(value.rstrip("%")) * expected / 100) if isinstance(value, str) else value


def status_of(budget: Object, pods: Iterable[Entry]) -> Object:
    """What the status of a budget should say.

    Percentages and `maxUnavailable` count from the pods that are there: who owns them is not asked.
    """
    covered = [pod.object for pod in pods if _covered(budget, pod.labels)]
    expected, spec = len(covered), budget["spec"]
    healthy = sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in covered)
    if "maxUnavailable" in spec:
        desired = max(0, expected - _scaled(spec["maxUnavailable"], expected))
    else:
        desired = _scaled(spec.get("minAvailable", 1), expected)
    return {
        **budget["status"],
        "observedGeneration": budget["metadata"].get("generation", 0),
        "disruptionsAllowed": max(0, healthy - desired),
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }


def check(pod: Object, pods: Served, budgets: Served | None) -> None:
    """Refuse an eviction that a budget does not allow (kubernetes/pkg/registry/core/pod/storage/eviction.go).

    Raises:
        StatusError: 429 with the budget as cause; 500 for a pod with two budgets.
    """
    meta = pod["metadata"]
    phase = pod.get("status", {}).get("phase")
    if budgets is None or "deletionTimestamp" in meta or phase in {"Succeeded", "Failed", "Pending"}:
        return
    namespace = meta["namespace"]
    found = [entry.object for entry in budgets.table.within(namespace)]
    found = [budget for budget in found if _covered(budget, meta.get("labels") or {})]
    if not found:
        return
    if len(found) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise statuses.StatusError(500, "", text)
    budget = found[0]
    status = status_of(budget, pods.table.within(namespace))
    if not is_ready(pod):
        if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return
        if status["desiredHealthy"] > 0 and status["currentHealthy"] >= status["desiredHealthy"]:
            return
    if status["disruptionsAllowed"] <= 0:
        name, desired, healthy = budget["metadata"]["name"], status["desiredHealthy"], status["currentHealthy"]
        text = f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        raise statuses.too_many_requests(
            "Cannot evict pod as it would violate the pod's disruption budget.", "DisruptionBudget", text
        )
