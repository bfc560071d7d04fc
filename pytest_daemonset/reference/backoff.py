"""How long a node waits after a pod failed there: one second, doubling to fifteen minutes (FAIL-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Backoff:
    """Steps of waiting, one per key.

    The clock of a step runs from its start, so health shortens the wait but does not reset the step; a key untouched for
    twice the cap is forgotten.

    Args:
        now: a monotonic clock, seconds.
        base: the first wait, seconds.
        cap: the longest wait, seconds.
    """

    def __init__(self, now: Callable[[], float], base: float = 1.0, cap: float = 900.0) -> None:
        self._now, self._base, self._cap = now, base, cap
        self._steps: dict[Hashable, tuple[float, float]] = {}

    def remaining(self, key: Hashable) -> float:
        """The seconds still to wait; 0 when the key may be acted on."""
        step, since = self._steps.get(key, (0.0, 0.0))
        return max(0.0, since + step - self._now()) if step else 0.0

    def advance(self, key: Hashable) -> None:
        """Note an action on the key now: the next one waits the next step."""
        now = self._now()
        step, since = self._steps.get(key, (0.0, now))
        fresh = not step or now - since > 2 * self._cap
        self._steps[key] = (self._base if fresh else min(step * 2, self._cap), now)
        if len(self._steps) > 1024:
            self._steps = {k: v for k, v in self._steps.items() if now - v[1] <= 2 * self._cap}
