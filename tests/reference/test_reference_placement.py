from __future__ import annotations

import pytest
from reference_objects import LEAVE, START, STAY, names, rules, view

from pytest_daemonset.reference.placement import Plan, by_node, plan


def planned(decisions, pods, **how) -> Plan:
    return plan(decisions, by_node(pods), rules(**how))


def test_an_eligible_node_without_a_pod_gets_one_and_others_get_none():
    result = planned({"a": START, "b": STAY, "c": LEAVE, "d": START}, [view("p", "d")])
    assert (result.create, result.delete) == (["a"], [])


def test_an_unbound_pod_counts_for_the_node_it_is_pinned_to():
    assert not planned({"a": START}, [view("p", bound=False, phase="Pending")])


def test_a_terminating_pod_holds_its_node_without_surge():
    assert not planned({"a": START}, [view("p", terminating=True)])


def test_a_terminating_pod_is_replaced_at_once_with_surge_but_only_where_a_pod_may_start():
    assert planned({"a": START}, [view("p", terminating=True)], surge=True).create == ["a"]
    assert not planned({"a": STAY}, [view("p", terminating=True)], surge=True)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_is_both_terminal_and_terminating_holds_nothing(phase):
    assert planned({"a": START}, [view("p", phase=phase, terminating=True)]).create == ["a"]


def test_a_node_that_may_keep_its_pod_keeps_it_and_one_that_may_not_loses_all():
    pods = [view("p", "a"), view("q", "b"), view("r", "b", phase="Failed"), view("t", "b", terminating=True)]
    result = planned({"a": STAY, "b": LEAVE}, pods)
    assert (result.create, names(result.delete)) == ([], ["q", "r"])


def test_pruning_keeps_bound_before_unbound_then_the_oldest_then_the_smaller_name():
    late = "2030-01-01T00:00:09Z"
    unbound = view("u", bound=False, phase="Pending", created="2029-01-01T00:00:00Z")
    assert names(planned({"a": START}, [unbound, view("m"), view("n", created=late)]).delete) == ["n", "u"]
    assert names(planned({"a": START}, [view("m2"), view("m1"), view("m3")]).delete) == ["m2", "m3"]


def test_readiness_plays_no_part_in_pruning():
    young = view("young", created="2030-01-01T00:00:09Z")
    assert names(planned({"a": START}, [view("old", ready=None), young]).delete) == ["young"]


def test_a_failed_pod_goes_and_its_node_stays_empty_until_it_is_gone():
    result = planned({"a": START}, [view("p", phase="Failed")])
    assert (names(result.delete), result.create, names(result.ended["a"])) == (["p"], [], ["p"])


def test_a_failed_pod_waits_out_the_back_off_and_a_succeeded_one_does_not():
    result = planned({"a": START}, [view("f", phase="Failed"), view("s", phase="Succeeded")], failure_wait=4.0)
    assert (names(result.delete), result.again) == (["s"], 4.0)


def test_with_surge_a_failed_pod_in_back_off_is_not_joined_by_another():
    result = planned({"a": START}, [view("f", phase="Failed")], surge=True, failure_wait=4.0)
    assert (result.create, result.delete, result.again) == ([], [], 4.0)


def test_with_surge_a_failed_pod_out_of_back_off_is_replaced_at_once():
    result = planned({"a": START}, [view("f", phase="Failed")], surge=True)
    assert (result.create, names(result.delete)) == (["a"], ["f"])


def test_an_unbound_pod_of_a_vanished_node_goes_and_a_bound_one_is_left_to_pod_gc():
    pods = [view("u", "gone", bound=False, phase="Pending"), view("b", "gone")]
    result = planned({}, pods)
    assert (result.create, names(result.delete)) == ([], ["u"])


def test_a_pod_without_a_target_belongs_to_no_node():
    assert by_node([view("p", None)]) == {}


def test_a_node_whose_pods_were_futile_waits():
    result = planned({"a": START}, [], creation_wait=2.0)
    assert (result.create, result.again) == ([], 2.0)


@pytest.mark.parametrize(
    ("old", "new", "deleted"),
    [
        ({"ready": None}, {"ready": None}, ["old"]),
        ({}, {"ready": None}, []),
        ({}, {}, ["old"]),
        ({}, {"ready": "2030-01-01T00:00:58Z"}, []),
    ],
    ids=["old unready", "new unready", "new available", "new ready but not yet available"],
)
def test_with_surge_an_old_pod_beside_a_new_one_goes_when_it_has_done_its_duty(old, new, deleted):
    pods = [view("old", hash="old", **old), view("new", **new)]
    assert names(planned({"a": START}, pods, surge=True, min_ready=5).delete) == deleted


def test_with_surge_one_of_each_revision_is_kept():
    pods = [view("n1", ready=None), view("n2", ready=None), view("o1", hash="old"), view("o2", hash="older")]
    assert names(planned({"a": START}, pods, surge=True).delete) == ["n2", "o2"]


def test_pruning_never_empties_a_node_that_had_an_active_pod():
    for surge in (False, True):
        for pods in ([view("a1"), view("a2")], [view("o", hash="old"), view("n")], [view("x", ready=None), view("y")]):
            assert len(planned({"a": START}, pods, surge=surge).delete) < len(pods)
