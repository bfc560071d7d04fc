"""Controllers that miss what happens, or mistake what they see."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.eligibility import Decision
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json, NodeView, PodView


class ComputesNodesOnce(Controller):
    """Computes a set's nodes once per change of the set."""

    name, rows = "computes-nodes-once", ("NODE-01", "PLACE-12", "TAINT-06")

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._frozen: dict[tuple[str, int], Mapping[str, Decision]] = {}

    def decisions(self, daemonset: Json) -> Mapping[str, Decision]:
        metadata = daemonset["metadata"]
        return self._frozen.setdefault((metadata["uid"], metadata["generation"]), super().decisions(daemonset))


class WatchesItselfOnly(Controller):
    """Watches the set and the nodes, but not its pods: what it has made is there for ever."""

    name, rows = "watches-itself-only", ("FAIL-01", "FAIL-02", "FAIL-03")

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._made: set[tuple[str, int, str]] = set()

    def on_pod(self, before: PodView | None, after: PodView | None) -> None:
        if before and not before.terminating and (after is None or after.terminating):
            self.expectations.gone(before.uid)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        # Its own status writes wake it too: without this memory it would see by them what it is not to see.
        metadata = daemonset["metadata"]
        places = {node: (metadata["uid"], metadata["generation"], node) for node in plan.create}
        plan.create = [node for node, place in places.items() if place not in self._made]
        plan.delete = [pod for pod in plan.delete if not pod.terminal]
        plan.ended.clear()
        self._made.update(places.values())
        return await super().carry_out(daemonset, plan, revision)


class EventsOnly(Controller):
    """Acts on events only: what was there when it started is no reason to work."""

    name, rows = "events-only", ("ROB-07",)

    def wake(self, uid: str) -> None:
        if self.live:
            super().wake(uid)


class ReplacesTerminating(Controller):
    """Takes a terminating pod for one that is gone."""

    name, rows = "replaces-terminating", ("AMO-02",)

    def by_node(self, owned: Iterable[PodView]) -> dict[str, Pods]:
        return super().by_node(pod for pod in owned if not pod.terminating)


class CountsBoundOnly(Controller):
    """Counts a pod for its node only once it is bound; one more each time it looks."""

    name, rows = "counts-bound-only", ("AMO-03", "AMO-01")

    def by_node(self, owned: Iterable[PodView]) -> dict[str, Pods]:
        return super().by_node(pod for pod in owned if pod.bound)


class RecreatesForVanishedNode(Controller):
    """Never forgets a node: one that was deleted is still to have its pod."""

    name, rows = "recreates-for-vanished-node", ("NODE-02",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._nodes: dict[str, NodeView] = {}

    def on_node(self, before: NodeView | None, after: NodeView | None) -> None:
        seen = after or before
        if seen is not None:
            self._nodes[seen.name] = seen
        super().on_node(before, after)

    def decisions(self, daemonset: Json) -> Mapping[str, Decision]:
        judged = self.memory(daemonset).judged
        return {name: judged.of(node) for name, node in self._nodes.items()}

    def decisions_of(self, daemonset: Json, node: str) -> Decision | None:
        return self.memory(daemonset).judged.of(self._nodes[node])


class ForgetsVanishedNode(Controller):
    """Never removes the unbound pod of a node that is gone."""

    name, rows = "forgets-vanished-node", ("NODE-03",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return super().plan(decisions, {node: pods for node, pods in there.items() if node in decisions}, rules)


class KeepsFailed(Controller):
    """Waits for somebody else to delete failed pods."""

    name, rows = "keeps-failed", ("FAIL-02",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return _sparing("Failed", super().plan(decisions, there, rules))


class FailedOnly(Controller):
    """Replaces failed pods, but not succeeded ones."""

    name, rows = "failed-only", ("FAIL-03",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return _sparing("Succeeded", super().plan(decisions, there, rules))


def _sparing(phase: str, plan: Plan) -> Plan:
    plan.delete = [pod for pod in plan.delete if pod.phase != phase]
    ended = {node: [pod for pod in pods if pod.phase != phase] for node, pods in plan.ended.items()}
    plan.ended = {node: pods for node, pods in ended.items() if pods}
    return plan


class HotFailureLoop(Controller):
    """Removes and replaces failed pods without any back-off."""

    name, rows = "hot-failure-loop", ("FAIL-05",)

    def failure_wait(self, key: tuple[str, int, str]) -> float:
        return 0.0


class DeletesUnready(Controller):
    """Deletes running pods that are not Ready, to heal them."""

    name, rows = "deletes-unready", ("FAIL-07",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        known = {pod.uid for pod in result.delete}
        for pods in there.values():
            sick = [
                p for p in pods if p.active and p.phase == "Running" and p.ready_since is None and p.uid not in known
            ]
            result.delete += sick
        return result


class ForcesDeletion(Controller):
    """Deletes pods with a grace period of zero, to be quick."""

    name, rows = "forces-deletion", ("TERM-02",)

    def delete_options(self, pod: PodView) -> dict[str, Any]:
        return {**super().delete_options(pod), "gracePeriodSeconds": 0}
