"""LimitRanges: how much a pod or a container may ask for, and what is asked for those that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.embedded.kinds import quantity
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, duplicate, forbidden, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object

if TYPE_CHECKING:
    from fractions import Fraction

_TYPES = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})


def _default(obj: Object) -> None:
    """The most is the limit of who has none, and the limit is the request; the least is asked at least."""
    for item in obj["spec"]["limits"] or ():
        if item["type"] != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        if limits:
            item["default"] = limits
        if requests:
            item["defaultRequest"] = requests


def _number(amounts: Object, name: str) -> Fraction | None:
    return quantity.value(amounts[name]) if name in amounts else None


# Amounts of an item that must not be greater than others: path of the first, what it is, the other, what that is.
_ORDER = (
    ("min", "min value", "max", "max value"),
    ("defaultRequest", "default request value", "min", "min value"),
    ("defaultRequest", "default request value", "max", "max value"),
    ("defaultRequest", "default request value", "default", "default limit value"),
    ("default", "default value", "min", "min value"),
    ("default", "default value", "max", "max value"),
)


def _validate_item(item: Object, path: str) -> list[FieldError]:
    errors = []
    parts = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    amounts: dict[str, Object] = {part: item.get(part) or {} for part in parts}
    if item["type"] not in _TYPES and "/" not in item["type"]:
        errors.append(invalid(f"{path}.type", item["type"], "must be a standard limit type or fully qualified"))
    if item["type"] in {"Pod", "Container"}:
        for part in parts:
            for name in amounts[part]:
                if name not in _CONTAINER and "/" not in name and not name.startswith("hugepages-"):
                    place = f"{path}.{part}[{name}]"
                    errors.append(invalid(place, name, "must be a standard resource type or fully qualified"))
                    errors.append(invalid(place, name, "must be a standard resource for containers"))
    if item["type"] == "Pod":
        text = "may not be specified when `type` is 'Pod'"
        errors += [forbidden(f"{path}.{part}", text) for part in ("default", "defaultRequest") if amounts[part]]
    for low, low_words, high, high_words in _ORDER:
        least = high == "min"
        for name in amounts[low]:
            one, other = _number(amounts[low], name), _number(amounts[high], name)
            if one is None or other is None or (one >= other if least else one <= other):
                continue
            than = "less" if least else "greater"
            text = f"{low_words} {amounts[low][name]} is {than} than {high_words} {amounts[high][name]}"
            errors.append(invalid(f"{path}.{low}[{name}]", amounts[low][name], text))
    for name in amounts["maxLimitRequestRatio"]:
        ratio = _number(amounts["maxLimitRequestRatio"], name) or 0
        if ratio < 1:
            place, said = f"{path}.maxLimitRequestRatio[{name}]", amounts["maxLimitRequestRatio"][name]
            errors.append(invalid(place, said, f"ratio {said} is less than 1"))
    return errors


def _validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(obj["spec"]["limits"] or ()):
        path = f"spec.limits[{index}]"
        if item["type"] in seen:
            errors.append(duplicate(f"{path}.type", item["type"]))
            continue
        seen.add(item["type"])
        errors += _validate_item(item, path)
    return errors


LIMIT_RANGE = Kind(
    group="",
    version="v1",
    kind="LimitRange",
    plural="limitranges",
    singular="limitrange",
    short_names=("limits",),
    on_default=_default,
    on_validate_create=_validate,
    on_validate_update=lambda new, _old: _validate(new),
    create_on_update=True,
)
