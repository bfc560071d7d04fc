"""What the status of a controller's pod says is wrong: why it does not start, and which of its containers ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Pod = Mapping[str, Any]
Instance = tuple[str, str, int]
"""One run of a container: the pod's uid, the container's name, how often it was restarted before."""

_HINTS: Final = {
    "ErrImagePull": "side-load it: ControllerConfig(images=[…]) or --daemonset-controller-images",
    "ImagePullBackOff": "side-load it: ControllerConfig(images=[…]) or --daemonset-controller-images",
    "ErrImageNeverPull": "side-load it: ControllerConfig(images=[…]) or --daemonset-controller-images",
    "InvalidImageName": "",
    "CrashLoopBackOff": "",
    "RunContainerError": "",
    "CreateContainerError": "",
}
"""Reasons to wait that do not pass by themselves, and what to try."""


@dataclass(frozen=True)
class End:
    """A container that ended.

    Args:
        run: which run of it.
        code: its exit code.
        reason: such as ``OOMKilled``.
        key: tells it from others, however often it is seen.
    """

    run: Instance
    code: int
    reason: str
    key: tuple[str, str, str]


def rows(pod: Pod) -> list[Mapping[str, Any]]:
    """The statuses of its containers, those of initialization first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def hopeless(pod: Pod) -> str:
    """Why it will not start by itself; empty if nothing says so."""
    if "deletionTimestamp" in pod["metadata"]:
        return ""
    for row in rows(pod):
        waiting = (row.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _HINTS:
            said = f": {waiting['message']}" if waiting.get("message") else ""
            hint = f"\n    {_hint(pod, row['name'], reason)}" if _HINTS[reason] else ""
            return f"container {row['name']}, image {row.get('image')}: {reason}{said}{hint}"
    return ""


def _hint(pod: Pod, name: str, reason: str) -> str:
    policy = next((one.get("imagePullPolicy") for one in pod["spec"]["containers"] if one["name"] == name), None)
    if policy == "Always":
        return (
            "its imagePullPolicy is Always, so that an image that was side-loaded is not looked for: write IfNotPresent"
        )
    return _HINTS[reason]


def told(pod: Pod) -> str:
    """How far it has come, in a few words."""
    status = pod.get("status") or {}
    where = f"on {pod['spec']['nodeName']}" if pod["spec"].get("nodeName") else "on no node yet"
    conditions = [row for row in status.get("conditions") or () if row.get("status") == "False" and row.get("message")]
    why = "; ".join(f"{row['type']}: {row['message']}" for row in conditions[:2])
    return f"pod {pod['metadata']['name']}: {status.get('phase', 'Pending')} {where}{f' ({why})' if why else ''}"


def ends(pod: Pod) -> Iterator[End]:
    """The containers of it that ended by themselves, as far as its status still tells.

    A container that went down with its machine is none of them: a kubelet that starts again says "Unknown" of it.
    """
    if "deletionTimestamp" in pod["metadata"]:
        return
    uid = pod["metadata"]["uid"]
    for row in (pod.get("status") or {}).get("containerStatuses") or ():
        state, count = row.get("state") or {}, int(row.get("restartCount", 0))
        before = count - 1 if "running" in state else count
        for over, number in (
            (state.get("terminated"), count),
            ((row.get("lastState") or {}).get("terminated"), before),
        ):
            if over and over.get("reason") not in ("Unknown", "ContainerStatusUnknown"):
                key = (uid, row["name"], str(over.get("containerID") or over.get("finishedAt")))
                yield End((uid, row["name"], number), int(over.get("exitCode", 0)), str(over.get("reason", "")), key)
