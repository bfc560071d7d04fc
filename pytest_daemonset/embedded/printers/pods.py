"""The columns of pods. The status that people see is put together from the phase and the states of all containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.printers.ages import since
from pytest_daemonset.embedded.printers.printer import AGE, NAME, Column, Printer, age, names

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_daemonset.embedded.printers.printer import Object

_NONE = "<none>"


class _Seen(NamedTuple):
    """What a pod's containers add up to: how many are ready, how often they restarted, and when last."""

    reason: str
    ready: int
    restarts: int
    last: str


def _is_true(pod: Object, kind: str) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions)


def _last_end(status: Object) -> str:
    return ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""


def _ended(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _stays(pod: Object) -> frozenset[str]:
    """The init containers that keep running beside the others."""
    containers = pod["spec"].get("initContainers") or []
    return frozenset(each["name"] for each in containers if each.get("restartPolicy") == "Always")


def _initializing(pod: Object, stays: frozenset[str]) -> tuple[_Seen | None, _Seen]:
    """What the init containers say: the first entry if they are not done, the second of those that stay."""
    ready = restarts = staying = 0
    last = last_staying = ""
    for index, status in enumerate(pod["status"].get("initContainerStatuses", [])):
        state = status.get("state") or {}
        terminated, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason", "")
        restarts += status.get("restartCount", 0)
        last = max(last, _last_end(status))
        if status["name"] in stays:
            staying += status.get("restartCount", 0)
            last_staying = max(last_staying, _last_end(status))
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if status["name"] in stays and status.get("started"):
            ready += bool(status.get("ready"))
            continue
        if terminated is not None:
            reason = f"Init:{_ended(terminated)}"
        elif waiting and waiting != "PodInitializing":
            reason = f"Init:{waiting}"
        else:
            reason = f"Init:{index}/{len(pod['spec'].get('initContainers') or [])}"
        return _Seen(reason, ready, restarts, last), _Seen(reason, ready, staying, last_staying)
    return None, _Seen("", ready, staying, last_staying)


def _running(pod: Object, before: _Seen) -> _Seen:
    reason, ready, restarts, last = before
    runs = False
    for status in reversed(pod["status"].get("containerStatuses", [])):
        state = status.get("state") or {}
        restarts += status.get("restartCount", 0)
        last = max(last, _last_end(status))
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            reason = _ended(state["terminated"])
        elif status.get("ready") and state.get("running") is not None:
            runs = True
            ready += 1
    if reason == "Completed" and runs:
        reason = "Running" if _is_true(pod, "Ready") else "NotReady"
    return _Seen(reason, ready, restarts, last)


def _seen(pod: Object, stays: frozenset[str]) -> _Seen:
    status = pod["status"]
    reason = status.get("reason") or status.get("phase", "")
    conditions = status.get("conditions", [])
    if any(each.get("type") == "PodScheduled" and each.get("reason") == "SchedulingGated" for each in conditions):
        reason = "SchedulingGated"
    unfinished, before = _initializing(pod, stays)
    if unfinished is None or _is_true(pod, "Initialized"):
        seen = _running(pod, before._replace(reason=before.reason or reason))
    else:
        seen = unfinished
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == "NodeLost":
            return seen._replace(reason="Unknown")
        if status.get("phase") not in {"Succeeded", "Failed"}:
            return seen._replace(reason="Terminating")
    return seen


def _gates(pod: Object) -> str:
    gates = pod["spec"].get("readinessGates") or []
    return f"{sum(_is_true(pod, each['conditionType']) for each in gates)}/{len(gates)}" if gates else _NONE


def _cells(pod: Object, now: datetime) -> list[Any]:
    stays = _stays(pod)
    seen = _seen(pod, stays)
    restarts = str(seen.restarts)
    if seen.restarts and seen.last:
        restarts = f"{restarts} ({since(seen.last, now)} ago)"
    addresses = pod["status"].get("podIPs") or [{}]
    return [
        pod["metadata"]["name"],
        f"{seen.ready}/{len(pod['spec'].get('containers') or []) + len(stays)}",
        seen.reason,
        restarts,
        age(pod, now),
        addresses[0].get("ip") or _NONE,
        pod["spec"].get("nodeName") or _NONE,
        pod["status"].get("nominatedNodeName") or _NONE,
        _gates(pod),
    ]


def _conditions(pod: Object) -> list[Object]:
    told = {
        "Succeeded": "The pod has completed successfully.",
        "Failed": "The pod failed.",
    }
    phase = pod["status"].get("phase", "")
    if phase not in told:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": told[phase]}]


POD = Printer(
    (
        NAME,
        *names("Ready", "Status"),
        Column("Restarts", description="How often containers were started again, and when last."),
        AGE,
        *names("IP", "Node", "Nominated Node", "Readiness Gates", priority=1),
    ),
    _cells,
    _conditions,
)
