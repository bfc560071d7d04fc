"""Updates with surge (rows UPD-16 to UPD-20, AMO-06, AMO-07, FAIL-10): core for a controller that offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import StateInvariant
from pytest_daemonset.conformance.rolling import (
    SURGE_GUARD,
    VERSION,
    aged,
    all_at,
    bad,
    by_version,
    exactly,
    hold,
    left,
    let_go,
    limits,
    made_at,
    reached,
    ready_at,
    rolling,
    this_many_at,
    to,
    told,
    version_of,
)
from pytest_daemonset.contract import (
    at_most_surging,
    at_most_two_pods_per_node,
    never_retired_early,
    one_pod_per_node,
    ready,
    status_matches,
)
from pytest_daemonset.contract.views import Pod

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.contract import State

AGENT = {"app": "agent"}
TAINT = "example.com/dedicated"


def _rolled(rig: Rig, nodes: int, surge: int | str = 1, **how: Any) -> SetUnderTest:
    """A set with surge, at version 1 on exactly so many nodes, at rest."""
    exactly(rig, nodes)
    agent = rig.apply(rolling(surge=surge, **how), guard=SURGE_GUARD)
    if how.get("min_ready"):
        agent.eventually(all_at("1"))
        aged(rig, agent)
    agent.eventually(all_at("1") & status_matches)
    return agent


@pytest.mark.daemonset_requires("behave")
@pytest.mark.parametrize("slots", [1, 2])
def test_UPD_16_no_more_nodes_have_an_extra_pod_than_the_surge_allows(rig: Rig, slots: int) -> None:
    """Given maxSurge k, then at most k nodes at a time have a new pod that is not available beside an available old one.

    Source: unit TestDaemonSetUpdatesPodsWithMaxSurge, issue 107174. Catches: a second surge before the first one was seen.
    Trap: a node whose new pod has become available is on its way to one pod again, and counts no more: two active pods are
    no measure. First pods that become Ready, then ones that never do, so that it must halt.
    """
    agent = _rolled(rig, 4, slots)
    with agent.daemonset.always(at_most_surging(slots)):
        agent.update(to("2"))
        agent.eventually(all_at("2"))
        bad(rig, "3")
        agent.update(to("3"))
        agent.eventually(this_many_at("3", slots))
        agent.barrier()
        halted = {version: len(pods) for version, pods in by_version(agent).items()}
        rig.expect(
            halted == {"2": 4, "3": slots}, f"4 old pods and {slots} new ones should be there; there are {halted}"
        )


@pytest.mark.daemonset_requires("behave")
@pytest.mark.feature("surge")
@pytest.mark.parametrize("share", ["34%", "10%"])
def test_UPD_05_a_percentage_of_surge_is_rounded_up(rig: Rig, share: str) -> None:
    """Given maxSurge in per cent and pods that never become Ready, then it halts at the number rounded up.

    Source: unit TestGetUnavailableNumbers; observed at five sizes. Catches: rounding down. Trap: as without surge.
    """
    agent = _rolled(rig, 4, share)
    allowed = {"34%": 2, "10%": 1}[share]
    bad(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", allowed))
    agent.barrier()
    made = len(made_at(agent, "2"))
    rig.expect(made == allowed, f"{share} of 4 nodes is {allowed}; {made} nodes surge")


@pytest.mark.parametrize("min_ready", [0, 2])
def test_UPD_17_an_available_old_pod_goes_only_once_the_new_one_is_available(rig: Rig, min_ready: int) -> None:
    """With surge, an available old pod is deleted only after the new pod of its node has become available.

    Source: unit TestSurgePreservesReadyOldPods. Catches: deleted at Ready instead of available, or when the new one is made.
    Trap: every event is judged, with the time of its arrival; the stamps are the ones that the controller reads too.
    That it wakes up in time is another row's promise: the built-in controller now and then does not (its timer for a pod that
    became Ready is lost when a sync is repeated before it is due), so that it is woken. Both nodes surge at once, so that one
    wait does for both.
    """
    agent = _rolled(rig, 2, surge=2, min_ready=min_ready)
    with agent.daemonset.always(never_retired_early):
        agent.update(to("2"))
        if min_ready:
            agent.eventually(ready_at("2", 2))
            agent.stays(ready_at("2", 2), for_=min_ready)
            agent.wake()
        agent.eventually(all_at("2"))


@pytest.mark.daemonset_requires("behave")
def test_UPD_17_the_pod_that_serves_outlives_a_failed_update_that_is_replaced(rig: Rig) -> None:
    """With surge, when a failed update is replaced by another one, then the first old pod serves until the newest one does.

    Source: contract.md section (b). Catches: of two old pods the one that serves deleted, to make room. Trap: stamps have whole
    seconds and the older of two old pods is kept, so a second passes between the two.
    """
    agent = _rolled(rig, 2)
    bad(rig, "2")
    agent.stays(all_at("1"), for_=1.1)
    with agent.daemonset.always(never_retired_early):
        agent.update(to("2"))
        agent.eventually(this_many_at("2", 1))
        agent.update(to("3"))
        agent.eventually(all_at("3"))


@pytest.mark.daemonset_requires("behave")
def test_UPD_18_an_unavailable_old_pod_gets_its_successor_beyond_the_limit_and_goes_at_once(rig: Rig) -> None:
    """With surge, an unready old pod gets a new one whatever the limit, and is deleted without waiting for it.

    Source: unit TestSurgeDeletesUnreadyOldPods. Catches: a dead pod kept, so that its slot is never free.
    Trap: the new pods are held, so that nothing can have waited for them; the healthy pod is Ready before, for until then it is
    an unready one too.
    """
    nodes = exactly(rig, 4)
    sick, healthy = nodes[:3], nodes[3]
    for node in sick:
        node.behave({VERSION: "1"}, namespace=rig.namespace, ready=False).wait()
    agent = rig.apply(rolling(surge=1), guard=SURGE_GUARD)
    agent.eventually(one_pod_per_node & ready_at("1", 1))
    old = agent.uids()
    hold(rig, "2")
    agent.update(to("2"))
    agent.eventually(reached("2", *(node.name for node in sick)))
    agent.eventually(left(*(old[node.name] for node in sick)))
    agent.barrier()
    serving = {pod.uid for pod in by_version(agent).get("1", [])}
    rig.expect(old[healthy.name] in serving, f"the healthy pod of {healthy} is gone")


@pytest.mark.daemonset_requires("behave")
def test_UPD_19_available_pods_on_nodes_that_are_given_up_go_last(rig: Rig) -> None:
    """With surge, where a new template gives nodes up, no pod surges there, and their pods go once enough others serve.

    Source: unit TestDaemonSetUpdatesPodsNotMatchTainstWithMaxSurge, issue 118823. Catches: surge onto nodes of no use, which
    never ends; serving pods dropped first. Trap: the pods of the other nodes are unready, and the new ones held, so that
    "enough" is not reached before the row says so; negative, so a barrier.
    """
    nodes = exactly(rig, 4)
    given_up, kept = nodes[:2], nodes[2:]
    for node in given_up:
        node.taint(f"{TAINT}:NoSchedule").wait()
    for node in kept:
        node.behave({VERSION: "1"}, namespace=rig.namespace, ready=False).wait()
    agent = rig.apply(rolling(surge=1, tolerations=[{"key": TAINT, "operator": "Exists"}]), guard=SURGE_GUARD)
    agent.eventually(reached("1", *(node.name for node in nodes)))
    names = {node.name for node in given_up}

    def both_ready(state: State) -> str | None:
        serving = [n for n in names if any(pod.ready for pod in state.active_on(n))]
        return None if len(serving) == len(names) else f"only {told(serving)} serve"

    agent.eventually(StateInvariant("the nodes given up serve", both_ready))
    old = agent.uids()
    hold(rig, "2")
    agent.update(to("2", tolerations=None))
    agent.eventually(reached("2", *(node.name for node in kept)))
    agent.barrier()
    gone = [node for node in names if agent.uids().get(node) != old[node]]
    rig.expect(not gone, f"available pods on {told(gone)} were deleted while no other node had one")
    let_go(rig, "2")
    agent.eventually(all_at("2"))
    surged = names.intersection(pod.target or "" for pod in made_at(agent, "2"))
    rig.expect(not surged, f"pods of the new template were made on {told(surged)}, which may have none")


@pytest.mark.daemonset_requires("behave")
def test_UPD_20_surge_that_is_turned_off_mid_rollout_leaves_one_pod_a_node(rig: Rig) -> None:
    """When surge is turned off during a rollout, then each node is left with one pod, and the rollout ends.

    Source: contract.md, no upstream test. Catches: two pods for ever. Trap: the older pod may win first and be replaced
    later, so the end alone is judged.
    """
    agent = _rolled(rig, 3)
    hold(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 1))
    agent.update({"spec": {"updateStrategy": {"rollingUpdate": {**limits(1), "maxSurge": 0}}}})
    let_go(rig, "2")
    agent.eventually(all_at("2"))


@pytest.mark.daemonset_requires("behave")
def test_AMO_06_with_surge_at_most_two_active_pods_and_one_of_each_revision(rig: Rig) -> None:
    """With surge, a node never has more than two active pods, nor two of one revision, with three revisions under way.

    Source: unit TestSurgeDealsWithExistingPods, TestSurgePreservesReadyOldPods. Catches: another surge while one is Pending.
    Trap: pods are compared by their label and not as "old" and "new"; every event is judged.
    """
    agent = _rolled(rig, 3, 2)
    hold(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 2))
    for _ in range(3):
        agent.wake()
    agent.barrier()
    agent.update(to("3"))
    agent.eventually(all_at("3"))
    agent.throughout(at_most_two_pods_per_node)


@pytest.mark.daemonset_requires("behave")
def test_AMO_07_with_surge_a_terminating_pod_is_replaced_at_once(rig: Rig) -> None:
    """With surge, nodes whose only pod is terminating get another one at once, more of them than the limit says.

    Source: unit TestSurgeCreatesNewPodWhenAtMaxSurgeAndOldPodDeleted. Catches: the end of the old pod is waited for.
    Trap: the kubelet holds the old pods, so that nothing can have waited for them.
    """
    agent = _rolled(rig, 3)
    rig.nodes.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    for victim in agent.pods():
        rig.delete_pod(victim)
    agent.eventually(one_pod_per_node & ready)


CORPSES = 5
"""How many failed pods may lie about on one node within a few seconds: the built-in controller leaves hundreds."""


@pytest.mark.daemonset_requires("behave")
def test_FAIL_10_with_surge_failed_pods_do_not_pile_up(rig: Rig) -> None:
    """With surge, when every pod of a node fails, then failed pods do not pile up there.

    Source: issue 124388; observed as 45 pods a second. Catches: another pod in each sync while failed ones wait out their
    back-off. Trap: the number is bounded, not timed; one node only, so that a broken controller is not fed for long.
    """
    node = exactly(rig, 2)[0]
    node.behave(AGENT, namespace=rig.namespace, reject="OutOfPatience").wait()
    agent = rig.apply(rolling(surge=1), guard=SURGE_GUARD)

    def pile(state: State) -> str | None:
        failed = [pod.name for pod in state.owned_on(node.name) if pod.terminal]
        return f"{node} has {len(failed)} failed pods" if len(failed) > CORPSES else None

    agent.eventually(StateInvariant("some pod has failed", lambda state: None if _failed(state, node.name) else "none"))
    agent.stays(StateInvariant(f"at most {CORPSES} failed pods", pile), for_=1.5)


def _failed(state: State, node: str) -> bool:
    return any(pod.terminal for pod in state.owned_on(node))


def test_UPD_16_a_rollout_with_surge_ends_with_one_new_pod_a_node(rig: Rig) -> None:
    """With surge, a rollout ends with one pod of the new version on each node, each made once.

    Source: e2e "should surge pods onto nodes when spec was updated and update strategy is RollingUpdate". Catches: a node
    that surges again and again. Trap: that no other one is made is negative, so a barrier before pods are counted.
    """
    agent = _rolled(rig, 3)
    agent.update(to("2"))
    agent.settles(all_at("2") & status_matches)
    count: dict[str | None, int] = {}
    for pod in map(Pod, agent.made()):
        if version_of(pod) == "2":
            count[pod.target] = count.get(pod.target, 0) + 1
    rig.expect(set(count.values()) == {1}, f"one new pod is enough for each node; made were {count}")


@pytest.mark.daemonset_requires("held_loops")
def test_UPD_21_a_pod_left_over_on_a_deleted_node_does_not_stop_the_rollout(rig: Rig) -> None:
    """With surge, when a pod is bound to a node that is gone, then the rollout goes on elsewhere.

    Source: contract.md; the built-in controller fails every sync at it (observed). Catches: a node that cannot be looked up ends the
    sync. Trap: pod garbage collection would help, so it is held back; the kubelet of the node is gone with it. No nudge.
    """
    rig.hold("pod-gc")
    agent = _rolled(rig, 3)
    gone = rig.workers(1)[0]
    left_over = agent.pod_on(gone)["metadata"]["uid"]
    gone.leave().wait()
    agent.update(to("2"))
    agent.eventually(all_at("2", *(node.name for node in rig.nodes)))
    there = {one["metadata"]["uid"] for one in agent.pods()}
    rig.expect(left_over in there, f"the pod of {gone} is gone, so it stopped nobody: this proves nothing")
