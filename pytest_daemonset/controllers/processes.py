"""A controller beside the cluster: one process, or several that elect a leader."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pytest_daemonset.clusters.embedded import IDENTITIES
from pytest_daemonset.controllers import awaiting, placeholders
from pytest_daemonset.controllers.credentials import Credential, ensure, issue
from pytest_daemonset.controllers.leadership import Leadership
from pytest_daemonset.controllers.objects import Objects
from pytest_daemonset.controllers.replica import Replica
from pytest_daemonset.errors import ClusterError, DaemonSetTestError, UsageError
from pytest_daemonset.gathering import all_of
from pytest_daemonset.kube.documents import documents
from pytest_daemonset.processes import JsonLine, LogLine, NotReadyInTime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_daemonset.clusters.cluster import Cluster
    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.keeper import Keeper
    from pytest_daemonset.processes import Process

REFERENCE_LEASE: Final = "kube-system/pytest-daemonset-reference"
BUILTIN_ACCOUNT: Final = "kube-system/daemon-set-controller"
_USER: Final = "system:serviceaccount:"


class ProcessController:
    """See `Controller`.

    Args:
        config: which one.
        keeper: is told of its processes.
        cluster: where it works.
        builtin_words: what ``builtin`` is told of the kind that it must serve.

    Raises:
        UsageError: a way to be ready that this cluster cannot show.
    """

    def __init__(
        self, config: ControllerConfig, *, keeper: Keeper, cluster: Cluster, builtin_words: Sequence[str] = ()
    ) -> None:
        self.config = config
        self.on_death: Callable[[DaemonSetTestError], None] | None = None
        self.inside = config.kind == "builtin" and cluster.builtin_inside
        self._cluster = cluster
        self.died = False
        self._untold: ClusterError | None = None
        self._objects = Objects(cluster.client)
        self._prepared = False
        if self.inside and config.replicas > 1:
            raise UsageError(
                f"--daemonset-controller-replicas={config.replicas}: here the builtin controller is a part of the control plane"
            )
        if config.readiness[0] == "write" and cluster.audit is None:
            raise UsageError(
                f"--daemonset-controller-ready=write: the {cluster.name} cluster has no audit log that would show it; "
                "say 'lease: NAMESPACE/NAME', 'log: REGEX' or 'http: URL'"
            )
        processes = 0 if self.inside or config.kind == "none" else config.replicas
        self.replicas: Sequence[Replica] = [
            Replica(
                config,
                number,
                keeper=keeper,
                log=cluster.folder / (f"controller-{number}.log" if processes > 1 else "controller.log"),
                on_death=self._died,
                builtin_words=builtin_words,
            )
            for number in range(processes)
        ]
        account = config.service_account or (BUILTIN_ACCOUNT if self._tells_tokens_apart else "")
        self._account = account
        self.user = _USER + account.replace("/", ":") if account else IDENTITIES["controller"].partition("::")[0]
        self.kubeconfig = cluster.folder / "controller-0.kubeconfig" if account else cluster.kubeconfig_of("controller")
        self.log = self.replicas[0].log if self.replicas else cluster.folder / "controller.log"

    @property
    def _tells_tokens_apart(self) -> bool:
        """Several replicas with one user: where the audit log tells tokens apart, each has one of its own."""
        return self.config.replicas > 1 and self._cluster.audit is not None

    @property
    def running(self) -> bool:
        """See `Controller`."""
        return self.inside or (bool(self.replicas) and all(one.running for one in self.replicas))

    def tail(self, lines: int = 20) -> str:
        """See `Controller`."""
        if len(self.replicas) == 1:
            return self.replicas[0].tail(lines)
        parts = ((one, one.tail(lines)) for one in self.replicas)
        return "\n".join(f"replica {one.number}:\n{tail}" for one, tail in parts if tail)

    def require(self, verb: str) -> None:
        """See `Controller`."""
        if self.inside:
            raise UsageError(
                f"{verb} of the builtin controller: here it is a part of the control plane and cannot be touched alone; "
                "name another with --daemonset-controller='command: …', or run this test on the embedded cluster"
            )

    async def start(self) -> None:
        """See `Controller`; nothing for ``none``.

        Raises:
            ClusterError: it cannot be started, dies first or is not ready in time; its last lines are in the text.
            UsageError: its manifests or its ServiceAccount cannot be.
        """
        await self._prepare()
        waiting = [one for one in self.replicas if not one.running]
        if not waiting:
            return
        ready = await self._readiness()
        await all_of(*(self._start(one, ready) for one in waiting))

    async def _start(
        self, replica: Replica, ready: Callable[[Replica], JsonLine | LogLine | Callable[[], Awaitable[None]] | None]
    ) -> None:
        try:
            await replica.start(ready(replica))
        except ClusterError as error:
            if not self.config.ready:
                raise
            raise ClusterError(f"{error}\n  waited for: {self.config.ready}{self._advice(error)}") from error.__cause__

    def _advice(self, error: ClusterError) -> str:
        """More time helps who is slow, and neither who died nor who does not write to this cluster."""
        if not isinstance(error, NotReadyInTime):
            return ""
        audit = self._cluster.audit
        if self.config.kind == "builtin" or audit is None or audit.entries(user=self.user):
            return "; if it needs longer, raise --daemonset-controller-timeout"
        return (
            "; the cluster has not had one write from it: does it use its own kubeconfig, which KUBECONFIG names, and "
            "{kubeconfig} in a command? If it only needs longer, raise --daemonset-controller-timeout"
        )

    async def start_replica(self, number: int) -> None:
        """Start one of them, and wait until it is ready."""
        await self._prepare()
        await self._start(self.replicas[number], await self._readiness())

    async def stop(self) -> None:
        """See `Controller`: SIGTERM."""
        await asyncio.gather(*(one.stop() for one in self.replicas))

    async def kill(self) -> None:
        """See `Controller`: SIGKILL."""
        await asyncio.gather(*(one.kill() for one in self.replicas))

    async def restart(self) -> None:
        """See `Controller`."""
        await self.stop()
        await self.start()

    async def pause(self) -> None:
        """See `Controller`."""
        await asyncio.gather(*(one.pause() for one in self._existing("pause")))

    async def resume(self) -> None:
        """See `Controller`."""
        await asyncio.gather(*(one.resume() for one in self._existing("resume")))

    def _existing(self, verb: str) -> Sequence[Replica]:
        if not self.replicas:
            raise UsageError(f"{verb} of the controller: there is none ({self.config.spec})")
        return self.replicas

    async def restore(self) -> None:
        """See `Controller`."""
        await asyncio.gather(*(one.thaw() for one in self.replicas))
        await self.start()

    async def leader(self, *, other_than: int | None = None, timeout: float = 60.0) -> Replica:
        """See `Controller`.

        Raises:
            ClusterError: none leads in time.
            UsageError: it has no processes, or the Lease is held by who cannot be told.
        """
        if not self.replicas:
            raise UsageError(f"the controller ({self.config.spec}) has no processes of ours, so none of them can lead")
        kind, argument = self.config.readiness
        lease = self.config.lease or (argument if kind == "lease" else "")
        if self.config.kind == "builtin":
            lease = REFERENCE_LEASE
        known = Leadership(self.replicas, self._cluster.client, self._cluster.audit, lease)
        return await known.leader(other_than=other_than, timeout=timeout)

    async def close(self) -> None:
        """See `Controller`."""
        try:
            await self.stop()
        finally:
            await self._objects.remove()

    def check(self) -> None:
        """See `Controller`.

        Raises:
            ClusterError: it died unasked, and nobody has been told; its last lines are in the text.
        """
        untold, self._untold = self._untold, None
        if untold is not None:
            raise untold

    async def _prepare(self) -> None:
        if self._prepared:
            return
        client = self._cluster.client
        await self._objects.apply([one for source in self.config.manifests for one in documents(source)])
        if self._account and not self.config.service_account:
            await ensure(client, self._account)
        for one in self.replicas:
            if self._account:
                path = self._cluster.folder / f"controller-{one.number}.kubeconfig"
                one.credential = await issue(client, self._account, path)
            else:
                one.credential = Credential(self.kubeconfig)
        self._prepared = True

    async def _readiness(self) -> Callable[[Replica], JsonLine | LogLine | Callable[[], Awaitable[None]] | None]:
        """How each replica that is started from now on shows that it is ready."""
        kind, argument = self.config.readiness
        if self.config.kind == "builtin":
            return lambda _: JsonLine()
        if kind == "log":
            return lambda _: LogLine(argument)
        if kind == "http":
            return lambda one: lambda: awaiting.answers(placeholders.fill(argument, {"replica": str(one.number)}))
        if kind == "lease":
            led = awaiting.led(
                self._cluster.client, argument, await awaiting.renewed_at(self._cluster.client, argument)
            )
            return lambda _: led
        audit = self._cluster.audit
        if kind == "write" and audit is not None:
            mark = audit.mark()
            return lambda _: lambda: awaiting.wrote(audit, self.user, mark)
        return lambda _: None

    def _died(self, replica: Replica, process: Process) -> None:
        if replica.disturbed and len(self.replicas) > 1:
            return  # it was frozen by the test, may have lost its lease, and ends for that as client-go has it
        lines = "\n".join(f"    {line}" for line in process.tail().splitlines()) or "    (it wrote nothing)"
        hint = "" if process.returncode else "\n  it ended as if its work was done: a controller has to stay and watch"
        death = ClusterError(
            f"{replica.name} died unasked, exit code {process.returncode}, {process.age:.1f} s after it was started; "
            f"its last lines:\n{lines}{hint}"
        )
        self.died = True
        if self.on_death is None:
            self._untold = death
        else:
            self.on_death(death)
