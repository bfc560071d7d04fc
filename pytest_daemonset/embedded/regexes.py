"""Regular expressions of users, as Go has them (RE2): in a time that grows with the text, where google-re2 is installed; Python's else."""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from typing import Any

try:
    _re2: Any = importlib.import_module("re2")
except ImportError:
    _re2 = None


_UNREADABLE = (re.error, OverflowError, RecursionError, *(() if _re2 is None else (_re2.error,)))


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression that can be read.

    Raises:
        ValueError: it cannot be, with the reason.
        TypeError: it is no text.
    """
    if not isinstance(pattern, str):
        raise TypeError("it is no text")
    try:
        if _re2 is None:
            return re.compile(pattern)
        settings = _re2.Options()
        settings.log_errors = False
        made: re.Pattern[str] = _re2.compile(pattern, settings)
    except _UNREADABLE as error:
        raise ValueError(_text(error)) from None
    return made


def _text(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
