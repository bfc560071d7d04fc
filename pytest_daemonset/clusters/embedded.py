"""The embedded cluster: our API server, our virtual kubelets, no Docker."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.audit import AuditLog
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.nodes.baseline import Baseline
from pytest_daemonset.nodes.pool import NodePool
from pytest_daemonset.nodes.spec import NodeSpec
from pytest_daemonset.nodes.virtual import VirtualNodes
from pytest_daemonset.observe.constants import Constants
from pytest_daemonset.processes import JsonLine, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_daemonset.clusters.config import ClusterConfig
    from pytest_daemonset.keeper import Keeper

# The users are the ones that a real control plane has, since the audit log tells them apart by name.
IDENTITIES: Final = {
    "admin": "kubernetes-admin:system:masters",
    "test": "pytest-daemonset:system:masters",
    "controller": "system:serviceaccount:kube-system:daemon-set-controller::system:serviceaccounts,system:authenticated",
    # They also delete Node objects, for nodes that leave: no kubelet may, so its role alone would not do where roles decide.
    "kubelets": "system:node:virtual::system:nodes,system:masters,system:authenticated",
}
_LITTLE: Final = 2**20
"""Bytes: a disk with less than that is full."""

CAPABILITIES: Final = frozenset({"crash", "virtual_nodes", "builtin_controller", "audit", "behave", "held_loops"})


class EmbeddedCluster:
    """See `Cluster`. Made by `start`."""

    builtin_inside = False

    def __init__(
        self, folder: Path, keeper: Keeper, server: Process, config: ClusterConfig, died: Callable[[Process], None]
    ) -> None:
        self.name = "embedded"
        self.folder = folder
        self.kubeconfig = self.kubeconfig_of("admin")
        self.client = Client(Kubeconfig.load(self.kubeconfig_of("test")), user_agent="pytest-daemonset")
        self.capabilities = CAPABILITIES
        self.constants = Constants(
            base=15.0,
            per_node=0.1,
            pod_gc_period=config.pod_gc_period,
            pod_gc_quarantine=config.pod_gc_quarantine,
            bookmark=0.05,
        )
        self.audit: AuditLog | None = AuditLog(folder / "audit.log")
        self.version = ""
        self._keeper = keeper
        self._server = server
        self._baseline: Baseline | None = None
        self._kubelets = Process(
            _program("kubelets", "--kubeconfig", str(self.kubeconfig_of("kubelets"))),
            keeper=keeper,
            name="the virtual kubelets",
            log=folder / "kubelets.log",
            on_exit=died,
        )
        self.nodes = NodePool(self.client, VirtualNodes(self.client, self._kubelets))

    @classmethod
    async def start(
        cls, config: ClusterConfig, keeper: Keeper, on_death: Callable[[ClusterError], None] | None = None
    ) -> EmbeddedCluster:
        """Start the server and the kubelets, and let the first nodes join.

        Args:
            config: how.
            keeper: is told of everything.
            on_death: is told when one of them ends unasked: nothing can be judged from then on.

        Raises:
            ClusterError: one of the programs does not start; its last lines are in the text, and nothing is left.
        """
        folder = keeper.make_folder("cluster")

        def died(process: Process) -> None:
            if on_death is not None:
                on_death(_death(process, folder))

        server = Process(
            _program(
                "embedded",
                "--dir",
                str(folder),
                f"--pod-gc-period={config.pod_gc_period}",
                f"--pod-gc-quarantine={config.pod_gc_quarantine}",
                *(("--rbac",) if config.rbac else ()),
                *(word for name, user in IDENTITIES.items() for word in ("--identity", f"{name}={user}")),
            ),
            keeper=keeper,
            name="the embedded API server",
            log=folder / "server.log",
            on_exit=died,
        )
        cluster = None
        try:
            await server.start(JsonLine())
            cluster = cls(folder, keeper, server, config, died)
            cluster.version = (await cluster.client.request("GET", "/version"))["gitVersion"]
            await cluster._kubelets.start(JsonLine())
            await cluster._join(config.nodes)
        except BaseException:
            if cluster is not None:
                await cluster.stop()
            else:
                await server.stop()
                keeper.remove_folder(folder)
            raise
        return cluster

    async def _join(self, count: int) -> None:
        specs = [NodeSpec(self.nodes.new_name()) for _ in range(count)]
        self.nodes.plan_join(specs)
        await self.nodes.join(specs)
        self._baseline = await Baseline.take(self.nodes)

    async def restore(self) -> None:
        """See `Cluster`."""
        if self._baseline is not None:
            await self._baseline.restore()

    def kubeconfig_of(self, identity: str) -> Path:
        """See `Cluster`."""
        return self.folder / f"{identity}.kubeconfig"

    async def unimitated(self) -> dict[str, int]:
        """See `Cluster`."""
        told: dict[str, Any] = await self.client.request("GET", "/debug/unimitated")
        return {str(request): int(count) for request, count in told.items()}

    async def load_images(self, names: Sequence[str]) -> None:
        """See `Cluster`: virtual nodes start whatever they are given."""

    async def act_on_container(self, verb: str, node: str, container: str) -> None:
        """See `Cluster`.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{verb} of container {container} on {node}: nothing runs containers on the embedded cluster")

    def kept(self) -> str:
        """See `Cluster`: it never outlives its session."""
        return ""

    async def stop(self) -> None:
        """See `Cluster`."""
        await self._kubelets.stop()
        await self.client.close()
        await self._server.stop()
        self._keeper.remove_folder(self.folder)


def _death(process: Process, folder: Path) -> ClusterError:
    lines = "\n".join(f"    {line}" for line in process.tail().splitlines()) or "    (it wrote nothing)"
    full = f"\n  the disk of {folder} is full: make room, or name another folder by TMPDIR"
    return ClusterError(
        f"{process.name} died unasked, exit code {process.returncode}, {process.age:.1f} s after it was started, so nothing can be "
        f"judged any more; its last lines:\n{lines}{full if shutil.disk_usage(folder).free < _LITTLE else ''}"
    )


def _program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"pytest_daemonset.{name}", *arguments]
