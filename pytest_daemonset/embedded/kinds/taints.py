"""Taints and tolerations: which are right, and which taint a toleration tolerates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds.fielderrors import FieldError, duplicate, invalid, not_supported, required
from pytest_daemonset.embedded.kinds.names import label_value, qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def validate_taints(taints: list[Object], path: str) -> list[FieldError]:
    """Tell what is wrong with a node's taints."""
    errors = []
    seen = set()
    for index, taint in enumerate(taints):
        here = f"{path}[{index}]"
        errors += [invalid(f"{here}.key", taint["key"], text) for text in qualified_name(taint["key"])]
        errors += [invalid(f"{here}.value", taint.get("value"), text) for text in label_value(taint.get("value", ""))]
        if not taint["effect"]:
            errors.append(required(f"{here}.effect"))
        elif taint["effect"] not in EFFECTS:
            errors.append(not_supported(f"{here}.effect", taint["effect"], EFFECTS))
        pair = (taint["key"], taint["effect"])
        if pair in seen:
            errors.append(duplicate(here, taint))
        seen.add(pair)
    return errors


def validate_tolerations(tolerations: list[Object], path: str) -> list[FieldError]:
    """Tell what is wrong with a pod's tolerations."""
    errors = []
    for index, each in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator, value = each.get("key", ""), each.get("operator", ""), each.get("value", "")
        if key:
            errors += [invalid(f"{here}.key", key, text) for text in qualified_name(key)]
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid(f"{here}.operator", operator, text))
        if "tolerationSeconds" in each and each.get("effect") != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(f"{here}.effect", each.get("effect", ""), text))
        if operator in {"", "Equal"}:
            errors += [invalid(f"{here}.operator", value, text) for text in label_value(value)]
        elif operator == "Exists":
            if value:
                errors.append(invalid(f"{here}.operator", value, "value must be empty when `operator` is 'Exists'"))
        else:
            errors.append(not_supported(f"{here}.operator", operator, ("Equal", "Exists", "Lt", "Gt")))
        if each.get("effect", "") not in {"", *EFFECTS}:
            errors.append(not_supported(f"{here}.effect", each["effect"], EFFECTS))
    return errors


def tolerated(taint: Object, tolerations: Iterable[Object]) -> bool:
    """Whether one of the tolerations tolerates the taint."""
    return any(_tolerates(each, taint) for each in tolerations)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))
