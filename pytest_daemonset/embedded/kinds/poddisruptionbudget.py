"""PodDisruptionBudgets (kubernetes/pkg/registry/policy/poddisruptionbudget)."""

from __future__ import annotations

import re

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid, not_supported
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.selectors import validate_selector

_POLICIES = ("IfHealthyBudget", "AlwaysAllow")
_PERCENT = re.compile(r"(\d{1,3})%", re.ASCII)


def _prepare_create(obj: Object) -> None:
    obj["status"] = dict.fromkeys(("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), 0)


def _prepare_update(new: Object, old: Object) -> None:
    metadata.keep(new, old, "status")
    if new["spec"] != old["spec"]:
        metadata.bump_generation(new, old)


def _validate(obj: Object) -> list[FieldError]:
    spec, errors = obj["spec"], []
    if "minAvailable" in spec and "maxUnavailable" in spec:
        errors.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for name in ("minAvailable", "maxUnavailable"):
        value = spec.get(name)
        if isinstance(value, int) and value < 0:
            errors.append(invalid(f"spec.{name}", value, "must be greater than or equal to 0"))
        elif isinstance(value, str):
            percent = _PERCENT.fullmatch(value)
            if percent is None:
                text = "a valid percent string must be a numeric string followed by an ending '%'"
                errors.append(invalid(f"spec.{name}", value, text))
            elif int(percent[1]) > 100:
                errors.append(invalid(f"spec.{name}", value, "must not be greater than 100%"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    if spec.get("selector") is not None:
        errors += validate_selector(spec["selector"], "spec.selector")
    return errors


POD_DISRUPTION_BUDGET = Kind(
    group="policy",
    version="v1",
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    singular="poddisruptionbudget",
    short_names=("pdb",),
    subresources=("status",),
    has_generation=True,
    unconditional_update=False,
    printer=printers.POD_DISRUPTION_BUDGET,
    on_prepare_create=_prepare_create,
    on_prepare_update=_prepare_update,
    on_validate_create=_validate,
    on_validate_update=lambda new, _old: _validate(new),
)
