"""Adding a sentence to somebody else's exception (PEP 678), on every Python that we run on."""

from __future__ import annotations

import sys
from typing import Any


def add_note(error: BaseException, note: str) -> None:
    """Add a note that is printed below the exception's own text, which stays first."""
    if sys.version_info >= (3, 11):
        error.add_note(note)
        return
    # Python 3.10 prints no notes: they go into the text, where there is one, and into __notes__ for those who look.
    untyped: Any = error
    untyped.__notes__ = [*getattr(error, "__notes__", ()), note]
    first, *others = error.args or ("",)
    if isinstance(first, str):
        error.args = (f"{first}\n{note}", *others)
