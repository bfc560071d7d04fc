"""eventually, stays, always, never: against a server that holds back, drops and forgets."""

# ruff: noqa: PT012, SIM117  (what happens inside a guard is the very thing under test)
from __future__ import annotations

import asyncio
import threading

import pytest
from scripted_api import World

from pytest_daemonset.contract import (
    at_most_one_pod_per_node,
    no_pod_for_an_ineligible_node,
    one_pod_per_node,
    pod_on,
)
from pytest_daemonset.errors import Inconclusive, UsageError, Violation
from pytest_daemonset.observe import reflector

WITHIN = 5.0


def test_eventually_resolves_when_the_last_pod_appears() -> None:
    with World() as world:
        world.node("w1")
        world.node("w2")
        world.pod("w1")
        world.once_waiting(lambda: world.pod("w2"))
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        assert {p["spec"]["nodeName"] for p in world.observation.reflectors["Pod"].known.values()} == {"w1", "w2"}
        world.scope.close()


def test_eventually_tells_the_node_without_a_pod_when_time_is_up() -> None:
    with World() as world:
        world.node("w1")
        world.node("w2")
        world.pod("w1")
        with pytest.raises(Violation, match=r"did not come true within 0\.3 s[^w]*w2"):
            world.watched.eventually(one_pod_per_node, within=0.3).wait()


def test_eventually_needs_no_bookmarks() -> None:
    with World(bookmarks=False) as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()


def test_a_server_without_watch_lists_is_listed() -> None:
    with World(watch_list=False) as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        assert not world.observation.history.gaps


def test_no_state_older_than_what_the_test_wrote_is_judged() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        world.api.hold("nodes")
        # The test's own write, which the observation cannot have seen yet: a second node, still without a pod.
        world.node("w2")
        handle = world.watched.eventually(one_pod_per_node, within=0.3)
        world.once_waiting(lambda: world.api.release("nodes"))
        with pytest.raises(Violation, match="w2"):
            handle.wait()


def test_what_cannot_be_seen_is_inconclusive_and_not_green() -> None:
    with World(constants=None) as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        world.observation.constants = type(world.observation.constants)(fence=0.2, bookmark=0.05)
        world.api.hold("nodes")
        world.node("w2")
        with pytest.raises(Inconclusive, match="did not catch up"):
            world.watched.eventually(one_pod_per_node, within=0.1).wait()


def test_stays_tells_what_ended_it() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1", "first")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        world.watched.stays(one_pod_per_node, for_=0.05).wait()
        world.once_waiting(lambda: world.api.remove("pods", "first"))
        with pytest.raises(Violation, match=r"did not stay true.*\n.*w1"):
            world.watched.stays(one_pod_per_node, for_=WITHIN).wait()


def test_settling_starts_again_after_an_interruption() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1", "first")

        def interrupt() -> None:
            world.api.remove("pods", "first")
            world.pod("w1", "second")

        world.once_waiting(interrupt)
        world.watched.eventually(one_pod_per_node, within=WITHIN, settle=0.3).wait()
        assert [p["metadata"]["name"] for p in world.observation.reflectors["Pod"].known.values()] == ["second"]


def test_always_passes_and_judges_the_state_that_it_found() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        with world.watched.always(at_most_one_pod_per_node):
            pass
        world.scope.close()


def test_always_is_broken_by_what_it_finds_at_its_entry() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        world.pod("w1")
        with (
            pytest.raises(Violation, match="at_most_one_pod_per_node was broken"),
            world.watched.always(at_most_one_pod_per_node),
        ):
            pass
        world.scope.close()


def test_a_violation_just_before_the_end_of_the_block_is_seen() -> None:
    for bookmarks in (True, False):
        with World(bookmarks=bookmarks) as world:
            world.node("w1")
            world.pod("w1")
            with pytest.raises(Violation, match="w1"), world.watched.always(at_most_one_pod_per_node):
                world.api.hold("pods")
                world.api.held_until_listed.add("pods")
                world.pod("w1", "excess")
                world.api.remove("pods", "excess")


def test_a_violation_fails_what_the_test_waits_for_at_once() -> None:
    with World() as world:
        world.node("w1")
        world.node("w2")
        world.pod("w1")
        with pytest.raises(Violation, match="at_most_one_pod_per_node was broken") as caught:
            with world.watched.always(at_most_one_pod_per_node):
                world.once_waiting(lambda: world.pod("w1"))
                world.watched.eventually(one_pod_per_node, within=60).wait()
        assert not getattr(caught.value, "__notes__", None)
        world.scope.close()


def test_the_failure_of_the_body_stays_primary_and_the_violation_is_told_beside_it() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        with pytest.raises(ZeroDivisionError) as caught, world.watched.always(at_most_one_pod_per_node):
            world.pod("w1")
            raise ZeroDivisionError("mine")
        told = "\n".join(getattr(caught.value, "__notes__", ())) + str(caught.value)
        assert "at_most_one_pod_per_node was broken" in told
        world.scope.close()


def test_a_guard_that_judged_nothing_fails() -> None:
    with World() as world:
        with pytest.raises(Inconclusive, match="guarded nothing"), world.watched.always(at_most_one_pod_per_node):
            pass


def test_a_goal_is_refused_under_always_and_told_where_it_belongs() -> None:
    with World() as world:
        with pytest.raises(UsageError, match="eventually"):
            world.watched.always(one_pod_per_node)


def test_never_is_broken_when_the_property_holds() -> None:
    with World() as world:
        world.node("w1")
        with world.watched.never(pod_on("w1")):
            pass
        with pytest.raises(Violation, match="must never"), world.watched.never(pod_on("w1")):
            world.pod("w1")


def test_a_guard_that_the_body_leaves_open_is_checked_at_the_end_of_the_test() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        world.watched.always(at_most_one_pod_per_node).__enter__()
        world.pod("w1")
        with pytest.raises(Violation, match="w1"):
            world.scope.close()


@pytest.mark.parametrize("bookmarks", [True, False])
def test_a_guard_from_birth_sees_what_had_ended_before_its_block(bookmarks: bool) -> None:
    with World(bookmarks=bookmarks) as world:
        world.node("w1")
        first = world.pod("w1")
        world.api.remove("pods", world.pod("w1")["metadata"]["name"])
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        with world.watched.always(at_most_one_pod_per_node):
            pass
        with pytest.raises(Violation, match="w1"), world.watched.always(at_most_one_pod_per_node, from_birth=True):
            pass
        assert first["metadata"]["name"] in {
            p["metadata"]["name"] for p in world.observation.reflectors["Pod"].known.values()
        }
        world.scope.close()


def test_a_guard_from_birth_goes_on_judging_what_comes() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        with (
            pytest.raises(Violation, match="at_most_one_pod_per_node was broken"),
            world.watched.always(at_most_one_pod_per_node, from_birth=True),
        ):
            world.pod("w1")
        world.scope.close()


def test_a_guard_of_a_test_that_was_interrupted_waits_for_nothing() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        world.watched.always(at_most_one_pod_per_node).__enter__()
        world.api.hold("pods")
        world.pod("w1")  # a last check would wait until this has been seen, and it never is
        world.scope.abandon()
        world.scope.close()
        world.api.release("pods")


def test_a_gap_leaves_always_without_a_verdict_and_eventually_with_one() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1", "first")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        with pytest.raises(Inconclusive, match="missed"), world.watched.always(at_most_one_pod_per_node):
            world.api.hold("pods")
            world.api.remove("pods", "first")
            world.api.forget("pods")
            world.api.drop("pods")
            world.pod("w1", "second")
            world.api.release("pods")
            world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        assert [gap.kind for gap in world.observation.history.gaps] == ["Pod"]
        assert [p["metadata"]["name"] for p in world.observation.reflectors["Pod"].known.values()] == ["second"]


def test_a_kind_on_which_nothing_happens_is_not_taken_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    # Real servers' bookmarks come once a minute, or never while their cache stands still.
    monkeypatch.setattr(reflector, "_SILENCE", 0.02)
    tried_again = threading.Event()

    class Requests(list[tuple[str, str, dict[str, str]]]):
        def append(self, request: tuple[str, str, dict[str, str]]) -> None:
            super().append(request)
            watches = [path for _, path, query in self if "watch" in query and path.endswith("/controllerrevisions")]
            if len(watches) > 4:
                tried_again.set()

    with World(bookmarks=False) as world:
        for one in world.observation.reflectors.values():
            one._patience = 0.0
        world.api.requests = Requests()
        assert tried_again.wait(WITHIN)
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=WITHIN).wait()
        assert not world.observation.history.gaps


def test_a_dropped_connection_is_resumed_and_misses_nothing() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        with pytest.raises(Violation, match="w1"), world.watched.always(at_most_one_pod_per_node):
            world.api.hold("pods")
            world.pod("w1", "excess")
            world.api.remove("pods", "excess")
            world.api.drop("pods")
            world.api.release("pods")
        assert not world.observation.history.gaps


@pytest.mark.parametrize("status", [403, 501])
def test_a_watch_that_dies_in_the_middle_makes_the_test_an_error(status: int) -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        with pytest.raises(Inconclusive, match="pods cannot be watched"):
            with world.watched.always(at_most_one_pod_per_node):
                world.api.broken["pods"] = status
                world.api.drop("pods")
                world.watched.eventually(pod_on("w2"), within=60).wait()
        with pytest.raises(Inconclusive, match="pods cannot be watched"):
            world.watched.eventually(one_pod_per_node).wait()
        with pytest.raises(Inconclusive):
            world.portal.check()


def test_a_watch_that_somebody_kills_makes_the_test_an_error() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")

        async def kill() -> None:
            for task in asyncio.all_tasks():
                if task.get_name() == "the watch of pods":
                    task.cancel()

        with pytest.raises(Inconclusive, match="the watch of pods was ended"):
            with world.watched.always(at_most_one_pod_per_node):
                world.portal.call(kill)


def test_the_same_test_can_be_a_coroutine() -> None:
    async def body(world: World) -> None:
        async with world.watched.always(at_most_one_pod_per_node, no_pod_for_an_ineligible_node):
            await world.watched.eventually(one_pod_per_node, within=WITHIN)
        with pytest.raises(UsageError, match="async with"), world.watched.always(at_most_one_pod_per_node):
            pass

    with World() as world:
        world.node("w1")
        world.once_waiting(lambda: world.pod("w1"))
        asyncio.run(body(world))


def test_the_explanation_is_added_and_cannot_spoil_the_verdict() -> None:
    def explain(finding: object) -> str:
        raise LookupError("no audit log")

    for hook, told in ((lambda finding: f"by {finding.property}", "by one_pod_per_node"), (explain, "no audit log")):
        with World(explain=hook) as world:
            world.node("w1")
            with pytest.raises(Violation, match=rf"(?s)w1.*{told}"):
                world.watched.eventually(one_pod_per_node, within=0.05).wait()


def test_the_state_contains_what_was_written() -> None:
    with World() as world:
        world.node("w1")
        world.node("w2")
        assert sorted(world.watched.state.nodes) == ["w1", "w2"]
