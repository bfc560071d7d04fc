"""The fixtures: all synchronous, so that no event loop of anybody's matters. Nothing starts before a test asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.observe.scope import Scope


@dataclass
class Run:
    """What one pytest process was told, and what it has running."""

    cluster_config: ClusterConfig
    controller_config: ControllerConfig
    history: str = ""
    closing: list[str] = field(default_factory=list)

    @classmethod
    def configured(cls, options: Mapping[str, str]) -> Run:
        """Read the options; a wrong one ends pytest with one line."""
        try:
            nodes = int(options["nodes"])
        except ValueError:
            raise pytest.UsageError(f"--daemonset-nodes={options['nodes']}: expected a whole number") from None
        try:
            return cls(
                ClusterConfig(kind=options["cluster"], nodes=nodes),
                ControllerConfig(options["controller"]),
                options["history"],
            )
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None

    @property
    def setting(self) -> str:
        """Which cluster and whose controller, in one line."""
        controller = self.controller_config.spec
        if controller == "builtin" and self.cluster_config.kind == "embedded":
            controller += " (reference controller, not Kubernetes)"
        return f"{self.cluster_config.kind} cluster, {self.cluster_config.nodes} nodes, controller {controller}"

    def whereabouts(self) -> str:
        """How to reach the running cluster; empty when none runs."""
        return ""

    def sections(self, nodeid: str, scope: Scope, when: str) -> list[tuple[str, str]]:
        """What a failed test's report says beside the failure."""
        return []


RUN = pytest.StashKey[Run]()
SCOPE = pytest.StashKey[Any]()
