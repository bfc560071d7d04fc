"""Cuts and trackers: one order by version, no state that may never have been, and barriers in their place."""

# ruff: noqa: ARG002  (a receiver is told more than this one writes down)
from __future__ import annotations

from typing import Any

import pytest

from pytest_daemonset.contract import Event, Subject, no_pod_for_an_ineligible_node
from pytest_daemonset.observe.cuts import Cuts
from pytest_daemonset.observe.history import Mark, What
from pytest_daemonset.observe.judges import Judge
from pytest_daemonset.observe.tracker import Tracker


class Told:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def event(self, event: Event) -> None:
        self.said.append(event.rv)

    def cut(self, low: int, high: int) -> None:
        self.said.append((low, high))

    def blind(self, mark: Mark) -> None:
        self.said.append("blind")

    def barrier(self, mark: Mark) -> None:
        self.said.append("barrier")

    def late(self, event: Event) -> None:
        self.said.append("late")


def event(kind: str, version: int, type_: str = "ADDED", object_: dict[str, Any] | None = None) -> Event:
    return Event(kind, type_, object_ or {}, version, float(version))


def mark(what: What, kind: str, version: int, since: int = 0) -> Mark:
    return Mark(what, kind, version, float(version), since=since)


def cuts(*records: Event | Mark, comparable: bool = True) -> list[object]:
    told = Told()
    subject = Cuts(["Node", "Pod"], told, comparable=comparable)
    for record in records:
        subject.feed(record)
    return told.said


SYNCED = (mark(What.SYNCED, "Node", 10), mark(What.SYNCED, "Pod", 12))


def test_nothing_is_a_state_before_every_kind_was_listed() -> None:
    assert cuts(event("Node", 5), event("Pod", 7), SYNCED[0]) == []
    # What was listed at 10 and 12 is a state at 12 first: between, nodes may have come and gone.
    assert cuts(event("Node", 5), event("Pod", 7), *SYNCED, mark(What.PROGRESS, "Node", 14)) == [5, 7, (12, 12)]


def test_what_the_slowest_kind_has_reached_is_told_in_the_order_of_versions() -> None:
    said = cuts(*SYNCED, event("Pod", 15), event("Pod", 17), event("Node", 13), event("Node", 16))
    assert said == [(12, 12), 13, (13, 13), (13, 14), 15, (15, 15), 16, (16, 16)]


def test_an_idle_kind_holds_up_the_others_until_a_bookmark_or_a_fence() -> None:
    for what in (What.PROGRESS, What.FENCE):
        said = cuts(*SYNCED, event("Pod", 15))
        assert 15 not in said
        said = cuts(*SYNCED, event("Pod", 15), mark(what, "Node", 20))
        assert said[-2:] == [15, (15, 15)]


def test_a_state_that_fell_into_a_gap_is_not_told_as_one() -> None:
    gap = (mark(What.GAP, "Pod", 12), event("Pod", 14), event("Pod", 18, "DELETED"), mark(What.SYNCED, "Pod", 20))
    said = cuts(*SYNCED, event("Node", 16), *gap, mark(What.PROGRESS, "Node", 30), mark(What.PROGRESS, "Pod", 30))
    assert said == [(12, 12), "blind", (12, 12), 14, 16, 18, (20, 20), (20, 30)]


def test_a_state_that_lasted_into_a_gap_is_told_up_to_the_gap() -> None:
    told = Told()
    subject = Cuts(["Node", "Pod"], told)
    for record in (*SYNCED, mark(What.PROGRESS, "Node", 40), mark(What.PROGRESS, "Pod", 20)):
        subject.feed(record)
    for record in (mark(What.GAP, "Pod", 20), event("Pod", 25), mark(What.SYNCED, "Pod", 30)):
        subject.feed(record)
    assert told.said == [(12, 12), (12, 20), (12, 19), "blind", (20, 20), 25, (30, 30)]


def test_an_event_of_before_a_fence_is_told_and_told_to_be_late() -> None:
    fences = (mark(What.FENCE, "Pod", 30), mark(What.FENCE, "Node", 30))
    assert cuts(*SYNCED, *fences, event("Pod", 25))[-3:] == ["late", 25, (30, 30)]


def test_after_a_barrier_at_the_last_cut_that_cut_stands() -> None:
    # Told as (12, 19) alone, a judge that begins now would look for a state of version 20 until something else happens.
    progress = (mark(What.PROGRESS, "Node", 20), mark(What.PROGRESS, "Pod", 20))
    said = cuts(*SYNCED, event("Pod", 15), *progress, mark(What.BARRIER, "", 20, since=18))
    assert said[-2:] == ["barrier", (20, 20)]


def test_without_comparable_versions_arrival_is_the_order() -> None:
    said = cuts(*SYNCED, event("Pod", 15), event("Node", 3), comparable=False)
    assert [one for one in said if not isinstance(one, tuple)] == [15, 3]


def test_which_kinds_lag_behind_is_known() -> None:
    subject = Cuts(["Node", "Pod"], Told())
    for record in (*SYNCED, event("Pod", 15)):
        subject.feed(record)
    assert subject.wanted == 15
    assert subject.lagging(15) == {"Node"}
    assert subject.lagging(10) == frozenset()


class Barriers(Judge):
    """Counts the barriers that it is told of."""

    told = 0

    def barrier(self) -> None:
        self.told += 1


@pytest.mark.parametrize(
    ("taints", "passed"),
    [([], 1), ([{"key": "k", "effect": "NoSchedule"}], 0)],
    ids=["eligibility unchanged", "eligibility changed while the barrier ran"],
)
def test_a_barrier_excuses_nothing_only_if_the_eligible_nodes_stayed_the_same(
    taints: list[dict[str, str]], passed: int
) -> None:
    subject = Subject("apps/v1", "DaemonSet", "work", "agent", "ds-1")
    tracker = Tracker(subject, no_pod_for_an_ineligible_node.reads)
    judge = Barriers(no_pod_for_an_ineligible_node)
    tracker.attach(judge)
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    daemonset = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "work", "uid": "ds-1", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
    }
    node: dict[str, Any] = {"metadata": {"name": "w1", "uid": "w1"}, "spec": {}}
    changed = {**node, "metadata": {**node["metadata"], "labels": {"sentinel": "1"}}, "spec": {"taints": taints}}
    tracker.feed(event("DaemonSet", 5, object_=daemonset))
    tracker.feed(event("Node", 6, object_=node))
    for kind in no_pod_for_an_ineligible_node.reads:
        tracker.feed(mark(What.SYNCED, kind, 10))
    tracker.feed(event("Node", 12, "MODIFIED", changed))
    tracker.feed(mark(What.BARRIER, "", 20, since=10))
    for kind in no_pod_for_an_ineligible_node.reads:
        tracker.feed(mark(What.PROGRESS, kind, 20))
    assert judge.opened == 10
    assert judge.told == passed
