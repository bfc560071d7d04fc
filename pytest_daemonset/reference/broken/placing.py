"""Controllers that put pods on the wrong nodes, or the wrong number of them."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision, Eligibility, term_matches
from pytest_daemonset.reference.views import Json, NodeView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.reference.placement import Plan, Pods, Rules


class TwoPodsPerNode(Controller):
    """Keeps two pods on every node."""

    name, rows = "two-pods-per-node", ("AMO-01", "PLACE-01")

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, {node: pods[:1] for node, pods in there.items()}, rules)
        for node, decision in decisions.items():
            active = [pod for pod in there.get(node, ()) if pod.active]
            if decision is Decision.START and len(active) < 2 and node not in result.create:
                result.create.append(node)
        result.create += [node for node in result.create if node not in there]
        return result


class CountsReplicas(Controller):
    """Treats the number of nodes as a number of replicas: right in sum, wrong node by node."""

    name, rows = "counts-replicas", ("PLACE-01", "AMO-01")

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, {node: pods[:1] for node, pods in there.items()}, rules)
        nodes = sorted(node for node, decision in decisions.items() if decision is Decision.START)
        missing = len(nodes) - sum(pod.active for pods in there.values() for pod in pods)
        result.create = (nodes[: (len(nodes) + 1) // 2] * 2)[: max(0, missing)]
        return result


class AnyLabel(Controller):
    """Takes a node that has any of the nodeSelector's labels for one that has all."""

    name, rows = "any-label", ("PLACE-03",)

    def eligibility(self, template: Json) -> Eligibility:
        class AnyPair(Eligibility):
            def matches_selector(self, node: NodeView) -> bool:
                return not self.node_selector or any(node.labels.get(k) == v for k, v in self.node_selector.items())

        return AnyPair(template)


class OrSelectorAndAffinity(Controller):
    """Is content with a node that satisfies nodeSelector or required affinity where both are asked for."""

    name, rows = "or-selector-and-affinity", ("PLACE-06",)

    def eligibility(self, template: Json) -> Eligibility:
        class Or(Eligibility):
            def selects(self, node: NodeView) -> bool:
                if not self.node_selector or self.terms is None:
                    return super().selects(node)
                return self.matches_selector(node) or self.matches_affinity(node)

        return Or(template)


class AndsAffinityTerms(Controller):
    """Wants every term of the required node affinity to match instead of any."""

    name, rows = "ands-affinity-terms", ("PLACE-04",)

    def eligibility(self, template: Json) -> Eligibility:
        class And(Eligibility):
            def matches_affinity(self, node: NodeView) -> bool:
                return self.terms is None or all(term_matches(term, node) for term in self.terms)

        return And(template)


class IgnoresTaints(Controller):
    """Does not look at taints at all."""

    name, rows = "ignores-taints", ("TAINT-01", "TAINT-05", "TAINT-13")

    def eligibility(self, template: Json) -> Eligibility:
        class Blind(Eligibility):
            def by_taints(self, effects: set[str]) -> Decision:
                return Decision.START

        return Blind(template)


class DrainsNoSchedule(Controller):
    """Uses one predicate for "may start" and "may stay": a NoSchedule taint drives running pods away."""

    name, rows = "drains-no-schedule", ("TAINT-04", "TAINT-07")

    def eligibility(self, template: Json) -> Eligibility:
        class One(Eligibility):
            def by_taints(self, effects: set[str]) -> Decision:
                return Decision.LEAVE if effects else Decision.START

        return One(template)


class KeepsNoExecute(Controller):
    """Leaves pods on nodes with an untolerated NoExecute taint to somebody else."""

    name, rows = "keeps-no-execute", ("TAINT-05",)

    def eligibility(self, template: Json) -> Eligibility:
        class Lazy(Eligibility):
            def by_taints(self, effects: set[str]) -> Decision:
                return Decision.STAY if effects else Decision.START

        return Lazy(template)


class ForgetsTolerations(Controller):
    """Puts only the template's own tolerations on the pods."""

    name, rows = "forgets-tolerations", ("TAINT-08", "TAINT-09")

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        own = daemonset["spec"]["template"]["spec"].get("tolerations") or ()
        return super().pod_for(daemonset, node, revision, own)


class SkipsNotReady(Controller):
    """Wants no pod on a node whose Ready condition is not True, and drains it."""

    name, rows = "skips-not-ready", ("NCOND-01", "NCOND-03")

    def node_view(self, node: Json) -> NodeView:
        view = super().node_view(node)
        conditions = (node.get("status") or {}).get("conditions") or ()
        if all(c.get("status") == "True" for c in conditions if c.get("type") == "Ready"):
            return view
        return _tainted(view, "not-ready", "NoExecute")


class FiltersCordoned(Controller):
    """Starts no pod on a node that is marked unschedulable."""

    name, rows = "filters-cordoned", ("NCOND-02", "TAINT-12", "NODE-06")

    def node_view(self, node: Json) -> NodeView:
        view = super().node_view(node)
        return _tainted(view, "cordoned", "NoSchedule") if (node.get("spec") or {}).get("unschedulable") else view


def _tainted(view: NodeView, why: str, effect: str) -> NodeView:
    # A taint that no template tolerates says "not here" in the one language that placement understands.
    taint = {"key": f"broken.example/{why}", "value": "unlikely", "effect": effect}
    return NodeView(view.name, view.uid, view.labels, (*view.taints, taint))


class Unpinned(Controller):
    """Creates pods without saying for which node, and counts on the scheduler to spread them."""

    name, rows = "unpinned", ("PLACE-09",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, {node: pods[:1] for node, pods in there.items()}, rules)
        desired = sum(decision is Decision.START for decision in decisions.values())
        result.create = result.create[: max(0, desired - self._made)]
        return result

    def owned(self, daemonset: Json, owners: Any) -> Pods:
        mine = super().owned(daemonset, owners)
        self._made = sum(pod.active for pod in mine)
        return mine

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        pod = super().pod_for(daemonset, node, revision, tolerations)
        pod["spec"]["affinity"] = daemonset["spec"]["template"]["spec"].get("affinity") or {}
        return pod


class DropsTemplateAnnotations(Controller):
    """Makes pods without the template's annotations."""

    name, rows = "drops-template-annotations", ("PLACE-11",)

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        pod = super().pod_for(daemonset, node, revision, tolerations)
        pod["metadata"].pop("annotations", None)
        return pod
