"""Versions of an API group in Kubernetes' order: v2, v1, v2beta1, v1alpha1, then others by name."""

from __future__ import annotations

import re

_VERSION = re.compile(r"v(\d{1,9})(?:(alpha|beta)(\d{1,9}))?", re.ASCII)


def priority(version: str) -> tuple[int, int, int, int, str]:
    """A key to sort by, the most preferred version first."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return (1, 0, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (0, stage, -int(found[1]), -int(found[3] or 0), "")
