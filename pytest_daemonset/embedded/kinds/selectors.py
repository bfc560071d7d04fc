"""Label selectors as objects hold them (matchLabels, matchExpressions): whether they are right, and what they match."""

from __future__ import annotations

from typing import Any

from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, required
from pytest_daemonset.embedded.kinds.metadata import validate_labels
from pytest_daemonset.embedded.kinds.names import label_value, qualified_name

Object = dict[str, Any]

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def validate_selector(selector: Object, path: str) -> list[FieldError]:
    """Tell what is wrong with a label selector."""
    errors = validate_labels(selector.get("matchLabels", {}), f"{path}.matchLabels")
    for index, each in enumerate(selector.get("matchExpressions", [])):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = each["operator"], each.get("values", [])
        if operator not in _OPERATORS:
            errors.append(invalid(f"{here}.operator", operator, "not a valid selector operator"))
        elif operator in _OPERATORS[:2] and not values:
            errors.append(required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in _OPERATORS[2:] and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{here}.values", text))
        errors += [invalid(f"{here}.key", each["key"], text) for text in qualified_name(each["key"])]
        for at, value in enumerate(values):
            errors += [invalid(f"{here}.values[{at}]", value, text) for text in label_value(value)]
    return errors


def is_empty(selector: Object) -> bool:
    """Whether the selector asks for nothing, and so matches everything."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether labels satisfy a selector; none at all matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_satisfied(each, labels) for each in selector.get("matchExpressions", []))


def _satisfied(expression: Object, labels: dict[str, str]) -> bool:
    operator, key, values = expression["operator"], expression["key"], expression.get("values", [])
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    return bool((key in labels) == (operator == "Exists"))
