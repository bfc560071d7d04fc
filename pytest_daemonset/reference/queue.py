"""The work queue: each key at most once, delayed adds, and a back-off per key that grows with its failures."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer(Protocol):
    """What `asyncio.loop.call_later` returns."""

    def cancel(self) -> None:
        """Do not call."""


class WorkQueue:
    """Keys to be worked on; a key that is added while it is worked on comes up once more afterwards.

    Args:
        now: the clock of `call_later`, seconds.
        call_later: calls a function after so many seconds (`loop.call_later`).
        base: the first back-off of a failing key, seconds.
        cap: its longest, seconds.
    """

    def __init__(
        self,
        now: Callable[[], float],
        call_later: Callable[[float, Callable[[str], None], str], Timer],
        base: float = 0.005,
        cap: float = 1000.0,
    ) -> None:
        self._now, self._call_later, self._base, self._cap = now, call_later, base, cap
        self._ready: deque[str] = deque()
        self._queued: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, tuple[float, Timer]] = {}
        self._wanted: deque[asyncio.Future[None]] = deque()

    def add(self, key: str) -> None:
        """The key needs work."""
        if key in self._queued:
            return
        self._queued.add(key)
        if key not in self._working:
            self._offer(key)

    def add_after(self, key: str, delay: float) -> None:
        """The key needs work in `delay` seconds; of several such wishes the earliest stands."""
        due = self._now() + delay
        known = self._timers.get(key)
        if known is not None:
            if known[0] <= due:
                return
            known[1].cancel()
        self._timers[key] = (due, self._call_later(delay, self._due, key))

    def retry(self, key: str) -> None:
        """The key failed: it comes up again after its back-off."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._base * 2 ** min(failures, 60), self._cap))

    def succeeded(self, key: str) -> None:
        """The key's back-off starts over."""
        self._failures.pop(key, None)

    def forget(self, key: str) -> None:
        """Drop everything remembered about a key that exists no more."""
        self._failures.pop(key, None)
        _, timer = self._timers.pop(key, (0.0, None))
        if timer is not None:
            timer.cancel()

    async def get(self) -> str:
        """Wait for a key; `done` must follow."""
        while not self._ready:
            wish: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._wanted.append(wish)
            await wish
        key = self._ready.popleft()
        self._queued.discard(key)
        self._working.add(key)
        return key

    def done(self, key: str) -> None:
        """The work on a key that `get` returned has ended."""
        self._working.discard(key)
        if key in self._queued:
            self._offer(key)

    def _due(self, key: str) -> None:
        del self._timers[key]
        self.add(key)

    def _offer(self, key: str) -> None:
        self._ready.append(key)
        while self._wanted:
            wish = self._wanted.popleft()
            if not wish.done():
                wish.set_result(None)
                break
