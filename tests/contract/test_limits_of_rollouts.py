"""What a rollout may take away and add, and what it may say of itself: judged event by event."""

from __future__ import annotations

from typing import Any

import pytest
from contract_world import World

from pytest_daemonset.contract import (
    BROKEN,
    HOLDS,
    at_most_surging,
    at_most_unavailable,
    labelled_with_a_revision,
    made_as_its_revision_says,
    never_done_early,
    never_retired_early,
    rolled_out,
)
from pytest_daemonset.contract.shape import Shape


def rolled(*nodes: str, **spec: Any) -> World:
    """A set with a Ready pod of revision r1 on every node."""
    world = World()
    for node in nodes:
        world.node(node)
    revision(world, "r1", 1)
    world.daemonset(**spec)
    world.status()
    for node in nodes:
        world.pod(f"{node}-1", node, bound=True)
        world.runs(f"{node}-1")
    return world


def revision(world: World, name: str, number: int, data: dict[str, Any] | None = None) -> None:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "labels": {"controller-revision-hash": name},
        "ownerReferences": [world.reference()],
    }
    world.store("ControllerRevision", name, {"metadata": metadata, "revision": number, "data": data or {}})


def test_as_many_nodes_as_allowed_may_lack_an_available_pod_and_no_more() -> None:
    world = rolled("a", "b", "c")
    guard = world.judge(at_most_unavailable(1))
    world.terminate("a-1")
    assert guard.verdict.answer is HOLDS
    world.runs("b-1", ready=False)
    assert guard.verdict.answer is BROKEN
    assert "2 nodes lack an available pod where 1 may" in guard.verdict.reasons[0].text
    world.runs("b-1")
    assert guard.verdict.answer is HOLDS
    assert guard.relevant


def test_a_share_of_the_nodes_is_rounded_up() -> None:
    world = rolled("a", "b", "c")
    guard = world.judge(at_most_unavailable("34%"))
    world.terminate("a-1")
    world.terminate("b-1")
    assert guard.verdict.answer is HOLDS
    world.terminate("c-1")
    assert guard.verdict.answer is BROKEN


def test_nodes_that_never_had_a_pod_or_may_have_none_any_more_lack_nothing() -> None:
    world = rolled("a")
    guard = world.judge(at_most_unavailable(0))
    world.node("b")
    assert guard.verdict.answer is HOLDS
    world.node("a", taints=[{"key": "k", "effect": "NoExecute"}])
    world.remove("Pod", "a-1")
    assert guard.verdict.answer is HOLDS


def test_a_pod_that_becomes_available_as_time_passes_is_seen_at_the_next_event() -> None:
    world = rolled("a", "b", minReadySeconds=3)
    world.node("elsewhere", taints=[{"key": "k", "effect": "NoExecute"}])
    world.node("elsewhere", taints=[{"key": "k", "effect": "NoExecute"}])
    world.edit("Node", "elsewhere", metadata__labels={"x": "1"})
    guard = world.judge(at_most_unavailable(0))
    world.remove("Pod", "a-1")
    assert guard.verdict.answer is BROKEN
    world.pod("a-2", "a", bound=True)
    world.runs("a-2")
    assert guard.verdict.answer is BROKEN
    for number in range(4):
        world.edit("Node", "elsewhere", metadata__labels={"x": str(number + 2)})
    assert guard.verdict.answer is HOLDS


def test_a_new_pod_that_is_available_surges_no_more() -> None:
    world = rolled("a", "b")
    guard = world.judge(at_most_surging(1))
    world.pod("a-2", "a", bound=True, revision="r2")
    world.runs("a-2")
    world.pod("b-2", "b", bound=True, revision="r2")
    assert guard.verdict.answer is HOLDS
    world.runs("a-2", ready=False)
    assert guard.verdict.answer is BROKEN


@pytest.mark.parametrize(("available", "answer"), [(True, HOLDS), (False, BROKEN)])
def test_an_available_pod_goes_only_beside_another_available_one(available: bool, answer: object) -> None:
    world = rolled("a")
    guard = world.judge(never_retired_early)
    world.pod("a-2", "a", bound=True, revision="r2")
    if available:
        world.runs("a-2")
    world.terminate("a-1")
    assert guard.verdict.answer is answer


def test_pods_of_nodes_that_are_given_up_and_those_that_the_test_deletes_may_go() -> None:
    world = rolled("a", "b")
    guard = world.judge(never_retired_early.sparing("uid-b-1"))
    world.node("a", taints=[{"key": "k", "effect": "NoSchedule"}])
    world.terminate("a-1")
    world.terminate("b-1")
    assert guard.verdict.answer is HOLDS


def test_a_pod_whose_revision_is_gone_or_never_was_is_told() -> None:
    world = rolled("a", "b")
    guard = world.judge(labelled_with_a_revision)
    assert guard.verdict.answer is HOLDS
    world.pod("c-1", "b", revision="nobody's")
    assert guard.verdict.answer is BROKEN
    world.remove("Pod", "c-1")
    assert guard.verdict.answer is HOLDS
    world.remove("ControllerRevision", "r1")
    assert guard.verdict.answer is BROKEN
    world.remove("DaemonSet", "agent")
    assert guard.verdict.answer is HOLDS


def test_an_adopted_pod_is_not_asked_for_its_revision_whether_it_was_adopted_before_the_guard_or_after() -> None:
    world = rolled("a")
    before = world.judge(labelled_with_a_revision)
    world.pod("orphan", "a", revision=None, references=[])
    world.edit("Pod", "orphan", metadata__ownerReferences=[world.reference()])
    after = world.judge(labelled_with_a_revision)
    world.runs("orphan")
    assert before.verdict.answer is after.verdict.answer is HOLDS


def test_a_pod_is_compared_with_its_revision_when_it_is_made() -> None:
    world = rolled("a")
    template = {"metadata": {"labels": {"v": "2"}}, "spec": {"containers": [{"name": "c", "image": "two"}]}}
    revision(world, "r2", 2, {"spec": {"template": template}})
    guard = world.judge(made_as_its_revision_says)
    world.pod("a-2", "a", revision="r2")
    assert guard.verdict.answer is BROKEN
    text = guard.verdict.reasons[0].text
    assert "label v is None instead of '2'" in text
    assert "container c runs None instead of two" in text


def done(world: World, nodes: int) -> None:
    counters = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    world.status(**dict.fromkeys(counters, nodes))


def test_a_status_says_done_too_early_while_an_old_pod_runs() -> None:
    world = rolled("a", "b")
    guard = world.judge(never_done_early)
    done(world, 2)
    assert guard.verdict.answer is HOLDS
    revision(world, "r2", 2)
    done(world, 2)
    assert guard.verdict.answer is BROKEN
    assert "runs of another revision" in guard.verdict.reasons[0].text


def test_a_status_that_was_right_when_it_was_made_is_not_early() -> None:
    world = rolled("a")
    guard = world.judge(never_done_early)
    world.remove("Pod", "a-1")
    done(world, 1)
    assert guard.verdict.answer is HOLDS


def test_a_status_of_an_earlier_generation_says_nothing() -> None:
    world = rolled("a")
    done(world, 1)
    guard = world.judge(never_done_early)
    revision(world, "r2", 2)
    world.retemplate({"x": 1})
    assert guard.verdict.answer is HOLDS


def without_history(image: str, *nodes: str) -> World:
    """A set of a kind whose controller keeps no history, with a Ready pod of this image on every node."""
    world = World(shape=Shape(history=False))
    world.daemonset({"containers": [{"name": "agent", "image": image}]})
    world.status()
    for node in nodes:
        world.node(node)
        runs_image(world, node, image)
    return world


def runs_image(world: World, node: str, image: str) -> None:
    world.pod(f"{node}-{image}", node, bound=True, revision=None)
    world.edit("Pod", f"{node}-{image}", spec__containers=[{"name": "agent", "image": image}])
    world.runs(f"{node}-{image}")


def test_without_a_history_the_pods_themselves_tell_that_a_status_says_done_too_early() -> None:
    world = without_history("one", "a", "b")
    guard = world.judge(never_done_early)
    done(world, 2)
    assert guard.verdict.answer is HOLDS
    world.retemplate({"containers": [{"name": "agent", "image": "two"}]})
    world.remove("Pod", "a-one")
    runs_image(world, "a", "two")
    assert guard.verdict.answer is HOLDS
    done(world, 2)
    assert guard.verdict.answer is BROKEN
    assert "b-one" in guard.verdict.reasons[0].text
    assert guard.verdict.reasons[1].text.endswith("only 1 have had an available pod of its template")


def test_without_a_history_a_rollout_has_ended_when_the_pods_are_as_the_template_says() -> None:
    world = without_history("one", "a")
    goal = world.judge(rolled_out)
    done(world, 1)
    assert goal.verdict.answer is HOLDS
    world.retemplate({"containers": [{"name": "agent", "image": "two"}]})
    done(world, 1)
    assert goal.verdict.answer is BROKEN
    assert "not as the template says now" in goal.verdict.reasons[0].text
    world.remove("Pod", "a-one")
    runs_image(world, "a", "two")
    assert goal.verdict.answer is HOLDS
