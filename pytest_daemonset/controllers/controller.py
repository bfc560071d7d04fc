"""What the controller under test offers to a session, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_daemonset.clusters.cluster import Cluster
    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.controllers.manifest import Manifest
    from pytest_daemonset.controllers.replica import Replica
    from pytest_daemonset.errors import DaemonSetTestError
    from pytest_daemonset.keeper import Keeper


class Controller(Protocol):
    """The controller of a session; every coroutine is to be awaited in the portal's loop.

    Attributes:
        config: which one.
        user: as whom it speaks to the API, as an audit log calls it; empty where it cannot be told from others.
        kubeconfig: its own way into the cluster.
        log: where its output is.
        on_death: is told of a death that nobody asked for; while it is None, `check` tells of it.
        replicas: its processes; none where it is no process of ours.
        died: whether any of it ever ended unasked, started again since or not.
    """

    config: ControllerConfig
    user: str
    kubeconfig: Path
    log: Path
    on_death: Callable[[DaemonSetTestError], None] | None
    replicas: Sequence[Replica]
    died: bool

    @property
    def running(self) -> bool:
        """Whether all of it runs; what is paused does."""

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""

    def require(self, verb: str) -> None:
        """Raise where a verb cannot be.

        Raises:
            UsageError: it cannot be done to this controller; the text says where it can.
        """

    async def start(self) -> None:
        """Start what of it does not run, and wait until it is ready."""

    async def start_replica(self, number: int) -> None:
        """Start one of its replicas, and wait until it is ready."""

    async def stop(self) -> None:
        """End it gently."""

    async def kill(self) -> None:
        """End it as a power cut would."""

    async def restart(self) -> None:
        """Stop it, start it again, and wait until it is ready."""

    async def pause(self) -> None:
        """Freeze it; what happens meanwhile reaches it late."""

    async def resume(self) -> None:
        """Let it go on."""

    async def restore(self) -> None:
        """Undo what a test did to it: the next one finds it running."""

    async def leader(self, *, other_than: int | None = None, timeout: float = 60.0) -> Replica:
        """Wait until one of its replicas leads."""

    async def close(self) -> None:
        """End it for good, and remove what was made for it."""

    def check(self) -> None:
        """Tell of a death that came while no test ran, once."""


def make(
    config: ControllerConfig,
    *,
    keeper: Keeper,
    cluster: Cluster,
    builtin_words: Sequence[str] = (),
    manifest: Manifest | None = None,
) -> Controller:
    """The controller that was asked for, not yet started.

    Args:
        config: which one.
        keeper: is told of what is started.
        cluster: where it works.
        builtin_words: what ``builtin`` is told of the kind that it must serve.
        manifest: what a ``manifest:`` controller is made of.
    """
    if manifest is not None:
        from pytest_daemonset.controllers.in_cluster import InClusterController

        return InClusterController(config, cluster=cluster, manifest=manifest)
    from pytest_daemonset.controllers.processes import ProcessController

    return ProcessController(config, keeper=keeper, cluster=cluster, builtin_words=builtin_words)
