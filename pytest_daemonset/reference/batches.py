"""Slow start: batches of 1, 2, 4, ... that stop at the first one with an error (ROB-02)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")

BURST = 250
"""The most creations, and the most deletions, that one sync starts (ROB-01)."""


async def slow_start(items: Sequence[T], act: Callable[[T], Awaitable[Exception | None]]) -> list[Exception]:
    """Act on the items in growing batches.

    Args:
        items: what to act on, in order.
        act: acts on one item; returns its error or None.

    Returns:
        The errors of the batch that stopped it; empty when all went well.
    """
    done, size = 0, 1
    while done < len(items):
        errors = await together(items[done : done + size], act)
        if errors:
            return errors
        done, size = done + size, size * 2
    return []


async def together(items: Sequence[T], act: Callable[[T], Awaitable[Exception | None]]) -> list[Exception]:
    """Act on all items at once and return the errors."""
    return [error for error in await asyncio.gather(*map(act, items)) if error is not None]
