"""The JSON paths of definitions: plain fields, and elements by index or by a field's value."""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>(?:\\.|[^.\[\]\\])+)"
    r"|\[(?P<index>\d{1,9}|\*)\]"
    r"|\['(?P<quoted>(?:[^'\\]|\\.)*)'\]"
    r"|\[\?\(@\.(?P<field>[\w.]+)\s*==\s*['\"](?P<value>[^'\"]*)['\"]\)\]"
)


def find(path: str, obj: Any) -> list[Any]:
    """What stands at a path, such as `.spec.replicas` or `.status.conditions[?(@.type=="Ready")].status`; [] for nothing."""
    found, at = [obj], 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return []
        found = [after for each in found for after in _step(step, each)]
        at = step.end()
    return found


def _step(step: re.Match[str], value: Any) -> list[Any]:
    name = step["name"] if step["name"] is not None else step["quoted"]
    if name is not None:
        name = re.sub(r"\\(.)", r"\1", name)
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if step["field"] is not None:
        return [each for each in value if isinstance(each, dict) and str(each.get(step["field"])) == step["value"]]
    if step["index"] == "*":
        return value
    return value[int(step["index"]) : int(step["index"]) + 1]


def put(path: str, obj: dict[str, Any], value: Any) -> None:
    """Set the field at a path of plain names, making what it stands in."""
    *above, last = path.lstrip(".").split(".")
    for name in above:
        obj = obj.setdefault(name, {})
    obj[last] = value
