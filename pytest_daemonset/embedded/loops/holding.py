"""Loops that a namespace holds back: what a test needs that has to see a moment which some loop would end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api

HOLD = "embedded.pytest-daemonset.io/hold"
"""An annotation of a namespace: the names of loops, separated by commas, that leave it alone while it is there."""


def held(api: Api, namespace: str, loop: str) -> bool:
    """Whether a namespace holds a loop back.

    Args:
        api: the API.
        namespace: its name.
        loop: ``pod-gc`` or ``namespaces``.
    """
    found = api.get("namespaces", "", namespace)
    said = ((found or {}).get("metadata") or {}).get("annotations") or {}
    return loop in said.get(HOLD, "").split(",")
