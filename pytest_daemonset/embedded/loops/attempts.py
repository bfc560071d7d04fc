"""Writes of a loop that may come too late: what they were about is gone or has changed, and an event will tell."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_daemonset.embedded.statuses import LATE, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def too_late_is_fine() -> Iterator[None]:
    """Let a 404 or a 409 pass: the loop acted on a state that is no more.

    Raises:
        StatusError: any other refusal is an error of the loop.
    """
    try:
        yield
    except StatusError as refused:
        if refused.code not in LATE:
            raise
