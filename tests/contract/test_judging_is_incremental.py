"""Judging event by event says what judging from scratch says, and its cost grows with the events, not with the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_daemonset.contract import (
    BROKEN,
    HOLDS,
    Invariant,
    Judgement,
    Property,
    State,
    at_most_one_pod_per_node,
    at_most_two_pods_per_node,
    garbage_collected,
    may_start,
    never_replaced_early,
    no_pod_for_an_ineligible_node,
    one_pod_per_node,
    owned,
    pod_on,
    ready,
    rolled_out,
    status_consistent,
    status_matches,
)
from pytest_daemonset.contract.judging import Finding, NodesJudgement
from pytest_daemonset.contract.views import Pod

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = ["a", "b", "c"]
PODS = ["p", "q", "r", "s"]

OF_STATES: list[Property] = [
    at_most_one_pod_per_node,
    at_most_two_pods_per_node,
    garbage_collected,
    one_pod_per_node,
    owned,
    pod_on("a"),
    ~pod_on("a"),
    ready,
    rolled_out,
    status_consistent,
    status_matches,
    ready & ~at_most_one_pod_per_node,
    ~(one_pod_per_node | garbage_collected),
]
OF_EVENTS: list[Property] = [never_replaced_early, no_pod_for_an_ineligible_node]

labels = st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}])
taints = st.lists(st.sampled_from(["NoSchedule", "NoExecute"]), max_size=1)
templates = st.sampled_from([{}, {"nodeSelector": {"zone": "a"}}, {"tolerations": [{"operator": "Exists"}]}])

steps = st.one_of(
    st.tuples(st.just("node"), st.sampled_from(NODES), labels, taints),
    st.tuples(st.just("remove"), st.just("Node"), st.sampled_from(NODES)),
    st.tuples(st.just("heartbeat"), st.sampled_from(NODES)),
    st.tuples(st.just("daemonset"), templates),
    st.tuples(st.just("remove"), st.just("DaemonSet"), st.just("agent")),
    st.tuples(st.just("status"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("pod"), st.sampled_from(PODS), st.sampled_from([*NODES, None]), st.booleans()),
    st.tuples(st.sampled_from(["runs", "unready", "ends", "terminate", "release"]), st.sampled_from(PODS)),
    st.tuples(st.just("bind"), st.sampled_from(PODS), st.sampled_from(NODES)),
    st.tuples(st.just("remove"), st.just("Pod"), st.sampled_from(PODS)),
    st.tuples(st.just("revision"), st.sampled_from(["r1", "r2"]), st.integers(1, 4)),
    st.tuples(st.just("remove"), st.just("ControllerRevision"), st.sampled_from(["r1", "r2"])),
    st.tuples(st.just("barrier")),
)


def perform(world: World, step: tuple) -> bool:  # type: ignore[type-arg]
    """Do a step; says whether it could be done in this world."""
    verb, *values = step
    if verb == "remove" and (values[0], values[1]) in world.objects:
        world.remove(*values)
    elif verb == "node":
        name, label, effects = values
        world.node(name, label, [{"key": "k", "effect": effect} for effect in effects])
    elif verb == "heartbeat" and ("Node", values[0]) in world.objects:
        world.edit("Node", values[0], status__conditions=[{"type": "Ready", "lastHeartbeatTime": str(world.at)}])
    elif verb == "daemonset" and ("DaemonSet", "agent") in world.objects:
        world.retemplate(values[0])
    elif verb == "daemonset":
        world.daemonset(values[0])
    elif verb == "status" and ("DaemonSet", "agent") in world.objects:
        world.status(desiredNumberScheduled=values[0], numberReady=values[1])
    elif verb == "pod" and ("Pod", values[0]) not in world.objects:
        name, node, mine = values
        world.pod(name, node, references=[world.reference(**({} if mine else {"uid": "ds-2"}))])
    elif verb == "revision":
        name, number = values
        world.revision(name, number, name)
    elif verb == "barrier":
        for judgement in world.judgements:
            judgement.barrier()
    elif ("Pod", values[0]) in world.objects and verb in ("runs", "unready", "ends", "terminate", "release", "bind"):
        on_pod: dict[str, Callable[[], object]] = {
            "runs": lambda: world.runs(values[0]),
            "unready": lambda: world.runs(values[0], ready=False),
            "ends": lambda: world.ends(values[0]),
            "terminate": lambda: world.terminate(values[0]),
            "release": lambda: world.edit("Pod", values[0], metadata__ownerReferences=None),
            "bind": lambda: world.bind(values[0], values[1]),
        }
        on_pod[verb]()
    else:
        return False
    return True


def told(judgement: Judgement) -> set[tuple[str, str | None, tuple[str, ...]]]:
    return {(reason.text, reason.node, reason.pods) for reason in judgement.verdict.reasons}


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40))
def test_a_verdict_reached_step_by_step_is_the_one_on_the_state_as_it_is(walk: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    judgements = [(judged, world.judge(judged)) for judged in OF_STATES]
    for step in walk:
        if not perform(world, step):
            continue
        replayed = State(world.subject)
        for event in world.history:
            replayed.apply(event)
        for judged, judgement in judgements:
            fresh = judged.judging(replayed)
            assert judgement.verdict.answer is fresh.verdict.answer, judged
            if not judged.name.startswith("~"):
                assert told(judgement) == told(fresh), judged


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=40))
def test_verdicts_on_creations_are_those_of_a_naive_replay(walk: list[tuple]) -> None:  # type: ignore[type-arg]
    world = World()
    early, ineligible = (world.judge(judged) for judged in OF_EVENTS)
    expect_early = expect_ineligible = False
    excused: set[str] = set()
    before: dict[str, Pod] = {}
    template: dict[str, object] | None = None
    for step in walk:
        if not perform(world, step):
            continue
        if step[0] == "barrier":
            excused = set()
        stored = dict(world.objects)
        pods = {name: Pod(value) for (kind, name), value in stored.items() if kind == "Pod"}
        mine = {name: pod for name, pod in pods.items() if pod.owner == world.subject.uid}
        if ("DaemonSet", "agent") in stored:
            template = stored["DaemonSet", "agent"]["spec"]["template"]
        if template is not None:
            excused |= {name for (kind, name), value in stored.items() if kind == "Node" and may_start(value, template)}
        for name, pod in mine.items():
            known = before.get(name)
            new = known is None or (known.owner == world.subject.uid and known.target is None)
            if not new or pod.target is None:
                continue
            expect_early |= any(
                other.target == pod.target and not other.terminal for key, other in mine.items() if key != name
            )
            expect_ineligible |= template is not None and pod.target not in excused
        before = pods
        assert (early.verdict.answer is BROKEN) == expect_early
        assert (ineligible.verdict.answer is BROKEN) == expect_ineligible


def grown(size: int) -> tuple[World, list[Judgement]]:
    """A cluster that grows to `size` nodes, each with heartbeats and a pod that gets Ready."""
    world = World()
    judgements = [world.judge(judged) for judged in [*OF_STATES, *OF_EVENTS]]
    world.daemonset()
    world.revision("agent-r1", 1, "r1")
    for number in range(size):
        name = f"node-{number}"
        world.node(name)
        world.edit("Node", name, status__conditions=[{"type": "Ready", "status": "True"}])
        world.pod(f"{name}-x", name)
        world.bind(f"{name}-x", name)
        world.runs(f"{name}-x")
        world.status(desiredNumberScheduled=number + 1, numberReady=number + 1)
    return world, judgements


def test_the_number_of_judgements_grows_with_the_events_and_not_with_the_cluster() -> None:
    small, large = (sum(judgement.judged for judgement in grown(size)[1]) for size in (20, 200))
    assert large < 10.5 * small
    world, judgements = grown(50)
    for judgement in judgements:
        assert judgement.judged <= 2 * len(world.history), judgement


@pytest.mark.parametrize("size", [10, 100])
def test_one_event_judges_one_node_however_many_there_are(size: int) -> None:
    world, judgements = grown(size)
    before = [judgement.judged for judgement in judgements]
    world.edit("Node", "node-3", status__conditions=[{"type": "Ready", "status": "False"}])
    assert [judgement.judged for judgement in judgements] == before
    world.runs("node-3-x", ready=False)
    costs = [judgement.judged - cost for judgement, cost in zip(judgements, before, strict=True)]
    assert max(costs) <= 2  # a combination of two judges it twice


def test_reasons_are_collected_for_nodes_at_fault_only() -> None:
    world, _ = grown(30)
    goal = world.judge(ready)
    assert goal.verdict.answer is HOLDS
    world.runs("node-7-x", ready=False)
    assert [reason.node for reason in goal.verdict.reasons] == ["node-7"]


class OneRestart(Invariant):
    name = "no restarts"
    reads = frozenset({"Pod", "Node"})

    def judging(self, state: State) -> Judgement:
        return OneRestartJudgement(state, self.reads)


class OneRestartJudgement(NodesJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def judge(self, node: str) -> Finding | None:
        for pod in self.state.active_on(node):
            for container in pod.object.get("status", {}).get("containerStatuses", ()):
                if container["restartCount"]:
                    return Finding(BROKEN, "restart", f"{pod.name} was restarted", node, (pod.name,))
        return None


def test_a_judgement_of_ones_own_hears_of_whatever_changes_of_a_pod_and_the_others_do_not() -> None:
    world = World()
    world.daemonset()
    for name in NODES:
        world.node(name)
    world.pod("p", "a", bound=True)
    own, others = world.judge(OneRestart()), world.judge(at_most_one_pod_per_node)
    judged = own.judged, others.judged
    world.edit("Pod", "p", status={"containerStatuses": [{"restartCount": 1}]})
    assert own.verdict.answer is BROKEN
    assert (own.judged, others.judged) == (judged[0] + 1, judged[1])
    world.edit("Pod", "p", status={"containerStatuses": [{"restartCount": 0}]})
    assert own.verdict.answer is HOLDS
