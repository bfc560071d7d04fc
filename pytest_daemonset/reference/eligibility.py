"""Which nodes a template's pods may start on and stay on: section (b) of the contract."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_daemonset.reference.views import Json, NodeView

_STANDARD = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class Decision(Enum):
    """What a node is to a DaemonSet."""

    START = "may start"
    """A new pod may start there, and one that is there may stay."""
    STAY = "may stay"
    """A pod that is there may stay, but none may start: a NoSchedule taint."""
    LEAVE = "may not stay"
    """No pod may be there."""


def augmented(template: Json) -> list[dict[str, Any]]:
    """The template's tolerations with the standard ones merged in, as section (a) says: a like one becomes unlimited in place."""
    spec = template.get("spec") or {}
    wanted = [*_STANDARD, _HOST_NETWORK] if spec.get("hostNetwork") else list(_STANDARD)
    standard = {_identity(t): t for t in ({"key": k, "operator": "Exists", "effect": e} for k, e in wanted)}
    own = spec.get("tolerations") or ()
    kept = [dict(standard.get(_identity(toleration), toleration)) for toleration in own]
    return kept + [toleration for like, toleration in standard.items() if like not in set(map(_identity, own))]


def _identity(toleration: Json) -> tuple[str, str, str, str]:
    return (
        toleration.get("key") or "",
        toleration.get("effect") or "",
        toleration.get("operator") or "Equal",
        toleration.get("value") or "",
    )


def tolerates(toleration: Json, taint: Json) -> bool:
    """Whether one toleration covers one taint; an operator that is neither Exists nor Equal covers none (TAINT-03)."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and (toleration.get("value") or "") == (taint.get("value") or "")


def untolerated(taints: Iterable[Json], tolerations: Sequence[Json]) -> set[str]:
    """The effects, of NoSchedule and NoExecute, of those taints that no toleration covers."""
    return {
        taint["effect"]
        for taint in taints
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not any(tolerates(t, taint) for t in tolerations)
    }


def requirement_matches(requirement: Json, values: Mapping[str, str]) -> bool:
    """Whether one node selector requirement holds for labels (or fields); one that cannot be parsed does not."""
    key, operator, wanted = requirement.get("key") or "", requirement.get("operator"), requirement.get("values") or []
    present, value = key in values, values.get(key, "")
    if operator == "In":
        return present and value in wanted
    if operator == "NotIn":
        return bool(wanted) and not (present and value in wanted)
    if operator == "Exists":
        return present and not wanted
    if operator == "DoesNotExist":
        return not present and not wanted
    if operator in ("Gt", "Lt") and len(wanted) == 1 and _INTEGER.fullmatch(value) and _INTEGER.fullmatch(wanted[0]):
        return int(value) > int(wanted[0]) if operator == "Gt" else int(value) < int(wanted[0])
    return False


def term_matches(term: Json, node: NodeView) -> bool:
    """Whether one node selector term matches; an empty one matches nothing (PLACE-04)."""
    labels, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not labels and not fields:
        return False
    return all(requirement_matches(r, node.labels) for r in labels) and all(
        r.get("operator") in ("In", "NotIn")
        and len(r.get("values") or ()) == 1
        and requirement_matches(r, {"metadata.name": node.name})
        for r in fields
    )


class Eligibility:
    """A template's answer for any node.

    Args:
        template: the DaemonSet's current pod template.
        tolerations: those to judge by; by default the augmented ones (TAINT-12).
    """

    def __init__(self, template: Json, tolerations: Sequence[Json] | None = None) -> None:
        spec = template.get("spec") or {}
        self.tolerations = augmented(template) if tolerations is None else tolerations
        self.node_name: str | None = spec.get("nodeName") or None
        self.node_selector: dict[str, str] = spec.get("nodeSelector") or {}
        affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        self.terms: list[Json] | None = None if required is None else list(required.get("nodeSelectorTerms") or ())

    def decide(self, node: NodeView) -> Decision:
        """What this node is to the template's pods."""
        if self.node_name not in (None, node.name) or not self.selects(node):
            return Decision.LEAVE
        return self.by_taints(untolerated(node.taints, self.tolerations))

    def selects(self, node: NodeView) -> bool:
        """Whether nodeSelector and required node affinity both match (PLACE-06)."""
        return self.matches_selector(node) and self.matches_affinity(node)

    def matches_selector(self, node: NodeView) -> bool:
        """Whether the node carries every pair of the nodeSelector (PLACE-03)."""
        return all(node.labels.get(key) == value for key, value in self.node_selector.items())

    def matches_affinity(self, node: NodeView) -> bool:
        """Whether any term of the required node affinity matches, if there is one."""
        return self.terms is None or any(term_matches(term, node) for term in self.terms)

    def by_taints(self, effects: set[str]) -> Decision:
        """What the untolerated effects leave of a node that is selected."""
        if "NoExecute" in effects:
            return Decision.LEAVE
        return Decision.STAY if effects else Decision.START


class Judged:
    """An `Eligibility` that remembers its answers for as long as the node's view is the same object.

    Args:
        eligibility: who decides.
    """

    def __init__(self, eligibility: Eligibility) -> None:
        self.eligibility = eligibility
        self._known: dict[str, tuple[NodeView, Decision]] = {}

    def of(self, node: NodeView) -> Decision:
        """What this node is to the template's pods."""
        known = self._known.get(node.name)
        if known is not None and known[0] is node:
            return known[1]
        decision = self.eligibility.decide(node)
        self._known[node.name] = (node, decision)
        return decision

    def forget(self, name: str) -> None:
        """The node is gone."""
        self._known.pop(name, None)
