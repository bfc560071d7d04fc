"""What a kubelet, and the node lifecycle loop of a control plane, say about a node: pure functions on its object."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final, TypeAlias

Object: TypeAlias = "dict[str, Any]"

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
VERSION: Final = "v1.36.2"
DEFAULT_ALLOCATABLE: Final = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "50Gi", "pods": "110"}

_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def now() -> str:
    """This moment, as the API writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_object(wanted: Object, address: str) -> Object:
    """The object with which a kubelet registers.

    Args:
        wanted: name, and optionally labels, annotations, taints, ready, allocatable, arch, os, unschedulable.
        address: its internal IP.
    """
    name, arch, system = wanted["name"], wanted.get("arch", "amd64"), wanted.get("os", "linux")
    labels = {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": system,
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": system,
        **(wanted.get("labels") or {}),
    }
    resources = {**DEFAULT_ALLOCATABLE, **(wanted.get("allocatable") or {})}
    spec: Object = {}
    if wanted.get("taints"):
        spec["taints"] = wanted["taints"]
    if wanted.get("unschedulable"):
        spec["unschedulable"] = True
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": wanted.get("annotations") or {}},
        "spec": spec,
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": conditions(ready=wanted.get("ready", True)),
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "nodeInfo": {
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
                "kernelVersion": "virtual",
                "osImage": "a virtual node of pytest-daemonset",
                "containerRuntimeVersion": "virtual://1",
                "kubeletVersion": VERSION,
                "kubeProxyVersion": VERSION,
                "operatingSystem": system,
                "architecture": arch,
            },
        },
    }


def conditions(*, ready: bool) -> list[Object]:
    """The conditions that a living kubelet posts; not ready means: waits for its network plug-in."""
    time = now()
    rows = [(kind, "False", reason, message) for kind, reason, message in _HEALTHY]
    if ready:
        rows.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    else:
        message = "container runtime network not ready: NetworkReady=false: cni plugin not initialized"
        rows.append(("Ready", "False", "KubeletNotReady", message))
    return [_condition(*row, time) for row in rows]


def unknown_conditions() -> list[Object]:
    """What the node lifecycle loop writes when a kubelet has not reported for its grace period."""
    time = now()
    kinds = [kind for kind, _, _ in _HEALTHY] + ["Ready"]
    return [
        _condition(kind, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.", time) for kind in kinds
    ]


def _condition(kind: str, status: str, reason: str, message: str, time: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": time,
        "lastTransitionTime": time,
    }


def lifecycle_taints(taints: list[Object], ready: str, *, evicting: bool) -> list[Object]:
    """The taints that the node lifecycle loop gives a node whose Ready condition is `ready`; others are kept.

    Source: pkg/controller/nodelifecycle/node_lifecycle_controller.go, nodeConditionToTaintKeyStatusMap.

    Args:
        taints: those of now.
        ready: ``True``, ``False`` or ``Unknown``.
        evicting: with the NoExecute taint, which comes a step after the NoSchedule one.
    """
    key = {"True": None, "False": NOT_READY, "Unknown": UNREACHABLE}[ready]
    kept = [taint for taint in taints if taint["key"] not in (NOT_READY, UNREACHABLE)]
    if key is None:
        return kept
    wanted: list[Object] = [{"key": key, "effect": "NoSchedule"}]
    if evicting:
        wanted.append({"key": key, "effect": "NoExecute", "timeAdded": now()})
    return kept + wanted
