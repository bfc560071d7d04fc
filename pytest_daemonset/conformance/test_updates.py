"""Update strategies without surge (rows UPD-01 to UPD-15, KRU-09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import counters, going_or_gone
from pytest_daemonset.conformance.rolling import (
    GUARD,
    VERSION,
    aged,
    all_at,
    asked_to_go,
    bad,
    by_version,
    exactly,
    hold,
    let_go,
    limits,
    made_at,
    reached,
    ready_at,
    rolling,
    this_many_at,
    to,
    version_of,
)
from pytest_daemonset.contract import at_most_unavailable, never_replaced_early, status_matches
from pytest_daemonset.contract.events import POD
from pytest_daemonset.contract.views import Pod

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest

AGENT = {"app": "agent"}
POOL = "example.com/pool"
QUIET = 0.5
"""Seconds without a write that say that a rollout has ended."""


def _rolled(rig: Rig, nodes: int, **how: Any) -> SetUnderTest:
    """A set at version 1 on exactly so many nodes, at rest."""
    exactly(rig, nodes)
    agent = rig.apply(rolling(**how), guard=GUARD)
    if how.get("min_ready"):
        agent.eventually(all_at("1"))
        aged(rig, agent)
    agent.eventually(all_at("1") & status_matches)
    return agent


def test_UPD_01_on_delete_leaves_every_running_pod_alone(rig: Rig) -> None:
    """Given OnDelete, when the template changes, then every running pod stays.

    Source: e2e "should not update pod when spec was updated and update strategy is OnDelete". Catches: a rollout whatever
    the strategy says. Trap: negative, so a barrier, and then UIDs are compared; images or labels looked at once prove nothing.
    """
    agent = _rolled(rig, 3, strategy="OnDelete")
    before = agent.uids()
    agent.update(to("2"))
    agent.barrier()
    rig.expect(agent.uids() == before, f"pods changed under OnDelete: {before} became {agent.uids()}")


def test_UPD_02_on_delete_a_pod_deleted_by_hand_comes_back_new_and_its_neighbours_stay(rig: Rig) -> None:
    """Given OnDelete and a new template, when a pod is deleted or a node joins, then only they get the new version.

    Source: none (the e2e never deletes a pod). Catches: pods made from the old template, or a full rollout.
    Trap: a deletion may be seen before the template, by another watch, so the template is seen to be observed first. Liveness
    without a nudge; the neighbours are judged after a barrier.
    """
    agent = _rolled(rig, 3, strategy="OnDelete")
    agent.update(to("2"))
    agent.eventually(counters())
    first = rig.workers(1)[0]
    neighbours = {node: uid for node, uid in agent.uids().items() if node != first.name}
    rig.delete_pod(agent.pod_on(first), grace=0)
    late = rig.nodes.join().wait()
    agent.eventually(reached("2", first.name, late.name))
    agent.barrier()
    now = agent.uids()
    moved = [node for node, uid in neighbours.items() if now.get(node) != uid]
    rig.expect(not moved, f"nobody deleted the pods on {', '.join(moved)}, and they were replaced")
    rig.expect(len(made_at(agent, "2")) == 2, f"{len(made_at(agent, '2'))} pods of the new version were made, not 2")


@pytest.mark.daemonset_requires("audit")
def test_UPD_03_a_rolling_update_brings_every_node_to_the_new_version_and_then_writes_stop(rig: Rig) -> None:
    """When the template changes, then every node ends with one available pod of the new version, and writes stop.

    Source: e2e "should update pod when spec was updated and update strategy is RollingUpdate". Catches: it stops after the
    first batch. Trap: the order of nodes is nobody's promise; no barrier before the end, for it would wake a rollout that sleeps.
    """
    agent = _rolled(rig, 4)
    agent.update(to("2"))
    agent.settles(all_at("2") & status_matches)
    mark = rig.writes.mark()
    agent.stays(all_at("2"), for_=QUIET)
    rig.expect_no_writes(rig.writes.about(agent.namespace, agent.name, mark), "the rollout had ended")
    twice = {node: count for node, count in agent.made_for().items() if count != 2}
    rig.expect(not twice, f"one pod of each version is enough for each node; made were {twice}")
    agent.throughout(never_replaced_early)


@pytest.mark.parametrize("budget", [1, 2])
def test_UPD_04_no_more_nodes_lack_an_available_pod_than_allowed(rig: Rig, budget: int) -> None:
    """Given maxUnavailable k and a healthy start, then never more than k nodes lack an available pod.

    Source: unit TestDaemonSetUpdatesPods. Catches: k more taken in each sync without those in flight. Trap: every event is
    judged, by node, for a node whose pod is gone already lacks it too; only the kubelet decides what is Ready.
    """
    agent = _rolled(rig, 5, unavailable=budget)
    with agent.daemonset.always(at_most_unavailable(budget)):
        agent.update(to("2"))
        agent.eventually(all_at("2"))


@pytest.mark.daemonset_requires("behave")
@pytest.mark.parametrize(
    ("nodes", "share", "allowed"),
    [(3, "10%", 1), (4, "25%", 1), (4, "50%", 2), (5, "10%", 1), (5, "34%", 2), (3, "100%", 3)],
)
def test_UPD_05_a_percentage_is_taken_of_the_desired_nodes_and_rounded_up(
    rig: Rig, nodes: int, share: str, allowed: int
) -> None:
    """Given a limit of so many per cent and pods that never become Ready, then the rollout halts at the number rounded up.

    Source: unit TestGetUnavailableNumbers. Catches: rounding down, so that ten per cent of five nodes is none and nothing moves.
    Trap: the nodes are held still; that it goes no further is negative, so a barrier.
    """
    agent = _rolled(rig, nodes, unavailable=share)
    bad(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", allowed))
    agent.barrier()
    reality = {version: len(pods) for version, pods in by_version(agent).items()}
    wanted = {"2": allowed, **({"1": nodes - allowed} if nodes > allowed else {})}
    rig.expect(reality == wanted, f"{share} of {nodes} nodes is {allowed}; pods by version are {reality}")


@pytest.mark.daemonset_requires("behave")
def test_UPD_05_a_percentage_follows_the_nodes(rig: Rig) -> None:
    """Given half of the nodes as limit and a halted rollout, when nodes join, then it goes on as far as half of all.

    Source: unit TestGetUnavailableNumbers. Catches: a limit computed once. Trap: the nodes that join lack an available pod
    themselves, so their pods are let become Ready.
    """
    agent = _rolled(rig, 2, unavailable="50%")
    bad(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 1))
    for one in rig.nodes.join(2).wait():
        one.behave({VERSION: "2"}, namespace=rig.namespace, ready=True).wait()
    agent.eventually(this_many_at("2", 4))


@pytest.mark.daemonset_requires("behave")
def test_UPD_06_a_rollout_of_pods_that_never_become_ready_halts(rig: Rig) -> None:
    """When new pods do not become available, then the rollout halts once the budget is spent, and healthy pods survive.

    Source: unit TestDaemonSetUpdatesWhenNewPodIsNotReady. Catches: missing pods counted only, so that the fleet goes down.
    Trap: the kubelet never lets them become Ready; after the halt a barrier, and then UIDs are compared.
    """
    agent = _rolled(rig, 5, unavailable=2)
    before = agent.uids()
    bad(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 2))
    agent.barrier()
    survivors = [node for node, uid in agent.uids().items() if before[node] == uid]
    rig.expect(len(survivors) == 3, f"3 of 5 healthy pods should have survived; {len(survivors)} did")


@pytest.mark.daemonset_requires("behave")
def test_UPD_07_old_pods_that_are_unavailable_are_all_replaced_at_once(rig: Rig) -> None:
    """Given old pods that are not available, then all of them are replaced at once, even beyond the budget.

    Source: unit TestDaemonSetUpdatesAllOldPodsNotReady. Catches: a broken fleet that cannot be repaired, for its budget is
    spent. Trap: the new pods are held back, so that only what is replaced beyond the budget can reach three nodes.
    """
    nodes = rig.workers(3)
    for node in nodes:
        node.behave({VERSION: "1"}, namespace=rig.namespace, ready=False).wait()
    agent = rig.apply(rolling(unavailable=1), guard=GUARD)
    agent.eventually(reached("1", *(node.name for node in nodes)))
    hold(rig, "2")
    agent.update(to("2"))
    agent.eventually(reached("2", *(node.name for node in nodes)))


@pytest.mark.daemonset_requires("behave")
def test_UPD_08_bad_updates_in_a_row_never_reach_the_healthy_pods(rig: Rig) -> None:
    """When one bad template follows another, then only the pods that are down already are replaced.

    Source: unit TestDaemonSetUpdatesSaveOldHealthyPods, issue 123232. Catches: three bad pushes that kill every healthy pod.
    Trap: each template is seen to have reached as many nodes as it may before the next one comes.
    """
    agent = _rolled(rig, 4)
    before = agent.uids()
    bad(rig, "2", "3", "4")
    for version in ("2", "3", "4"):
        agent.update(to(version))
        agent.eventually(this_many_at(version, 1))
    agent.barrier()
    survivors = [node for node, uid in agent.uids().items() if before[node] == uid]
    rig.expect(
        len(survivors) == 3, f"3 of 4 healthy pods should have survived three bad templates; {len(survivors)} did"
    )


def test_UPD_09_what_is_no_part_of_the_template_restarts_nothing(rig: Rig) -> None:
    """When the spec changes outside of the template, or labels and annotations of the set do, then no pod restarts.

    Source: unit TestDaemonSetUpdatesNoTemplateChanged. Catches: a hash of the whole spec, or of the generation.
    Trap: each change is seen to be observed before the next one; the barrier is one more such change.
    """
    agent = _rolled(rig, 2)
    before = agent.uids()
    for change in (
        {"metadata": {"labels": {"example.com/team": "a"}, "annotations": {"example.com/note": "b"}}},
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}},
        {"spec": {"minReadySeconds": 1}},
        {"spec": {"minReadySeconds": 0, "revisionHistoryLimit": 3}},
        {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}},
        {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": limits(1)}}},
    ):
        agent.update(change)
        agent.eventually(counters())
        agent.barrier()
        rig.expect(agent.uids() == before, f"pods were replaced for {change}")


@pytest.mark.daemonset_requires("behave")
def test_UPD_10_a_template_that_changes_mid_rollout_is_gone_to_directly(rig: Rig) -> None:
    """When the template changes again during a rollout, then the set goes to the newest one directly.

    Source: unit TestDaemonSetUpdatesSomeOldPodsNotReady. Catches: the middle revision finished first, or a loop.
    Trap: pods of the middle version never start, so that the rollout is caught in the middle; three versions at once are
    right, so only what is made after the newest one has been observed is judged.
    """
    agent = _rolled(rig, 4)
    hold(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 1))
    agent.update(to("3"))
    agent.eventually(all_at("3") & status_matches)
    middle = made_at(agent, "2")
    rig.expect(
        len(middle) == 1, f"{len(middle)} pods of the middle version were made; the rollout had reached one node"
    )
    newest = {pod.target: 0 for pod in made_at(agent, "3")}
    for pod in made_at(agent, "3"):
        newest[pod.target] += 1
    rig.expect(set(newest.values()) == {1}, f"pods of the newest version were made anew: {newest}")


@pytest.mark.daemonset_requires("behave")
def test_UPD_11_the_strategy_can_be_switched_mid_rollout(rig: Rig) -> None:
    """When OnDelete becomes RollingUpdate, then the rollout begins; when it is switched back, then the rest is frozen.

    Source: e2e "... complex daemon" (one direction). Catches: the strategy read when the template changes only.
    Trap: what was under way at the switch is right, so the first new pod is held until the switch has been observed; it is Ready
    before the barrier, or its own unreadiness would keep the rollout.
    """
    agent = _rolled(rig, 3, strategy="OnDelete")
    hold(rig, "2")
    agent.update(to("2"))
    agent.update({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": limits(1)}}})
    agent.eventually(this_many_at("2", 1))
    agent.update({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}})
    agent.barrier()
    frozen = len(made_at(agent, "2"))
    let_go(rig, "2")
    agent.eventually(ready_at("2", 1))
    agent.barrier()
    rig.expect(len(made_at(agent, "2")) == frozen, "the rollout went on after the strategy had become OnDelete")
    agent.update({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": limits(1)}}})
    agent.eventually(all_at("2"))


MIN_READY = 2
BOUND = 1.5
"""Seconds that must lie between readiness, whose stamp has whole seconds, and the next deletion, for minReadySeconds 2."""
FLAPPING = (3, 9, 27)
"""minReadySeconds where readiness flaps; the later ones for a machine on which the flap came when the wait was over already."""


def _next_deletion(rig: Rig, agent: SetUnderTest, before: dict[str, str], version: str = "2") -> tuple[float, Pod]:
    """When the second old pod was asked to go, and the new pod that came before it."""
    going = {uid: asked_to_go(agent, uid) for uid in before.values()}
    at = sorted(moment for moment in going.values() if moment is not None)
    rig.expect(len(at) >= 2, f"{len(at)} old pods were asked to go, expected 2 by now")
    first = min(made_at(agent, version), key=lambda pod: pod.created)
    now = next(one for one in map(Pod, agent.pods()) if one.uid == first.uid)
    return at[1], now


def test_UPD_12_the_next_node_waits_until_the_new_pod_has_been_ready_long_enough(rig: Rig) -> None:
    """Given minReadySeconds, then the next node waits until the new pod has been Ready for so long, and then it goes on.

    Source: unit TestSurgePreservesOldReadyWithUnsatisfiedMinReady, kruise issue 1012. Catches: no timer, so that it waits for
    an event that never comes; Ready taken for available. Trap: the cluster is silent meanwhile and nobody nudges; stamps have
    whole seconds, so the lower bound is half a second short.
    """
    agent = _rolled(rig, 2, min_ready=MIN_READY)
    before = agent.uids()
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 2))
    at, first = _next_deletion(rig, agent, before)
    waited = at - (first.ready_since or at)
    rig.expect(
        waited >= BOUND, f"the next pod was deleted {waited:.1f} s after the first had become Ready, not {MIN_READY}"
    )


@pytest.mark.daemonset_requires("behave")
def test_UPD_13_readiness_that_flaps_begins_the_wait_anew(rig: Rig) -> None:
    """Given minReadySeconds, when the new pod becomes unready and Ready again, then the wait begins anew.

    Source: code of the built-in controller. Catches: the wait measured from the start, or from the first Ready.
    Trap: as for UPD-12; the kubelet sets the moment of the transition. A stamp may be a second older than what it stamps, so
    the wait is long enough for the flap to fall into it, and for its stamp to be another one; where a slow machine made it come
    too late all the same, in the order of the events, a longer wait is tried.
    """
    agent = _rolled(rig, 2, min_ready=FLAPPING[0])
    for version, min_ready in zip("234", FLAPPING, strict=True):
        before = agent.uids()
        agent.update({"spec": {**to(version)["spec"], "minReadySeconds": min_ready}})
        agent.eventually(ready_at(version, 1))
        pod = by_version(agent)[version][0]
        agent.stays(ready_at(version, 1), for_=1.1)
        rig.nodes.set_ready(pod.object, False).wait()
        rig.nodes.set_ready(pod.object, True).wait()
        agent.eventually(this_many_at(version, 2))
        if _flapped_in_time(agent, pod.uid, before):
            break
        agent.eventually(all_at(version))
        aged(rig, agent)
        agent.eventually(all_at(version) & status_matches)
    at, first = _next_deletion(rig, agent, before, version)
    waited = at - (first.ready_since or at)
    rig.expect(
        waited >= min_ready - 0.5,
        f"the next pod was deleted {waited:.1f} s after the first was Ready again, not {min_ready}",
    )


def _flapped_in_time(agent: SetUnderTest, new: str, before: dict[str, str]) -> bool:
    """Whether the new pod was unready again before the next old one was asked to go."""
    ready = False
    for one in agent.history().events:
        pod = Pod(one.object) if one.kind == POD else None
        if pod is not None and pod.uid == new:
            if ready and not pod.ready:
                return True
            ready = pod.ready
        elif pod is not None and ready and pod.uid in before.values() and pod.terminating:
            return False
    return False


@pytest.mark.daemonset_requires("behave")
def test_UPD_14_a_node_that_is_down_already_takes_from_the_budget(rig: Rig) -> None:
    """Given as many nodes down as may be, then no healthy pod is taken; when they are back, the rollout ends.

    Source: code; issues 73011, 117204. Catches: nodes that are down ignored, or waited for for ever. Trap: down is a pod whose
    termination is held, for an old pod that is merely unready would be replaced at once (UPD-07).
    """
    agent = _rolled(rig, 3)
    down = rig.workers(1)[0]
    down.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    healthy = {node: uid for node, uid in agent.uids().items() if node != down.name}
    rig.delete_pod(agent.pod_on(down))
    agent.update(to("2"))
    agent.barrier()
    taken = [node for node, uid in healthy.items() if agent.uids().get(node) != uid]
    rig.expect(not taken, f"{down} was down and took the whole budget; still the pods on {', '.join(taken)} were taken")
    down.behave(AGENT, namespace=rig.namespace, hold_termination=False).wait()
    agent.eventually(all_at("2"))


@pytest.mark.daemonset_requires("behave")
def test_KRU_09_a_pod_on_a_node_that_is_given_up_takes_nothing_from_the_budget(rig: Rig) -> None:
    """Given a node that stopped being eligible and a pod there that never ends, then the rollout reaches all other nodes.

    Source: kruise unit TestManageDeletesPodsOnNotReadyNodesWhenIgnoreAnnotation, code; observed. Catches: a node that is to have
    no pod counted as one that lacks its pod, so that with maxUnavailable 1 nothing moves. Trap: liveness, so no barrier; the pod
    is asked to go before the template changes.
    """
    given_up, *others = exactly(rig, 3)
    for node in (given_up, *others):
        node.label({POOL: "agents"}).wait()
    agent = rig.apply(rolling(nodeSelector={POOL: "agents"}), guard=GUARD)
    agent.eventually(all_at("1") & status_matches)
    given_up.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    leftover = agent.pod_on(given_up)["metadata"]["uid"]
    given_up.label({POOL: None}).wait()
    agent.eventually(going_or_gone(leftover))
    agent.update(to("2"))
    agent.eventually(reached("2", *(node.name for node in others)))


@pytest.mark.daemonset_requires("behave")
def test_UPD_15_nodes_that_join_and_leave_mid_rollout_do_not_keep_it_from_ending(rig: Rig) -> None:
    """When nodes join and leave during a rollout, then those that join get the new version, and it ends.

    Source: contract.md, no upstream test. Catches: a list of nodes kept for the time of a rollout. Trap: the end alone is
    judged, with the guards of every moment.
    """
    agent = _rolled(rig, 3)
    hold(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 1))
    stuck = by_version(agent)["2"][0].target
    late = rig.nodes.join().wait()
    agent.eventually(reached("2", late.name))
    rig.nodes[stuck or ""].leave().wait()
    let_go(rig, "2")
    agent.eventually(all_at("2"))
    versions = {version_of(pod) for pod in map(Pod, agent.made()) if pod.target == late.name}
    rig.expect(versions == {"2"}, f"{late} joined during the rollout and was given versions {versions}")
