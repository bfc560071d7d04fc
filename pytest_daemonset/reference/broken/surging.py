"""Controllers that roll out with surge in the wrong way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_daemonset.reference import rollout
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json


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


class SurgesAgain(Controller):
    """With surge, takes a new pod that does not run yet for none, and makes another one."""

    name, rows = "surges-again", ("AMO-06",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        if rules.surge:
            there = {node: [p for p in pods if p.phase != "Pending"] for node, pods in there.items()}
        return super().rollout(daemonset, decisions, there, rules)


class SurgeWaitsForTheEnd(Controller):
    """With surge too, gives a node no pod while another one is still going there."""

    name, rows = "surge-waits-for-the-end", ("AMO-07",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        result.create = [node for node in result.create if not any(pod.terminating for pod in there.get(node, ()))]
        return result


class SurgesOverCorpses(Controller):
    """With surge, makes a new pod beside failed ones that wait out their back-off."""

    name, rows = "surges-over-corpses", ("FAIL-10",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        if rules.surge:
            served = {node for node, pods in there.items() if any(pod.active for pod in pods)}
            wanting = {node for node, decision in decisions.items() if decision is Decision.START} - served
            result.create += sorted(wanting - set(result.create))
        return result


class SurgesBesideTheSickInTurn(Controller):
    """With surge, takes old pods that are not available for available ones: they wait for their turn, and for their successor."""

    name, rows = "surges-beside-the-sick-in-turn", ("UPD-18",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return super().plan(decisions, _healed(there, rules) if rules.surge else there, rules)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        return super().rollout(daemonset, decisions, _healed(there, rules) if rules.surge else there, rules)


def _healed(there: Mapping[str, Pods], rules: Rules) -> Mapping[str, Pods]:
    return {
        node: [pod if pod.revision == rules.revision else replace(pod, ready_since=0.0) for pod in pods]
        for node, pods in there.items()
    }


class GivesUpAtOnce(Controller):
    """With surge, deletes the pods on nodes that are given up first, whether others serve or not."""

    name, rows = "gives-up-at-once", ("UPD-19",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        result = super().rollout(daemonset, decisions, there, rules)
        if rules.surge:
            given_up = [node for node, decision in decisions.items() if decision is Decision.STAY]
            old = [p for node in given_up for p in there.get(node, ()) if p.active and p.revision != rules.revision]
            result.delete += [pod for pod in old if pod not in result.delete]
        return result


class KeepsOneOfEachRevision(Controller):
    """Without surge, leaves what surge has left: a node's old and new pod stay both."""

    name, rows = "keeps-one-of-each-revision", ("UPD-20",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        if not rules.surge:
            pairs = [pods for pods in there.values() if len({p.revision for p in pods if p.active}) > 1]
            kept = {pod.uid for pods in pairs for pod in pods if pod.active}
            result.delete = [pod for pod in result.delete if pod.uid not in kept]
        return result
