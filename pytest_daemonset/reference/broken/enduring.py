"""Controllers that do not stand what goes on for long: refusals, rejections, namespaces that end, pods that are left over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_daemonset.reference.client import ApiError
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.events import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.eligibility import Decision
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json, PodView


class TellsOfEveryNode(Controller):
    """Writes an event for every node that lacks its pod, in every sync."""

    name, rows = "tells-of-every-node", ("EVT-04",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.recorder._filter = Filter(lambda: 0.0, burst=1e9)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        errors = await super().carry_out(daemonset, plan, revision)
        for node in plan.create if errors else ():
            self.recorder.record(daemonset, "Warning", "FailedCreate", f"no pod on {node}: {errors[0]}")
        return errors


class TrustsTheKubelet(Controller):
    """Takes a pod that the kubelet rejected, or evicted, for one that is on its way."""

    name, rows = "trusts-the-kubelet", ("FAIL-09",)

    def pod_view(self, pod: Json) -> PodView:
        view = super().pod_view(pod)
        rejected = view.phase == "Failed" and (pod.get("status") or {}).get("reason")
        return replace(view, phase="Pending") if rejected else view


class TriesInEndingNamespaces(Controller):
    """Tries again and again to make pods in a namespace that is being deleted."""

    name, rows = "tries-in-ending-namespaces", ("GC-08",)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        errors = await super().carry_out(daemonset, plan, revision)
        memory = self.memory(daemonset)
        if memory.closing:
            memory.closing = False
            self.queue.add_after(daemonset["metadata"]["uid"], 0.1)
        return errors


class StopsAtLeftovers(Controller):
    """With surge, fails a sync at a pod whose node is gone, instead of leaving that node out."""

    name, rows = "stops-at-leftovers", ("UPD-21",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        missing = [node for node in there if node not in decisions]
        if rules.surge and missing:
            raise ApiError(404, "NotFound", f"couldn't get node for nodeName {missing[0]!r}")
        return super().rollout(daemonset, decisions, there, rules)
