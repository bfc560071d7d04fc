"""Structural schemas: what an object may hold is pruned, what it leaves out is filled in (apiextensions-apiserver)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_EVERY_OBJECT = frozenset({"apiVersion", "kind", "metadata"})


def prune(schema: Mapping[str, Any], value: Any, path: str = "", *, is_root: bool = True) -> list[str]:
    """Take away the fields that the schema does not have, in place.

    Returns:
        Their paths, as fieldValidation tells them.
    """
    if isinstance(value, list):
        items = schema.get("items") or {}
        found = [prune(items, each, f"{path}[{index}]", is_root=False) for index, each in enumerate(value)]
        return [each for some in found for each in some]
    if not isinstance(value, dict):
        return []
    kept = _EVERY_OBJECT if is_root or schema.get("x-kubernetes-embedded-resource") else frozenset()
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    unknown: list[str] = []
    for name in tuple(value):
        here = f"{path}.{name}" if path else name
        if name in properties and not (is_root and name in kept):
            unknown += prune(properties[name], value[name], here, is_root=False)
        elif name in kept:
            continue
        elif isinstance(more, dict):
            unknown += prune(more, value[name], here, is_root=False)
        elif not (more or schema.get("x-kubernetes-preserve-unknown-fields")):
            del value[name]
            unknown.append(here)
    return unknown


def fill_in(schema: Mapping[str, Any], value: Any) -> None:
    """Put defaults where nothing stands, in place; nulls that are not allowed count as nothing."""
    if isinstance(value, list):
        items = schema.get("items") or {}
        for each in value:
            fill_in(items, each)
        return
    if not isinstance(value, dict):
        return
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, part in properties.items():
        if name in value and value[name] is None and not part.get("nullable"):
            del value[name]
        if name not in value and part.get("default") is not None:
            value[name] = copy.deepcopy(part["default"])
        if name in value:
            fill_in(part, value[name])
    if isinstance(more, dict):
        for name, each in value.items():
            if name not in properties:
                fill_in(more, each)
