"""The rolling update: section (c) of the contract. Pure: views in, a plan out; runs once placement has nothing left to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.placement import Plan, Pods

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pytest_daemonset.reference.views import Json, PodView


def limit(value: int | str | None, default: int, desired: int) -> int:
    """An int, or a percentage of the desired nodes rounded up (UPD-05)."""
    if value is None:
        return default
    if isinstance(value, str):
        return math.ceil(int(value.rstrip("%")) * desired / 100)
    return value


def limits(daemonset: Json, desired: int) -> tuple[int, int]:
    """(maxUnavailable, maxSurge) of a set for so many desired nodes; never both zero (UPD-22)."""
    rolling = (daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    unavailable = limit(rolling.get("maxUnavailable"), 1, desired)
    surge = limit(rolling.get("maxSurge"), 0, desired)
    return (unavailable or (0 if surge else 1), surge)


def rolls(daemonset: Json) -> bool:
    """Whether the strategy is RollingUpdate (the default)."""
    return ((daemonset["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate") == "RollingUpdate"


def surges(daemonset: Json) -> bool:
    """Whether a node may hold an old and a new pod at once."""
    return rolls(daemonset) and limits(daemonset, 1)[1] > 0


def without_surge(
    decisions: Mapping[str, Decision],
    pods: Mapping[str, Pods],
    revision: str,
    budget: int,
    available: Callable[[PodView], bool],
    admitted: Collection[str] | None = None,
) -> Plan:
    """Delete old pods: all that are unavailable (UPD-07), and as many others as the budget leaves (UPD-04, UPD-08).

    A node that is no longer desired takes nothing from the budget: it lacks no pod (KRU-09).

    Args:
        decisions: what each existing node is to the set; leftovers on vanished nodes are none of our business.
        pods: the owned pods by target node.
        revision: the hash of the current revision.
        budget: maxUnavailable as a number of nodes.
        available: whether a pod has been Ready long enough.
        admitted: the nodes that the rollout may reach; None for all. The others count for the budget all the same.
    """
    result, unavailable = Plan(), 0
    candidates: Pods = []
    for node, decision in decisions.items():
        new, old = _halves(pods.get(node, ()), revision)
        if len(new) + len(old) == 1 and old:
            lacking = not available(old[0])
            if admitted is None or node in admitted:
                (result.delete if lacking else candidates).append(old[0])
        else:
            lacking = len(new) + len(old) != 1 or not available(new[0])
        unavailable += lacking and decision is Decision.START
    result.delete += candidates[: max(0, budget - unavailable)]
    return result


def with_surge(
    decisions: Mapping[str, Decision],
    pods: Mapping[str, Pods],
    revision: str,
    slots: int,
    available: Callable[[PodView], bool],
    admitted: Collection[str] | None = None,
) -> Plan:
    """Create new pods beside old ones, and delete an old one once its successor is available (UPD-16 to UPD-19, UPD-21).

    Args:
        slots: maxSurge as a number of nodes; the others are those of `without_surge`.
    """
    result = Plan()
    candidates: list[str] = []
    retire: Pods = []
    serving, desired = 0, sum(decision is Decision.START for decision in decisions.values())
    for node, decision in decisions.items():
        new, old = _halves(pods.get(node, ()), revision)
        serving += any(map(available, old[:1] or new[:1]))
        if len(new) > 1 or len(old) > 1:
            slots -= 1
        elif old and new:
            if available(new[0]):
                result.delete.append(old[0])
            else:
                slots -= 1
        elif old and not new and admitted is not None and node not in admitted:
            continue
        elif old and decision is Decision.START:
            (candidates if available(old[0]) else result.create).append(node)
        elif old:
            (retire if available(old[0]) else result.delete).append(old[0])
    result.create += candidates[: max(0, slots)]
    result.delete += retire[: max(0, serving - desired)]
    return result


def _halves(there: Pods | tuple[()], revision: str) -> tuple[Pods, Pods]:
    staying = [pod for pod in there if not pod.terminating]
    return [p for p in staying if p.revision == revision], [p for p in staying if p.revision != revision]
