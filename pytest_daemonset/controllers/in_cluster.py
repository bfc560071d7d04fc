"""A controller that runs in the cluster, from a manifest: its workloads applied, awaited, scaled down, frozen, killed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.controllers import awaiting, pod_troubles
from pytest_daemonset.controllers.objects import Objects
from pytest_daemonset.controllers.pod_logs import PodLogs
from pytest_daemonset.controllers.workload import Workload
from pytest_daemonset.errors import ClusterError, DaemonSetTestError, UsageError
from pytest_daemonset.kube.conditions import is_true
from pytest_daemonset.kube.documents import documents
from pytest_daemonset.kube.resources import NODES, PODS
from pytest_daemonset.kube.until import Sight
from pytest_daemonset.processes import last_lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_daemonset.clusters.cluster import Cluster
    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.controllers.manifest import Manifest
    from pytest_daemonset.controllers.replica import Replica
    from pytest_daemonset.kube.until import Seen

Pod = dict[str, Any]
_TRIAL: Final = (
    10.0  # seconds that what has crashed while it started must stay up: a kubelet waits as long before its second try
)
_LAST_WORDS: Final = 5.0  # seconds that what an ended container has said may take to come
_GRACE: Final = 30.0  # seconds that a pod has to end, unless it says otherwise


class InClusterController:
    """See `Controller`. Its pods are its own business: they are neither replicas nor leaders here.

    Args:
        config: which one.
        cluster: where it works and runs.
        manifest: what it is made of.
    """

    replicas: Sequence[Replica] = ()

    def __init__(self, config: ControllerConfig, *, cluster: Cluster, manifest: Manifest) -> None:
        self.config = config
        self.on_death: Callable[[DaemonSetTestError], None] | None = None
        self.user = f"system:serviceaccount:{manifest.account.replace('/', ':')}" if manifest.account else ""
        self.kubeconfig = cluster.kubeconfig_of("controller")
        self.log = cluster.folder / "controller.log"
        self._cluster = cluster
        self._client = cluster.client
        self._manifest = manifest
        self._objects = Objects(cluster.client)
        self._logs = PodLogs(cluster.client, self.log)
        self._workloads: list[Workload] = []
        self._sights: dict[str, Sight] = {}
        self._watching = contextlib.AsyncExitStack()
        self._serving = False  # a container that ends now was not asked to
        self._paused = False
        self._known_ends: set[tuple[str, str, str]] = set()
        self._telling: set[asyncio.Task[None]] = set()
        self.died = False
        self._untold: ClusterError | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the controller under test ({self.config.spec})"

    @property
    def running(self) -> bool:
        """See `Controller`."""
        return bool(self._workloads) and all(
            len(sight.seen) == len(sight.collections) and self._up(namespace)(sight.seen)
            for namespace, sight in self._sights.items()
        )

    def tail(self, lines: int = 20) -> str:
        """See `Controller`: of the logs of all its pods."""
        return last_lines(self.log, lines)

    def require(self, verb: str) -> None:
        """See `Controller`: everything can be done to it."""

    # -- starting --

    async def start(self) -> None:
        """See `Controller`: the images first, then the objects, until all its workloads are available.

        Raises:
            ClusterError: it is not available in time, or cannot become it; its pods' last lines are in the text.
            UsageError: an image or an object that cannot be.
        """
        if self._serving and self.running:
            return
        self._serving = False
        ready = await self._readiness()
        waiting = asyncio.ensure_future(ready())
        try:
            if not self._workloads:
                await self._apply()
            else:
                await self._clear()
                await asyncio.gather(*(one.begin() for one in self._workloads))
            deadline = time.monotonic() + self.config.timeout
            await asyncio.gather(*(self._available(namespace, deadline) for namespace in self._sights))
            await self._ready(waiting, deadline)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        self._known_ends = {end.key for _, pod in self._pods() for end in pod_troubles.ends(pod)}
        self._paused, self._serving = False, True

    async def _apply(self) -> None:
        await self._cluster.load_images(self.config.images)
        before = [one for source in self.config.manifests for one in documents(source)]
        applied = await self._objects.apply([*before, *self._manifest.documents])
        for document, resource, stored in applied:
            if any(document is one for one in self._manifest.workloads):
                self._workloads.append(Workload(self._client, resource, document, stored))
        for namespace in dict.fromkeys(one.namespace for one in self._workloads):
            resources = {one.kind: one.resource for one in self._of(namespace)} | {"Pod": PODS}
            watched = [(resource, namespace) for resource in resources.values()]
            sight = Sight(self._client, watched, partial(self._look, namespace))
            self._sights[namespace] = await self._watching.enter_async_context(sight)

    async def _readiness(self) -> Callable[[], Awaitable[None]]:
        """What more than being available shows that it is ready, from now on."""
        kind, argument = self.config.readiness
        if kind == "log":
            return lambda: self._logs.heard(re.compile(argument))
        if kind == "lease":
            return awaiting.led(self._client, argument, await awaiting.renewed_at(self._client, argument))
        audit = self._cluster.audit
        if kind == "write" and audit is not None:
            mark = audit.mark()
            return lambda: awaiting.wrote(audit, self.user, mark)
        return _at_once

    async def _available(self, namespace: str, deadline: float) -> None:
        up, sight = self._up(namespace), self._sights[namespace]

        def good(seen: Seen) -> bool:
            return up(seen) or self._is_hopeless(namespace)

        if await sight.until(good, max(0.1, deadline - time.monotonic())) and up(sight.seen):
            return
        raise await self._story(namespace)

    async def _ready(self, waiting: asyncio.Future[None], deadline: float) -> None:
        """Wait for what more than being available was asked for; and for a while, whether what has crashed stays up now."""
        crashed = any(True for _, pod in self._pods() for _ in pod_troubles.ends(pod))
        troubles = [asyncio.ensure_future(self._despair(namespace)) for namespace in self._sights]
        try:
            either: list[asyncio.Future[None]] = [waiting, *troubles]
            limit = max(0.0, deadline - time.monotonic())
            await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and crashed:
                await asyncio.wait(troubles, timeout=_TRIAL, return_when=asyncio.FIRST_COMPLETED)
            for trouble in troubles:
                if trouble.done():
                    trouble.result()
            if not waiting.done():
                raise ClusterError(
                    f"{self.name} was not ready within {self.config.timeout:g} s; its last lines:\n{self._last_lines()}\n"
                    f"  waited for: {self.config.ready}; if it needs longer, raise --daemonset-controller-timeout"
                )
            waiting.result()
        finally:
            for trouble in troubles:
                trouble.cancel()
            await asyncio.gather(*troubles, return_exceptions=True)

    async def _despair(self, namespace: str) -> None:
        while not await self._sights[namespace].until(lambda _: self._is_hopeless(namespace), 60.0):
            pass  # whoever waits has a time limit of its own
        raise await self._story(namespace)

    def _is_hopeless(self, namespace: str) -> bool:
        return any(pod_troubles.hopeless(pod) for _, pod in self._pods(namespace))

    async def _story(self, namespace: str) -> ClusterError:
        """Why it is not available, with what its pods said."""
        sight = self._sights[namespace]
        within = f"was not available within {self.config.timeout:g} s"
        lines = []
        for workload in self._of(namespace):
            pods = [pod for owner, pod in self._pods(namespace) if owner is workload]
            if workload.is_up(sight.seen) and not any(map(pod_troubles.hopeless, pods)):
                continue
            lines.append(f"  {workload}: {'' if pods else 'no pods were made for it'}".rstrip())
            lines += [f"    {why}" for why in workload.complaints(sight.seen)]
            for pod in pods:
                why = pod_troubles.hopeless(pod)
                within = "does not start" if why else within
                lines.append(f"    {pod_troubles.told(pod)}")
                lines += [f"    {why}"] if why else []
                lines += [await self._said(pod)]
        return ClusterError(f"{self.name} {within}:\n" + "\n".join(line for line in lines if line))

    async def _said(self, pod: Pod) -> str:
        """The last lines of a pod's containers; of those that ended, all that came."""
        found = []
        for row in pod_troubles.rows(pod):
            run = (pod["metadata"]["uid"], row["name"], int(row.get("restartCount", 0)))
            ended = "running" not in (row.get("state") or {}) and bool(row.get("containerID"))
            lines = await self._logs.last_lines(run, patience=_LAST_WORDS if ended else 0.0)
            if lines or ended:
                found.append(f"    last lines of container {row['name']}:\n{_indented(lines)}")
        return "\n".join(found)

    # -- what it does by itself --

    def _look(self, namespace: str, _: Seen) -> None:
        there = self._pods(namespace)
        for workload, pod in there:
            self._logs.show(pod)
            if not self._serving:
                continue
            for end in pod_troubles.ends(pod):
                if end.key not in self._known_ends:
                    self._known_ends.add(end.key)
                    task = asyncio.ensure_future(self._tell(workload, pod, end))
                    self._telling.add(task)
                    task.add_done_callback(self._telling.discard)
        self._logs.only({pod["metadata"]["uid"] for _, pod in self._pods()})

    async def _tell(self, workload: Workload, pod: Pod, end: pod_troubles.End) -> None:
        lines = _indented(await self._logs.last_lines(end.run, patience=_LAST_WORDS))
        reason = f" ({end.reason})" if end.reason not in ("", "Error") else ""
        which = f"container {end.run[1]} of pod {pod['metadata']['name']} of {workload}"
        death = ClusterError(
            f"{self.name} died unasked: {which}, exit code {end.code}{reason}; its last lines:\n{lines}"
        )
        self.died = True
        if self.on_death is None:
            self._untold = death
        else:
            self.on_death(death)

    def check(self) -> None:
        """See `Controller`.

        Raises:
            ClusterError: a container of it ended unasked, and nobody has been told.
        """
        untold, self._untold = self._untold, None
        if untold is not None:
            raise untold

    # -- the verbs --

    async def start_replica(self, number: int) -> None:  # noqa: ARG002
        """See `Controller`.

        Raises:
            UsageError: always.
        """
        raise self._no_replicas()

    async def leader(self, *, other_than: int | None = None, timeout: float = 60.0) -> Replica:  # noqa: ARG002
        """See `Controller`.

        Raises:
            UsageError: always.
        """
        raise self._no_replicas()

    def _no_replicas(self) -> UsageError:
        return UsageError(
            f"{self.name} runs in pods, which come and go: they are no replicas that a test can hold; "
            "use 'command: …' with replicas="
        )

    async def stop(self) -> None:
        """See `Controller`: scaled to zero, or deleted where it has no scale, until its last pod is gone.

        Raises:
            ClusterError: a pod does not go.
        """
        self._serving = False
        await self._thaw()
        await asyncio.gather(*(one.end() for one in self._workloads))
        await self._clear()
        grace = max([_GRACE, *(pod["spec"].get("terminationGracePeriodSeconds") or 0.0 for _, pod in self._pods())])
        if not await self._see(lambda _: False, grace + self.config.timeout):
            there = ", ".join(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for _, pod in self._pods())
            raise ClusterError(f"{self.name} was asked to end, and is still there: {there}")
        await self._logs.complete(patience=_LAST_WORDS)

    async def kill(self) -> None:
        """See `Controller`: its containers are frozen, taken out of the API, and killed by SIGKILL before they thaw.

        Frozen first, since its kubelet would start again what merely dies.
        """
        self._serving = False
        running = self._running_containers()
        pods = self._pods()
        if not self._paused:
            await self._tasks("pause", running)
        await asyncio.gather(*(one.end() for one in self._workloads))
        # Whoever makes the pods must have heard of it, or would make new ones.
        await self._see(lambda pod: "deletionTimestamp" in pod["metadata"])
        await asyncio.gather(*(workload.drop(pod) for workload, pod in pods))
        await self._tasks("kill", running)
        self._paused = False
        await self._see(lambda _: False)
        await self._logs.complete(patience=_LAST_WORDS)

    async def restart(self) -> None:
        """See `Controller`."""
        await self.stop()
        await self.start()

    async def pause(self) -> None:
        """See `Controller`: every process of its containers, by their runtime.

        Raises:
            UsageError: it does not run.
        """
        await self._tasks("pause", self._living("pause"))
        self._paused = True

    async def resume(self) -> None:
        """See `Controller`.

        Raises:
            UsageError: it does not run.
        """
        await self._tasks("resume", self._living("resume"))
        self._paused = False

    async def restore(self) -> None:
        """See `Controller`."""
        if self._serving and not self.running:
            await self._cluster.restore()  # its pods need the nodes that the test took away
        await self._thaw()
        await self.start()

    async def close(self) -> None:
        """See `Controller`."""
        self._serving = False
        try:
            await asyncio.gather(*self._telling, return_exceptions=True)
            await self._thaw()
        finally:
            await self._logs.close()
            await self._watching.aclose()
            await self._objects.remove()

    async def _thaw(self) -> None:
        if self._paused:
            await self._tasks("resume", self._running_containers())
            self._paused = False

    async def _clear(self) -> None:
        """Take away the pods that cannot come back soon: their machine is lost, or they have ended and are started ever more rarely."""
        nodes = {node["metadata"]["name"]: node for node in (await self._client.list(NODES))["items"]}
        dropped = []
        for workload, pod in self._pods():
            place = pod["spec"].get("nodeName")
            if (place and not _is_ready(nodes.get(place))) or any(pod_troubles.ends(pod)) or pod_troubles.hopeless(pod):
                await workload.drop(pod)
                dropped.append(pod["metadata"]["uid"])
        await self._see(lambda pod: pod["metadata"]["uid"] not in dropped)

    async def _see(self, good: Callable[[Pod], bool], timeout: float | None = None) -> bool:
        """Wait until the watch has told that all pods are so; no longer than a start may take, unless said otherwise."""

        def all_good(namespace: str, _: Seen) -> bool:
            return all(good(pod) for _, pod in self._pods(namespace))

        limit = self.config.timeout if timeout is None else timeout
        found = await asyncio.gather(
            *(sight.until(partial(all_good, namespace), limit) for namespace, sight in self._sights.items())
        )
        return all(found)

    # -- what there is --

    def _of(self, namespace: str) -> list[Workload]:
        return [one for one in self._workloads if one.namespace == namespace]

    def _up(self, namespace: str) -> Callable[[Seen], bool]:
        return lambda seen: all(one.is_up(seen) for one in self._of(namespace))

    def _pods(self, namespace: str | None = None) -> list[tuple[Workload, Pod]]:
        return [
            (workload, pod)
            for where, sight in self._sights.items()
            if namespace in (None, where)
            for pod in sight.seen.get("Pod", {}).values()
            for workload in self._of(where)
            if workload.owns(pod)
        ]

    def _running_containers(self) -> list[tuple[str, str]]:
        """Node and container of what runs now."""
        return [
            (pod["spec"]["nodeName"], str(row["containerID"]).rpartition("//")[2])
            for _, pod in self._pods()
            for row in pod_troubles.rows(pod)
            if "running" in (row.get("state") or {})
        ]

    def _living(self, verb: str) -> list[tuple[str, str]]:
        found = self._running_containers()
        if not found or not self._serving:
            raise UsageError(f"{self.name} does not run, so there is nothing to {verb}")
        return found

    async def _tasks(self, verb: str, containers: Sequence[tuple[str, str]]) -> None:
        await asyncio.gather(*(self._cluster.act_on_container(verb, *one) for one in containers))

    def _last_lines(self) -> str:
        return _indented(self.tail().splitlines())


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"      {line}" for line in lines) or "      (it wrote nothing)"


def _is_ready(node: Pod | None) -> bool:
    return node is not None and is_true(node, "Ready")


async def _at_once() -> None:
    return
