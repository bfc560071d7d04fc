"""The program's log: standard error, one line for each event, UTC time first."""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import datetime, timezone

from aiohttp.http_exceptions import BadHttpMessage

NAME = "pytest_daemonset.embedded"


class OneLine(logging.Formatter):
    """`TIME LEVEL LOGGER TEXT`; line breaks become " | ". Of an exception the last line is told; all of it if it is our own mistake."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the record."""
        stamp = datetime.fromtimestamp(record.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        text = record.getMessage() if record.name == NAME else record.getMessage().partition("\n")[0]
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            whole = record.name == NAME
            lines = traceback.format_exception(error) if whole else traceback.format_exception_only(error)
            told = "".join(lines)
            if isinstance(error, BadHttpMessage):
                # the parser shows the bytes that it stumbled over, in which a token may stand
                told = told.partition("b'")[0].partition('b"')[0]
            text = f"{text}: {told}"
        return f"{stamp} {record.levelname} {record.name} {' | '.join(text.split(chr(10))).rstrip(' |')}"


def log_to_stderr() -> None:
    """Send everything that is logged, also by the libraries, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
