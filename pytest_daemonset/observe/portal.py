"""The one event loop that everything watched runs in, on a thread of its own, and the doors into it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_daemonset.errors import DaemonSetTestError, Inconclusive, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

STOP_WITHIN = 5.0
"""Seconds that an operation which was told to stop may take before it is given up on."""


class Operation(Generic[T]):
    """One coroutine that runs in the portal's loop, as the outside sees it.

    Attributes:
        what: what it does, for messages.
        outcome: its result or its error; never cancelled from outside.
        stopped: done once its task has really ended, which may be later than its outcome.
    """

    def __init__(self, portal: Portal, what: str, *, despite_poison: bool = False) -> None:
        self.what = what
        self.begun = False
        self.outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.stopped: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._portal = portal
        self._despite_poison = despite_poison
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def begin(self, coro_fn: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Start a coroutine in the loop, from any thread, and return at once.

        Raises:
            UsageError: the portal does not run.
        """
        loop = self._portal._loop
        if loop is None or self._portal._thread is None:
            raise UsageError(f"the portal does not run, so there is nobody to do this: {self.what}")
        # Before the loop is told: an interrupt between the two must find something to cancel, never lose a running task.
        self.begun = True
        loop.call_soon_threadsafe(self._start, coro_fn)

    def cancel(self) -> None:
        """Ask it to stop; thread-safe, and harmless when it has stopped. Its outcome becomes CancelledError."""
        self._portal._soon(self._cancel)

    def fail(self, error: BaseException) -> None:
        """Give it this error as its outcome at once and ask its task to stop; thread-safe."""
        self._portal._soon(lambda: self._fail(error))

    def _start(self, coro_fn: Callable[[], Coroutine[Any, Any, T]]) -> None:
        if self._cancelled:
            return
        poison = self._portal.poisoned
        if poison is not None and not self._despite_poison:
            self._settle_error(_copy(poison))
            self.stopped.set_result(None)
            return
        if not self._despite_poison:
            self._portal._operations.add(self)
        self._task = asyncio.get_running_loop().create_task(coro_fn(), name=self.what)
        self._task.add_done_callback(self._done)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()
        elif not self.stopped.done():
            self._settle_error(asyncio.CancelledError())
            self.stopped.set_result(None)

    def _fail(self, error: BaseException) -> None:
        self._settle_error(error)
        self._cancel()

    def _settle_error(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def _done(self, task: asyncio.Task[T]) -> None:
        self._portal._operations.discard(self)
        if task.cancelled():
            self._settle_error(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._settle_error(error)
        elif not self.outcome.done():
            self.outcome.set_result(task.result())
        self.stopped.set_result(None)


class Portal:
    """One event loop in a background thread.

    Operations are started from any thread, with `call` or through a handle; background tasks, which must live as long as
    somebody watches, with `spawn`. An exception in a background task *poisons* the portal: every live operation fails
    with it, so does every later one, and `check` raises it for the session. A dead observer is never green.
    """

    def __init__(self, name: str = "pytest-daemonset") -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._operations: set[Operation[Any]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._poison: DaemonSetTestError | None = None
        self._lock = threading.Lock()

    # From outside

    def start(self) -> None:
        """Start the thread and its loop; returns when the loop runs.

        Raises:
            UsageError: it runs already.
        """
        with self._lock:
            if self._thread is not None:
                raise UsageError("the portal was started twice")
            running = threading.Event()
            # A daemon thread: a test run that ends in the middle must not hang in the interpreter's exit.
            self._thread = threading.Thread(target=self._run, args=(running,), name=self._name, daemon=True)
            self._thread.start()
        running.wait()

    def stop(self, timeout: float = STOP_WITHIN) -> None:
        """Cancel what still runs, wait for it, bounded, then end the loop and its thread. Harmless when not running.

        Raises:
            Inconclusive: something did not stop within ``timeout`` seconds.
        """
        with self._lock:
            thread, loop = self._thread, self._loop
            if thread is None or loop is None:
                return
            self._thread = None
        left: concurrent.futures.Future[list[str]] = concurrent.futures.Future()
        loop.call_soon_threadsafe(lambda: loop.create_task(self._wind_up(timeout, left)))
        thread.join(timeout + 1.0)
        stuck = left.result(0) if left.done() else ["the loop itself"]
        if stuck:
            raise Inconclusive(f"the portal could not stop within {timeout:g} s: still running: {', '.join(stuck)}")

    def prepare(self, what: str, *, despite_poison: bool = False) -> Operation[T]:
        """An operation of this portal, not begun yet.

        Args:
            what: what it does, for messages.
            despite_poison: for cleaning up only: run even if the portal is poisoned.
        """
        return Operation(self, what, despite_poison=despite_poison)

    def call(self, coro_fn: Callable[[], Coroutine[Any, Any, T]], what: str = "", *, despite_poison: bool = False) -> T:
        """Run a coroutine in the loop and wait for it, from a plain function on another thread.

        Ctrl-C, and any other exception that a signal raises here, cancels the coroutine and waits, bounded, until it
        has stopped.

        Args:
            coro_fn: makes the coroutine; called in the loop.
            what: what it does, for messages.
            despite_poison: for cleaning up only: run even if the portal is poisoned.

        Raises:
            UsageError: the portal does not run.
            BaseException: whatever the coroutine raised.
        """
        __tracebackhide__ = True
        named = what or getattr(coro_fn, "__qualname__", repr(coro_fn))
        return run(Operation(self, named, despite_poison=despite_poison), coro_fn)

    @property
    def poisoned(self) -> DaemonSetTestError | None:
        """What poisoned the portal, if anything did."""
        return self._poison

    def check(self) -> None:
        """Raise what poisoned the portal, if anything did: for the end of a session."""
        if self._poison is not None:
            raise _copy(self._poison)

    def poison(self, error: BaseException, what: str) -> None:
        """Fail every live and every later operation; the first poison stays. Thread-safe.

        Args:
            error: what went wrong; one of the four exceptions is kept, anything else becomes `Inconclusive`.
            what: which background task it was.
        """
        if isinstance(error, DaemonSetTestError):
            told = error
        else:
            told = Inconclusive(
                f"{what} died of {type(error).__name__}: {error}. Nothing that was awaited can be judged any more; "
                "this is no verdict on the controller"
            )
            told.__cause__ = error
        self._soon(lambda: self._poison_all(told))

    # From inside the loop

    def spawn(self, coro_fn: Callable[[], Coroutine[Any, Any, None]], what: str) -> asyncio.Task[None]:
        """Start a background task, from inside the loop; cancel it to end it. Its exception poisons the portal."""
        task = asyncio.get_running_loop().create_task(coro_fn(), name=what)
        self._background.add(task)
        task.add_done_callback(self._background_done)
        return task

    def _background_done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.poison(error, task.get_name())

    def _poison_all(self, error: DaemonSetTestError) -> None:
        if self._poison is not None:
            return
        self._poison = error
        for operation in list(self._operations):
            operation._fail(_copy(error))

    def _soon(self, callback: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(callback)
            except RuntimeError:  # closed between the two lines: nothing is left to be told
                return

    def _run(self, running: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        self._loop = loop
        loop.call_soon(running.set)
        try:
            loop.run_forever()
        finally:
            self._loop = None
            loop.close()

    async def _wind_up(self, timeout: float, left: concurrent.futures.Future[list[str]]) -> None:
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not me]
        for task in tasks:
            task.cancel()
        pending = (await asyncio.wait(tasks, timeout=timeout))[1] if tasks else set()
        await loop.shutdown_asyncgens()
        left.set_result(sorted(task.get_name() for task in pending))
        loop.stop()


def run(operation: Operation[T], coro_fn: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Begin an operation and wait for it, from a plain function; when interrupted, cancel it and wait until it stopped."""
    __tracebackhide__ = True
    try:
        operation.begin(coro_fn)
        concurrent.futures.wait([operation.outcome])
    except BaseException:
        if operation.begun:
            operation.cancel()
            concurrent.futures.wait([operation.stopped], timeout=STOP_WITHIN)
        raise
    error = operation.outcome.exception()
    if error is not None:
        raise error.with_traceback(None)
    return operation.outcome.result()


def _copy(error: DaemonSetTestError) -> DaemonSetTestError:
    # One instance raised in several places would collect the tracebacks and notes of all of them.
    fresh = type(error)(*error.args)
    fresh.__cause__ = error.__cause__
    return fresh
