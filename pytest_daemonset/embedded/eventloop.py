"""The event loop that serves: uvloop's, where it is installed (the extra `fast`), else asyncio's own."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

LOOPS = ("auto", "asyncio", "uvloop")


def installed() -> bool:
    """Whether there is a uvloop to be had."""
    return find_spec("uvloop") is not None


def run(main: Coroutine[Any, Any, None], wanted: str = "auto") -> None:
    """Run the program, on a loop of its own.

    Args:
        wanted: one of `LOOPS`.
    """
    if wanted == "uvloop" or (wanted == "auto" and installed()):
        import_module("uvloop").run(main)
    else:
        asyncio.run(main)


def name() -> str:
    """Whose loop is running: `asyncio` or `uvloop`."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]
