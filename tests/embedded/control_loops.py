"""The loops of the server beside an Api in a test."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_daemonset.embedded.loops import LOOPS
from pytest_daemonset.embedded.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_daemonset.embedded.api import Api


@contextlib.asynccontextmanager
async def collecting(api: Api) -> AsyncIterator[None]:
    """With the garbage collector."""
    loop = asyncio.create_task(LOOPS["garbage"](api, Settings(Path())))
    try:
        yield
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        await api.close()
