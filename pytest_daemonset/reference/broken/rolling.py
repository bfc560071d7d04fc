"""Controllers that roll out in the wrong way."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_daemonset.reference import rollout
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json, PodView


class RollsOnDelete(Controller):
    """Rolls a new template out whatever the strategy says."""

    name, rows = "rolls-on-delete", ("UPD-01", "UPD-02")

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        if rollout.rolls(daemonset):
            return super().rollout(daemonset, decisions, there, rules)
        return rollout.without_surge(decisions, there, rules.revision, 1, rules.available)


class NeverRolls(Controller):
    """Leaves old pods alone until somebody deletes them, whatever the strategy says."""

    name, rows = "never-rolls", ("UPD-03",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        return super().rollout(daemonset, decisions, {node: [] for node in there}, replace(rules, surge=False))


class IgnoresBudget(Controller):
    """Replaces all old pods at once, whatever maxUnavailable says."""

    name, rows = "ignores-budget", ("UPD-04", "UPD-06")

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        if rules.surge or not rollout.rolls(daemonset):
            return super().rollout(daemonset, decisions, there, rules)
        return rollout.without_surge(decisions, there, rules.revision, 2 * len(decisions), rules.available)


class CountsMissingOnly(Controller):
    """Takes every pod that exists for an available one while it rolls out."""

    name, rows = "counts-missing-only", ("UPD-06", "UPD-08", "UPD-12")

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        return super().rollout(daemonset, decisions, there, replace(rules, available=lambda pod: pod.active))


class RoundsDown(Controller):
    """Rounds a percentage of the nodes down: ten per cent of five nodes is none."""

    name, rows = "rounds-down", ("UPD-05",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        desired = sum(decision is Decision.START for decision in decisions.values())
        limits = (daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        value = limits.get("maxUnavailable")
        if rules.surge or not rollout.rolls(daemonset) or not isinstance(value, str):
            return super().rollout(daemonset, decisions, there, rules)
        budget = int(value.rstrip("%")) * desired // 100
        return rollout.without_surge(decisions, there, rules.revision, budget, rules.available)


class SetsNoTimer(Controller):
    """Waits for an event where only time passes: minReadySeconds end unnoticed."""

    name, rows = "sets-no-timer", ("UPD-12", "STAT-10")

    def ripening(self, owned: Iterable[PodView], min_ready: float, now: float) -> list[float]:
        return []


class SparesTheSick(Controller):
    """Never replaces an old pod that is not available: it waits until it is."""

    name, rows = "spares-the-sick", ("UPD-07", "UPD-08", "UPD-10")

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        result = super().rollout(daemonset, decisions, there, rules)
        result.delete = [pod for pod in result.delete if rules.available(pod)]
        return result


class KeepsTheFirstStrategy(Controller):
    """Reads the strategy when the template changes, and keeps to it until the template changes again."""

    name, rows = "keeps-the-first-strategy", ("UPD-11",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._strategies: dict[tuple[str, str], Json] = {}

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        key, spec = (daemonset["metadata"]["uid"], rules.revision), daemonset["spec"]
        strategy = self._strategies.setdefault(key, spec.get("updateStrategy") or {})
        return super().rollout({**daemonset, "spec": {**spec, "updateStrategy": strategy}}, decisions, there, rules)


class WaitsFromTheFirstReady(Controller):
    """Counts minReadySeconds from the first time that a pod was Ready, whatever it has been since."""

    name, rows = "waits-from-the-first-ready", ("UPD-13",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._first: dict[str, float] = {}

    def pod_view(self, pod: Json) -> PodView:
        view = super().pod_view(pod)
        if view.ready_since is None:
            return view
        return replace(view, ready_since=self._first.setdefault(view.uid, view.ready_since))


class IgnoresTheDown(Controller):
    """Charges nothing to the budget for nodes whose pod is on its way out."""

    name, rows = "ignores-the-down", ("UPD-14",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        up = {node for node, pods in there.items() if not all(pod.terminating for pod in pods)}
        return super().rollout(
            daemonset, {node: decision for node, decision in decisions.items() if node in up}, there, rules
        )


class ChargesTheGivenUp(Controller):
    """Charges the budget for nodes that are to have no pod any more, as long as one is there."""

    name, rows = "charges-the-given-up", ("KRU-09",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        occupied = {node: Decision.START if there.get(node) else one for node, one in decisions.items()}
        return super().rollout(daemonset, occupied, there, rules)


class RollsOverTheNodesOfItsStart(Controller):
    """Rolls out over the nodes that there were when the rollout began, until it has ended."""

    name, rows = "rolls-over-the-nodes-of-its-start", ("UPD-15",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._nodes: dict[tuple[str, str], Mapping[str, Decision]] = {}

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        at_its_start = self._nodes.setdefault((daemonset["metadata"]["uid"], rules.revision), decisions)
        return super().rollout(daemonset, at_its_start, there, rules)
