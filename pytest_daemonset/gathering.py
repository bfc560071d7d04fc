"""Things that go on at once, each of them seen through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def all_of(*work: Awaitable[object]) -> None:
    """Wait until all of it is over, also where some of it fails or all is cancelled: nothing goes on unseen.

    Raises:
        BaseException: the first failure, in the order of the arguments.
    """
    for done in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(done, BaseException):
            raise done
