"""ResourceQuotas."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata, quantity
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import qualified_name


def _prepare_create(obj: Object) -> None:
    obj["status"] = {}


_COMPUTE = frozenset(
    f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory", "ephemeral-storage")
)
_COUNTS = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    }
)
_SCOPES = frozenset(
    [
        "BestEffort",
        "CrossNamespacePodAffinity",
        "NotBestEffort",
        "NotTerminating",
        "PriorityClass",
        "Terminating",
        "VolumeAttributesClass",
    ]
)
_CONFLICTS = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})


def _is_standard(name: str) -> bool:
    known = name in _COMPUTE or name in _COUNTS or name == "requests.storage"
    return known or name.removeprefix("requests.").startswith("hugepages-")


def _validate_hard(name: str, amount: str) -> list[FieldError]:
    path, number = f"spec.hard[{name}]", quantity.value(amount) or 0
    errors = []
    if "/" in name:
        errors += [invalid(path, name, wrong) for wrong in qualified_name(name)]
    elif not _is_standard(name):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))
        errors.append(invalid(path, name, "must be a standard resource for quota"))
    if number < 0:
        errors.append(invalid(path, amount, "must be greater than or equal to 0"))
    if (name in _COUNTS or name.startswith("count/")) and number.denominator != 1:
        errors.append(invalid(path, amount, "must be an integer"))
    return errors


def _validate_scopes(path: str, said: list[str], shown: object, hard: Object) -> list[FieldError]:
    errors = []
    if not set(said) <= _SCOPES:
        errors.append(invalid(path, shown, "unsupported scope"))
    for scope in said:
        fit = {"pods"} if scope == "BestEffort" else {"pods", *_COMPUTE}
        if scope in _SCOPES and scope != "VolumeAttributesClass" and not set(hard) <= fit:
            errors.append(invalid(path, shown, "unsupported scope applied to resource"))
    if any(pair <= set(said) for pair in _CONFLICTS):
        errors.append(invalid(path, shown, "conflicting scopes"))
    return errors


def _validate(obj: Object) -> list[FieldError]:
    hard = obj["spec"].get("hard") or {}
    errors = [error for name, amount in hard.items() for error in _validate_hard(name, amount)]
    if scopes := obj["spec"].get("scopes"):
        errors += _validate_scopes("spec.scopes", scopes, scopes, hard)
    if chosen := (obj["spec"].get("scopeSelector") or {}).get("matchExpressions"):
        names = [each["scopeName"] for each in chosen]
        errors += _validate_scopes("spec.scopeSelector.matchExpressions", names, names, hard)
    return errors


RESOURCE_QUOTA = Kind(
    group="",
    version="v1",
    kind="ResourceQuota",
    plural="resourcequotas",
    singular="resourcequota",
    short_names=("quota",),
    subresources=("status",),
    returns_deleted=True,
    printer=printers.RESOURCE_QUOTA,
    on_prepare_create=_prepare_create,
    on_prepare_update=lambda new, old: metadata.keep(new, old, "status"),
    on_validate_create=_validate,
    on_validate_update=lambda new, _old: _validate(new),
)
