"""The counters of a status are judged in themselves, over time, and against what nodes and pods say."""

from __future__ import annotations

from typing import Any

import pytest
from contract_world import START, World, stamp

from pytest_daemonset.contract import (
    BROKEN,
    HOLDS,
    UNKNOWN,
    Judgement,
    observed_generation_sane,
    status_consistent,
    status_matches,
)

GOOD = {
    "desiredNumberScheduled": 4,
    "currentNumberScheduled": 3,
    "numberReady": 2,
    "numberAvailable": 1,
    "numberUnavailable": 3,
    "updatedNumberScheduled": 3,
}


def world_with(**status: int) -> tuple[World, Judgement]:
    world = World()
    guard = world.judge(status_consistent)
    world.daemonset()
    world.status(**status)
    return world, guard


def test_a_consistent_status_is_relevant_once_it_was_synced() -> None:
    world, guard = world_with(**GOOD)
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 1)
    world.edit("DaemonSet", "agent", status=None)
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 1)
    world.remove("DaemonSet", "agent")
    assert guard.verdict.answer is HOLDS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"numberAvailable": 3, "numberUnavailable": 1}, "numberAvailable (3) exceeds numberReady (2)"),
        ({"numberReady": 4}, "numberReady (4) exceeds currentNumberScheduled (3)"),
        (
            {"currentNumberScheduled": 5},
            "currentNumberScheduled (5) exceeds desiredNumberScheduled (4)",
        ),
        (
            {"updatedNumberScheduled": 4},
            "updatedNumberScheduled (4) exceeds currentNumberScheduled (3)",
        ),
        (
            {"numberUnavailable": 0},
            "numberUnavailable (0) is not desiredNumberScheduled (4) less numberAvailable (1)",
        ),
        ({"updatedNumberScheduled": -1}, "0 (0) exceeds updatedNumberScheduled (-1)"),
        ({"numberMisscheduled": -1}, "0 (0) exceeds numberMisscheduled (-1)"),
        ({"numberAvailable": -1, "numberUnavailable": 5}, "0 (0) exceeds numberAvailable (-1)"),
    ],
)
def test_each_contradiction_in_a_status_is_told(change: dict[str, int], told: str) -> None:
    _, guard = world_with(**{**GOOD, **change})
    assert guard.verdict.answer is BROKEN
    assert guard.verdict.reasons[0].text == f"the status of DaemonSet default/agent contradicts itself: {told}"


def test_the_status_of_another_incarnation_is_not_judged() -> None:
    world, guard = world_with(**GOOD)
    other = World("ds-2")
    other.daemonset()
    world.happens("DaemonSet", "ADDED", dict(other.status(numberReady=9).object))
    assert (guard.verdict.answer, guard.judged) == (HOLDS, 3)


def test_observed_generation_may_rise_to_the_generation_and_no_further() -> None:
    world = World()
    guard = world.judge(observed_generation_sane)
    world.daemonset()
    assert guard.relevant == 0
    world.status()
    world.retemplate({})
    world.status()
    assert (guard.verdict.answer, guard.relevant) == (HOLDS, 3)
    ahead = world.edit("DaemonSet", "agent", status__observedGeneration=3)
    assert (guard.verdict.answer, guard.verdict.event) == (BROKEN, ahead)
    assert guard.verdict.reasons[0].text == "DaemonSet default/agent says observedGeneration 3 at generation 2"


def test_observed_generation_never_falls_not_even_below_what_it_was_when_the_guard_began() -> None:
    world = World()
    world.daemonset()
    world.retemplate({})
    world.status()
    guard = world.judge(observed_generation_sane)
    fell = world.edit("DaemonSet", "agent", status__observedGeneration=1)
    world.status()
    (reason,) = guard.verdict.reasons
    assert (reason.text, reason.since) == ("observedGeneration of DaemonSet default/agent fell from 2 to 1", fell.at)
    world.remove("DaemonSet", "agent")
    assert guard.verdict.answer is BROKEN


def rest(world: World, **counters: int) -> None:
    named = {
        "desired": "desiredNumberScheduled",
        "current": "currentNumberScheduled",
        "misscheduled": "numberMisscheduled",
        "ready": "numberReady",
        "updated": "updatedNumberScheduled",
        "available": "numberAvailable",
        "unavailable": "numberUnavailable",
    }
    world.status(**{named[name]: value for name, value in counters.items()})


def settled(**spec: Any) -> tuple[World, Judgement]:
    """Nodes a (Ready pod), b (unready pod), c (no pod), d (a pod that may stay), e (none, may not start)."""
    world = World()
    goal = world.judge(status_matches)
    world.daemonset(None, **spec)
    for name in "abc":
        world.node(name)
    for name in "de":
        world.node(name, taints=[{"key": "k", "effect": "NoSchedule"}])
    for name in "abd":
        world.pod(f"{name}-x", name)
    world.runs("a-x")
    return world, goal


def test_counters_have_to_be_what_nodes_and_pods_say() -> None:
    world, goal = settled()
    assert goal.verdict.answer is UNKNOWN
    rest(world, desired=3, current=2, misscheduled=1, ready=1, available=1, unavailable=2)
    assert goal.verdict.answer is HOLDS
    world.revision("agent-r1", 1, "r1")
    assert goal.verdict.reasons[0].text.endswith("updatedNumberScheduled is 0 and should be 2")
    rest(world, desired=3, current=2, misscheduled=1, ready=1, updated=2, available=1, unavailable=2)
    assert goal.verdict.answer is HOLDS
    late = world.runs("b-x")
    assert (goal.verdict.answer, goal.verdict.reasons[0].since) == (BROKEN, late.at)
    assert goal.verdict.reasons[0].text == (
        "the status of DaemonSet default/agent is not what nodes and pods say: "
        "numberReady is 1 and should be 2; numberAvailable is 1 and should be 2"
    )
    world.remove("Pod", "b-x")
    world.remove("Node", "c")
    rest(world, desired=2, current=1, misscheduled=1, ready=1, updated=1, available=1, unavailable=1)
    assert goal.verdict.answer is HOLDS
    assert goal.relevant > 0


def test_with_min_ready_seconds_available_may_lag_but_that_is_not_the_end() -> None:
    world, goal = settled(minReadySeconds=30)
    rest(world, desired=3, current=2, misscheduled=1, ready=1, available=0, unavailable=3)
    assert goal.verdict.answer is UNKNOWN
    assert goal.verdict.reasons[0].text == (
        "0 of 1 Ready pods of DaemonSet default/agent count as available so far, with minReadySeconds 30"
    )
    rest(world, desired=3, current=2, misscheduled=1, ready=1, available=1, unavailable=2)
    assert goal.verdict.answer is HOLDS
    rest(world, desired=3, current=2, misscheduled=1, ready=1, available=2, unavailable=1)
    assert goal.verdict.answer is BROKEN


def test_one_pod_speaks_for_its_node_bound_before_unbound_then_the_oldest() -> None:
    world = World()
    world.node("a")
    world.daemonset()
    goal = world.judge(status_matches)
    world.pod("unbound", "a", creationTimestamp=stamp(START - 60))
    world.pod("bound", "a", bound=True)
    world.runs("unbound")
    rest(world, desired=1, current=1, ready=0, available=0, unavailable=1)
    assert goal.verdict.answer is HOLDS
    world.runs("bound")
    rest(world, desired=1, current=1, ready=1, available=1, unavailable=0)
    assert goal.verdict.answer is HOLDS


def test_a_terminating_pod_still_counts_but_not_once_it_is_terminal_too() -> None:
    world = World()
    world.node("a")
    world.daemonset()
    goal = world.judge(status_matches)
    world.pod("a-x", "a")
    world.runs("a-x")
    world.terminate("a-x")
    rest(world, desired=1, current=1, ready=1, available=1)
    assert goal.verdict.answer is HOLDS
    world.ends("a-x")
    rest(world, desired=1, unavailable=1)
    assert goal.verdict.answer is HOLDS
