"""Controllers that ask, delete or write more than they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision, Eligibility, term_matches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.revisions import History
    from pytest_daemonset.reference.views import Json, NodeView


class PreferredIsRequired(Controller):
    """Takes preferred node affinity for required."""

    name, rows = "preferred-is-required", ("PLACE-08",)

    def eligibility(self, template: Json) -> Eligibility:
        affinity = ((template.get("spec") or {}).get("affinity") or {}).get("nodeAffinity") or {}
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()

        class Strict(Eligibility):
            def matches_affinity(self, node: NodeView) -> bool:
                return super().matches_affinity(node) and all(term_matches(p["preference"], node) for p in preferred)

        return Strict(template)


class ExactTolerations(Controller):
    """Wants a toleration to be equal to the taint: key, value and effect."""

    name, rows = "exact-tolerations", ("TAINT-02",)

    def eligibility(self, template: Json) -> Eligibility:
        class Exact(Eligibility):
            def decide(self, node: NodeView) -> Decision:
                if not self.selects(node):
                    return Decision.LEAVE
                told = [(t.get("key"), t.get("value") or "", t.get("effect")) for t in self.tolerations]
                taints = [taint for taint in node.taints if taint.get("effect") in ("NoSchedule", "NoExecute")]
                return self.by_taints(
                    {t["effect"] for t in taints if (t["key"], t.get("value") or "", t["effect"]) not in told}
                )

        return Exact(template)


class PrunesAll(Controller):
    """Deletes all pods of a crowded node, to start over."""

    name, rows = "prunes-all", ("AMO-04", "AMO-05")

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        for pods in there.values():
            active = [pod for pod in pods if pod.active]
            if len(active) > 1:
                result.delete += [pod for pod in active if pod not in result.delete]
        return result


class KeepsAFinalizer(Controller):
    """Puts a finalizer on every set, and never takes it off."""

    name, rows = "keeps-a-finalizer", ("GC-01", "GC-02")

    async def reconcile(self, daemonset: Json, history: History, revision: str) -> None:
        metadata = daemonset["metadata"]
        if not metadata.get("finalizers"):
            patch = {"metadata": {"finalizers": ["broken.example/kept"]}}
            await self.writer.patch(daemonset, "daemonsets", metadata["name"], patch)
        await super().reconcile(daemonset, history, revision)


class WritesTheSpec(Controller):
    """Writes into the spec of a set where it should write its status only."""

    name, rows = "writes-the-spec", ("API-05",)

    async def reconcile(self, daemonset: Json, history: History, revision: str) -> None:
        await super().reconcile(daemonset, history, revision)
        if daemonset["spec"].get("revisionHistoryLimit") == 10:
            patch = {"spec": {"revisionHistoryLimit": 9}}
            await self.writer.patch(daemonset, "daemonsets", daemonset["metadata"]["name"], patch)
