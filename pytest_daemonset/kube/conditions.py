"""The conditions in an object's status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_true(one: Mapping[str, Any], condition: str) -> bool:
    """Whether an object has a condition, and it is "True"."""
    rows = (one.get("status") or {}).get("conditions") or ()
    return any(row.get("type") == condition and row.get("status") == "True" for row in rows)
