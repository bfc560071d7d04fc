"""Eligibility: which nodes a pod of a template may start on, and which it may stay on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_daemonset.contract.node_selection import affinity_fault, affinity_match, selector_fault
from pytest_daemonset.contract.tolerations import expected_tolerations, show_taint, tolerates
from pytest_daemonset.contract.views import KEEPS_PODS_AWAY, Node

Template: TypeAlias = Mapping[str, Any]

RULES = ("node name", "node selector", "node affinity", "taints")
"""What can decide, in the order of section (b) of the contract."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a node may start, or keep, a pod of a template.

    Args:
        truth: the decision.
        node: the node's name.
        verb: "start" or "keep".
        rule: what decided, one of `RULES`.
        because: the cause, as a clause that names the taint, label, affinity term or node name at fault.
    """

    truth: bool
    node: str
    verb: str
    rule: str
    because: str

    @property
    def reason(self) -> str:
        """The decision and its cause as a sentence."""
        return f"{self.node} {'may' if self.truth else 'may not'} {self.verb} a pod: {self.because}"

    def __bool__(self) -> bool:
        return self.truth

    def __str__(self) -> str:
        return self.reason


def may_start(node: Node | Mapping[str, Any], template: Template) -> Decision:
    """Whether a new pod of a template may start on a node (contract section (b)).

    What runs there, free resources, ports, node conditions and the cordon flag play no part.

    Args:
        node: a node, as a view or as plain JSON.
        template: a pod template: its `spec` counts, with the tolerations of section (a) added.
    """
    return _decide(_view(node), template, "start")


def may_stay(node: Node | Mapping[str, Any], template: Template) -> Decision:
    """Whether a pod that is on a node may stay, judged by the present template: NoSchedule taints drive nobody out.

    Arguments: as for `may_start`.
    """
    return _decide(_view(node), template, "keep")


def _view(node: Node | Mapping[str, Any]) -> Node:
    return node if isinstance(node, Node) else Node(node)


def _decide(node: Node, template: Template, verb: str) -> Decision:
    spec = template.get("spec") or {}
    matched = []

    named = spec.get("nodeName")
    if named and named != node.name:
        return Decision(False, node.name, verb, "node name", f"the template names node {named}")
    if named:
        matched.append("the template names it")

    selector = spec.get("nodeSelector") or {}
    if (fault := selector_fault(node, selector)) is not None:
        return Decision(False, node.name, verb, "node selector", fault)
    if selector:
        matched.append(f"node selector {','.join(f'{key}={value}' for key, value in selector.items())} matches")

    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity is not None:
        if (fault := affinity_fault(node, affinity)) is not None:
            return Decision(False, node.name, verb, "node affinity", fault)
        matched.append(affinity_match(node, affinity))

    tolerations = expected_tolerations(template)
    keeping_away = [taint for taint in node.taints if taint.get("effect") in KEEPS_PODS_AWAY]
    untolerated = [taint for taint in keeping_away if not tolerates(tolerations, taint)]
    at_fault = [taint for taint in untolerated if verb == "start" or taint["effect"] == "NoExecute"]
    if at_fault:
        shown = ", ".join(map(show_taint, at_fault))
        return Decision(False, node.name, verb, "taints", f"no toleration matches its taint {shown}")
    if untolerated:
        shown = ", ".join(map(show_taint, untolerated))
        matched.insert(0, f"its untolerated taint {shown} only keeps new pods away")
    else:
        matched.insert(0, "no untolerated taint")
    return Decision(True, node.name, verb, "taints", ", ".join(matched))
