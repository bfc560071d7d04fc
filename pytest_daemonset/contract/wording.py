"""Wording: how findings speak of pods and moments."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_daemonset.contract.views import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.views import Pod


def moment(at: float) -> str:
    """A moment (unix seconds) as an API server would write it, to the millisecond."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe(pod: Pod) -> str:
    """A pod's name, since when it is there, and what keeps it from being active."""
    told = [f"since {pod.object['metadata'].get('creationTimestamp') or 'an unknown time'}"]
    if pod.terminating:
        told.append(f"terminating since {_asked_to_go(pod)}")
        if kept := pod.object["metadata"].get("finalizers"):
            told.append(f"kept by finalizer {', '.join(kept)}")
    if pod.terminal:
        told.append(f"phase {pod.phase}")
    return f"{pod.name} ({', '.join(told)})"


def _asked_to_go(pod: Pod) -> str:
    """When a pod was deleted: its deletion timestamp is when its grace period ends."""
    metadata = pod.object["metadata"]
    end = parse_time(metadata.get("deletionTimestamp"))
    if end is None:
        return "an unknown time"
    asked = datetime.fromtimestamp(end - (metadata.get("deletionGracePeriodSeconds") or 0), timezone.utc)
    return asked.isoformat(timespec="seconds").replace("+00:00", "Z")


def listed(pods: Iterable[Pod]) -> str:
    """Pods, described one after the other."""
    return ", ".join(map(describe, pods))


def names(pods: Iterable[Pod]) -> tuple[str, ...]:
    """The names of pods."""
    return tuple(pod.name for pod in pods)
