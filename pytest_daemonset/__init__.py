"""Prove, or disprove, that a DaemonSet controller keeps its promise.

The names below are the public API. They are looked up when they are first used, so that a project that merely has the
plugin installed pays nothing for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pytest_daemonset.errors import ClusterError, DaemonSetTestError, Inconclusive, UsageError, Violation

if TYPE_CHECKING:
    from pytest_daemonset.clusters.config import ClusterConfig
    from pytest_daemonset.clusters.under_test import ClusterUnderTest
    from pytest_daemonset.contract import (
        Goal,
        Invariant,
        Property,
        Reaction,
        at_most_one_pod_per_node,
        at_most_surging,
        at_most_unavailable,
        garbage_collected,
        never_replaced_early,
        no_pod_for_an_ineligible_node,
        one_pod_per_node,
        owned,
        pod_on,
        ready,
        rolled_out,
        status_consistent,
        status_matches,
    )
    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.controllers.under_test import ControllerUnderTest
    from pytest_daemonset.daemonsets.daemonset import DaemonSet
    from pytest_daemonset.daemonsets.daemonsets import DaemonSets
    from pytest_daemonset.kube.errors import ApiError
    from pytest_daemonset.nodes.node import Node
    from pytest_daemonset.nodes.nodes import Nodes
    from pytest_daemonset.observe.handles import Handle

_HOMES = {
    "ApiError": "kube.errors",
    "ClusterConfig": "clusters.config",
    "ClusterUnderTest": "clusters.under_test",
    "ControllerConfig": "controllers.config",
    "ControllerUnderTest": "controllers.under_test",
    "DaemonSet": "daemonsets.daemonset",
    "DaemonSets": "daemonsets.daemonsets",
    "Handle": "observe.handles",
    "Node": "nodes.node",
    "Nodes": "nodes.nodes",
}

__all__ = [
    "ApiError",
    "ClusterConfig",
    "ClusterError",
    "ClusterUnderTest",
    "ControllerConfig",
    "ControllerUnderTest",
    "DaemonSet",
    "DaemonSetTestError",
    "DaemonSets",
    "Goal",
    "Handle",
    "Inconclusive",
    "Invariant",
    "Node",
    "Nodes",
    "Property",
    "Reaction",
    "UsageError",
    "Violation",
    "at_most_one_pod_per_node",
    "at_most_surging",
    "at_most_unavailable",
    "garbage_collected",
    "never_replaced_early",
    "no_pod_for_an_ineligible_node",
    "one_pod_per_node",
    "owned",
    "pod_on",
    "ready",
    "rolled_out",
    "status_consistent",
    "status_matches",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'contract')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
