"""What a kubelet writes into the status of a pod: pure functions from a pod to a patch."""

from __future__ import annotations

from typing import Any, TypeAlias

from pytest_daemonset.kubelets.machines import now

Object: TypeAlias = "dict[str, Any]"

TERMINAL = ("Succeeded", "Failed")


_METADATA = ("name", "namespace", "uid", "resourceVersion", "labels", "deletionTimestamp")
_CONTAINER = ("name", "image", "restartPolicy")


def trimmed(pod: Object) -> Object:
    """What a kubelet here needs of a pod: a thousand whole ones would be ten megabytes."""
    spec = pod["spec"]
    small: Object = {key: spec[key] for key in ("nodeName", "hostNetwork", "readinessGates") if key in spec}
    for key in ("containers", "initContainers"):
        if spec.get(key):
            small[key] = [{name: one[name] for name in _CONTAINER if name in one} for one in spec[key]]
    metadata = pod["metadata"]
    return {
        "metadata": {key: metadata[key] for key in _METADATA if key in metadata},
        "spec": small,
        "status": pod.get("status") or {},
    }


def phase(pod: Object) -> str:
    """Its phase; a pod without one is Pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def terminating(pod: Object) -> bool:
    """Whether somebody asked for its deletion."""
    return "deletionTimestamp" in pod["metadata"]


def condition(pod: Object, kind: str) -> Object | None:
    """Its condition of that type."""
    rows = (pod.get("status") or {}).get("conditions") or []
    return next((row for row in rows if row["type"] == kind), None)


def is_ready(pod: Object) -> bool:
    """Whether its Ready condition is True."""
    row = condition(pod, "Ready")
    return row is not None and row["status"] == "True"


def containers_ready(pod: Object) -> bool:
    """Whether its ContainersReady condition is True."""
    row = condition(pod, "ContainersReady")
    return row is not None and row["status"] == "True"


def gates_open(pod: Object) -> bool:
    """Whether every readiness gate of its spec has a condition that is True."""
    gates = pod["spec"].get("readinessGates") or []
    rows = [condition(pod, gate["conditionType"]) for gate in gates]
    return all(row is not None and row["status"] == "True" for row in rows)


def images_differ(pod: Object) -> bool:
    """Whether somebody changed an image of a running pod in place."""
    said = {row["name"]: row.get("image") for row in (pod.get("status") or {}).get("containerStatuses") or []}
    return any(said.get(one["name"], one.get("image")) != one.get("image") for one in pod["spec"]["containers"])


def running(pod: Object, *, ready: bool, host_ip: str, pod_ip: str, restarted: bool = False) -> Object:
    """Started: the one status write of a pod's start, or of a restart of its containers (`restarted`)."""
    time = now()
    before = {row["name"]: row for row in (pod.get("status") or {}).get("containerStatuses") or []}
    rows = []
    for container in pod["spec"]["containers"]:
        count = before.get(container["name"], {}).get("restartCount", 0) + restarted
        row = _container(pod, container, count)
        rows.append({**row, "ready": ready, "started": True, "state": {"running": {"startedAt": time}}})
    status: Object = {
        "phase": "Running",
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "startTime": (pod.get("status") or {}).get("startTime") or time,
        "containerStatuses": rows,
        "conditions": _conditions(pod, ready=ready, new=restarted),
    }
    if inits := pod["spec"].get("initContainers"):
        status["initContainerStatuses"] = [_init(pod, container, time) for container in inits]
    return _patch(pod, status)


def readiness(pod: Object, *, ready: bool) -> Object:
    """Its containers became ready, or ceased to be; transition times move only where something changed."""
    rows = [{**row, "ready": ready} for row in (pod.get("status") or {}).get("containerStatuses") or []]
    return _patch(pod, {"containerStatuses": rows, "conditions": _conditions(pod, ready=ready)})


def ended(pod: Object, how: str, *, reason: str = "", message: str = "", code: int = 0) -> Object:
    """Its containers ended for good.

    Args:
        pod: the pod.
        how: ``Succeeded`` or ``Failed``.
        reason: of the pod, such as ``Evicted``.
        message: of the pod.
        code: the exit code of its containers.
    """
    time = now()
    said = {row["name"]: row for row in (pod.get("status") or {}).get("containerStatuses") or []}
    rows = []
    for container in pod["spec"]["containers"]:
        before = said.get(container["name"], {})
        start = before.get("state", {}).get("running", {}).get("startedAt", time)
        over = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": start,
            "finishedAt": time,
            "containerID": _id(pod, container),
        }
        row = _container(pod, container, before.get("restartCount", 0))
        rows.append({**row, "ready": False, "started": False, "state": {"terminated": over}})
    changed = _conditions(pod, ready=False, why="PodCompleted" if how == "Succeeded" else "PodFailed")
    status: Object = {"phase": how, "containerStatuses": rows, "conditions": changed}
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    return _patch(pod, status)


def rejected(pod: Object, reason: str, message: str) -> Object:
    """Refused at the kubelet's admission: Failed, before any container was made. Source: kubelet.go, rejectPod."""
    return _patch(pod, {"phase": "Failed", "reason": reason, "message": message, "startTime": now()})


def lost(pod: Object) -> Object:
    """What the node lifecycle loop writes on a pod of an unreachable node. Source: node utils, MarkPodsNotReady."""
    row = {"type": "Ready", "status": "False", "reason": "NodeNotReady", "message": "Node is not ready"}
    return _patch(pod, {"conditions": [{**row, "lastTransitionTime": now()}]})


def _patch(pod: Object, status: Object) -> Object:
    # The uid is a precondition: a successor of the same name must not get it.
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}


def _id(pod: Object, container: Object) -> str:
    return f"virtual://{pod['metadata']['uid']}/{container['name']}"


def _container(pod: Object, container: Object, restarts: int) -> Object:
    image = container.get("image", "")
    return {
        "name": container["name"],
        "image": image,
        "imageID": f"virtual://{image}",
        "containerID": _id(pod, container),
        "restartCount": restarts,
        "lastState": {},
    }


def _init(pod: Object, container: Object, time: str) -> Object:
    row = _container(pod, container, 0)
    if container.get("restartPolicy") == "Always":  # a sidecar runs on
        return {**row, "ready": True, "started": True, "state": {"running": {"startedAt": time}}}
    over = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": time,
        "finishedAt": time,
        "containerID": _id(pod, container),
    }
    return {**row, "ready": True, "started": False, "state": {"terminated": over}}


def _conditions(pod: Object, *, ready: bool, why: str = "ContainersNotReady", new: bool = False) -> list[Object]:
    time = now()
    over = why != "ContainersNotReady"
    rows: list[Object] = [
        {"type": "PodReadyToStartContainers", "status": "False" if over else "True"},
        {"type": "Initialized", "status": "True"},
        {"type": "ContainersReady", "status": str(ready)},
        {"type": "Ready", "status": str(ready and gates_open(pod))},
    ]
    names = ", ".join(container["name"] for container in pod["spec"]["containers"])
    for row in rows:
        row["reason"] = row["message"] = None
        if row["status"] == "False" and row["type"] in ("ContainersReady", "Ready"):
            row["reason"] = why if not ready else "ReadinessGatesNotReady"
            row["message"] = f"containers with unready status: [{names}]" if not ready and not over else None
        before = condition(pod, row["type"])
        same = before is not None and before["status"] == row["status"]
        fresh = new and row["type"] in ("ContainersReady", "Ready")
        row["lastTransitionTime"] = before["lastTransitionTime"] if before and same and not fresh else time
    return rows
