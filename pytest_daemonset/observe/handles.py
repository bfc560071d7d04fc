"""`Handle`: something that a test asked for and has yet to wait for, in its own way."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_daemonset.errors import UsageError
from pytest_daemonset.observe import portal as portals

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Generator

    from pytest_daemonset.observe.portal import Operation, Portal
    from pytest_daemonset.observe.sites import Site

T = TypeVar("T")


class Handle(Generic[T]):
    """A lazy, one-shot operation: nothing happens until it is awaited, or until `wait` is called, and then once.

    ``await handle`` works in any asyncio loop; ``handle.wait()`` in plain functions. Cancelling the one who awaits, or
    Ctrl-C in `wait`, asks the operation to stop and waits, bounded, until it has. Its errors are raised so that the
    traceback ends in the line that waited.

    Attributes:
        what: what was asked for, for messages.
        site: the user's line that asked for it.
    """

    def __init__(
        self, portal: Portal, coro_fn: Callable[[], Coroutine[Any, Any, T]], what: str, site: Site | None = None
    ) -> None:
        self.what = what
        self.site = site
        self._portal = portal
        self._coro_fn = coro_fn
        self._lock = threading.Lock()
        self._operation: Operation[T] | None = None

    def __repr__(self) -> str:
        state = "not awaited" if self._operation is None else "done" if self._operation.outcome.done() else "running"
        return f"<Handle {self.what}: {state}>"

    if not TYPE_CHECKING:  # a type checker knows by itself that there is no such attribute

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"{self.what} is a handle and has no {name!r}: wait for it first, with .wait() or, in a coroutine, await"
            )

    @property
    def taken(self) -> bool:
        """Whether somebody has awaited it, or called `wait`."""
        return self._operation is not None

    @property
    def operation(self) -> Operation[T] | None:
        """The running or finished operation, `None` before somebody waits for it."""
        return self._operation

    def wait(self) -> T:
        """Do it, and wait until it is done: for plain functions.

        Raises:
            UsageError: inside a running event loop (await the handle there), or when it was awaited before.
        """
        __tracebackhide__ = True
        if inside_a_loop():
            raise UsageError(
                f"{self.what}: wait() would block the running event loop; write `await` instead of `.wait()`"
            )
        return portals.run(self._take(), self._coro_fn)

    def __await__(self) -> Generator[Any, None, T]:
        __tracebackhide__ = True
        return (yield from self._awaited().__await__())

    async def _awaited(self) -> T:
        __tracebackhide__ = True
        operation = self._take()
        operation.begin(self._coro_fn)
        try:
            await _until(operation.outcome)
        except asyncio.CancelledError:
            operation.cancel()
            await _until(operation.stopped, timeout=portals.STOP_WITHIN)
            raise
        error = operation.outcome.exception()
        if error is not None:
            raise error.with_traceback(None)
        return operation.outcome.result()

    def _take(self) -> Operation[T]:
        __tracebackhide__ = True
        with self._lock:
            if self._operation is not None:
                made = f" (made at {self.site})" if self.site else ""
                raise UsageError(f"{self.what}: awaited twice; a handle is good for one wait, ask again{made}")
            operation: Operation[T] = self._portal.prepare(self.what)
            self._operation = operation
            return operation


def inside_a_loop() -> bool:
    """Whether the caller runs inside an event loop, which a wait would block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _until(future: concurrent.futures.Future[Any], timeout: float | None = None) -> None:
    """Wait in this loop until a future of another thread is done; cancelling the wait leaves the future alone."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(_: concurrent.futures.Future[Any]) -> None:
        try:
            loop.call_soon_threadsafe(_set, done)
        except RuntimeError:  # the awaiting loop was closed in the meantime: nobody waits any more
            return

    future.add_done_callback(tell)
    await asyncio.wait([done], timeout=timeout)


def _set(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
