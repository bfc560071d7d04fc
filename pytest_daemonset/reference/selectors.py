"""Label selectors: which objects a set may own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.views import Json


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches labels; the empty one matches nothing here (OWN-09), and neither does a broken one."""
    pairs, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or ()
    if not pairs and not expressions:
        return False
    return all(labels.get(k) == v for k, v in pairs.items()) and all(_holds(e, labels) for e in expressions)


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression.get("operator"), expression.get("values") or ()
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    return operator == "DoesNotExist" and key not in labels
