"""A history that was saved gives the verdict that the test gave, however its kinds interleaved."""

# ruff: noqa: SIM117  (what happens inside a guard is the very thing under test)
from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_api import NAMESPACE, World, daemonset, node, pod

from pytest_daemonset.contract import (
    BROKEN,
    HOLDS,
    UNKNOWN,
    Event,
    Subject,
    at_most_one_pod_per_node,
    no_pod_for_an_ineligible_node,
    one_pod_per_node,
    pod_on,
)
from pytest_daemonset.errors import UsageError, Violation
from pytest_daemonset.observe.history import History, Mark, What
from pytest_daemonset.observe.offline import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_daemonset.contract import Property, Verdict
    from pytest_daemonset.observe.history import Record

WITHIN = 5.0
KINDS = ("Node", "Pod", "DaemonSet")
SUBJECT = Subject("apps/v1", "DaemonSet", NAMESPACE, "agent", "ds-1")

QUESTIONS: list[tuple[Property, str]] = [
    (one_pod_per_node, "eventually"),
    (one_pod_per_node, "stays"),
    (pod_on("w1"), "never"),
    (~pod_on("w2"), "eventually"),
    (at_most_one_pod_per_node, "always"),
    (no_pod_for_an_ineligible_node, "always"),
]


def told(verdict: Verdict) -> tuple[object, ...]:
    return verdict.answer, [(reason.text, reason.node, reason.pods, reason.since) for reason in verdict.reasons]


def test_a_saved_history_gives_the_verdicts_that_the_test_gave(tmp_path: Path) -> None:
    with World(cluster="scripted") as world:
        world.node("w1")
        world.node("w2")
        world.pod("w1")
        world.pod("w2", "second")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        world.api.remove("pods", "second")
        with pytest.raises(Violation) as missing:
            world.watched.stays(one_pod_per_node, for_=WITHIN).wait()
        with pytest.raises(Violation) as double:
            with world.watched.always(at_most_one_pod_per_node):
                world.pod("w1", "excess")
        live = {mode: told(judge(world.observation.history, world.subject, p, mode)) for p, mode in QUESTIONS}
        world.observation.history.save(tmp_path / "history.jsonl")
        subject = world.subject
    loaded = History.load(tmp_path / "history.jsonl")
    assert (loaded.cluster, loaded.namespace, loaded.comparable) == ("scripted", NAMESPACE, True)
    assert judge(loaded, subject, one_pod_per_node, "eventually").answer is HOLDS
    for error, verdict in (
        (missing, judge(loaded, subject, one_pod_per_node, "stays", since=loaded.events[-2].rv)),
        (double, judge(loaded, subject, at_most_one_pod_per_node, "always")),
    ):
        assert verdict.answer is BROKEN
        assert verdict.reasons[0].text in str(error.value)
    assert {mode: told(judge(loaded, subject, p, mode)) for p, mode in QUESTIONS} == live


class Story:
    """A cluster's life, kind by kind, as a server with one store would tell it."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.version = 10
        self.streams: dict[str, list[Record]] = {kind: [] for kind in KINDS}
        self.barriers: list[Mark] = []
        self._nodes: dict[str, dict[str, object]] = {}
        self._pods: dict[str, dict[str, object]] = {}
        self._tell("DaemonSet", "ADDED", daemonset("agent"), "ds-1")
        for name in ("w1", "w2"):
            self._join(name)
        for kind in KINDS:
            self.streams[kind].append(Mark(What.SYNCED, kind, self.version, self.version))
        self.synced = {kind: len(self.streams[kind]) for kind in KINDS}
        for number in range(chance.randint(1, 25)):
            self._step(chance, number)
        for kind in KINDS:
            self.streams[kind].append(Mark(What.PROGRESS, kind, self.version, self.version))

    def _step(self, chance: random.Random, number: int) -> None:
        steps: list[Callable[[], None]] = [
            lambda: self._join(f"w{chance.randint(1, 4)}"),
            lambda: self._start(f"p{number}", f"w{chance.randint(1, 4)}"),
            lambda: self._start(f"p{number}", f"w{chance.randint(1, 2)}"),
            lambda: self._end(chance),
            lambda: self._taint(chance),
            self._barrier,
        ]
        chance.choice(steps)()

    def _tell(self, kind: str, type_: str, object_: dict[str, object], uid: str) -> None:
        self.version += 1
        metadata = {**object_["metadata"], "uid": uid, "resourceVersion": str(self.version)}  # type: ignore[dict-item]
        stored = {**object_, "metadata": metadata}
        self.streams[kind].append(Event(kind, type_, stored, self.version, float(self.version)))

    def _join(self, name: str) -> None:
        if name not in self._nodes:
            self._nodes[name] = node(name)
            self._tell("Node", "ADDED", self._nodes[name], f"node-{name}")

    def _taint(self, chance: random.Random) -> None:
        name = chance.choice(sorted(self._nodes))
        taints = chance.choice([[], [{"key": "k", "effect": "NoSchedule"}]])
        self._nodes[name] = {**self._nodes[name], "spec": {"taints": taints}}
        self._tell("Node", "MODIFIED", self._nodes[name], f"node-{name}")

    def _start(self, name: str, on: str) -> None:
        self._pods[name] = pod(name, on, "ds-1")
        self._tell("Pod", "ADDED", self._pods[name], f"pod-{name}")

    def _end(self, chance: random.Random) -> None:
        if self._pods:
            name = chance.choice(sorted(self._pods))
            self._tell("Pod", "DELETED", self._pods.pop(name), f"pod-{name}")

    def _barrier(self) -> None:
        self.barriers.append(Mark(What.BARRIER, "", self.version, self.version, since=self.version))

    def told(self, order: random.Random | None) -> History:
        """The story in the order of its versions, or with the kinds interleaved at random."""
        history = History(KINDS)
        queues = {kind: list(stream) for kind, stream in self.streams.items()}
        if order is None:
            everything = [record for queue in queues.values() for record in queue] + self.barriers
            for record in sorted(everything, key=lambda one: (one.rv, isinstance(one, Mark))):
                history.append(record)
            return history
        for mark in self.barriers:
            history.append(mark)
        while any(queues.values()):
            history.append(queues[order.choice([kind for kind, queue in queues.items() if queue])].pop(0))
        return history


@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_the_verdict_does_not_depend_on_how_the_kinds_interleave(seed: int, order: random.Random) -> None:
    story = Story(seed)
    in_order, interleaved = story.told(None), story.told(order)
    for property_, mode in QUESTIONS:
        expected = told(judge(in_order, SUBJECT, property_, mode))
        assert told(judge(interleaved, SUBJECT, property_, mode)) == expected, (property_.name, mode)


def test_the_stories_contain_every_answer() -> None:
    answers = {
        (property_.name, judge(Story(seed).told(None), SUBJECT, property_, mode).answer)
        for seed in range(60)
        for property_, mode in QUESTIONS
        if mode in ("eventually", "always")
    }
    for property_ in (at_most_one_pod_per_node, no_pod_for_an_ineligible_node, one_pod_per_node):
        assert {(property_.name, HOLDS), (property_.name, BROKEN)} <= answers


def test_without_comparable_versions_the_order_of_arrival_is_judged() -> None:
    story = Story(1)
    history = History(KINDS, comparable=False)
    for record in story.told(None):
        history.append(record)
    for property_, mode in QUESTIONS:
        expected = judge(story.told(None), SUBJECT, property_, mode).answer
        assert judge(history, SUBJECT, property_, mode).answer is expected, (property_.name, mode)


def test_a_gap_leaves_always_unknown_and_eventually_judged() -> None:
    history = History(KINDS)
    for record in Story(3).told(None):
        history.append(record)
    last = max(record.rv for record in history)
    history.append(Mark(What.GAP, "Pod", last, 0.0, "too old"))
    history.append(Mark(What.SYNCED, "Pod", last + 10, 0.0))
    for kind in ("Node", "DaemonSet"):
        history.append(Mark(What.PROGRESS, kind, last + 10, 0.0))
    since = last - 1
    assert judge(history, SUBJECT, at_most_one_pod_per_node, "always", since=since).answer is not HOLDS
    assert judge(history, SUBJECT, one_pod_per_node, "eventually", since=last + 10).answer in (HOLDS, BROKEN)


def test_a_history_in_which_nothing_was_seen_whole_says_nothing() -> None:
    history = History(KINDS)
    assert judge(history, SUBJECT, one_pod_per_node).answer is UNKNOWN
    with pytest.raises(UsageError, match="goal"):
        judge(history, SUBJECT, one_pod_per_node, "always")
    with pytest.raises(UsageError, match="mode"):
        judge(history, SUBJECT, one_pod_per_node, "sometimes")
    with pytest.raises(UsageError, match="does not watch"):
        judge(History(["Pod"]), SUBJECT, one_pod_per_node)


def test_bookmarks_of_an_idle_kind_take_no_room() -> None:
    history = History(KINDS)
    for version in range(1000):
        for kind in KINDS:
            history.append(Mark(What.PROGRESS, kind, version, 0.0))
    assert len(history) == len(KINDS)
    assert {record.rv for record in history} == {999}


def test_a_file_that_is_no_history_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("{}\n")
    with pytest.raises(UsageError, match="line 1"):
        History.load(path)
    History(KINDS).save(path)
    with path.open("a") as file:
        file.write("{\n")
    with pytest.raises(UsageError, match="line 2"):
        History.load(path)
    path.write_text('{"pytest_daemonset": "history", "format": 99}\n')
    with pytest.raises(UsageError, match="upgrade"):
        History.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        History.load(tmp_path / "none")
