"""Events that come late or never, and answers that are lost, by a proxy (rows AMO-10, AMO-11, GC-05, ROB-05, ROB-06, ROB-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_daemonset.conformance.goals import StateGoal, another_pod_on, gone, orphaned
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.conformance.rig import SAFETY
from pytest_daemonset.conformance.rolling import GUARD, all_at, exactly, rolling, to
from pytest_daemonset.contract import at_most_unavailable, one_pod_per_node, pod_on, ready, status_matches
from pytest_daemonset.contract.events import DELETED, POD
from pytest_daemonset.contract.views import Pod
from pytest_daemonset.kube.resources import PODS
from pytest_daemonset.proxy.faults import Cut, Hold, LostAnswers, LostEvents, LostRequests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pytest_daemonset.conformance.interception import Interception
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.contract import State
    from pytest_daemonset.nodes.node import Node

SENTINEL: Final = "example.com/sentinel"
"""The label of the node that a sentinel wants."""

DOUBLES_PASS: Final = SAFETY[1:]
"""What stands guard where a second pod may be there for a moment."""

MARGIN: Final = 1.1
"""What a controller may be late by, of the time that it may wait."""


def _some_pod(state: State) -> str | None:
    return None if any(pod.active for pod in map(state.pods.__getitem__, state.owned)) else "it has no pod yet"


some_pod: Final = StateGoal("some_pod", _some_pod)
"""The set has a pod somewhere: its first sync has come that far."""


def _begun(old: set[str]) -> StateGoal:
    """Not all of these pods are active any more."""

    def complaint(state: State) -> str | None:
        active = [uid for uid in old if uid in state.pods and state.pods[uid].active]
        return None if len(active) < len(old) else f"none of the {len(old)} old pods has been deleted"

    return StateGoal("a rollout that has begun", complaint)


def _after_sets(rig: Rig, name: str, value: str) -> None:
    """Wait until the controller has come to a new set, and so past all that happened to sets before.

    Its first pod needs no event of pods. Sets are seen in order, and stand in a queue.

    Args:
        rig: the row's.
        name: of the new set.
        value: of the label `SENTINEL` of the one node that it is for.
    """
    rig.apply(daemonset(name, nodeSelector={SENTINEL: value})).eventually(some_pod)


def _after_nodes(rig: Rig, name: str, node: Node) -> None:
    """Change a label of a node, and wait until the controller has acted on that, and so on what it saw of nodes before.

    Args:
        rig: the row's.
        name: of a new set, which has a pod on that node only after the change; also the value of the label.
        node: which.
    """
    sentinel = rig.apply(daemonset(name, nodeSelector={SENTINEL: name}))
    node.label({SENTINEL: name}).wait()
    sentinel.eventually(pod_on(node))


def test_AMO_10_while_events_of_pods_are_late_no_second_pod_is_made(rig: Rig, way: Interception) -> None:
    """Given pods whose events do not arrive, when sets and nodes change, then no node gets a second pod.

    Source: none upstream; behaviour added in 1.36, PR 134937. Catches: a cache that is trusted with neither expectations nor
    read-your-writes. Trap: events of sets and nodes flow, and sentinels whose first pods need no event of pods show that the controller
    has come past each change; every event is judged to the end of the row. How many pods come while events are held is left open.
    """
    first, *_ = exactly(rig, 3)
    first.label({SENTINEL: "here"}).wait()
    with way.during(Hold("pods")):
        agent = rig.apply(daemonset())
        agent.eventually(some_pod)
        agent.wake()
        _after_sets(rig, "sentinel-1", "here")
        late = rig.nodes.join().wait()
        _after_nodes(rig, "sentinel-2", late)
        agent.wake()
        _after_sets(rig, "sentinel-3", "here")
    agent.eventually(one_pod_per_node & ready & status_matches)


def test_ROB_14_while_events_of_pods_are_late_a_rollout_keeps_to_its_limit(rig: Rig, way: Interception) -> None:
    """Given a rollout whose deletions are not seen yet, when sets and nodes change, then no further node loses its pod.

    Source: none upstream; behaviour added in 1.36, PR 134937. Catches: pods counted as available that were deleted a moment ago.
    Trap: as for AMO-10; a barrier before the events are held, so that the controller knows that all old pods are available.
    """
    nodes = exactly(rig, 3)
    nodes[0].label({SENTINEL: "here"}).wait()
    agent = rig.apply(rolling(), guard=GUARD)
    agent.settles(all_at("1") & status_matches)
    old = set(agent.uids().values())
    with agent.daemonset.always(at_most_unavailable(1)):
        with way.during(Hold("pods")):
            agent.update(to("2"))
            agent.eventually(_begun(old))
            agent.wake()
            _after_sets(rig, "sentinel-1", "here")
            _after_nodes(rig, "sentinel-2", nodes[1])
            agent.wake()
            _after_sets(rig, "sentinel-3", "here")
        agent.eventually(all_at("2") & status_matches)


@pytest.mark.parametrize("fault", [LostAnswers, LostRequests], ids=["stored", "not stored"])
def test_AMO_11_a_create_without_an_answer_leaves_no_second_pod_and_no_gap(
    rig: Rig, way: Interception, fault: type[LostAnswers]
) -> None:
    """When the connection breaks over the create of a pod, stored or not, then in the end each node has one pod, and keeps it.

    Source: issue 72155. Catches: tried again under a new name, and both kept; never tried again, for it must have been stored.
    Trap: a second pod may be there for a moment; both cases look the same to the controller.
    """
    exactly(rig, 3)
    lost = way.begin(fault("create", "pods"))
    agent = rig.apply(daemonset(), guard=DOUBLES_PASS)
    agent.settles(one_pod_per_node & ready & status_matches)
    way.expect_effect(lost)


def test_GC_05_what_only_the_cache_shows_alive_adopts_nothing(rig: Rig, way: Interception) -> None:
    """Given a set that was deleted with orphans, and a controller that has not seen it, then none of the orphans is adopted.

    Source: unit TestDontDoAnythingIfBeingDeletedRace. Catches: pods adopted that the user has just orphaned; the garbage collector ends
    them. Trap: events of sets alone are held; that the orphans were seen is shown by a pod of another set, which is replaced.
    """
    node = rig.workers(1)[0]
    other, agent = rig.apply(daemonset("other")), rig.apply(daemonset())
    for one in (other, agent):
        one.settles(one_pod_per_node & ready & status_matches)
    pods = set(agent.uids().values())
    with way.during(Hold(rig.sets.plural)):
        agent.delete("Orphan")
        agent.eventually(orphaned)
        victim = other.pod_on(node)
        rig.delete_pod(victim, grace=0)
        other.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    other.barrier()
    free: set[str] = set()
    for event in agent.history().events:
        if event.kind == POD and (uid := event.object["metadata"]["uid"]) in pods:
            view = Pod(event.object)
            rig.expect(event.type != DELETED, f"the orphan {view.name} is gone")
            rig.expect(
                uid not in free or view.owner is None, f"the orphan {view.name} was adopted by a set that was going"
            )
            free.update([uid] if view.owner is None else [])
    rig.expect({one["metadata"]["uid"] for one in agent.made()} == pods, "pods were made for a set that was going")


def _is_for(pods: Iterable[dict[str, Any]], node: Node) -> bool:
    return any(Pod(one).target == node.name and Pod(one).active for one in pods)


def test_ROB_05_lost_events_wedge_no_set_for_ever(rig: Rig, way: Interception) -> None:
    """Given a pod whose events were lost, then a node that joins gets its pod in the time that the profile knows; a list heals the rest.

    Source: code; observed on v1.36.2: what is expected is given up after five minutes, and the next event of the set goes on.
    Catches: waits for ever. Trap: the expiry itself need not wake anybody, so a nudge after it; a second pod in the place of the
    one that nobody saw may be there until the list.
    """
    exactly(rig, 2)
    with way.during(Hold("pods")):
        agent = rig.apply(daemonset(), guard=DOUBLES_PASS)
        agent.eventually(some_pod)
        lost = way.begin(LostEvents("pods", agent.pods()[0]["metadata"]["name"]))
    late = rig.nodes.join().wait()
    if not rig.comes_to(PODS, lambda pods: _is_for(pods, late), within=MARGIN * rig.timings.expectations):
        agent.wake()
    agent.eventually(pod_on(late))
    way.expect_effect(lost)
    way.end(lost)
    cut = way.begin(Cut("pods"))
    agent.eventually(one_pod_per_node & ready & status_matches)
    way.expect_effect(cut)


def test_ROB_06_a_watch_that_breaks_and_cannot_be_resumed_leads_to_the_right_end_state(
    rig: Rig, way: Interception
) -> None:
    """Given a pod and a node that go unseen, when the watches break and their version is forgotten (410), then all comes right.

    Source: unit TestDeleteFinalStateUnknown, TestExpectationsOnRecreate. Catches: deletions missed that only the new list shows.
    Trap: what happens meanwhile is held before the watches are cut, so it is never told as an event. The list of pods may come before
    that of nodes: a pod for the node that has gone is then right, stays unbound, and goes with the next sync only, so a barrier brings
    one (NODE-03 of observed.md); not before the victim has been replaced, which has to come of the lists alone.
    """
    node, leaving, *_ = exactly(rig, 3)
    agent = rig.apply(daemonset())
    agent.settles(one_pod_per_node & ready & status_matches)
    victim, left = (agent.pod_on(one)["metadata"]["uid"] for one in (node, leaving))
    with way.during(Hold("pods")), way.during(Hold("nodes")):
        rig.delete_pod(agent.pod_on(node), grace=0)
        leaving.leave().wait()
        agent.eventually(gone(victim) & gone(left))
        cuts = [way.begin(Cut("pods")), way.begin(Cut("nodes"))]
    agent.eventually(another_pod_on(node.name, victim))
    agent.barrier()
    agent.eventually(one_pod_per_node & ready & status_matches)
    for cut in cuts:
        way.expect_effect(cut)
