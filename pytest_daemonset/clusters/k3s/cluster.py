"""The k3s cluster: a server in a container, and agents that join and leave; or virtual nodes on k3s's control plane."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.clusters.k3s import proof, server
from pytest_daemonset.clusters.k3s.settings import K3sConfig, is_tar
from pytest_daemonset.engine import tiny_image
from pytest_daemonset.engine.engine import Engine
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.gathering import all_of
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import SERVICE_ACCOUNTS
from pytest_daemonset.kube.until import until
from pytest_daemonset.nodes.baseline import Baseline
from pytest_daemonset.nodes.containers import AgentSettings, ContainerNodes, image_files, import_images
from pytest_daemonset.nodes.pool import NodePool
from pytest_daemonset.nodes.spec import NodeSpec
from pytest_daemonset.nodes.virtual import VirtualNodes
from pytest_daemonset.observe.constants import Constants
from pytest_daemonset.processes import JsonLine, Process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from pytest_daemonset.clusters.config import ClusterConfig
    from pytest_daemonset.keeper import Keeper
    from pytest_daemonset.kube.audit import AuditLog

REGISTRIES: Final = "/etc/rancher/k3s/registries.yaml"


class K3sCluster:
    """See `Cluster`. Made by `start`.

    Attributes:
        timings: seconds that the parts of the start took, by name.
    """

    audit: AuditLog | None = None
    builtin_inside = True

    def __init__(self, config: ClusterConfig, keeper: Keeper, engine: Engine, folder: Path, *, builtin: bool) -> None:
        self.name = "k3s"
        self.version = ""
        self.folder = folder
        self.kubeconfig = folder / "admin.kubeconfig"
        self.timings: dict[str, float] = {}
        self.constants = Constants(base=60.0, per_node=2.0, barrier=60.0)
        self.capabilities: frozenset[str] = frozenset()
        self.client: Client
        self.nodes: NodePool
        self._config = config
        self._k3s = config.k3s or K3sConfig()
        self._keeper = keeper
        self._engine = engine
        self._builtin = builtin
        self._network = engine.group
        self._server = f"{engine.group}-{server.NAME}"
        self._token = secrets.token_hex(16)
        self._provider: ContainerNodes | None = None
        self._kubelets: Process | None = None
        self._baseline: Baseline | None = None
        self._began = time.monotonic()

    @classmethod
    async def start(cls, config: ClusterConfig, keeper: Keeper, *, builtin: bool) -> K3sCluster:
        """Start the server while the agents are made, then the agents, and wait until all of it is ready.

        Args:
            config: the cluster.
            keeper: is told of everything.
            builtin: whether the control plane's own DaemonSet loop is to run.

        Raises:
            UsageError: no Docker daemon, or something that it has not got.
            ClusterError: something does not start; the text has its last lines, and nothing is left.
        """
        settings = config.k3s or K3sConfig()
        group = f"pytest-daemonset-{os.urandom(4).hex()}"
        engine = await Engine.connect(keeper, group, keep=settings.keep)
        folder = keeper.make_folder("cluster")
        cluster = cls(config, keeper, engine, folder, builtin=builtin)
        try:
            await cluster._start()
        except BaseException:
            engine.keep = False
            await asyncio.shield(cluster.stop())
            raise
        return cluster

    async def _start(self) -> None:
        settings, engine = self._k3s, self._engine
        await engine.ensure_image(settings.full_image)
        images = await self._images()
        await engine.make_network(self._network)
        files = {server.KUBELET_CONFIG: server.kubelet_config()}
        if settings.registries:
            files[REGISTRIES] = settings.registries.read_bytes()
        agents = AgentSettings(
            image=settings.full_image,
            network=self._network,
            server=f"https://{server.NAME}:{server.PORT}",
            token=self._token,
            prefix=engine.group,
            privileged=settings.privileged,
            network_plugin=settings.network_plugin,
            kubelet=server.KUBELET,
            config=settings.agent,
            env=settings.env,
            files=files,
            join_timeout=settings.timeout,
        )
        specs = [
            NodeSpec(f"node-{number}", ready=settings.network_plugin) for number in range(1, self._config.nodes + 1)
        ]
        own = image_files(images) if self._server_node else {}
        preparing: list[Awaitable[None]] = [self._start_server({**files, **own})]
        provider = None
        if not settings.virtual:
            provider = self._provider = ContainerNodes(agents, engine)
            await provider.load(images)
            preparing.append(provider.prepare(specs))
        await all_of(*preparing)
        await server.outlived(engine, self._server, self._bring_up(provider, len(specs)))

    async def _bring_up(self, provider: ContainerNodes | None, nodes: int) -> None:
        """What needs a server that runs: its API, the nodes, and that they are as they were asked for."""
        settings, engine = self._k3s, self._engine
        found, content = await server.reach(engine, self._server, self._network, settings.timeout)
        self.timings["server ready"] = time.monotonic() - self._began
        self._write("admin", content)
        self.client = Client(found, user_agent="pytest-daemonset")
        self.version = (await self.client.request("GET", "/version"))["gitVersion"]
        if "+k3s" not in self.version:
            self.name = f"{settings.full_image} ({self.version}, not k3s)"
        if provider is not None:
            await server.signs(self.client)
            provider.client = self.client
            self.nodes = NodePool(self.client, provider)
        else:
            self.nodes = NodePool(self.client, await self._virtual())
        specs = [NodeSpec(self.nodes.new_name(), ready=settings.network_plugin) for _ in range(nodes)]
        self.nodes.plan_join(specs)
        # Nothing may use the client once it is closed.
        await all_of(self.nodes.join(specs) if specs else _nothing(), self._accounts())
        self.timings["nodes ready"] = time.monotonic() - self._began
        if not self._builtin:
            await proof.no_daemonset_loop(self.client)
        self._baseline = await Baseline.take(self.nodes)
        self.capabilities = self._capabilities()

    def _capabilities(self) -> frozenset[str]:
        found = {"crash"}
        if self._builtin:
            found.add("builtin_controller")
        if self._k3s.virtual:
            found |= {"virtual_nodes", "behave"}
        else:
            found.add("containers")
            if "+k3s" in self.version:
                found.add("real_kubelet")
        return frozenset(found)

    async def _start_server(self, files: Mapping[str, bytes]) -> None:
        engine = self._engine
        made = server.container(
            self._server, self._network, self._token, self._k3s, files, engine.host, builtin=self._builtin
        )
        await engine.make(made)
        await engine.start(self._server)

    async def _images(self) -> dict[str, bytes]:
        """What is side-loaded: file name -> tar."""
        settings = self._k3s
        if settings.virtual:
            return {}
        return {
            "tiny.tar": tiny_image.image_tar((tiny_image.NAME, *settings.tiny_images)),
            **await self._tars(settings.images),
        }

    async def _tars(self, names: Sequence[str]) -> dict[str, bytes]:
        """Images as files, by a name that k3s takes for an image's."""
        found = {}
        for name in names:
            # Two names may look alike once they are file names.
            stem = f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[-60:].strip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
            if is_tar(name):
                suffix = ".tar" if name.endswith(".tar") else ".tar.gz"
                found[f"{stem}{suffix}"] = await asyncio.to_thread(_read, name)
            else:
                found[f"{stem}.tar"] = await self._engine.save_image(name)
        return found

    async def _virtual(self) -> VirtualNodes:
        words = [sys.executable, "-m", "pytest_daemonset.kubelets", "--kubeconfig", str(self.kubeconfig)]
        self._kubelets = Process(
            [
                *words,
                "--real-lifecycle",
                *(("--lease-duration", str(server.LEASE)) if self._k3s.fast_not_ready else ()),
            ],
            keeper=self._keeper,
            name="the virtual kubelets",
            log=self.folder / "kubelets.log",
        )
        await self._kubelets.start(JsonLine())
        return VirtualNodes(self.client, self._kubelets, lifecycle=True)

    async def _accounts(self) -> None:
        """No pod can be made in a namespace before its service account is."""

        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            return "default" in seen["ServiceAccount"]

        if not await until(self.client, [(SERVICE_ACCOUNTS, "default")], good, self._k3s.timeout):
            raise ClusterError(
                f"namespace default has no service account after {self._k3s.timeout:g} s; the server's last lines:\n"
                + await self._engine.tail(self._server)
            )

    async def load_images(self, names: Sequence[str]) -> None:
        """Side-load images into every node, and into those that join later; virtual nodes start whatever they are given.

        Args:
            names: names on the Docker daemon, or paths of tars (``.tar``, ``.tar.gz``, ``.tgz``).

        Raises:
            UsageError: the daemon has no such image, or there is no such tar.
            ClusterError: a node does not take it.
        """
        tars = await self._tars(names)
        if self._provider is None or not tars:
            return
        loading: list[Awaitable[None]] = [self._provider.load(tars)]
        if self._server_node:
            loading.append(self._load_into_server(tars))
        await asyncio.gather(*loading)

    @property
    def _server_node(self) -> bool:
        return self._k3s.server_node and not self._k3s.virtual

    async def _load_into_server(self, tars: Mapping[str, bytes]) -> None:
        await self._engine.write(self._server, image_files(tars))
        await import_images(self._engine, server.NAME, self._server, tars)

    async def act_on_container(self, verb: str, node: str, container: str) -> None:
        """See `Cluster`: by containerd's own command.

        Raises:
            ClusterError: it was not done; that the container is no more is fine.
        """
        where = self._server if node == server.NAME and self._server_node else f"{self._engine.group}-{node}"
        words = {"kill": (["kill", "-s", "SIGKILL"], ["resume"])}.get(verb, ([verb],))
        for word in words:
            command = ["ctr", "-n", "k8s.io", "tasks", *word, container]
            code, said = await self._engine.run(where, command)
            over = re.search(r"not found|no running task|already finished|not running|not paused|stopped", said)
            if code and not (over and verb == "kill"):
                raise ClusterError(f"node {node}: {' '.join(command)} ended with {code}: {said.strip()[-300:]}")

    async def restore(self) -> None:
        """See `Cluster`."""
        if self._baseline is not None:
            await self._baseline.restore()

    def kubeconfig_of(self, identity: str) -> Path:  # noqa: ARG002
        """See `Cluster`: k3s has one identity, its administrator's."""
        return self.kubeconfig

    async def unimitated(self) -> Mapping[str, int]:
        """See `Cluster`: a real API server imitates nothing, so it knows no such list."""
        try:
            told = await self.client.request("GET", "/debug/unimitated")
        except ApiError:
            return {}
        return {str(request): int(count) for request, count in told.items()}

    def kept(self) -> str:
        """See `Cluster`."""
        if not self._engine.keep:
            return ""
        label = f"label=pytest-daemonset={self._engine.group}"
        return (
            f"kept: KUBECONFIG={self.kubeconfig}\n"
            f"  remove it with: docker rm -fv $(docker ps -aq --filter {label}); "
            f"docker network rm {self._network}; rm -r {self.folder}"
        )

    def _write(self, identity: str, content: Mapping[str, Any]) -> None:
        path = self.folder / f"{identity}.kubeconfig"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file)

    async def stop(self) -> None:
        """See `Cluster`."""
        async with contextlib.AsyncExitStack() as stack:
            if self._engine.keep:
                self._keeper.released("folder", str(self.folder))
            else:
                stack.callback(self._keeper.remove_folder, self.folder)
            stack.push_async_callback(self._engine.close)
            if hasattr(self, "client"):
                stack.push_async_callback(self.client.close)
            if self._kubelets is not None:
                stack.push_async_callback(self._kubelets.stop)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"image tar {path}: cannot be read: {error.strerror}") from None


async def _nothing() -> None:
    return
