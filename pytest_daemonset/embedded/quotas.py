"""ResourceQuotas on the number of pods: what is used, and the refusal of one too many (kubernetes, plugin/pkg/admission/resourcequota)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.kinds import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.embedded.calls import Call, Served

Object = dict[str, Any]

QUOTAS = "resourcequotas"
COUNTED = ("count/pods", "pods")
_ENDED = ("Succeeded", "Failed")


def used(pods: Served, namespace: str) -> dict[str, int]:
    """How many pods a namespace has: all objects, and those that have not ended."""
    phases = [entry.fields.get("status.phase") for entry in pods.table.within(namespace)]
    return {"count/pods": len(phases), "pods": sum(phase not in _ENDED for phase in phases)}


def counts(quota: Object) -> list[str]:
    """What of a quota is counted here; one with scopes counts nothing."""
    spec = quota["spec"]
    if spec.get("scopes") or spec.get("scopeSelector"):
        return []
    return [name for name in COUNTED if name in (spec.get("hard") or {})]


def admit(call: Call, name: str, served: Mapping[str, Served]) -> None:
    """Refuse a new pod that a quota of its namespace has no room for.

    Raises:
        StatusError: 403.
    """
    if call.served.name != "pods" or QUOTAS not in served:
        return
    if not served[QUOTAS].table.holds(call.namespace):
        return
    amounts = used(call.served, call.namespace)
    for entry in served[QUOTAS].table.within(call.namespace):
        quota = entry.object
        hard = quota["spec"].get("hard") or {}
        over = [each for each in counts(quota) if amounts[each] + 1 > (quantity.value(hard[each]) or 0)]
        if over:
            asked, taken, limits = (
                ",".join(f"{each}={value(each)}" for each in over)
                for value in (lambda _: 1, amounts.__getitem__, hard.__getitem__)
            )
            why = f"exceeded quota: {entry.key[1]}, requested: {asked}, used: {taken}, limited: {limits}"
            raise statuses.forbidden("", "pods", name, why)
