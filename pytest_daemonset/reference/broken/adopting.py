"""Controllers that take on, give up or keep the wrong pods and revisions (rows OWN-02 to OWN-12, AMO-04)."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.ownership import to_adopt, to_release
from pytest_daemonset.reference.revisions import RevisionView
from pytest_daemonset.reference.views import HASH_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.caches import Owners, T
    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json


class IdentityByUid(Controller):
    """Has the identity of a template depend on the set's UID."""

    name, rows = "identity-by-uid", ("OWN-10",)

    def data_of(self, daemonset: Json) -> dict[str, Any]:
        return {**super().data_of(daemonset), "uid": daemonset["metadata"]["uid"]}


class NeverAdoptsRevisions(Controller):
    """Leaves revisions that nobody controls alone."""

    name, rows = "never-adopts-revisions", ("OWN-12",)

    def to_adopt(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        return [one for one in super().to_adopt(daemonset, owners) if not isinstance(one, RevisionView)]


class TrustsAdopted(Controller):
    """Takes every pod that it adopts for one of the current template."""

    name, rows = "trusts-adopted", ("OWN-11",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._adopted: set[str] = set()

    def to_adopt(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        found = super().to_adopt(daemonset, owners)
        self._adopted.update(one.uid for one in found)
        return found

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        label = {HASH_LABEL: rules.revision}
        seen = {
            node: [replace(p, labels={**p.labels, **label}) if p.uid in self._adopted else p for p in pods]
            for node, pods in there.items()
        }
        return super().rollout(daemonset, decisions, seen, rules)


class NeverReleases(Controller):
    """Keeps pods for its own whose labels do not match any more."""

    name, rows = "never-releases", ("OWN-04",)

    def to_release(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        return []


class EqualityOnly(Controller):
    """Reads the equality part of a selector only."""

    name, rows = "equality-only", ("OWN-08",)

    def to_adopt(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        return to_adopt(_equal(daemonset), owners)

    def to_release(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        return to_release(_equal(daemonset), owners)


class NeverPrunes(Controller):
    """Leaves a crowded node crowded."""

    name = "never-prunes"
    rows: tuple[str, ...] = ("AMO-04", "UPD-20", "OWN-02")

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        result = super().plan(decisions, there, rules)
        result.delete = [p for p in result.delete if not p.active or decisions.get(p.node or "") is Decision.LEAVE]
        return result


def _equal(daemonset: Json) -> Json:
    labels = daemonset["spec"]["selector"].get("matchLabels") or {}
    return {**daemonset, "spec": {**daemonset["spec"], "selector": {"matchLabels": labels}}}
