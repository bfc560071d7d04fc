"""Nodes."""

from __future__ import annotations

import ipaddress

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata, quantity
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, duplicate, forbidden, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.taints import NOT_READY, validate_taints

_WHOLE = ("pods",)


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
    errors += [
        error
        for part in ("capacity", "allocatable")
        for name, amount in obj["status"].get(part, {}).items()
        for error in _validate_amount(name, amount, f"status.{part}.{name}")
    ]
    errors += [
        invalid(f"spec.podCIDRs[{index}]", cidr, "must be a valid CIDR value")
        for index, cidr in enumerate(spec.get("podCIDRs", []))
        if not _is_network(cidr)
    ]
    return errors


def _validate_amount(name: str, amount: str, path: str) -> list[FieldError]:
    number = quantity.value(amount) or 0
    if number < 0:
        return [invalid(path, amount, "must be greater than or equal to 0")]
    whole = name in _WHOLE or ("/" in name and not name.partition("/")[0].endswith("kubernetes.io"))
    return [invalid(path, amount, "must be an integer")] if whole and number != int(number) else []


def _validate_addresses(addresses: list[Object]) -> list[FieldError]:
    return [
        duplicate(f"status.addresses[{index}]", address)
        for index, address in enumerate(addresses)
        if address in addresses[:index]
    ]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    now, was = new["spec"], old["spec"]
    errors = metadata.validate(new, namespaced=False, name_rule="subdomain") + _validate(new)
    errors += _validate_addresses(new["status"].get("addresses", []))
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
    # what it chose was a feature that is gone
    on_prepare_create=lambda obj: obj["spec"].pop("configSource", None),
    on_prepare_update=lambda new, old: metadata.keep(new, old, "status"),
    on_validate_create=_validate,
    on_validate_update=_validate_update,
    on_validate_update_status=_validate_update,
    on_field_labels=lambda obj: {"spec.unschedulable": str(bool(obj.get("spec", {}).get("unschedulable"))).lower()},
)
