"""Moments as Kubernetes writes them. All that is written in one second begins alike: it is put into words once."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@lru_cache(maxsize=4)
def second(seconds: int) -> str:
    """A second since 1970, in UTC, as `2006-01-02T15:04:05`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def timestamp(moment: datetime) -> str:
    """A moment with its time zone: whole seconds, UTC."""
    return f"{second(int(moment.timestamp()))}Z"
