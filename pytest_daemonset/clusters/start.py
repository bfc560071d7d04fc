"""Which cluster a configuration asks for; each is imported only when it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.clusters.cluster import Cluster
    from pytest_daemonset.clusters.config import ClusterConfig
    from pytest_daemonset.errors import ClusterError
    from pytest_daemonset.keeper import Keeper


async def start(
    config: ClusterConfig, keeper: Keeper, *, builtin: bool, on_death: Callable[[ClusterError], None] | None = None
) -> Cluster:
    """Start the cluster that was asked for.

    Args:
        config: which.
        keeper: is told of everything.
        builtin: whether the controller under test is the cluster's own; where that is part of its control plane, it is
            switched off otherwise.
        on_death: is told when a process of the embedded cluster ends unasked; a k3s is watched where its nodes are.

    Raises:
        UsageError: it is not to be had here; the text has the remedy.
        ClusterError: it does not start; nothing is left of it.
    """
    if config.kind == "k3s":
        from pytest_daemonset.clusters.k3s.cluster import K3sCluster

        return await K3sCluster.start(config, keeper, builtin=builtin)
    from pytest_daemonset.clusters.embedded import EmbeddedCluster

    return await EmbeddedCluster.start(config, keeper, on_death)
