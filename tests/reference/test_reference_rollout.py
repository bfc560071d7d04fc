from __future__ import annotations

import math

import pytest
from reference_objects import NOW, START, STAY, daemonset, names, view

from pytest_daemonset.reference.placement import by_node
from pytest_daemonset.reference.rollout import limits, rolls, surges, with_surge, without_surge


def available(p):
    return p.available(0, NOW)


def rolled(decisions, pods, budget):
    return names(without_surge(decisions, by_node(pods), "new", budget, available).delete)


def surged(decisions, pods, slots):
    result = with_surge(decisions, by_node(pods), "new", slots, available)
    return sorted(result.create), names(result.delete)


def fleet(**pods):
    """One pod per node, on nodes of their names: `old`, `old-unready`, `new`, `new-unready`."""
    kinds = {
        "old": {"hash": "old"},
        "down": {"hash": "old", "ready": None},
        "new": {},
        "fresh": {"ready": None},
    }
    return [view(f"p-{name}", name, **kinds[kind]) for name, kind in pods.items()]


def starts(names_):
    return dict.fromkeys(names_, START)


@pytest.mark.parametrize("desired", [1, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("percent", [1, 10, 25, 34, 50, 100])
def test_percentages_are_of_the_desired_nodes_rounded_up(desired, percent):
    rolling = {"updateStrategy": {"rollingUpdate": {"maxUnavailable": f"{percent}%", "maxSurge": 0}}}
    assert limits(daemonset(**rolling), desired) == (math.ceil(desired * percent / 100), 0)


def test_limits_default_to_one_unavailable_and_are_never_both_zero():
    assert limits(daemonset(), 5) == (1, 0)
    assert limits(daemonset(updateStrategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}), 5) == (1, 0)
    assert limits(daemonset(updateStrategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 2}}), 5) == (0, 2)


def test_on_delete_neither_rolls_nor_surges():
    quiet = daemonset(updateStrategy={"type": "OnDelete", "rollingUpdate": {"maxSurge": 1}})
    assert (rolls(quiet), surges(quiet)) == (False, False)
    assert surges(daemonset(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%"}}))


def test_a_healthy_fleet_is_taken_down_by_the_budget_only():
    pods = fleet(a="old", b="old", c="old", d="old")
    assert len(rolled(starts("abcd"), pods, 2)) == 2


def test_an_empty_node_and_an_unready_new_pod_use_the_budget():
    pods = fleet(a="old", b="old", c="fresh")
    assert rolled(starts("abcd"), pods, 2) == []
    assert len(rolled(starts("abcd"), pods, 3)) == 1


def test_old_unavailable_pods_all_go_and_count_against_the_budget():
    pods = fleet(a="down", b="down", c="old", d="old")
    assert rolled(starts("abcd"), pods, 1) == ["p-a", "p-b"]
    assert len(rolled(starts("abcd"), pods, 3)) == 3


def test_a_crowded_node_is_left_to_placement_and_counts_as_unavailable():
    pods = [view("n1", "a"), view("n2", "a"), *fleet(b="old")]
    assert rolled(starts("ab"), pods, 1) == []


def test_a_terminating_pod_leaves_its_node_without_one():
    pods = [view("t", "a", hash="old", terminating=True), *fleet(b="old")]
    assert rolled(starts("ab"), pods, 1) == []


def test_a_node_that_is_no_longer_desired_takes_nothing_from_the_budget():
    pods = [view("t", "x", hash="old", terminating=True), *fleet(a="old")]
    assert rolled({"a": START, "x": STAY}, pods, 1) == ["p-a"]


def test_a_leftover_on_a_vanished_node_is_neither_deleted_nor_counted():
    pods = fleet(gone="old", a="old")
    assert rolled(starts("a"), pods, 1) == ["p-a"]
    assert surged(starts("a"), pods, 1) == (["a"], [])


def test_a_surge_starts_on_no_more_nodes_than_it_has_slots():
    pods = fleet(a="old", b="old", c="old")
    assert len(surged(starts("abc"), pods, 2)[0]) == 2


def test_a_new_pod_that_is_not_available_keeps_its_slot_and_the_old_one():
    pods = [*fleet(a="old", b="old"), view("n", "a", ready=None)]
    assert surged(starts("ab"), pods, 1) == ([], [])


def test_an_old_pod_goes_once_its_successor_is_available_and_the_slot_is_free_again():
    pods = [*fleet(a="old", b="old"), view("n", "a")]
    assert surged(starts("ab"), pods, 1) == (["b"], ["p-a"])


def test_unavailable_old_pods_are_surged_beside_whatever_the_limit():
    pods = fleet(a="down", b="down", c="old")
    assert surged(starts("abc"), pods, 0) == (["a", "b"], [])


def test_old_pods_where_none_may_start_retire_only_while_more_serve_than_are_desired():
    decisions = {"a": START, "b": START, "x": STAY, "y": STAY}
    pods = fleet(a="old", b="old", x="old", y="old")
    assert surged(decisions, pods, 0) == ([], ["p-x", "p-y"])
    assert surged(decisions, fleet(a="down", b="old", x="old", y="old"), 0) == (["a"], ["p-x"])
    assert surged({**decisions, "x": STAY}, fleet(a="down", b="down", x="old"), 0)[1] == []


def test_an_unavailable_old_pod_where_none_may_start_goes_at_once():
    assert surged({"x": STAY}, fleet(x="down"), 0) == ([], ["p-x"])
