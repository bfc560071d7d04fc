"""Nodes."""

from __future__ import annotations

import ipaddress

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, duplicate, forbidden, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.taints import NOT_READY, validate_taints


def _default(obj: Object) -> None:
    spec, status = obj["spec"], obj["status"]
    first = (spec.get("podCIDRs") or [""])[0]
    if spec.get("podCIDR") and spec["podCIDR"] != first:
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif first:
        spec["podCIDR"] = first
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _admit_create(obj: Object) -> None:
    """The plug-in TaintNodesByCondition: nothing lands on a new node before it is known to be ready."""
    taint = {"key": NOT_READY, "effect": "NoSchedule"}
    taints = obj["spec"].setdefault("taints", [])
    if not any(each["key"] == NOT_READY and each["effect"] == "NoSchedule" for each in taints):
        taints.append(taint)


def _validate(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    errors = validate_taints(spec.get("taints", []), "metadata.taints")
    seen = set()
    for index, address in enumerate(obj["status"].get("addresses", [])):
        pair = (address["type"], address["address"])
        if pair in seen:
            errors.append(duplicate(f"status.addresses[{index}]", address))
        seen.add(pair)
    errors += [
        invalid(f"spec.podCIDRs[{index}]", cidr, "must be a valid CIDR value")
        for index, cidr in enumerate(spec.get("podCIDRs", []))
        if not _is_network(cidr)
    ]
    return errors


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    now, was = new["spec"], old["spec"]
    errors = metadata.validate(new, namespaced=False, name_rule="subdomain") + _validate(new)
    if was.get("podCIDRs") and now.get("podCIDRs") != was["podCIDRs"]:
        text = 'node updates may not change podCIDR except from "" to valid'
        errors.append(forbidden("spec.podCIDRs", text))
    if was.get("providerID") and now.get("providerID") != was["providerID"]:
        text = 'node updates may not change providerID except from "" to valid'
        errors.append(forbidden("spec.providerID", text))
    # kube-apiserver tells what is wrong with taints twice when a node changes.
    return [*errors, *validate_taints(now.get("taints", []), "metadata.taints")]


NODE = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    singular="node",
    printer=printers.NODE,
    short_names=("no",),
    namespaced=False,
    subresources=("status",),
    on_default=_default,
    on_admit_create=_admit_create,
    on_prepare_update=lambda new, old: metadata.keep(new, old, "status"),
    on_validate_create=_validate,
    on_validate_update=_validate_update,
    on_validate_update_status=_validate_update,
    on_field_labels=lambda obj: {"spec.unschedulable": str(bool(obj.get("spec", {}).get("unschedulable"))).lower()},
)
