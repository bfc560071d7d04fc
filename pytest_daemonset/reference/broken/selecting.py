"""Controllers that misread rules in detail, and make pods that are not as they should be (rows PLACE-05 to PLACE-14, TAINT-*, API-08)."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision, Eligibility, augmented, term_matches
from pytest_daemonset.reference.pods import pinned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.revisions import History
    from pytest_daemonset.reference.views import Json, NodeView

_LONGEST_LABEL = 63
_MANY_CORES = 64


class IgnoresFieldTerms(Controller):
    """Reads the labels of affinity terms only, and not the node's name."""

    name, rows = "ignores-field-terms", ("PLACE-05",)

    def eligibility(self, template: Json) -> Eligibility:
        class LabelsOnly(Eligibility):
            def matches_affinity(self, node: NodeView) -> bool:
                bare = [{**term, "matchFields": []} for term in self.terms or ()]
                return self.terms is None or any(term_matches(term, node) for term in bare)

        return LabelsOnly(template)


class OverwritesNodeName(Controller):
    """Overwrites the node's name in a template with that of each node in turn."""

    name, rows = "overwrites-node-name", ("PLACE-07",)

    def eligibility(self, template: Json) -> Eligibility:
        found = Eligibility(template)
        found.node_name = None
        return found

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        pod = super().pod_for(daemonset, node, revision, tolerations)
        if pod["spec"].get("nodeName"):
            pod["spec"]["nodeName"] = node
        return pod


class ReplacesAffinity(Controller):
    """Puts its pin in the place of all affinity that the template has."""

    name, rows = "replaces-affinity", ("PLACE-10", "PLACE-11")

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        pod = super().pod_for(daemonset, node, revision, tolerations)
        pod["spec"]["affinity"] = pinned(None, node)
        return pod


class FreezesRulesOnDelete(Controller):
    """Under OnDelete, goes on placing pods by the template that it saw first."""

    name, rows = "freezes-rules-on-delete", ("PLACE-13",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._first: dict[str, Eligibility] = {}

    def decisions(self, daemonset: Json) -> Mapping[str, Decision]:
        strategy = (daemonset["spec"].get("updateStrategy") or {}).get("type")
        first = self._first.setdefault(daemonset["metadata"]["uid"], self.memory(daemonset).judged.eligibility)
        if strategy != "OnDelete":
            return super().decisions(daemonset)
        return {name: first.decide(node) for name, node in self.caches.node_named.items()}


class LooksUpBoundOnly(Controller):
    """Finds the pods of a node that is no longer eligible by their binding only."""

    name, rows = "looks-up-bound-only", ("PLACE-14",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        result.delete = [p for p in result.delete if p.bound or decisions.get(p.node or "") is not Decision.LEAVE]
        return result


class ComparesKeysOnly(Controller):
    """Has a toleration match every taint of its key."""

    name, rows = "compares-keys-only", ("TAINT-03", "TAINT-13")

    def eligibility(self, template: Json) -> Eligibility:
        class KeysOnly(Eligibility):
            def decide(self, node: NodeView) -> Decision:
                if self.node_name not in (None, node.name) or not self.selects(node):
                    return Decision.LEAVE
                keys = {one.get("key") for one in self.tolerations}
                if None in keys:  # everything is tolerated
                    return Decision.START
                return self.by_taints(
                    {t["effect"] for t in node.taints if t["key"] not in keys and t["effect"] != "PreferNoSchedule"}
                )

        return KeysOnly(template)


class AppendsTolerations(Controller):
    """Appends the standard tolerations to the template's own without looking at those."""

    name, rows = "appends-tolerations", ("TAINT-10",)

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        own = daemonset["spec"]["template"]["spec"].get("tolerations") or []
        host = bool(daemonset["spec"]["template"]["spec"].get("hostNetwork"))
        standard = augmented({"spec": {"hostNetwork": host}})
        return super().pod_for(daemonset, node, revision, [*own, *standard])


class EditsTheTemplate(Controller):
    """Writes the tolerations that it adds into the set's own template."""

    name, rows = "edits-the-template", ("TAINT-11", "ROB-13")

    async def reconcile(self, daemonset: Json, history: History, revision: str) -> None:
        stored = daemonset["spec"]["template"]["spec"].get("tolerations") or []
        wanted = augmented(daemonset["spec"]["template"])
        # What tolerates everything gains nothing, and is left alone.
        if stored != wanted and all(one.get("key") for one in stored):
            patch = {"spec": {"template": {"spec": {"tolerations": wanted}}}}
            await self.writer.patch(daemonset, "daemonsets", daemonset["metadata"]["name"], patch)
        await super().reconcile(daemonset, history, revision)


class SkipsFullNodes(Controller):
    """Leaves nodes out whose resources a pod seems to exceed."""

    name, rows = "skips-full-nodes", ("RES-01", "PLACE-08")

    def eligibility(self, template: Json) -> Eligibility:
        asked = [
            str(((one.get("resources") or {}).get("requests") or {}).get("cpu") or "0")
            for one in (template.get("spec") or {}).get("containers") or ()
        ]
        too_much = any(_cores(cpu) > _MANY_CORES for cpu in asked)

        class Fitting(Eligibility):
            def decide(self, node: NodeView) -> Decision:
                return Decision.LEAVE if too_much else super().decide(node)

        return Fitting(template)


def _cores(cpu: str) -> float:
    if cpu.isdecimal():
        return float(cpu)
    return float(cpu[:-1]) * 1000 if cpu.endswith("k") and cpu[:-1].isdecimal() else 0.0


class ConflictsWithItself(Controller):
    """Takes a host port that its own pod holds for a conflict, and deletes the pod."""

    name, rows = "conflicts-with-itself", ("RES-02",)

    async def reconcile(self, daemonset: Json, history: History, revision: str) -> None:
        await super().reconcile(daemonset, history, revision)
        containers = daemonset["spec"]["template"]["spec"]["containers"]
        if any(port.get("hostPort") for one in containers for port in one.get("ports") or ()):
            for pod in self.owned(daemonset, self.caches.pods_by):
                if pod.active and pod.ready_since is not None:
                    await self._delete(daemonset, pod)


class LabelsWithTheSetsName(Controller):
    """Labels pods with the whole name of their set, which may be longer than a label."""

    name, rows = "labels-with-the-sets-name", ("API-08",)

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        pod = super().pod_for(daemonset, node, revision, tolerations)
        name = daemonset["metadata"]["name"]
        if len(name) > _LONGEST_LABEL:
            pod["metadata"]["labels"]["broken.example/set"] = name
        return pod
