"""Ages as people read them: "5m", "3h20m", "2d" (k8s.io/apimachinery, pkg/util/duration)."""

from __future__ import annotations

from datetime import datetime, timedelta

UNKNOWN = "<unknown>"


def since(moment: str | None, now: datetime) -> str:
    """The time from a moment, as Kubernetes writes it, until now; `<unknown>` without one."""
    if not moment:
        return UNKNOWN
    # Python 3.10 reads no "Z"
    return human(now - datetime.fromisoformat(moment.replace("Z", "+00:00")))


def human(duration: timedelta) -> str:
    """A duration, the coarser the longer it is."""
    seconds = int(duration.total_seconds())
    if seconds < 0:
        return "<invalid>" if seconds < -1 else "0s"
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"
