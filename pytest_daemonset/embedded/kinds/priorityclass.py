"""PriorityClasses (kubernetes/pkg/apis/scheduling)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, not_supported
from pytest_daemonset.embedded.kinds.kind import Kind, Object

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP: Final = "scheduling.k8s.io"
PREEMPTS: Final = "PreemptLowerPriority"
_POLICIES = (PREEMPTS, "Never")
_HIGHEST = 1_000_000_000
_RESERVED = "system-"

SYSTEM: Final[Mapping[str, int]] = MappingProxyType(
    {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
)
"""The classes that every cluster has from the start, and their values."""


def _default(obj: Object) -> None:
    obj.setdefault("preemptionPolicy", PREEMPTS)


def _validate_create(obj: Object) -> list[FieldError]:
    errors, name, value = [], obj["metadata"].get("name", ""), obj["value"]
    if name.startswith(_RESERVED):
        text = f"priority class names with '{_RESERVED}' prefix are reserved for system use only. error: "
        if name not in SYSTEM:
            errors.append(forbidden("metadata.name", f"{text}{name} is not a known system priority class"))
        elif value != SYSTEM[name]:
            errors.append(forbidden("metadata.name", f"{text}value of {name} PriorityClass must be {SYSTEM[name]}"))
        elif obj.get("globalDefault"):
            errors.append(forbidden("metadata.name", f"{text}globalDefault of {name} PriorityClass must be false"))
    elif value > _HIGHEST:
        errors.append(forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}"))
    if obj["preemptionPolicy"] not in _POLICIES:
        errors.append(not_supported("preemptionPolicy", obj["preemptionPolicy"], _POLICIES))
    return errors


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    errors = []
    if new["value"] != old["value"]:
        errors.append(forbidden("value", "may not be changed in an update."))
    if new["preemptionPolicy"] != old["preemptionPolicy"]:
        errors.append(invalid("preemptionPolicy", new["preemptionPolicy"], "field is immutable"))
    return errors


PRIORITY_CLASS = Kind(
    group=GROUP,
    version="v1",
    kind="PriorityClass",
    plural="priorityclasses",
    singular="priorityclass",
    short_names=("pc",),
    namespaced=False,
    has_generation=True,
    create_on_update=True,
    printer=printers.PRIORITY_CLASS,
    on_default=_default,
    on_validate_create=_validate_create,
    on_validate_update=_validate_update,
)
