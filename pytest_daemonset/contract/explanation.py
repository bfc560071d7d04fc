"""Explanation: for every node whether a DaemonSet gives it a pod, and why; no cluster needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_daemonset.contract.eligibility import Decision, may_start, may_stay
from pytest_daemonset.errors import UsageError


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of one node.

    Args:
        node: its name.
        start: whether it gets a new pod.
        stay: whether a pod that runs there already may stay.
    """

    node: str
    start: Decision
    stay: Decision

    @property
    def text(self) -> str:
        """It in one sentence."""
        if self.start.truth:
            return f"{self.node} gets a pod: {self.start.because}"
        kept = "; a pod that is there already stays" if self.stay.truth else ""
        return f"{self.node} gets no pod: {self.start.because}{kept}"

    def __str__(self) -> str:
        return self.text


def explain(daemonset: Mapping[str, Any], nodes: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> list[Explanation]:
    """Explain for each node whether a DaemonSet gives it a pod, in the order of the nodes.

    Args:
        daemonset: the DaemonSet, as plain JSON; only its pod template counts.
        nodes: the nodes, as plain JSON: one by one, as the list that ``kubectl get nodes -o json`` prints, or one Node.

    Raises:
        UsageError: the DaemonSet has no pod template, or a node no name.
    """
    template = (daemonset.get("spec") or {}).get("template")
    if not isinstance(template, Mapping):
        raise UsageError("expected a DaemonSet with a pod template in spec.template; it has none: is it a DaemonSet?")
    told = []
    for place, node in enumerate(_each(nodes)):
        if not (isinstance(node, Mapping) and (node.get("metadata") or {}).get("name")):
            raise UsageError(
                f"expected nodes as `kubectl get nodes -o json` prints them; item {place} has no metadata.name: {node!r:.100}"
            )
        told.append(Explanation(node["metadata"]["name"], may_start(node, template), may_stay(node, template)))
    return told


def _each(nodes: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    if not isinstance(nodes, Mapping):
        return nodes
    items: Iterable[Mapping[str, Any]] = nodes.get("items", (nodes,))
    return items
