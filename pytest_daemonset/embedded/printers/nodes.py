"""The columns of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.printers.ages import UNKNOWN
from pytest_daemonset.embedded.printers.printer import AGE, NAME, Printer, age, names

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_daemonset.embedded.printers.printer import Object

_ROLE = "node-role.kubernetes.io/"
_OLD_ROLE = "kubernetes.io/role"


def _status(node: Object) -> str:
    ready = next((each for each in node["status"].get("conditions", []) if each.get("type") == "Ready"), None)
    said = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{said},SchedulingDisabled" if node["spec"].get("unschedulable") else said


def _roles(node: Object) -> str:
    labels = node["metadata"].get("labels", {})
    roles = {key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE)} | {labels.get(_OLD_ROLE, "")}
    return ",".join(sorted(roles - {""})) or "<none>"


def _address(node: Object, kind: str) -> str:
    addresses = node["status"].get("addresses", [])
    return next((each["address"] for each in addresses if each.get("type") == kind), "<none>")


def _cells(node: Object, now: datetime) -> list[Any]:
    info = node["status"].get("nodeInfo", {})
    return [
        node["metadata"]["name"],
        _status(node),
        _roles(node),
        age(node, now),
        info.get("kubeletVersion", ""),
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


NODE = Printer(
    (
        NAME,
        *names("Status", "Roles"),
        AGE,
        *names("Version"),
        *names("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime", priority=1),
    ),
    _cells,
)
