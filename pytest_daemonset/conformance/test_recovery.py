"""Failing pods, refused ones, terminating ones (rows AMO-08, FAIL-04 to FAIL-08, TERM-01 to TERM-04, ROB-02, ROB-03, ROB-11)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import (
    StateGoal,
    another_pod_on,
    counters,
    every_eligible_node_served,
    ready_on,
)
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.conformance.rolling import VERSION, exactly, reached, rolling, to
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.contract.events import ADDED, DELETED, POD
from pytest_daemonset.contract.views import Pod
from pytest_daemonset.kube.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.contract import Goal, State
    from pytest_daemonset.kube.audit import Entry

AGENT = {"app": "agent"}
REFUSED: dict[str, Any] = {"priorityClassName": "no-such-class"}
"""A set may say so; each of its pods is refused by admission."""


@pytest.mark.daemonset_requires("behave")
def test_AMO_08_a_terminal_pod_that_a_finalizer_keeps_does_not_block_its_replacement(rig: Rig) -> None:
    """Given a pod that has ended, is being deleted and is kept by a finalizer, then its node gets another one.

    Source: integration TestSimpleDaemonSetRestartsPodsOnTerminalPhase ("Succeeded with finalizer"), issue 118587.
    Catches: the node empty until somebody removes the finalizer. Trap: the finalizer comes with the template.
    """
    node = rig.workers(1)[0]
    manifest = daemonset()
    manifest["spec"]["template"]["metadata"]["finalizers"] = ["example.com/kept"]
    agent = rig.apply(manifest)
    rig.at_end(lambda: rig.strip_finalizers(agent.pods()))
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    rig.nodes.succeed(victim).wait()
    agent.eventually(one_pod_per_node & ready & status_matches)
    rig.expect(agent.pod_on(node)["metadata"]["uid"] != victim["metadata"]["uid"], f"no other pod came to {node}")


@pytest.mark.daemonset_requires("behave")
def test_FAIL_04_the_failed_pod_is_gone_before_its_replacement_comes(rig: Rig) -> None:
    """Without surge, a failed pod is removed first, and its replacement is made after.

    Source: unit TestDaemonKillFailedPods. Catches: made beside the corpse. Trap: the order of events of one kind is the order
    in which the API stored them.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)["metadata"]["uid"]
    rig.nodes.fail(agent.pod_on(node)).wait()
    agent.eventually(another_pod_on(node.name, victim))
    order = [
        (one.type, Pod(one.object).uid == victim)
        for one in agent.history().events
        if one.kind == POD and Pod(one.object).owner == agent.uid and Pod(one.object).target == node.name
    ]
    before = order[: order.index((ADDED, False))]
    rig.expect((DELETED, True) in before, f"the replacement on {node} was made while the failed pod was still there")


def _failing(rig: Rig, node: str) -> None:
    rig.nodes[node].behave(AGENT, namespace=rig.namespace, reject="OutOfPatience").wait()


def _corpses(agent: SetUnderTest, node: str) -> list[str]:
    """The UIDs of the pods that failed on a node, in order."""
    seen: dict[str, None] = {}
    for one in agent.history().events:
        view = Pod(one.object) if one.kind == POD else None
        if view is not None and view.owner == agent.uid and view.target == node and view.terminal:
            seen.setdefault(view.uid)
    return list(seen)


def _deletions(rig: Rig, agent: SetUnderTest, node: str) -> list[Entry]:
    """The controller's deletions of failed pods on a node, one for each pod."""
    names = {
        Pod(one.object).name: Pod(one.object).uid
        for one in agent.history().events
        if one.kind == POD and Pod(one.object).owner == agent.uid and Pod(one.object).target == node
    }
    found: dict[str, Entry] = {}
    for entry in rig.writes.to_pods(*names, namespace=rig.namespace):
        if entry.verb == "delete":
            found.setdefault(entry.name, entry)
    return sorted(found.values(), key=lambda entry: entry.at)


def _failures(node: str, number: int, known: Iterable[str] = ()) -> Goal:
    """So many pods have failed on the node, counted by this goal as they are seen, on top of those that are known."""
    seen = set(known)

    def complaint(state: State) -> str | None:
        seen.update(pod.uid for pod in state.owned_on(node) if pod.terminal)
        return f"{len(seen)} pods have failed on {node} so far" if len(seen) < number else None

    return StateGoal(f"{number} failures on {node}", complaint)


@pytest.mark.daemonset_requires("behave", "audit")
def test_FAIL_05_repeated_failure_on_a_node_is_throttled(rig: Rig) -> None:
    """When pods fail on a node again and again, then the controller's deletions of them come at growing intervals.

    Source: unit TestDaemonKillFailedPodsBackoff, issue 65240. Catches: a hot loop against a kubelet that refuses. Trap: wide
    bounds, by the server's clock, never exact times; a deletion that a busy machine delayed makes one wait look long and the next
    one short, so that the wait may grow one step later; no barrier, for a new generation resets the back-off.
    """
    node = exactly(rig, 1)[0]
    _failing(rig, node.name)
    agent = rig.apply(daemonset())
    known = rig.timings
    gaps = _waits(rig, agent, node.name, 2)
    least = [0.5 * known.back_off, 0.5 * min(known.back_off * known.back_off_growth, known.back_off_cap)]
    rig.expect(
        len(gaps) == 2 and all(gap >= wanted for gap, wanted in zip(gaps, least, strict=True)),
        f"failed pods were deleted {gaps} s apart; the first wait should be about {known.back_off:g} s, the next one longer",
    )

    def grow() -> bool:
        return any(
            later >= known.back_off_growth * earlier or earlier >= 0.5 * known.back_off_cap
            for earlier, later in pairwise(gaps)
        )

    if not grow():
        gaps = _waits(rig, agent, node.name, 3)
    rig.expect(grow(), f"failed pods were deleted {gaps} s apart: the wait does not grow")
    rig.expect(max(gaps) <= known.back_off_cap + 10, f"failed pods were deleted {gaps} s apart: that is above the cap")


def _waits(rig: Rig, agent: SetUnderTest, node: str, number: int) -> list[float]:
    """The seconds between the first deletions of failed pods on a node: so many of them, once they have been."""
    growth = rig.timings.back_off_growth
    longest = min(rig.timings.back_off * max(growth, 2) ** number, rig.timings.back_off_cap)
    agent.eventually(_failures(node, number + 2, _corpses(agent, node)), after=2 * longest)
    at = [entry.at for entry in _deletions(rig, agent, node)][: number + 1]
    return [later - earlier for earlier, later in pairwise(at)]


@pytest.mark.daemonset_requires("behave", "audit")
def test_FAIL_06_the_back_off_is_per_node_and_a_spec_change_ends_it(rig: Rig) -> None:
    """While one node is in back-off, another one is not slowed; and a change of the spec retries at once.

    Source: code; observed. Catches: one back-off for all, which freezes the set after one bad node. Trap: order in place of
    times: the other node's pod is replaced before the first node's corpse goes, in the order of the events, whenever they are
    looked at; where the corpse went before that pod had failed at all, the next one, which lies there longer, has to do. No
    barrier, which would be a change of the spec.
    """
    first, second = exactly(rig, 2)
    _failing(rig, first.name)
    agent = rig.apply(daemonset())
    for number in (3, 4, 5):
        failed = _failures(first.name, number, _corpses(agent, first.name))
        agent.eventually(failed & ready_on(second.name), after=2**number * rig.timings.back_off)
        waiting = _corpses(agent, first.name)[-1]
        victim = agent.pod_on(second)
        rig.nodes.fail(victim).wait()
        agent.eventually(another_pod_on(second.name, victim["metadata"]["uid"]))
        order = _order(agent, waiting, victim["metadata"]["uid"], second.name)
        if order[:1] == ["failed"]:
            break
    rig.expect(order[:2] == ["failed", "replaced"], f"{second} waited until the back-off of {first} was over: {order}")
    rig.nodes[first.name].behave(AGENT, namespace=rig.namespace, reject=None).wait()
    changed = agent.updated(rig.nudge(7))
    agent.eventually(another_pod_on(first.name, waiting))
    last = _deletions(rig, agent, first.name)[-1].at
    spec = [e.at for e in rig.writes.audit.entries(resource=rig.sets.plural, name=agent.name, verbs=("patch",)) if e.at]
    waited = last - spec[-1]
    rig.expect(
        waited < 1.5 * max(1.0, rig.timings.back_off),
        f"after generation {changed['metadata']['generation']} the failed pod stayed {waited:.1f} s",
    )


def _order(agent: SetUnderTest, waiting: str, victim: str, node: str) -> list[str]:
    """In which order a victim failed, its node got another pod, and a pod that waits on another node went."""
    order: list[str] = []
    for event in agent.history().events:
        view = Pod(event.object) if event.kind == POD else None
        if view is None or view.owner != agent.uid:
            continue
        if view.uid == victim and view.terminal:
            order.append("failed")
        elif view.target == node and event.type == ADDED and "failed" in order:
            order.append("replaced")
        elif view.uid == waiting and event.type == DELETED:
            order.append("gone")
    return list(dict.fromkeys(order))


def test_FAIL_08_refused_pods_are_retried_and_the_status_tells_the_shortfall(rig: Rig) -> None:
    """When pods are refused, then the status tells so meanwhile, and once the cause is gone, every node gets its pod.

    Source: integration TestUpdateStatusDespitePodCreationFailure, issue 100683. Catches: the first error ends the sync before
    the status is written. Trap: refused by admission for an unknown priority class, on any API server; no nudge but the change
    that removes the cause.
    """
    agent = rig.apply(daemonset(**REFUSED))
    nodes = len(rig.nodes)
    agent.eventually(counters(desiredNumberScheduled=nodes, currentNumberScheduled=0, numberUnavailable=nodes))
    rig.expect(not agent.made(), "pods were made that admission should refuse")
    agent.update({"spec": {"template": {"spec": {"priorityClassName": None, "priority": None}}}})
    agent.eventually(one_pod_per_node & ready & status_matches)


QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)


def test_FAIL_08_where_some_pods_are_refused_the_others_are_made(rig: Rig) -> None:
    """When a quota has room for all pods but one, then the others are made, the status tells of the one, and with room it comes.

    Source: issue 100683. Catches: the first refusal ends the sync for all; refused pods forgotten. Trap: which node is left out is not
    specified; nothing but the quota changes, so that the retry comes by itself.
    """
    nodes = len(exactly(rig, 4))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "3"}}}
    rig.create(QUOTAS, quota)
    rig.patch(QUOTAS, "few", {"status": {"hard": {"pods": "3"}, "used": {"pods": "0"}}}, subresource="status")
    agent = rig.apply(daemonset())
    agent.eventually(counters(desiredNumberScheduled=nodes, currentNumberScheduled=3, numberUnavailable=1))
    rig.expect(len(agent.made()) == 3, f"{len(agent.made())} pods were made; the quota has room for 3")
    rig.patch(QUOTAS, "few", {"spec": {"hard": {"pods": "9"}}})
    rig.patch(QUOTAS, "few", {"status": {"hard": {"pods": "9"}}}, subresource="status")
    agent.eventually(one_pod_per_node & ready & status_matches)


@pytest.mark.daemonset_requires("audit")
def test_ROB_02_a_refusal_costs_few_doomed_calls(rig: Rig) -> None:
    """Given many nodes and pods that are refused, then few creations are tried: batches grow, and stop at the first error.

    Source: unit TestSimpleDaemonSetPodCreateErrors; observed as one attempt for each sync. Catches: one refused call for every
    node in every retry. Trap: bounded with slack, over the first two seconds of retries, by the server's clock.
    """
    nodes = len(rig.workers(12))
    agent = rig.apply(daemonset(**REFUSED))
    shortfall = counters(currentNumberScheduled=0)
    agent.eventually(shortfall)
    agent.stays(shortfall, for_=1.5)
    refused = [entry for entry in rig.writes.about(agent.namespace, agent.name) if entry.resource == "pods"]
    rig.expect(bool(refused), "no creation was tried at all")
    early = [entry for entry in refused if entry.at < refused[0].at + 1.5]
    rig.expect(len(early) <= 3 * nodes, f"{len(early)} refused creations in 1.5 s for {nodes} nodes")


def test_ROB_03_creations_that_the_ramp_skipped_wedge_nothing(rig: Rig) -> None:
    """Given creations that were never tried, for an earlier one was refused, then they come as soon as they can.

    Source: unit TestDaemonSetPodCreateExpectationsError, PR 74856. Catches: five minutes of waiting for pods that were never
    made. Trap: the time-out of the wait is far below that.
    """
    rig.workers(5)
    agent = rig.apply(daemonset(**REFUSED))
    agent.eventually(counters(currentNumberScheduled=0))
    agent.update({"spec": {"template": {"spec": {"priorityClassName": None, "priority": None}}}})
    agent.eventually(every_eligible_node_served)


def test_ROB_11_a_set_that_fails_for_good_does_not_delay_others(rig: Rig) -> None:
    """Given a set whose pods are all refused, then another set gets its pods, and what is deleted comes back.

    Source: code. Catches: the first in the queue blocks it. Trap: none but a generous time-out.
    """
    failing = rig.apply(daemonset("failing", **REFUSED))
    failing.eventually(counters(currentNumberScheduled=0))
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(rig.workers(1)[0])
    rig.delete_pod(victim, grace=0)
    agent.eventually(one_pod_per_node & ready & status_matches)


REPEATS = 2
"""A deletion may be repeated once, right after, by a controller that has several under way (observed); no more."""


@pytest.mark.daemonset_requires("behave", "audit")
def test_TERM_01_a_terminating_pod_is_not_deleted_again_and_again(rig: Rig) -> None:
    """While pods are terminating, then no stream of further deletes is sent for them.

    Source: code; issues 63465, 78972, kruise PR 657. Catches: a hot loop of deletes for the whole grace period. Trap: one repeat
    within a moment is right for several deletions at once (observed with surge), so a stream is forbidden and not a repeat;
    the terminations are held through several syncs, each proven by a barrier.
    """
    nodes = exactly(rig, 3)
    agent = rig.apply(rolling(unavailable=3))
    agent.eventually(one_pod_per_node & ready)
    rig.nodes.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    victims = {pod["metadata"]["name"] for pod in agent.pods()}
    agent.update(to("2"))
    agent.eventually(StateGoal("nothing is active", lambda state: _active(state, len(nodes))))
    for _ in range(3):
        agent.wake()
        agent.barrier()
    deletes = [e.name for e in rig.writes.to_pods(*victims, namespace=rig.namespace) if e.verb == "delete"]
    often = {name: deletes.count(name) for name in victims if deletes.count(name) > REPEATS}
    rig.expect(not often, f"pods were deleted again while they were terminating: {often}")


def _active(state: State, nodes: int) -> str | None:
    active = [pod.name for pod in state.owned.values() if pod.active]
    return f"{len(active)} of {nodes} pods are still active" if active else None


@pytest.mark.daemonset_requires("behave")
def test_TERM_03_a_pod_stuck_terminating_holds_up_its_node_only(rig: Rig) -> None:
    """Given a pod that never ends, then the rollout reaches the other nodes while the budget allows.

    Source: issues 63465, 85878. Catches: all pods waited for before anything else. Trap: with maxUnavailable 1 the stuck node
    takes the whole budget, rightly; so it is 2.
    """
    stuck, *others = exactly(rig, 4)
    agent = rig.apply(rolling(unavailable=2))
    agent.eventually(one_pod_per_node & ready)
    stuck.behave({**AGENT, VERSION: "1"}, namespace=rig.namespace, hold_termination=True).wait()
    agent.update(to("2"))
    agent.eventually(reached("2", *(node.name for node in others)))


def test_TERM_04_a_selector_that_matches_no_node_empties_the_set_and_its_restoring_fills_it(rig: Rig) -> None:
    """When the node selector matches nothing any more, then the set is empty and lives on; restored, its pods come back.

    Source: clean-up of the integration tests. Catches: "no eligible node" taken for an error, so that pods are kept.
    Trap: as for PLACE-02.
    """
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready & status_matches)
    agent.update({"spec": {"template": {"spec": {"nodeSelector": {"example.com/nobody": "has-this"}}}}})
    agent.eventually(StateGoal("no pod is left", lambda state: f"{len(state.owned)} pods" if state.owned else None))
    agent.eventually(counters(desiredNumberScheduled=0, currentNumberScheduled=0, numberMisscheduled=0))
    agent.update({"spec": {"template": {"spec": {"nodeSelector": None}}}})
    agent.eventually(one_pod_per_node & ready & status_matches)
