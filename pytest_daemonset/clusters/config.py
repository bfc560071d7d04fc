"""What somebody may decide about a cluster before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from pytest_daemonset.clusters.k3s.settings import K3sConfig

KINDS = ("embedded", "k3s")
# What a test can require of a cluster; each cluster declares which of these it has.
CAPABILITIES = frozenset(
    {"audit", "behave", "builtin_controller", "containers", "crash", "held_loops", "real_kubelet", "virtual_nodes"}
)


@dataclass(frozen=True)
class ClusterConfig:
    """The cluster that a session asks for; a project overrides the fixture ``daemonset_cluster_config`` to return another.

    Args:
        kind: where the cluster comes from; one of `KINDS`.
        nodes: how many workers it has at the start of each test: nodes that can leave.
        pod_gc_period: seconds between two rounds of the embedded cluster's pod garbage collector (20 on a real control plane).
        pod_gc_quarantine: seconds that a vanished node must stay away before its pods go there (40 on a real control plane).
        rbac: whether roles and their bindings say on the embedded cluster who may do what; so they do in any case where the
            controller has a ServiceAccount of its own. Real clusters always have it on.
        k3s: what is decided about a k3s cluster; the defaults when None.

    Raises:
        UsageError: an unknown kind, or a number that makes no sense.
    """

    kind: str = "embedded"
    nodes: int = 3
    pod_gc_period: float = 0.2
    pod_gc_quarantine: float = 0.2
    rbac: bool = False
    k3s: K3sConfig | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"--daemonset-cluster={self.kind}: no such cluster; there is {', '.join(KINDS)}")
        if self.nodes < 0:
            raise UsageError(f"--daemonset-nodes={self.nodes}: a cluster has no fewer than 0 nodes")
        for name in ("pod_gc_period", "pod_gc_quarantine"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name}={getattr(self, name)}: must be more than 0 seconds")
