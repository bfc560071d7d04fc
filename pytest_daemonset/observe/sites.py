"""Where in the user's code something was asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_HOUSE = "pytest_daemonset"
# The suite's own tests live inside the package, but there they are the user.
_USERS = ("pytest_daemonset.conformance",)


@dataclass(frozen=True)
class Site:
    """One line of code."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def caller() -> Site | None:
    """The innermost line on the stack that is not of this package; `None` if there is no such line."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        inside = module == _HOUSE or module.startswith(_HOUSE + ".")
        if not inside or module.startswith(_USERS):
            return Site(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None
