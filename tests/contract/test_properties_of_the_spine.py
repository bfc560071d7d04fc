"""What each property of the spine says of a cluster: when it holds, when it is broken or unknown, why, and since when."""

from __future__ import annotations

from typing import Any

import pytest
from contract_world import START, World, stamp

from pytest_daemonset.contract import (
    BROKEN,
    HOLDS,
    UNKNOWN,
    Judgement,
    Property,
    Verdict,
    at_most_one_pod_per_node,
    at_most_two_pods_per_node,
    garbage_collected,
    never_replaced_early,
    no_pod_for_an_ineligible_node,
    one_pod_per_node,
    owned,
    pod_on,
    ready,
    rolled_out,
)
from pytest_daemonset.errors import UsageError

NO_SCHEDULE = {"key": "k", "effect": "NoSchedule"}
NO_EXECUTE = {"key": "k", "effect": "NoExecute"}


def running(*nodes: str, template: dict[str, Any] | None = None) -> World:
    """A set whose controller has seen it, on nodes without pods."""
    world = World()
    for name in nodes:
        world.node(name)
    world.daemonset(template)
    world.status()
    return world


def only(verdict: Verdict) -> str:
    (reason,) = verdict.reasons
    return reason.text


def judged(world: World, sentence: Property) -> Verdict:
    return sentence.judging(world.state).verdict


# at_most_one_pod_per_node


def test_two_active_pods_on_a_node_break_amo_01_and_name_node_pods_and_since() -> None:
    world = running("a", "b")
    guard = world.judge(at_most_one_pod_per_node)
    world.pod("a-x", "a")
    world.pod("b-x", "b")
    assert guard.verdict.answer is HOLDS
    second = world.pod("a-y", "a")
    verdict = guard.verdict
    assert verdict.answer is BROKEN
    assert verdict.event == second
    (reason,) = verdict.reasons
    assert (reason.node, reason.pods, reason.since) == ("a", ("a-x", "a-y"), second.at)
    assert reason.text == (f"a has two active pods: a-x (since {stamp(START + 4)}), a-y (since {stamp(START + 6)})")
    world.remove("Pod", "a-y")
    assert guard.verdict.answer is HOLDS
    assert only(verdict) == reason.text
    assert guard.relevant == 4


def test_a_third_pod_does_not_make_the_fault_younger() -> None:
    world = running("a")
    guard = world.judge(at_most_one_pod_per_node)
    world.pod("a-x", "a")
    second = world.pod("a-y", "a")
    world.pod("a-z", "a")
    assert guard.verdict.event == second
    assert guard.verdict.reasons[0].since == second.at
    assert only(guard.verdict).startswith("a has 3 active pods")


@pytest.mark.parametrize("ending", ["terminate", "ends"])
def test_terminating_and_terminal_pods_do_not_count_for_amo_01(ending: str) -> None:
    world = running("a")
    guard = world.judge(at_most_one_pod_per_node)
    world.pod("a-x", "a")
    getattr(world, ending)("a-x")
    world.pod("a-y", "a")
    assert guard.verdict.answer is HOLDS


def test_pods_of_another_incarnation_and_planted_ones_do_not_count_for_amo_01() -> None:
    world = running("a")
    guard = world.judge(at_most_one_pod_per_node.exempting("planted").exempting("uid-planted-2"))
    world.pod("old", "a", references=[world.reference(uid="ds-0")])
    world.pod("planted", "a")
    world.pod("planted-2", "a")
    assert guard.relevant == 0
    world.pod("a-x", "a")
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 1)
    world.pod("a-y", "a")
    assert guard.verdict.answer is BROKEN


def test_pods_without_a_target_share_no_node() -> None:
    world = running()
    guards = [world.judge(each) for each in (at_most_one_pod_per_node, at_most_two_pods_per_node)]
    for name in "xyz":
        world.pod(name, None)
    assert [(guard.verdict.answer, guard.relevant) for guard in guards] == [(HOLDS, 0)] * 2


def test_a_state_that_is_already_broken_is_told_from_the_start() -> None:
    world = running("a")
    world.pod("a-x", "a")
    second = world.pod("a-y", "a")
    verdict = judged(world, at_most_one_pod_per_node)
    assert (verdict.answer, verdict.event, verdict.reasons[0].since) == (BROKEN, None, second.at)


# at_most_two_pods_per_node


def test_surge_allows_two_pods_of_two_revisions() -> None:
    world = running("a")
    guard = world.judge(at_most_two_pods_per_node)
    world.pod("a-x", "a", revision="r1")
    world.pod("a-y", "a", revision="r2")
    assert guard.verdict.answer is HOLDS
    third = world.pod("a-z", "a", revision="r3")
    assert (guard.verdict.answer, guard.verdict.event) == (BROKEN, third)
    assert only(guard.verdict).startswith("a has 3 active pods")


def test_two_pods_of_one_revision_break_amo_06_but_unlabelled_ones_are_not_compared() -> None:
    world = running("a", "b")
    guard = world.judge(at_most_two_pods_per_node)
    world.pod("b-x", "b", revision=None)
    world.pod("b-y", "b", revision=None)
    assert guard.verdict.answer is HOLDS
    world.pod("a-x", "a")
    world.pod("a-y", "a")
    assert guard.verdict.answer is BROKEN
    assert only(guard.verdict).endswith("both are of revision r1")


# never_replaced_early


def test_a_pod_created_beside_a_terminating_one_breaks_amo_02_for_good() -> None:
    world = running("a")
    guard = world.judge(never_replaced_early)
    world.pod("a-x", "a")
    world.terminate("a-x")
    early = world.pod("a-y", "a")
    world.remove("Pod", "a-x")
    verdict = guard.verdict
    assert (verdict.answer, verdict.event) == (BROKEN, early)
    (reason,) = verdict.reasons
    assert (reason.node, reason.pods, reason.since) == ("a", ("a-y", "a-x"), early.at)
    assert reason.text == (
        f"a-y (since {stamp(START + 5)}) was created for a while it still had "
        f"a-x (since {stamp(START + 3)}, terminating since {stamp(START + 4)})"
    )
    again = world.pod("a-z", "a")
    assert [reason.since for reason in guard.verdict.reasons] == [early.at, again.at]
    assert guard.relevant == 3


def test_a_replacement_after_the_old_pod_is_terminal_or_gone_is_not_early() -> None:
    world = running("a", "b")
    guard = world.judge(never_replaced_early)
    world.pod("a-x", "a")
    world.terminate("a-x")
    world.ends("a-x", "Succeeded")
    world.pod("a-y", "a")
    world.pod("b-x", "b")
    world.remove("Pod", "b-x")
    world.pod("b-y", "b")
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 4)


def test_adoption_creates_nothing() -> None:
    world = running("a")
    guard = world.judge(never_replaced_early)
    world.pod("orphan", "a", references=[])
    world.pod("a-x", "a")
    world.edit("Pod", "orphan", metadata__ownerReferences=[world.reference()])
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 1)


def test_a_planted_pod_may_stand_beside_another_but_nothing_may_be_created_beside_it() -> None:
    world = running("a")
    guard = world.judge(never_replaced_early.exempting("planted"))
    world.pod("a-x", "a")
    world.pod("planted", "a")
    assert guard.verdict.answer is HOLDS
    world.pod("a-y", "a")
    assert guard.verdict.answer is BROKEN
    assert guard.verdict.reasons[0].pods == ("a-y", "a-x", "planted")


def test_a_pod_created_without_a_node_counts_when_it_gets_one() -> None:
    world = running("a")
    guard = world.judge(never_replaced_early)
    world.pod("a-x", "a")
    world.pod("loose", None)
    assert guard.verdict.answer is HOLDS
    bound = world.bind("loose", "a")
    assert (guard.verdict.answer, guard.verdict.event) == (BROKEN, bound)


# owned


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"controller": None}, "should say controller true and lacks it"),
        ({"controller": False}, "should say controller true and says false"),
        ({"blockOwnerDeletion": None}, "should say blockOwnerDeletion true and lacks it"),
        ({"kind": "ReplicaSet"}, "should say kind DaemonSet and says ReplicaSet"),
        ({"apiVersion": "apps/v1beta1"}, "should say apiVersion apps/v1 and says apps/v1beta1"),
        ({"name": "other"}, "should say name agent and says other"),
    ],
)
def test_an_owner_reference_has_to_be_right_in_every_field(change: dict[str, Any], told: str) -> None:
    world = running("a")
    guard = world.judge(owned)
    wrong = world.pod("a-x", "a", references=[world.reference(**change)])
    assert (guard.verdict.answer, guard.verdict.event) == (BROKEN, wrong)
    (reason,) = guard.verdict.reasons
    assert (reason.node, reason.pods, reason.since) == ("a", ("a-x",), wrong.at)
    assert reason.text == f"the owner reference of pod a-x {told}"
    world.edit("Pod", "a-x", metadata__ownerReferences=[world.reference()])
    assert guard.verdict.answer is HOLDS


def test_one_owner_reference_is_all_that_a_pod_or_revision_may_have() -> None:
    world = running("a")
    guard = world.judge(owned)
    world.revision("agent-r1", 1, "r1", references=[world.reference(), world.reference(uid="x", controller=None)])
    assert only(guard.verdict) == (
        "revision agent-r1 has 2 owner references (DaemonSet agent, DaemonSet agent) instead of one"
    )
    world.remove("ControllerRevision", "agent-r1")
    world.revision("agent-r1", 1, "r1")
    world.pod("a-x", "a")
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 3)


def test_what_names_another_owner_or_none_is_not_ours_to_judge() -> None:
    world = running("a")
    guard = world.judge(owned)
    world.pod("orphan", "a", references=[])
    world.pod("other", "a", references=[world.reference(uid="ds-2", controller=None)])
    world.happens("Pod", "ADDED", {"metadata": {"name": "p", "namespace": "elsewhere", "uid": "u"}})
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 0)


# one_pod_per_node


def test_one_pod_per_node_is_unknown_until_the_set_was_seen_and_its_generation_observed() -> None:
    world = World()
    goal = world.judge(one_pod_per_node)
    assert goal.verdict.answer is UNKNOWN
    assert only(goal.verdict) == "DaemonSet default/agent has not been seen yet (UID ds-1)"
    world.node("a")
    world.daemonset()
    world.pod("a-x", "a")
    assert goal.verdict.answer is UNKNOWN
    assert (
        only(goal.verdict)
        == "DaemonSet default/agent is at generation 1 and its controller has observed generation 0 so far"
    )
    world.status()
    assert goal.verdict.answer is HOLDS
    world.retemplate({"hostNetwork": True})
    assert goal.verdict.answer is UNKNOWN


def test_without_any_status_the_pods_speak_unless_there_is_nothing_to_do() -> None:
    world = World()
    goal = world.judge(one_pod_per_node)
    world.daemonset()
    world.edit("DaemonSet", "agent", status=None)
    assert goal.verdict.answer is UNKNOWN
    assert "no status" in only(goal.verdict)
    world.node("a")
    assert goal.verdict.answer is BROKEN
    world.pod("a-x", "a")
    assert goal.verdict.answer is HOLDS


def test_no_eligible_node_is_one_pod_per_node_only_once_that_was_observed() -> None:
    world = World()
    world.node("a")
    world.daemonset({"nodeSelector": {"zone": "z"}})
    goal = world.judge(one_pod_per_node)
    assert goal.verdict.answer is UNKNOWN
    world.status()
    assert goal.verdict.answer is HOLDS


def test_an_eligible_node_without_a_pod_is_named_with_the_reason_that_makes_it_eligible() -> None:
    world = running(template={"nodeSelector": {"zone": "b"}})
    goal = world.judge(one_pod_per_node)
    joined = world.node("node-3", {"zone": "b"})
    (reason,) = goal.verdict.reasons
    assert (reason.node, reason.pods, reason.since) == ("node-3", (), joined.at)
    assert reason.text == (
        "node-3 has no pod, although it may start one: no untolerated taint, node selector zone=b matches"
    )


def test_a_terminating_pod_alone_is_no_pod_for_an_eligible_node() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    terminated = world.terminate("a-x")
    (reason,) = goal.verdict.reasons
    assert reason.since == terminated.at
    assert reason.text.startswith("a has no pod but a-x (since ")
    world.pod("a-y", "a")
    assert goal.verdict.answer is HOLDS


def test_two_pods_break_it_on_any_node() -> None:
    world = running("a", "b")
    world.pod("b-x", "b")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    world.pod("a-y", "a")
    assert only(goal.verdict).startswith("a has 2 active pods: a-x (since")
    world.node("a", taints=[NO_SCHEDULE])
    assert only(goal.verdict).startswith("a has 2 active pods")


def test_a_node_that_may_keep_but_not_start_a_pod_may_have_one_or_none() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    world.node("a", taints=[NO_SCHEDULE])
    assert goal.verdict.answer is HOLDS
    world.remove("Pod", "a-x")
    assert goal.verdict.answer is HOLDS


def test_an_active_pod_where_none_may_stay_breaks_it_until_it_terminates() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    tainted = world.node("a", taints=[NO_EXECUTE])
    (reason,) = goal.verdict.reasons
    assert (reason.node, reason.pods, reason.since) == ("a", ("a-x",), tainted.at)
    assert reason.text == (
        f"a has an active pod, a-x (since {stamp(START + 3)}), although it may not keep one: "
        "no toleration matches its taint k:NoExecute"
    )
    world.terminate("a-x")
    assert goal.verdict.answer is HOLDS


def test_pods_of_nodes_that_left_and_pods_without_a_node_have_to_go() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    left = world.remove("Node", "a")
    assert only(goal.verdict) == f"a does not exist but has a-x (since {stamp(START + 3)})"
    assert goal.verdict.reasons[0].since == left.at
    world.terminate("a-x")
    assert goal.verdict.answer is HOLDS
    world.pod("loose", None)
    assert only(goal.verdict).endswith("bound to no node and pinned to none")


def test_a_set_that_is_gone_has_no_pod_per_node() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    gone = world.remove("DaemonSet", "agent")
    assert goal.verdict.answer is BROKEN
    assert goal.verdict.reasons[0].text == "DaemonSet default/agent is gone (UID ds-1)"
    assert goal.verdict.reasons[0].since == gone.at


def test_a_set_turned_away_by_its_template_leaves_pods_that_may_not_stay() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(one_pod_per_node)
    world.retemplate({"nodeSelector": {"zone": "z"}})
    world.status()
    assert goal.verdict.answer is BROKEN
    world.remove("Pod", "a-x")
    assert goal.verdict.answer is HOLDS


# pod_on


class Named:
    name = "a"


@pytest.mark.parametrize("node", ["a", Named()])
def test_pod_on_a_node_takes_it_or_its_name(node: Any) -> None:
    world = running("a", "b")
    goal, opposite = world.judge(pod_on(node)), world.judge(~pod_on(node))
    world.pod("b-x", "b")
    assert (goal.verdict.answer, opposite.verdict.answer) == (BROKEN, HOLDS)
    assert only(goal.verdict) == "a has no pod of DaemonSet default/agent"
    created = world.pod("a-x", "a")
    assert (goal.verdict.answer, opposite.verdict.answer) == (HOLDS, BROKEN)
    assert goal.verdict.reasons[0].pods == ("a-x",)
    assert opposite.verdict.reasons[0].since == created.at
    assert (goal.relevant, opposite.verdict.reasons[0].node) == (2, "a")


@pytest.mark.parametrize("ending", ["terminate", "ends"])
def test_while_the_last_pod_is_on_its_way_out_neither_pod_on_nor_its_opposite_holds(ending: str) -> None:
    world = running("a")
    world.pod("a-x", "a", bound=True)
    goal, opposite = world.judge(pod_on("a")), world.judge(~pod_on("a"))
    getattr(world, ending)("a-x")
    assert (goal.verdict.answer, opposite.verdict.answer) == (BROKEN, BROKEN)
    assert only(goal.verdict).startswith("a has no active pod but a-x (since")
    assert only(opposite.verdict).startswith("a still has a-x (since")
    world.remove("Pod", "a-x")
    assert opposite.verdict.answer is HOLDS


def test_the_opposite_inside_a_combination_stays_the_strong_one() -> None:
    world = running("a")
    world.pod("a-x", "a")
    world.terminate("a-x")
    assert judged(world, ~(pod_on("a") | pod_on("b"))).answer is BROKEN
    assert judged(world, ~(pod_on("a") & pod_on("b"))).answer is HOLDS


@pytest.mark.parametrize("node", ["", None, 3, object()])
def test_pod_on_refuses_what_has_no_name(node: Any) -> None:
    with pytest.raises(UsageError, match="pod_on takes a node or its name"):
        pod_on(node)


# ready, rolled_out


def test_ready_asks_the_pods_and_not_the_counters() -> None:
    world = running("a", "b")
    goal = world.judge(ready)
    world.status(numberReady=2, desiredNumberScheduled=2)
    world.pod("a-x", "a")
    world.pod("b-x", "b")
    world.terminate("b-x")
    assert [reason.text.partition(" (since")[0] for reason in goal.verdict.reasons] == [
        "a has no Ready pod but a-x",
        "b has no active pod but b-x",
    ]
    world.remove("Pod", "b-x")
    assert goal.verdict.reasons[1].text == "b has no pod, although it may start one: no untolerated taint"
    world.pod("b-y", "b")
    world.runs("b-y")
    world.runs("a-x")
    assert goal.verdict.answer is HOLDS
    unready = world.runs("a-x", ready=False)
    assert (goal.verdict.answer, goal.verdict.event) == (BROKEN, unready)


def test_ready_waits_for_the_status_and_ignores_ineligible_nodes() -> None:
    world = World()
    world.node("a", taints=[NO_SCHEDULE])
    world.daemonset()
    goal = world.judge(ready)
    assert goal.verdict.answer is UNKNOWN
    world.edit("DaemonSet", "agent", status=None)
    assert only(goal.verdict).endswith("has no status yet, so its controller may not have seen it")
    world.status()
    assert goal.verdict.answer is HOLDS


def rolled(world: World) -> Judgement:
    return world.judge(rolled_out)


def test_rolled_out_means_ready_pods_of_the_current_revision_and_a_status_that_says_so() -> None:
    world = running("a", "b")
    goal = rolled(world)
    assert only(goal.verdict) == "no ControllerRevision of DaemonSet default/agent has been seen"
    assert goal.verdict.answer is UNKNOWN
    world.revision("agent-r1", 1, "r1")
    world.pod("a-x", "a")
    world.runs("a-x")
    assert only(goal.verdict) == "b has 0 active pods instead of one: none"
    world.pod("b-x", "b")
    assert only(goal.verdict).startswith("b has no Ready pod but b-x")
    world.runs("b-x")
    assert goal.verdict.answer is HOLDS
    world.status(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=1)
    assert only(goal.verdict) == "the status of DaemonSet default/agent desires 2 pods, but numberAvailable is 1"
    world.status(desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=2)
    assert goal.verdict.answer is HOLDS
    world.revision("agent-r2", 2, "r2")
    assert {reason.node for reason in goal.verdict.reasons} == {"a", "b"}
    assert goal.verdict.reasons[0].text.endswith("of revision r1, the current one is r2")


def test_rolled_out_cannot_pass_on_the_old_generation() -> None:
    world = running("a", template={"hostNetwork": False})
    world.revision("agent-r1", 1, "r1")
    world.pod("a-x", "a")
    world.runs("a-x")
    goal = rolled(world)
    assert goal.verdict.answer is HOLDS
    world.retemplate({"hostNetwork": True})
    assert goal.verdict.answer is UNKNOWN
    world.remove("DaemonSet", "agent")
    assert goal.verdict.answer is BROKEN


# garbage_collected


def test_garbage_collected_waits_for_the_set_its_pods_and_its_revisions() -> None:
    world = World()
    goal = world.judge(garbage_collected)
    assert goal.verdict.answer is UNKNOWN
    assert only(goal.verdict) == "DaemonSet default/agent was never seen, nor its deletion"
    world.daemonset()
    world.revision("agent-r1", 1, "r1")
    world.pod("a-x", "a")
    assert only_first(goal) == "DaemonSet default/agent is there and was not deleted"
    world.edit(
        "DaemonSet", "agent", metadata__deletionTimestamp="2026-05-04T10:11:12Z", metadata__finalizers=["foreground"]
    )
    assert "is being deleted since 2026-05-04T10:11:12Z, held back by foreground" in str(goal.verdict)
    world.remove("DaemonSet", "agent")
    assert sorted(reason.text.partition(" (since")[0] for reason in goal.verdict.reasons) == [
        "pod a-x",
        "revision agent-r1 is still there, owned by DaemonSet default/agent",
    ]
    world.terminate("a-x")
    world.remove("Pod", "a-x")
    world.remove("ControllerRevision", "agent-r1")
    assert (goal.verdict.answer, goal.verdict.reasons) == (HOLDS, ())


def only_first(goal: Judgement) -> str:
    return goal.verdict.frozen().reasons[0].text


def test_orphans_and_a_successor_do_not_keep_a_set_from_being_collected() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(garbage_collected)
    world.edit("Pod", "a-x", metadata__ownerReferences=None)
    world.remove("DaemonSet", "agent")
    successor = World("ds-2")
    for event in (successor.daemonset(), successor.pod("a-y", "a")):
        world.happens(event.kind, "ADDED", dict(event.object))
    assert goal.verdict.answer is HOLDS


# no_pod_for_an_ineligible_node


def test_a_pod_for_a_node_that_was_never_eligible_is_told_with_cause_and_since() -> None:
    world = running()
    guard = world.judge(no_pod_for_an_ineligible_node)
    joined = world.node("a", taints=[NO_SCHEDULE])
    made = world.pod("a-x", "a")
    assert (guard.verdict.answer, guard.verdict.event) == (BROKEN, made)
    (reason,) = guard.verdict.reasons
    assert (reason.node, reason.pods, reason.since) == ("a", ("a-x",), made.at)
    iso = stamp(joined.at).replace("Z", ".000Z")
    assert reason.text == (
        f"a-x (since {stamp(START + 3)}) was created for a, eligible at no moment since the guard began at "
        f"{stamp(START + 2).replace('Z', '.000Z')}: a may not start a pod: no toleration matches its taint "
        f"k:NoSchedule (since {iso})"
    )
    world.remove("Pod", "a-x")
    assert guard.verdict.answer is BROKEN


def test_what_was_eligible_a_moment_ago_excuses_a_pod_until_the_next_barrier() -> None:
    world = running("a")
    guard = world.judge(no_pod_for_an_ineligible_node)
    world.node("a", taints=[NO_SCHEDULE])
    world.pod("a-x", "a")
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 1)
    guard.barrier()
    world.pod("a-y", "a")
    assert guard.verdict.answer is BROKEN
    assert "eligible at no moment since the last barrier at" in only(guard.verdict)


def test_a_node_that_left_excuses_a_pod_until_the_next_barrier_and_then_does_not_exist() -> None:
    world = running("a")
    guard = world.judge(no_pod_for_an_ineligible_node)
    left = world.remove("Node", "a")
    world.pod("a-x", "a")
    guard.barrier()
    assert guard.verdict.answer is HOLDS
    world.pod("a-y", "a")
    iso = stamp(left.at).replace("Z", ".000Z")
    assert only(guard.verdict).endswith(f"a does not exist (since {iso})")


def test_a_node_nobody_ever_saw_excuses_nothing() -> None:
    world = running()
    guard = world.judge(no_pod_for_an_ineligible_node)
    world.pod("a-x", "ghost")
    assert only(guard.verdict).endswith("ghost does not exist (since before the guard began)")


def test_a_node_ineligible_from_before_says_so_even_after_it_changed() -> None:
    world = running()
    world.node("a", taints=[NO_SCHEDULE])
    guard = world.judge(no_pod_for_an_ineligible_node)
    world.node("a", taints=[NO_EXECUTE])
    world.pod("a-x", "a")
    assert only(guard.verdict).endswith("k:NoExecute (since before the guard began)")


def test_a_template_that_lets_a_node_in_or_out_is_followed() -> None:
    world = running("a", template={"nodeSelector": {"zone": "z"}})
    guard = world.judge(no_pod_for_an_ineligible_node)
    world.retemplate({})
    world.pod("a-x", "a")
    assert guard.verdict.answer is HOLDS
    world.retemplate({"nodeSelector": {"zone": "z"}})
    guard.barrier()
    world.pod("a-y", "a")
    assert guard.verdict.answer is BROKEN
    assert "asks for zone=z" in only(guard.verdict)


def test_adopted_pods_and_pods_of_a_set_never_seen_are_not_judged() -> None:
    world = World()
    guard = world.judge(no_pod_for_an_ineligible_node)
    world.pod("early", "a")
    assert guard.relevant == 0
    world.daemonset({"nodeSelector": {"zone": "z"}})
    world.node("a")
    world.pod("orphan", "a", references=[])
    world.edit("Pod", "orphan", metadata__ownerReferences=[world.reference()])
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 0)
    assert judged(World(), no_pod_for_an_ineligible_node).answer is HOLDS


def test_the_beginning_of_time_is_not_told_as_a_moment() -> None:
    world = World()
    guard = world.judge(no_pod_for_an_ineligible_node)
    world.daemonset({"nodeSelector": {"zone": "z"}})
    world.node("a")
    world.pod("a-x", "a")
    assert "eligible at no moment since the guard began: a may not start" in only(guard.verdict)


def test_what_shows_that_pod_on_holds_is_kept_up_to_date() -> None:
    world = running("a")
    goal, never = world.judge(pod_on("a")), world.judge(~(pod_on("a") & one_pod_per_node))
    world.pod("a-x", "a")
    first = goal.verdict
    world.pod("a-y", "a")
    assert (first.reasons[0].pods, goal.verdict.reasons[0].pods) == (("a-x",), ("a-x", "a-y"))
    world.terminate("a-x")
    assert goal.verdict.reasons[0].pods == ("a-y",)
    assert never.verdict.answer is BROKEN


def test_a_condition_is_found_wherever_it_stands() -> None:
    world = running("a")
    world.pod("a-x", "a")
    goal = world.judge(ready)
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]
    world.edit("Pod", "a-x", status={"conditions": conditions[:1]})
    assert goal.verdict.answer is BROKEN
    world.edit("Pod", "a-x", status={"conditions": conditions})
    assert goal.verdict.answer is HOLDS


def test_a_wrongly_owned_pod_that_goes_takes_its_fault_along() -> None:
    world = running("a")
    guard = world.judge(owned)
    world.pod("a-x", "a", references=[world.reference(kind="ReplicaSet")])
    assert guard.verdict.answer is BROKEN
    world.remove("Pod", "a-x")
    assert guard.verdict.answer is HOLDS


@pytest.mark.parametrize(
    "property_",
    [one_pod_per_node, ready, garbage_collected, never_replaced_early, no_pod_for_an_ineligible_node, owned],
)
def test_a_pod_that_comes_is_judged_and_relevant(property_: Property) -> None:
    world = running("a")
    judgement = world.judge(property_)
    relevant, judged_before = judgement.relevant, judgement.judged
    world.pod("a-x", "a")
    assert (judgement.relevant, judgement.judged) == (relevant + 1, judged_before + 1)
