"""Folders that a run writes to at its end: that they cannot be written is told at its beginning."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def make_writable(folder: Path, told: str) -> None:
    """Make a folder if it is not there, and see that a file can be made in it.

    Args:
        folder: which.
        told: the option that names it, as the user wrote it.

    Raises:
        UsageError: it cannot be made, is a file, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{told}: expected a folder, found a file on the way") from None
    except OSError as error:
        raise UsageError(f"{told}: nothing can be written there: {error.strerror}") from None
