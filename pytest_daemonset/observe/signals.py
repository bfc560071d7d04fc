"""Waiting inside one event loop until something has changed, without ever looking twice for nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Signal:
    """Wakes everybody who waits for it, each time that it is fired. For one event loop."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def fire(self) -> None:
        """Wake everybody who waits now."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        """A future that is done when the signal is fired next, counted from this very call.

        No coroutine: one that is wrapped into a task would listen only from the task's first step on, and what happens
        between the caller's last look and that step would be lost.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter


async def until(reached: Callable[[], bool], changed: Callable[[], asyncio.Future[None]], timeout: float) -> bool:
    """Wait until something is reached, looking whenever something has changed.

    Args:
        reached: whether it is.
        changed: gives a future that is done at the next change.
        timeout: seconds.

    Returns:
        Whether it was reached in time.
    """
    deadline = time.monotonic() + timeout
    while not reached():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        try:
            await asyncio.wait_for(changed(), left)
        except asyncio.TimeoutError:
            return reached()
    return True
