"""What some daemonset-like kinds offer beyond DaemonSet (section 9b of the contract): fields that a DaemonSet never has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.reference import batches
from pytest_daemonset.reference.selectors import selects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_daemonset.reference.placement import Pods
    from pytest_daemonset.reference.views import Json, NodeView


def _rolling(daemonset: Json) -> Json:
    return (daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}


def scaled(value: int | str | None, whole: int, default: int) -> int:
    """A number, or a percentage of the desired nodes, rounded down."""
    if value is None:
        return default
    return int(value.rstrip("%")) * whole // 100 if isinstance(value, str) else value


def paused(daemonset: Json) -> bool:
    """Whether rolling replacement is halted, and nothing else is (KRU-02)."""
    return bool(_rolling(daemonset).get("paused"))


def partition(daemonset: Json, desired: int) -> int:
    """How many nodes stay at the old revision (KRU-01)."""
    return min(max(scaled(_rolling(daemonset).get("partition"), desired, 0), 0), desired)


def restricts(daemonset: Json) -> bool:
    """Whether a rollout is for some of the nodes only."""
    rolling = _rolling(daemonset)
    return bool(rolling.get("partition")) or rolling.get("selector") is not None


def admitted(
    daemonset: Json,
    pods: Mapping[str, Pods],
    nodes: Mapping[str, NodeView],
    desired: Callable[[str], bool],
    revision: str,
) -> set[str]:
    """The nodes that a rollout may reach: those at the new revision, then those on their way, then the others by name.

    Args:
        daemonset: the set.
        pods: its pods by node.
        nodes: the nodes by name.
        desired: whether a node shall have a pod.
        revision: the hash of the current revision.
    """
    selector = _rolling(daemonset).get("selector")
    updated: list[str] = []
    updating: list[str] = []
    rest: list[str] = []
    names = sorted((name for name in nodes if desired(name)), reverse=True)
    for name in names:
        staying = [pod for pod in pods.get(name, ()) if not pod.terminating]
        if any(pod.revision == revision for pod in staying):
            updated.append(name)
        elif not staying:
            updating.append(name)
        elif selector is None or selects(selector, nodes[name].labels):
            rest.append(name)
    most = len(names) - partition(daemonset, len(names))
    return set([*updated, *updating, *rest][: max(0, most)])


def held_back(daemonset: Json, desired: int, served: int, wanted: list[str]) -> list[str]:
    """Of the nodes that want a pod, those that partitioned scaling lets have one, by name (KRU-06).

    Args:
        daemonset: the set.
        desired: how many nodes shall have a pod.
        served: how many have one of the current revision.
        wanted: the nodes that lack one.
    """
    if not (daemonset["spec"].get("scaleStrategy") or {}).get("partitionedScaling"):
        return wanted
    return sorted(wanted)[: max(0, desired - served - partition(daemonset, desired))]


def burst(daemonset: Json, desired: int) -> int:
    """How many creations, and how many deletions, one sync may start (KRU-07)."""
    return scaled(daemonset["spec"].get("burstReplicas"), desired, batches.BURST)
