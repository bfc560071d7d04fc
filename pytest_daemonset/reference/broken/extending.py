"""Controllers that misread the fields that a DaemonSet does not have."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.reference import batches, extensions
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.placement import Plan
from pytest_daemonset.reference.selectors import selects

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_daemonset.reference.caches import Owners, T
    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.placement import Pods, Rules
    from pytest_daemonset.reference.views import Json, NodeView


class PartitionCountsUpdates(Controller):
    """Takes a partition for the number of nodes to update, instead of those to keep."""

    name, rows = "partition-counts-updates", ("KRU-01",)

    def admitted(
        self,
        daemonset: Json,
        decisions: Mapping[str, Decision],
        there: Mapping[str, Pods],
        nodes: Mapping[str, NodeView],
        revision: str,
    ) -> Collection[str] | None:
        names = sorted((name for name in decisions if decisions[name] is Decision.START), reverse=True)
        kept = extensions.partition(daemonset, len(names))
        if not kept:
            return super().admitted(daemonset, decisions, there, nodes, revision)
        return names[:kept]


class SelectsEverything(Controller):
    """Takes an empty selector, which a definition may let pass, for one that matches everything."""

    name, rows = "selects-everything", ("OWN-09",)

    def selects_nothing(self, daemonset: Json) -> bool:
        return False

    def to_adopt(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        if super().selects_nothing(daemonset):
            return [one for one in owners.orphans(daemonset["metadata"]["namespace"]) if not one.terminating]
        return super().to_adopt(daemonset, owners)

    def to_release(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        return [] if super().selects_nothing(daemonset) else super().to_release(daemonset, owners)


class TakesZeroLiterally(Controller):
    """Replaces nothing where both limits are zero, which a definition may let pass."""

    name, rows = "takes-zero-literally", ("UPD-22",)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        limits = (daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        if limits.get("maxUnavailable") == 0 and not limits.get("maxSurge"):
            return Plan()
        return super().rollout(daemonset, decisions, there, rules)


class PauseFreezesAll(Controller):
    """Does nothing at all for a set whose rollout is paused."""

    name, rows = "pause-freezes-all", ("KRU-02",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return Plan() if rules.admitted == () else super().plan(decisions, there, rules)

    def admitted(
        self,
        daemonset: Json,
        decisions: Mapping[str, Decision],
        there: Mapping[str, Pods],
        nodes: Mapping[str, NodeView],
        revision: str,
    ) -> Collection[str] | None:
        return () if extensions.paused(daemonset) else super().admitted(daemonset, decisions, there, nodes, revision)


class UpdateSelectorPlaces(Controller):
    """Takes the selector of a rollout for one of placement: other nodes get no pod."""

    name, rows = "update-selector-places", ("KRU-03",)

    def decisions(self, daemonset: Json) -> Mapping[str, Decision]:
        found = super().decisions(daemonset)
        rolling = (daemonset["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        selector = rolling.get("selector")
        if selector is None:
            return found
        nodes = self.caches.node_named
        return {
            name: decision if selects(selector, nodes[name].labels) else Decision.STAY
            for name, decision in found.items()
        }


class MakesAllAtFirst(Controller):
    """Makes pods everywhere at first, whatever partitioned scaling says."""

    name, rows = "makes-all-at-first", ("KRU-06",)

    def to_create(
        self,
        daemonset: Json,
        decisions: Mapping[str, Decision],
        there: Mapping[str, Pods],
        rules: Rules,
        wanted: list[str],
    ) -> list[str]:
        return wanted


class IgnoresBurst(Controller):
    """Makes and deletes as many pods in a sync as it likes to."""

    name, rows = "ignores-burst", ("KRU-07",)

    def burst(self, daemonset: Json, decisions: Mapping[str, Decision]) -> int:
        return batches.BURST


class TellsTheNewestHash(Controller):
    """Names in the status the revision that was made last, also when an older one is current again."""

    name, rows = "tells-the-newest-hash", ("KRU-08",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._told: dict[str, list[str]] = {}

    def hash_to_tell(self, daemonset: Json, revision: str) -> str:
        told = self._told.setdefault(daemonset["metadata"]["uid"], [])
        if revision not in told:
            told.append(revision)
        return told[-1]
