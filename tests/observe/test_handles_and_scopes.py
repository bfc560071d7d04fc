"""Handles, scopes and the portal: nothing is forgotten, nothing outlives its test, a dead observer is never green."""

from __future__ import annotations

import asyncio
import signal
import threading
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from scripted_api import World

from pytest_daemonset.contract import at_most_one_pod_per_node
from pytest_daemonset.errors import Inconclusive, UsageError, Violation
from pytest_daemonset.observe import notes
from pytest_daemonset.observe.portal import Portal
from pytest_daemonset.observe.scope import Scope
from pytest_daemonset.observe.signals import Signal, until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Step:
    """An operation that never ends by itself, and notes what becomes of it."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.ended = threading.Event()

    async def run(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.shield(asyncio.ensure_future(self._clean_up()))

    async def _clean_up(self) -> None:
        self.ended.set()


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    portal.start()
    yield portal
    portal.stop()


async def three() -> int:
    return 3


def test_a_handle_waits_in_plain_functions_and_in_any_loop(portal: Portal) -> None:
    scope = Scope(portal)
    assert scope.handle(three, "three").wait() == 3

    async def body() -> None:
        assert await scope.handle(three, "three") == 3
        assert await asyncio.gather(scope.handle(three, "a"), scope.handle(three, "b")) == [3, 3]
        assert await asyncio.wait_for(scope.handle(three, "c"), 5) == 3

    asyncio.run(body())
    scope.close()


def test_nothing_happens_before_somebody_waits(portal: Portal) -> None:
    step = Step()
    Scope(portal).handle(step.run, "step")
    portal.call(three)
    assert not step.started.is_set()


def test_a_handle_is_good_for_one_wait(portal: Portal) -> None:
    handle = Scope(portal).handle(three, "three")
    handle.wait()
    with pytest.raises(UsageError, match="three: awaited twice"):
        handle.wait()


def test_waiting_inside_a_running_loop_is_refused_with_the_remedy(portal: Portal) -> None:
    async def body() -> None:
        Scope(portal).handle(three, "three").wait()

    with pytest.raises(UsageError, match="await"):
        asyncio.run(body())


def test_cancelling_who_waits_stops_the_operation_first(portal: Portal) -> None:
    step = Step()

    async def body() -> None:
        task = asyncio.ensure_future(Scope(portal).handle(step.run, "step"))
        await asyncio.to_thread(step.started.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert step.ended.is_set()

    asyncio.run(body())


def test_ctrl_c_stops_the_operation_first(portal: Portal) -> None:
    step = Step()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        step.started.wait(5)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Scope(portal).handle(step.run, "step").wait()
    assert step.ended.is_set()


def test_an_error_shows_the_line_that_waited_and_hides_ours(portal: Portal) -> None:
    async def fail() -> None:
        raise Violation("two pods on w1")

    with pytest.raises(Violation) as caught:
        Scope(portal).handle(fail, "fail").wait()
    visible = [entry for entry in caught.traceback if not entry.ishidden(caught)]
    assert [entry.frame.code.path for entry in visible] == [type(caught.traceback[0].path)(__file__)]
    assert "async def fail" not in "".join(traceback.format_tb(caught.value.__traceback__))


def test_what_was_never_awaited_or_entered_is_told_with_its_line(portal: Portal) -> None:
    scope = Scope(portal)
    scope.handle(three, "join of node w3")
    with pytest.raises(UsageError, match=rf"join of node w3: never awaited.*{__file__}:\d+"):
        scope.close()


def test_a_guard_that_was_never_entered_is_told_with_its_line() -> None:
    with World() as world:
        world.watched.always(at_most_one_pod_per_node)
        with pytest.raises(UsageError, match=rf"always\(at_most_one_pod_per_node\): never entered.*{__file__}:\d+"):
            world.scope.close()


def test_a_note_is_printed_on_pythons_without_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "sys", SimpleNamespace(version_info=(3, 10, 0)))
    for error, text in (
        (ValueError("mine"), "mine\nAlso"),
        (ValueError(), "\nAlso"),
        (OSError(2, "no file"), "no file"),
    ):
        notes.add_note(error, "Also")
        assert text in str(error)
        assert error.__notes__ == ["Also"]


def test_what_a_failed_test_did_not_come_to_await_is_not_told(portal: Portal) -> None:
    scope = Scope(portal)
    scope.handle(three, "join of node w3")
    scope.close(body_failed=True)


def test_closing_a_scope_ends_what_still_runs(portal: Portal) -> None:
    scope, step = Scope(portal), Step()
    handle = scope.handle(step.run, "step")

    def waiting() -> None:
        with pytest.raises(asyncio.CancelledError):
            handle.wait()

    thread = threading.Thread(target=waiting)
    thread.start()
    step.started.wait(5)
    scope.close()
    thread.join(5)
    assert step.ended.is_set()
    assert not thread.is_alive()


def test_nothing_can_be_asked_for_after_the_end(portal: Portal) -> None:
    scope = Scope(portal)
    scope.close()
    with pytest.raises(UsageError, match="after the end"):
        scope.handle(three, "three")


def test_a_background_exception_poisons_what_runs_what_comes_and_the_session() -> None:
    portal, step = Portal(), Step()
    portal.start()
    scope = Scope(portal)

    async def background() -> None:
        raise ZeroDivisionError("a bug of ours")

    async def spawn() -> None:
        portal.spawn(background, "the watch of pods")

    def poison() -> None:
        step.started.wait(5)
        portal.call(spawn)

    threading.Thread(target=poison, daemon=True).start()
    for ask in (
        lambda: scope.handle(step.run, "step").wait(),
        lambda: scope.handle(three, "three").wait(),
        portal.check,
    ):
        with pytest.raises(Inconclusive, match="the watch of pods died of ZeroDivisionError: a bug of ours") as caught:
            ask()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert portal.call(three, despite_poison=True) == 3
    portal.stop()
    assert step.ended.is_set()


def test_a_portal_that_was_stopped_says_so() -> None:
    portal = Portal()
    with pytest.raises(UsageError, match="does not run"):
        portal.call(three)
    portal.start()
    portal.stop()
    with pytest.raises(UsageError, match="does not run"):
        portal.call(three)
    portal.stop()


def test_no_change_between_looking_and_waiting_is_lost() -> None:
    async def body() -> None:
        changed, reached = Signal(), False

        def reach() -> None:
            nonlocal reached
            reached = True
            changed.fire()

        # Runs right after `until` has looked for the first time, before anything that it started can run.
        asyncio.get_running_loop().call_soon(reach)
        assert await until(lambda: reached, changed.wait, 3600)

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_failure_for_good_fails_what_is_asked_for_later_and_else_the_test() -> None:
    from pytest_daemonset.errors import ClusterError

    async def nothing() -> None:
        return None

    portal = Portal()
    portal.start()
    try:
        asked, unasked = Scope(portal), Scope(portal)
        for scope in (asked, unasked):
            scope.fail(lambda: ClusterError("died"), for_good=True)
        with pytest.raises(ClusterError, match="died"):
            asked.handle(nothing, "later").wait()
        asked.close()
        with pytest.raises(ClusterError, match="died"):
            unasked.close()
    finally:
        portal.stop()


def test_a_handle_that_is_taken_for_its_result_says_what_to_write() -> None:
    async def nothing() -> None:
        return None

    handle = Scope(Portal()).handle(nothing, "apply of agent.yaml")
    with pytest.raises(AttributeError, match=r"apply of agent.yaml is a handle and has no 'eventually': .*\.wait\(\)"):
        handle.eventually  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(handle, "__wrapped__")
