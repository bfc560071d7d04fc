"""`Scope`: what one test asked for, so that nothing of it is forgotten and nothing of it outlives the test."""

from __future__ import annotations

import concurrent.futures
import logging
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_daemonset.errors import DaemonSetTestError, Inconclusive, UsageError
from pytest_daemonset.observe import portal as portals
from pytest_daemonset.observe.handles import Handle
from pytest_daemonset.observe.notes import add_note
from pytest_daemonset.observe.sites import caller

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pytest_daemonset.observe.portal import Portal
    from pytest_daemonset.observe.sites import Site

T = TypeVar("T")


class Guarding(Protocol):
    """What a scope knows of a guard, such as ``always``."""

    what: str
    site: Site | None

    @property
    def entered(self) -> bool:
        """Whether its block was entered."""

    def abandon(self) -> None:
        """End it without a verdict, and without waiting."""

    async def finish(self) -> DaemonSetTestError | None:
        """End it if it still runs; tell what it found and has not told yet. Called once, in the portal's loop."""

    def told(self, error: BaseException) -> bool:
        """Whether this very error is how it told its finding."""


class Scope:
    """What one test asked for: its handles and its guards.

    Args:
        portal: where the operations run.

    Close it at the end of the test with `close`.
    """

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self._handles: list[Handle[Any]] = []
        self._guards: list[Guarding] = []
        self._closed = False
        self._failure: Callable[[], DaemonSetTestError] | None = None
        self._failure_told = False

    def handle(self, coro_fn: Callable[[], Coroutine[Any, Any, T]], what: str) -> Handle[T]:
        """Make a handle that does this when it is awaited.

        Args:
            coro_fn: makes the coroutine; called in the portal's loop, not before somebody waits.
            what: what it does, as a phrase: ``"join of node w3"``.

        Raises:
            UsageError: the test is over.
        """
        if self._closed:
            raise UsageError(f"{what}: asked for after the end of the test that it belongs to")

        async def unless_failed() -> T:
            if self._failure is not None:
                self._failure_told = True
                raise self._failure()
            return await coro_fn()

        handle = Handle(self.portal, unless_failed, what, caller())
        self._handles.append(handle)
        return handle

    def guard(self, guard: Guarding) -> None:
        """Take note of a guard, so that `close` can ask whether it was entered and what it found."""
        if self._closed:
            raise UsageError(f"{guard.what}: asked for after the end of the test that it belongs to")
        self._guards.append(guard)

    def fail(self, error: Callable[[], DaemonSetTestError], *, for_good: bool = False) -> None:
        """Fail every handle that somebody waits for, at once: a guard was broken, waiting on is pointless.

        Args:
            error: makes the exception; called once per handle, as an instance must not be raised in two places.
            for_good: also fail each handle that somebody waits for later, and if nobody does, the test.
        """
        if for_good:
            self._failure = error
        for handle in self._handles:
            operation = handle.operation
            if operation is not None and not operation.outcome.done():
                operation.fail(error())
                self._failure_told |= for_good

    def abandon(self) -> None:
        """The test was interrupted: nothing of it is judged any more, so that its end waits for nothing."""
        for guard in self._guards:
            guard.abandon()

    def verify(self, *, body_failed: bool = False, beside: BaseException | None = None) -> None:
        """End every operation, check every guard a last time, and tell what was forgotten up to now.

        Fixtures may go on asking, until `close`.

        Args:
            body_failed: the test has failed already: what it did not come to await is then no mistake.
            beside: the error that it failed with; a guard that told its finding by it does not tell it again.

        Raises:
            DaemonSetTestError: the worst of what was found (a guard's finding before a forgotten handle), with
                the others as notes.
        """
        found: list[DaemonSetTestError] = []
        if self._failure is not None and not self._failure_told:
            self._failure_told = True
            found.append(self._failure())
        for guard in self._guards:
            if guard.entered:
                error = self.portal.call(guard.finish, f"last check of {guard.what}", despite_poison=True)
                if error is not None and not (beside is not None and guard.told(beside)):
                    found.append(error)
        found += self._stop()
        if not body_failed:
            found += self._forgotten()
        self._handles, self._guards = [], []
        if found:
            first, *others = found
            for other in others:
                add_note(first, f"Also: {type(other).__name__}: {other}")
            raise first

    def verify_beside(self, error: BaseException) -> None:
        """Like `verify`, for a test that has failed: that failure stays, and what is found is noted beside it."""
        try:
            self.verify(body_failed=True, beside=error)
        except DaemonSetTestError as found:
            add_note(error, f"Also: {type(found).__name__}: {found}")

    def close(self, *, body_failed: bool = False) -> None:
        """`verify` a last time; nothing can be asked for afterwards. Harmless when closed."""
        if not self._closed:
            self._closed = True
            self.verify(body_failed=body_failed)

    def _stop(self) -> list[DaemonSetTestError]:
        running = [
            h.operation
            for h in self._handles
            if h.operation is not None and h.operation.begun and not h.operation.stopped.done()
        ]
        for operation in running:
            operation.cancel()
        concurrent.futures.wait([operation.stopped for operation in running], timeout=portals.STOP_WITHIN)
        stuck = [operation.what for operation in running if not operation.stopped.done()]
        for what in stuck:
            logging.getLogger(__name__).warning("%s did not stop", what)
        return [
            Inconclusive(f"still running {portals.STOP_WITHIN:g} s after being told to stop: {', '.join(stuck)}")
        ] * bool(stuck)

    def _forgotten(self) -> list[DaemonSetTestError]:
        told: list[DaemonSetTestError] = [
            UsageError(f"{handle.what}: never awaited, so it never happened; await it or call .wait(): {handle.site}")
            for handle in self._handles
            if not handle.taken
        ]
        told += [
            UsageError(
                f"{guard.what}: never entered, so it guarded nothing; write `with ...:` around the steps: {guard.site}"
            )
            for guard in self._guards
            if not guard.entered
        ]
        return told
