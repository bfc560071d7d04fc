"""Controllers that write too much, too little, or where they should not (rows NCOND-04, RES-03, ROB-13, STAT-03, STAT-08, STAT-09)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.views import NodeView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.eligibility import Decision
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json, PodView


class _Restless(Controller):
    """Writes the status of all sets whenever `stir` is called."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._stirred: set[str] = set()

    def stir(self) -> None:
        """All sets are to be looked at, and written."""
        for uid in self.caches.daemonsets.items:
            self._stirred.add(uid)
            self.wake(uid)

    def status_changed(self, daemonset: Json, count: Mapping[str, int]) -> bool:
        uid = daemonset["metadata"]["uid"]
        stirred = uid in self._stirred
        self._stirred.discard(uid)
        return stirred or super().status_changed(daemonset, count)


class WritesAtEachHeartbeat(_Restless):
    """Writes the status of every set whenever anything of a node changes."""

    name, rows = "writes-at-each-heartbeat", ("NCOND-04",)

    def node_view(self, node: Json) -> NodeView:
        view = super().node_view(node)
        beat = {**view.labels, "broken.example/beat": node["metadata"]["resourceVersion"]}
        return NodeView(view.name, view.uid, beat, view.taints)

    def on_node(self, before: NodeView | None, after: NodeView | None) -> None:
        super().on_node(before, after)
        if before is not None and after is not None:
            self.stir()


class SyncsForEveryPod(_Restless):
    """Writes the status of every set for every pod of the cluster."""

    name, rows = "syncs-for-every-pod", ("RES-03",)

    def on_pod(self, before: PodView | None, after: PodView | None) -> None:
        super().on_pod(before, after)
        view = after or before
        if view is not None and view.owner is None:
            self.stir()


class AnnotatesNodes(Controller):
    """Notes on every node that it has made a pod for it."""

    name, rows = "annotates-nodes", ("ROB-13",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        errors = await super().carry_out(daemonset, plan, revision)
        for node in plan.create:
            if node in self.caches.node_named:
                await self._client.patch(
                    f"/api/v1/nodes/{node}", {"metadata": {"annotations": {"broken.example/made": "yes"}}}
                )
        return errors


class CountsAllAsUpdated(Controller):
    """Counts every node that has a pod as updated."""

    name, rows = "counts-all-as-updated", ("STAT-03", "STAT-11")

    def counters(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> dict[str, int]:
        count = super().counters(decisions, there, rules)
        return {**count, "updatedNumberScheduled": count["currentNumberScheduled"]}


class ReplacesStatus(Controller):
    """Replaces the whole status, conditions of others included."""

    name, rows = "replaces-status", ("STAT-08", "API-05")

    async def write_status(self, daemonset: Json, count: dict[str, int]) -> None:
        await super().write_status({**daemonset, "status": {}}, count)

    def status_changed(self, daemonset: Json, count: Mapping[str, int]) -> bool:
        stored = self.caches.daemonsets.items.get(daemonset["metadata"]["uid"]) or daemonset
        return super().status_changed(stored, count)


class BlindToTaints(Controller):
    """Reacts to labels of nodes, and to new nodes, and to no other change of theirs."""

    name, rows = "blind-to-taints", ("STAT-09", "TAINT-06")

    def on_node(self, before: NodeView | None, after: NodeView | None) -> None:
        if after is not None and (before is None or before.labels != after.labels):
            super().on_node(before, after)
