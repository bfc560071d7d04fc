"""DaemonSets."""

from __future__ import annotations

import re

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.fielderrors import (
    DecodeError,
    FieldError,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.podspec import default_template
from pytest_daemonset.embedded.kinds.podvalidation import validate_template
from pytest_daemonset.embedded.kinds.selectors import is_empty, matches, validate_selector

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_NOT_NEGATIVE = "must be greater than or equal to 0"
_STRATEGIES = ("RollingUpdate", "OnDelete")
_COUNTERS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def _default(obj: Object) -> None:
    spec = obj["spec"]
    default_template(spec["template"]["spec"])
    strategy = spec["updateStrategy"]
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    elif "rollingUpdate" in strategy:
        # kept, with the numbers that it has inside of kube-apiserver, where there is no "not given"
        for name in ("maxUnavailable", "maxSurge"):
            strategy["rollingUpdate"].setdefault(name, 0)
    spec.setdefault("revisionHistoryLimit", 10)


def _decode(obj: Object) -> None:
    """The annotation stands for a field of older versions of the API, and so has to be a number."""
    text = obj["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "0")
    if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        raise DecodeError(f'the annotation {TEMPLATE_GENERATION} must be an integer, it is "{text:.40}"')


def _template_generation(obj: Object) -> int:
    return int(obj["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "0"))


def _write_template_generation(obj: Object, number: int) -> None:
    annotations = obj["metadata"].get("annotations", {})
    obj["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(number)}


def _prepare_create(obj: Object) -> None:
    obj["status"] = dict.fromkeys(_COUNTERS[:4], 0)
    _write_template_generation(obj, max(1, _template_generation(obj)))


def _prepare_update(new: Object, old: Object) -> None:
    metadata.keep(new, old, "status")
    number = _template_generation(old)
    if new["spec"] != old["spec"]:
        metadata.bump_generation(new, old)
        number += new["spec"]["template"] != old["spec"]["template"]
    _write_template_generation(new, number)


def _prepare_update_status(new: Object, old: Object) -> None:
    metadata.keep_spec(new, old)
    _write_template_generation(new, _template_generation(old))


def _validate(obj: Object) -> list[FieldError]:
    spec = obj["spec"]
    selector, template = spec.get("selector"), spec["template"]
    errors = validate_selector(selector or {}, "spec.selector")
    if not errors and not matches(selector, template["metadata"].get("labels", {})):
        labels = template["metadata"].get("labels")
        errors.append(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    elif selector is not None and is_empty(selector):
        errors.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))
    errors += validate_template(template, "spec.template")
    policy = template["spec"].get("restartPolicy")
    if policy != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", policy, ("Always",)))
    if "activeDeadlineSeconds" in template["spec"]:
        text = "activeDeadlineSeconds in DaemonSet is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", text))
    for name in ("minReadySeconds", "revisionHistoryLimit"):
        if spec.get(name, 0) < 0:
            errors.append(invalid(f"spec.{name}", spec[name], _NOT_NEGATIVE))
    return [*errors, *_validate_strategy(spec["updateStrategy"], "spec.updateStrategy")]


def _validate_strategy(strategy: Object, path: str) -> list[FieldError]:
    if strategy["type"] == "OnDelete":
        return []
    if strategy["type"] != "RollingUpdate":
        return [not_supported(path, strategy, _STRATEGIES)]
    path = f"{path}.rollingUpdate"
    unavailable, surge = strategy["rollingUpdate"]["maxUnavailable"], strategy["rollingUpdate"]["maxSurge"]
    errors = [
        *_validate_amount(unavailable, f"{path}.maxUnavailable"),
        *_validate_amount(surge, f"{path}.maxSurge"),
    ]
    if _amount(unavailable) and _amount(surge):
        errors.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not _amount(unavailable) and not _amount(surge):
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return errors


def _amount(value: int | str) -> int:
    if isinstance(value, int):
        return value
    return int(value.removesuffix("%")) if re.fullmatch(r"\d{1,9}%?", value, re.ASCII) else 0


def _validate_amount(value: int | str, path: str) -> list[FieldError]:
    if isinstance(value, int):
        return [invalid(path, value, _NOT_NEGATIVE)] if value < 0 else []
    if not re.fullmatch(r"\d{1,9}%", value, re.ASCII):
        return [
            invalid(
                path, value, "a valid percent string must be a numeric string followed by an ending '%' (such as '93%')"
            )
        ]
    return [invalid(path, value, "must not be greater than 100%")] if int(value[:-1]) > 100 else []


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    errors = metadata.validate(new, namespaced=True, name_rule="subdomain")
    if new["spec"].get("selector") != old["spec"].get("selector"):
        errors.append(invalid("spec.selector", new["spec"].get("selector"), "field is immutable"))
    return [*errors, *_validate(new)]


def _validate_update_status(new: Object, old: Object) -> list[FieldError]:
    status = new["status"]
    errors = [invalid(f"status.{name}", status[name], _NOT_NEGATIVE) for name in _COUNTERS if status.get(name, 0) < 0]
    if status.get("collisionCount", 0) < old["status"].get("collisionCount", 0):
        errors.append(invalid("status.collisionCount", status.get("collisionCount", 0), "cannot be decremented"))
    return errors


DAEMON_SET = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    singular="daemonset",
    printer=printers.DAEMON_SET,
    short_names=("ds",),
    categories=("all",),
    subresources=("status",),
    has_generation=True,
    on_decode=_decode,
    on_default=_default,
    on_prepare_create=_prepare_create,
    on_prepare_update=_prepare_update,
    on_prepare_update_status=_prepare_update_status,
    on_validate_create=_validate,
    on_validate_update=_validate_update,
    on_validate_update_status=_validate_update_status,
)
