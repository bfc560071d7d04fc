"""Nodes that are k3s agents in containers: machines that are made, stopped, frozen, cut off and taken away for real."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.engine.engine import Container
from pytest_daemonset.engine.tiny_image import architecture
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import LEASES, NODES, PODS, SECRETS
from pytest_daemonset.kube.until import until
from pytest_daemonset.nodes import agent
from pytest_daemonset.nodes.provider import MACHINE_VERBS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from pytest_daemonset.engine.engine import Engine, Follower
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.nodes.provider import Behaviour
    from pytest_daemonset.nodes.spec import NodeSpec

_LEASE_NAMESPACE: Final = "kube-node-lease"
_WATCHED: Final = ((NODES, None), (LEASES, _LEASE_NAMESPACE))
_FORCE: Final = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}


@dataclass(frozen=True)
class AgentSettings:
    """What all agents of a cluster have in common.

    Attributes:
        image: their image.
        network: the network that they are on.
        server: the server's URL as seen from there.
        token: the cluster's.
        prefix: what their containers' names begin with.
        privileged: whether they are; a real kubelet must be.
        network_plugin: False: no CNI comes with the cluster, so registering is all that a join can wait for.
        kubelet: arguments of the kubelets.
        config: more settings, by the names of k3s's flags.
        env: environment variables.
        files: more files, such as registries.yaml: absolute path -> content.
        join_timeout: seconds until a node must have joined.
        lost_timeout: seconds until a node that is gone must have been noticed.
    """

    image: str
    network: str
    server: str
    token: str
    prefix: str
    privileged: bool = True
    network_plugin: bool = True
    kubelet: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    join_timeout: float = 120.0
    lost_timeout: float = 120.0


@dataclass
class _Machine:
    """One agent's container.

    Attributes:
        frozen_out: files of images that came while nothing in it could import them.
        refused: files that are to be taken away again, once something in it runs.
    """

    container: str
    state: str = "made"
    frozen_out: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


class ContainerNodes:
    """The provider of nodes in containers.

    Args:
        settings: of all agents.
        engine: where the containers are made.

    Attributes:
        client: is told the versions that the verbs wrote; set before the first of them. Only `prepare` does without.
    """

    kind = "k3s"
    exclusive = True
    lifecycle = True

    client: Client

    def __init__(self, settings: AgentSettings, engine: Engine) -> None:
        self.capabilities = frozenset(
            ("join", "settings", *MACHINE_VERBS, *(() if settings.network_plugin else ("join_not_ready",)))
        )
        self._engine = engine
        self._settings = settings
        self._machines: dict[str, _Machine] = {}
        self._identities: dict[str, bytes] = {}
        self._left: set[str] = set()
        self._images: dict[str, bytes] = {}
        self._under_way: set[asyncio.Task[Any]] = set()

    # -- joining --

    async def join(self, specs: Sequence[NodeSpec], *, same_identity: bool = False) -> Mapping[str, str]:
        """Make the containers, all at once, with every image that was ever loaded; see `NodeProvider.join`.

        Args:
            specs: the nodes.
            same_identity: with the node passwords that they had before they left.

        Raises:
            UsageError: a spec that no container can fulfil.
            ClusterError: an agent did not join; the text has the reason and its last lines, and none of them is left.
        """
        for spec in specs:
            agent.check(spec, architecture())
        uids: Mapping[str, str] = await self._noted(self._join(specs, same_identity=same_identity))
        return uids

    async def prepare(self, specs: Sequence[NodeSpec]) -> None:
        """Make the containers before there is a server to join; `join` then starts them.

        An agent that finds its server not ready looks again after five seconds: one that is started when it is ready joins sooner
        than one that was started with it.
        """
        for spec in specs:
            agent.check(spec, architecture())
        await asyncio.gather(*(self._make(spec) for spec in specs))

    async def _join(self, specs: Sequence[NodeSpec], *, same_identity: bool) -> Mapping[str, str]:
        names = [spec.name for spec in specs]
        fresh = [spec for spec in specs if spec.name not in self._machines]
        await asyncio.gather(*(self._free_name(spec.name) for spec in fresh))
        try:
            await asyncio.gather(*(self._make(spec, same_identity=same_identity) for spec in fresh))
            await asyncio.gather(*(self._start(name) for name in names))
            uids = await self._joined(specs)
            await asyncio.gather(*(self._finish(spec) for spec in specs))
        except BaseException:
            await asyncio.shield(self._remove([name for name in names if name in self._machines]))
            raise
        self._left -= set(names)
        return uids

    async def _free_name(self, name: str) -> None:
        """An identity without a Node is what an agent leaves that died while it joined: it would bar the name."""
        if await self._exists(NODES, name):
            raise ClusterError(
                f"node {name} cannot join: there is a Node of that name that is none of ours; delete it first"
            )
        await self._gone(SECRETS, f"{name}.node-password.k3s", "kube-system")

    async def _make(self, spec: NodeSpec, *, same_identity: bool = False) -> None:
        settings, name = self._settings, spec.name
        container = f"{settings.prefix}-{name}"
        files = {
            **settings.files,
            agent.CONFIG: json.dumps(agent.config(spec, settings.server, settings.kubelet, settings.config)).encode(),
            **image_files(self._images),
        }
        if same_identity:
            if name not in self._identities:
                raise UsageError(f"node {name} never left, so there is no identity of it to come back with")
            files[agent.PASSWORD] = self._identities[name]
        self._machines[name] = _Machine(container)
        await self._engine.make(
            Container(
                container,
                settings.image,
                ["agent"],
                hostname=name,
                network=settings.network,
                files=files,
                env={"K3S_TOKEN": settings.token, **settings.env},
                privileged=settings.privileged,
                tmpfs=("/run", "/var/run"),
            )
        )

    async def _start(self, name: str) -> None:
        machine = self._machines[name]
        await self._engine.start(machine.container)
        machine.state = "running"

    async def _joined(self, specs: Sequence[NodeSpec]) -> Mapping[str, str]:
        started = {spec.name: await self._started(spec.name) for spec in specs}
        uids: dict[str, str] = {}

        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            for spec in specs:
                node, lease = seen["Node"].get(spec.name), seen["Lease"].get(spec.name)
                up = agent.is_ready(node) if spec.ready and self._settings.network_plugin else node is not None
                if node is None or not up or not agent.is_fresh(lease, "", started[spec.name]):
                    return False
                uids[spec.name] = node["metadata"]["uid"]
            return True

        await self._await(good, [spec.name for spec in specs], "joined", self._settings.join_timeout, since=started)
        return uids

    async def _finish(self, spec: NodeSpec) -> None:
        """What no flag can say: labels of reserved prefixes, annotations, cordoned."""
        labels = {key: value for key, value in spec.labels.items() if not agent.settable(key)}
        metadata = {"labels": labels, "annotations": dict(spec.annotations)}
        body: dict[str, Any] = {"metadata": {key: value for key, value in metadata.items() if value}}
        if spec.unschedulable:
            body["spec"] = {"unschedulable": True}
        if body != {"metadata": {}}:
            await self.client.patch(NODES, spec.name, body)

    # -- the other verbs --

    async def act(self, verb: str, names: Sequence[str]) -> None:
        """See `NodeProvider.act`. Returns when the cluster has noticed what was done."""
        await self._noted({"leave": self._leave}.get(verb, lambda which: self._act(verb, which))(names))

    async def _leave(self, names: Sequence[str]) -> None:
        # Docker's stop unfreezes nothing: a frozen agent would sit out its grace.
        await asyncio.gather(*(self._thaw(name) for name in names))
        for name in names:
            password = await self._engine.read(self._machines[name].container, agent.PASSWORD)
            if password is not None:
                self._identities[name] = password
        await asyncio.gather(*(self._cordon(name) for name in names))
        await asyncio.gather(*(self._engine.stop(self._machines[name].container) for name in names))
        await self._remove(names)
        self._left |= set(names)

    async def _cordon(self, name: str) -> None:
        with contextlib.suppress(_NotFound):
            await self._patch(name, {"spec": {"unschedulable": True}})

    async def _remove(self, names: Sequence[str]) -> None:
        """Containers first: an agent that lives would register, or renew what is deleted here."""
        machines = {name: self._machines[name] for name in names if name in self._machines}
        await asyncio.gather(*(self._engine.remove(one.container) for one in machines.values()))
        for name in machines:
            del self._machines[name]
        await asyncio.gather(*(self._forget(name) for name in names))

    async def _forget(self, name: str) -> None:
        """Delete the Node, then its identity (k3s deletes it with the Node, with a delay; an orphan it leaves)."""
        await self._gone(NODES, name)
        await self._gone(SECRETS, f"{name}.node-password.k3s", "kube-system")
        await self._gone(LEASES, name, _LEASE_NAMESPACE)

    async def _act(self, verb: str, names: Sequence[str]) -> None:
        await asyncio.gather(*(self._do(verb, name) for name in names))

    async def _do(self, verb: str, name: str) -> None:
        machine, engine, network = self._machines[name], self._engine, self._settings.network
        if verb == "pause":
            await engine.pause(machine.container)
        elif verb == "crash":
            await engine.kill(machine.container)
        elif verb == "partition":
            await engine.disconnect_network(network, machine.container)
        if verb in ("pause", "crash", "partition"):
            machine.state = {"pause": "paused", "crash": "crashed", "partition": "partitioned"}[verb]
            if verb != "pause":
                await self._lost(name)
            return
        before, started = await self._renewed(name), None
        if verb == "resume":
            await engine.unpause(machine.container)
            missed, machine.frozen_out = machine.frozen_out, set()
            await import_images(engine, name, machine.container, missed)
        elif verb == "heal":
            await engine.connect_network(network, machine.container, name)
        else:
            await self._thaw(name)
            if machine.state == "partitioned":
                await engine.connect_network(network, machine.container, name)
            await engine.kill(machine.container)
            machine.frozen_out.clear()  # it imports its folder when it starts
            await engine.start(machine.container)
            started = await self._started(name)
        machine.state = "running"
        await self._unload(machine, ())
        await self._back(name, before, started)

    async def _thaw(self, name: str) -> None:
        machine = self._machines[name]
        if machine.state == "paused":
            await self._engine.unpause(machine.container)
            machine.state = "running"

    async def _lost(self, name: str) -> None:
        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            return agent.is_lost(seen["Node"].get(name), seen["Node"].values())

        await self._await(good, [name], "been noticed to be gone", self._settings.lost_timeout)

    async def _back(self, name: str, before: str, started: datetime | None) -> None:
        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            node, lease = seen["Node"].get(name), seen["Lease"].get(name)
            up = agent.is_ready(node) if self._settings.network_plugin else node is not None
            return up and agent.is_fresh(lease, before, started)

        # The log of one that never stopped still tells of the silence that has just ended.
        since = {} if started is None else {name: started}
        await self._await(good, [name], "come back", self._settings.join_timeout, since=since)

    # -- images --

    async def load(self, images: Mapping[str, bytes]) -> None:
        """Side-load image tars into all nodes, at once, and into those that will join.

        One that is crashed or frozen has them when it is started or thawed.

        Args:
            images: file name -> tar, as ``docker save`` makes it.

        Raises:
            ClusterError: a node does not take one; then no node keeps any of them, and none that joins later gets them.
        """
        before = dict(self._images)
        self._images.update(images)
        loads = (self._load(name, one, images) for name, one in self._machines.items())
        results = await asyncio.gather(*loads, return_exceptions=True)
        if errors := [one for one in results if isinstance(one, BaseException)]:
            self._images = before
            new = [file for file in images if file not in before]
            await asyncio.gather(*(self._unload(one, new) for one in self._machines.values()))
            raise errors[0]

    async def _load(self, name: str, machine: _Machine, images: Mapping[str, bytes]) -> None:
        await self._engine.write(machine.container, image_files(images))
        machine.refused -= set(images)
        if machine.state == "paused":
            machine.frozen_out |= set(images)
        elif machine.state not in ("made", "crashed"):  # which import their folder when they start
            await import_images(self._engine, name, machine.container, images)

    async def _unload(self, machine: _Machine, files: Iterable[str]) -> None:
        """Take files of images away, or it would be tried again to import them whenever the node starts."""
        machine.frozen_out -= set(files)
        machine.refused |= set(files)
        if machine.state not in ("paused", "crashed") and machine.refused:
            await self._engine.run(machine.container, ["rm", "-f", *map(_image_path, machine.refused)])
            machine.refused.clear()

    # -- what it does not have --

    async def set_ready(self, names: Sequence[str], ready: bool) -> None:
        """A real kubelet says itself whether its node is ready.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{', '.join(names)}: a k3s node cannot be told to be {'' if ready else 'not '}ready")

    async def heartbeats(self, names: Sequence[str], on: bool) -> None:
        """A real kubelet always has a lease.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{', '.join(names)}: the lease of a k3s node cannot be switched {'on' if on else 'off'}")

    async def behave(self, behaviour: Behaviour) -> None:
        """Real kubelets behave as they do.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"real kubelets cannot be told how to behave: {dict(behaviour.switches)}")

    async def pod(self, namespace: str, name: str, verb: str, how: Mapping[str, Any]) -> None:
        """Real pods do what their programs do.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{verb} of pod {namespace}/{name}: a real pod cannot be told that ({dict(how)})")

    # -- between tests --

    async def states(self) -> Mapping[str, str]:
        """See `NodeProvider.states`: as Docker has them."""
        while self._under_way - {asyncio.current_task()}:
            await asyncio.wait(self._under_way)
        found = await asyncio.gather(*(self._engine.inspect(one.container) for one in self._machines.values()))
        for machine, one in zip(self._machines.values(), found, strict=True):
            attached = self._settings.network in (one["NetworkSettings"]["Networks"] or {})
            running = one["State"]["Running"]
            paused = one["State"]["Paused"]
            machine.state = (
                "crashed" if not running else "paused" if paused else "running" if attached else "partitioned"
            )
        return {name: machine.state for name, machine in self._machines.items()}

    async def clean_up(self) -> None:
        """See `NodeProvider.clean_up`: pod garbage collection would take a minute."""
        for name in sorted(self._left):
            listed = await self.client.list(PODS, field_selector=f"spec.nodeName={name}")
            for pod in listed["items"]:
                with contextlib.suppress(_NotFound):
                    await self._delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"], _FORCE)
        self._left.clear()

    # -- how --

    async def _noted(self, work: Any) -> Any:
        """What was begun goes on when whoever asked is cancelled; `states` waits for it."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            return await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise

    async def _await(
        self,
        good: Callable[[Any], bool],
        names: Sequence[str],
        what: str,
        timeout: float,
        since: Mapping[str, datetime] | None = None,
    ) -> None:
        """Until a state is reached; an agent whose log says (since then) that it never will is told at once."""
        watching = asyncio.ensure_future(until(self.client, _WATCHED, good, timeout))
        trouble: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        followers = [self._follow(name, when, trouble) for name, when in (since or {}).items()]
        try:
            either: list[asyncio.Future[Any]] = [watching, trouble]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if watching.done() and watching.result():
                return
            why = trouble.result() if trouble.done() else f"after {timeout:g} s"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.gather(*(one.close() for one in followers))
        raise ClusterError(await self._story(names, what, why))

    def _follow(self, name: str, since: datetime, trouble: asyncio.Future[str]) -> Follower:
        diagnosis = agent.Diagnosis(name)

        def hear(line: str | None) -> None:
            found = "its container has ended" if line is None else diagnosis.read(line)
            if found and not trouble.done():
                trouble.set_result(f"{name}: {found}")

        return self._engine.follow(self._machines[name].container, since, hear)

    async def _story(self, names: Sequence[str], what: str, why: str) -> str:
        lines = [f"{', '.join(names)} has not {what}: {why}"]
        for name in names:
            node, renewed = await self._get(NODES, name), await self._renewed(name) or "never"
            lines.append(f"  node {name}: {agent.told(node)}, lease renewed: {renewed}; last lines of its container:")
            lines.append(await self._engine.tail(self._machines[name].container))
        return "\n".join(lines)

    async def _started(self, name: str) -> datetime:
        return agent.moment((await self._engine.inspect(self._machines[name].container))["State"]["StartedAt"])

    async def _renewed(self, name: str) -> str:
        lease = await self._get(LEASES, name, _LEASE_NAMESPACE)
        return str(((lease or {}).get("spec") or {}).get("renewTime") or "")

    async def _gone(self, resource: Any, name: str, namespace: str | None = None) -> None:
        """Delete something and wait, by watch, until it is gone; that it is not there is fine."""
        with contextlib.suppress(_NotFound):
            await self._delete(resource, name, namespace, None)
        if await self._get(resource, name, namespace) is None:
            return

        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            return name not in seen[resource.kind]

        if not await until(self.client, [(resource, namespace)], good, 60.0):
            raise ClusterError(
                f"{resource.kind} {name} was deleted and is still there after 60 s: a finalizer holds it"
            )
        await self.client.wrote_until_now(resource, namespace)

    async def _get(self, resource: Any, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        try:
            return await self.client.get(resource, name, namespace)
        except ApiError as error:
            if error.status != 404:
                raise ClusterError(f"{resource.kind} {name} could not be read: {error}") from error
            return None

    async def _exists(self, resource: Any, name: str) -> bool:
        return await self._get(resource, name) is not None

    async def _delete(self, resource: Any, name: str, namespace: str | None, options: Any) -> None:
        try:
            await self.client.delete(resource, name, namespace, options=options)
        except ApiError as error:
            if error.status == 404:
                raise _NotFound from error
            raise ClusterError(f"{resource.kind} {name} could not be deleted: {error}") from error

    async def _patch(self, name: str, body: Mapping[str, Any]) -> None:
        try:
            await self.client.patch(NODES, name, body)
        except ApiError as error:
            if error.status == 404:
                raise _NotFound from error
            raise ClusterError(f"node {name} could not be changed: {error}") from error


def image_files(images: Mapping[str, bytes]) -> dict[str, bytes]:
    """Image tars where k3s looks for them when it starts: what the kubelet's image collection threw away comes back so."""
    return {_image_path(file): content for file, content in images.items()}


def _image_path(file: str) -> str:
    return f"{agent.IMAGES}/{file}"


async def import_images(engine: Engine, node: str, container: str, files: Iterable[str]) -> None:
    """Let a running node take image tars that lie in its images folder.

    Args:
        engine: where it runs.
        node: its name, for the message.
        container: its container.
        files: names in that folder.

    Raises:
        ClusterError: it does not take one.
    """
    for file in sorted(files):
        words = ["ctr", "-n", "k8s.io", "images", "import", _image_path(file)]
        code, said = await engine.run(container, words)
        if code:
            raise ClusterError(
                f"node {node} does not take image {file}: {' '.join(words)} ended with {code}: {said[-500:]}"
            )


class _NotFound(Exception):  # noqa: N818  (no error: it is what was wanted)
    """What was to be changed is not there."""
