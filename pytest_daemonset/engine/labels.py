"""The labels on all that we make: whose it is, so that it can be swept once its owner is dead."""

from __future__ import annotations

from typing import Final

from pytest_daemonset import keeper_docker

KEEP: Final = keeper_docker.KEEP
"""Carried by what is to outlive its session; no sweep touches it."""


def own_labels(keeper_pid: int) -> dict[str, str]:
    """The labels that say which keeper, on which boot of which machine, looks after a thing."""
    return keeper_docker.owner_labels(keeper_pid)
