"""Controllers that roll out, or remember what they rolled out, in the wrong way."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_daemonset.reference import rollout
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.revisions import History
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


class SurgesEverywhere(Controller):
    """Starts a new pod beside every old one at once, whatever maxSurge says."""

    name, rows = "surges-everywhere", ("UPD-16",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        if not rules.surge:
            return super().rollout(daemonset, decisions, there, rules)
        return rollout.with_surge(decisions, there, rules.revision, 2 * len(decisions), rules.available)


class RetiresEarly(Controller):
    """With surge, deletes the old pod as soon as a new one exists beside it."""

    name, rows = "retires-early", ("UPD-17",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return super().plan(decisions, there, replace(rules, available=lambda _: True))


class SetsNoTimer(Controller):
    """Waits for an event where only time passes: minReadySeconds end unnoticed."""

    name, rows = "sets-no-timer", ("UPD-12", "STAT-10")

    def ripening(self, owned: Iterable[PodView], min_ready: float, now: float) -> list[float]:
        return []


class KeepsAllHistory(Controller):
    """Never deletes a revision."""

    name, rows = "keeps-all-history", ("REV-07", "REV-09")

    async def clean_up(self, daemonset: Json, history: History, owned: Pods) -> None:
        return


class DeletesLiveRevisions(Controller):
    """Deletes revisions beyond the limit although pods still carry them."""

    name, rows = "deletes-live-revisions", ("REV-08",)

    async def clean_up(self, daemonset: Json, history: History, owned: Pods) -> None:
        await super().clean_up(daemonset, history, [])
