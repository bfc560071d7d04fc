"""Every decision the controller takes, one method each and without I/O: what a broken controller does otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference import extensions, ownership, placement, pods, revisions, rollout, status
from pytest_daemonset.reference.eligibility import Decision, Eligibility
from pytest_daemonset.reference.placement import Plan, Pods, Rules
from pytest_daemonset.reference.views import Json, NodeView, PodView

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pytest_daemonset.reference.caches import Owners, T


class Decisions:
    """The correct decisions; each method's module says where they come from."""

    def node_view(self, node: Json) -> NodeView:
        """What is read of a node: whatever is no part of it wakes nobody (NCOND-04)."""
        return NodeView.of(node)

    def pod_view(self, pod: Json) -> PodView:
        """What is read of a pod."""
        return PodView.of(pod)

    def may_act(self, daemonset: Json) -> bool:
        """Whether anything may be written for the set: not from the moment that it is being deleted (GC-04)."""
        return "deletionTimestamp" not in daemonset["metadata"]

    def selects_nothing(self, daemonset: Json) -> bool:
        """Whether the selector is empty, which is refused: it must not match everything (OWN-09)."""
        selector = daemonset["spec"]["selector"]
        return not selector.get("matchLabels") and not selector.get("matchExpressions")

    def eligibility(self, template: Json) -> Eligibility:
        """Who decides where the template's pods may be."""
        return Eligibility(template)

    def owner_key(self, daemonset: Json) -> str:
        """What an owned pod's controller reference is known by."""
        uid: str = daemonset["metadata"]["uid"]
        return uid

    def owner_reference(self, daemonset: Json) -> dict[str, Any]:
        """The reference on every pod and revision."""
        return pods.owner_reference(daemonset)

    def to_adopt(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        """What the set takes on."""
        return ownership.to_adopt(daemonset, owners)

    def to_release(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        """What the set gives up."""
        return ownership.to_release(daemonset, owners)

    def owned(self, daemonset: Json, owners: Owners[PodView]) -> Pods:
        """The set's own pods."""
        return owners.of(self.owner_key(daemonset))

    def by_node(self, owned: Iterable[PodView]) -> dict[str, Pods]:
        """The pods that count for each node."""
        return placement.by_node(owned)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        """What placement creates and deletes."""
        return placement.plan(decisions, there, rules)

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        """What the update strategy creates and deletes, once placement is at rest."""
        if not rollout.rolls(daemonset) or extensions.paused(daemonset):
            return Plan()
        desired = sum(decision is Decision.START for decision in decisions.values())
        unavailable, surge = rollout.limits(daemonset, desired)
        if rules.surge:
            return rollout.with_surge(decisions, there, rules.revision, surge, rules.available, rules.admitted)
        return rollout.without_surge(decisions, there, rules.revision, unavailable, rules.available, rules.admitted)

    def admitted(
        self,
        daemonset: Json,
        decisions: Mapping[str, Decision],
        there: Mapping[str, Pods],
        nodes: Mapping[str, NodeView],
        revision: str,
    ) -> Collection[str] | None:
        """The nodes that a rollout may reach; None for all."""
        if not extensions.restricts(daemonset):
            return None
        return extensions.admitted(daemonset, there, nodes, lambda node: decisions[node] is Decision.START, revision)

    def to_create(
        self,
        daemonset: Json,
        decisions: Mapping[str, Decision],
        there: Mapping[str, Pods],
        rules: Rules,
        wanted: list[str],
    ) -> list[str]:
        """Of the nodes that lack a pod, those that get one now."""
        desired = [node for node, decision in decisions.items() if decision is Decision.START]
        served = sum(any(pod.revision == rules.revision for pod in there.get(node, ())) for node in desired)
        return extensions.held_back(daemonset, len(desired), served, wanted)

    def burst(self, daemonset: Json, decisions: Mapping[str, Decision]) -> int:
        """How many creations, and how many deletions, one sync may start."""
        return extensions.burst(daemonset, sum(decision is Decision.START for decision in decisions.values()))

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        """The pod for one node."""
        return pods.pod_for(daemonset, node, revision, tolerations, self.owner_reference(daemonset))

    def data_of(self, daemonset: Json) -> dict[str, Any]:
        """What a revision records of the set: what is not the same is another revision."""
        return revisions.data_of(daemonset)

    def revision_for(self, daemonset: Json, number: int) -> dict[str, Any]:
        """The revision that records the set as it is now, under this number."""
        return revisions.revision_for(daemonset, self.data_of(daemonset), number, self.owner_reference(daemonset))

    def delete_options(self, pod: PodView) -> dict[str, Any]:
        """How a pod is deleted: with its own grace period (TERM-02), and only this very pod."""
        return {"preconditions": {"uid": pod.uid}}

    def counters(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> dict[str, int]:
        """The counters of the status."""
        return status.counters(decisions, there, rules.revision, rules.available)

    def status_changed(self, daemonset: Json, count: Mapping[str, int]) -> bool:
        """Whether the status must be written (STAT-06)."""
        return status.changed(daemonset.get("status") or {}, count, daemonset["metadata"]["generation"])

    def ripening(self, owned: Iterable[PodView], min_ready: float, now: float) -> list[float]:
        """After how many seconds pods become available with no event to tell it (UPD-12, STAT-10)."""
        since = [pod.ready_since for pod in owned if pod.ready_since is not None]
        return [stamp + min_ready - now for stamp in since if stamp + min_ready > now]
