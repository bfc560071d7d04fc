"""What a cluster offers, wherever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_daemonset.kube.audit import AuditLog
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.nodes.pool import NodePool
    from pytest_daemonset.observe.constants import Constants


class Cluster(Protocol):
    """A running cluster. Coroutines are to be awaited in the portal's loop.

    Attributes:
        name: which kind of cluster, and what it is not, for reports.
        version: the Kubernetes version that it serves.
        folder: where its files are: kubeconfigs, logs.
        kubeconfig: for people and for kubectl: the administrator's.
        client: the test's own.
        capabilities: what it can do, such as ``crash`` or ``builtin_controller``.
        constants: its own constants, from which default time-outs come.
        nodes: its nodes, which outlive a test.
        audit: its write log; None where there is none.
        builtin_inside: whether its own controller is a part of its control plane, which nobody can stop or pause alone.
    """

    name: str
    version: str
    folder: Path
    kubeconfig: Path
    client: Client
    capabilities: frozenset[str]
    constants: Constants
    nodes: NodePool
    audit: AuditLog | None
    builtin_inside: bool

    def kubeconfig_of(self, identity: str) -> Path:
        """The kubeconfig of one who has a part in the cluster: ``admin``, ``controller``."""

    async def restore(self) -> None:
        """Undo what tests did to the nodes, by difference from the beginning."""

    async def unimitated(self) -> Mapping[str, int]:
        """The requests that it had to answer with 501, and how often."""

    async def load_images(self, names: Sequence[str]) -> None:
        """Side-load images into every node and into those that join later: names on the Docker daemon, or paths of tars."""

    async def act_on_container(self, verb: str, node: str, container: str) -> None:
        """Have a node's runtime ``pause``, ``resume`` or ``kill`` (SIGKILL, also where it is paused) a container, by its id."""

    def kept(self) -> str:
        """How to reach and how to remove what outlives the session; empty if nothing does."""

    async def stop(self) -> None:
        """End it, and remove all of it."""
