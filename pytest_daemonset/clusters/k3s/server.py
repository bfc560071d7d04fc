"""The k3s server: its configuration file, and the way to its API from here."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from pytest_daemonset.engine.engine import Container
from pytest_daemonset.engine.tiny_image import NAME as TINY
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import SECRETS
from pytest_daemonset.kube.until import until
from pytest_daemonset.nodes import agent

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from pytest_daemonset.clusters.k3s.settings import K3sConfig
    from pytest_daemonset.engine.engine import Engine

PORT: Final = 6443
KUBECONFIG: Final = "/etc/rancher/k3s/k3s.yaml"
KUBELET_CONFIG: Final = "/etc/rancher/k3s/kubelet.yaml"
NAME: Final = "server"
KUBELET: Final = {
    # Full disks of build machines would evict the pods under test.
    "eviction-hard": "imagefs.available<1%,nodefs.available<1%",
    "eviction-minimum-reclaim": "imagefs.available=1%,nodefs.available=1%",
    # … and its images, which no registry would bring back.
    "image-gc-high-threshold": "100",
    "config": KUBELET_CONFIG,
}
"""The arguments of every kubelet."""

_PAUSE: Final = 0.15  # seconds between two looks at a server that starts; it has no way to tell us
_GRACE: Final = ("node-monitor-grace-period=8s", "node-monitor-period=1s")
LEASE: Final = 8
"""Seconds that a node's lease is good for: it is renewed after a quarter. With the usual 40, every node would be taken for lost
every ten seconds under that grace, and come back two seconds later. Under any, a kubelet whose first try comes before its Node is
there would have no lease for ten seconds: so long would everybody wait who trusts no Ready without a fresh one."""
SERVING: Final = "k3s-serving"
"""The Secret in which every version keeps the server's own certificate. It is made once the server has clients of its own, and then it
signs the certificates of agents; before, it turns them away for five seconds, although its API is ready."""
_SIGNS: Final = 5.0  # seconds to wait for that: an agent that is turned away has lost as much
_FULL: Final = 3  # lines of a full disk until it is sure


def config(settings: K3sConfig, host: str, *, builtin: bool) -> dict[str, Any]:
    """The server's configuration: lean, and quick where k3s is slow by default.

    Args:
        settings: what the user decided.
        host: the machine on which its port is published.
        builtin: whether its own DaemonSet loop runs. It is switched off by the name that every version knows; a loop
            that a version does not know would end the process, so no other is named.
    """
    manager = ["kube-api-qps=200", "kube-api-burst=400"]
    if settings.fast_not_ready:
        manager += _GRACE
    if not builtin:
        manager.append("controllers=*,tokencleaner,-daemonset")
    wanted: dict[str, Any] = {
        "disable": list(settings.disable),
        "disable-helm-controller": True,
        "disable-network-policy": True,
        "flannel-backend": "host-gw" if settings.network_plugin else "none",
        "tls-san": [NAME, host],
        "kube-controller-manager-arg": manager,
        "kube-scheduler-arg": ["kube-api-qps=200", "kube-api-burst=400"],
    }
    if settings.server_node and not settings.virtual:
        wanted["node-name"] = NAME
        wanted["pause-image"] = TINY
        wanted["kubelet-arg"] = [f"{key}={value}" for key, value in KUBELET.items()]
    else:
        wanted["disable-agent"] = True
    for key, value in settings.server.items():
        wanted[key] = [*wanted[key], *value] if isinstance(wanted.get(key), list) and isinstance(value, list) else value
    return wanted


def kubelet_config() -> bytes:
    """The configuration file of every kubelet: what no flag can say, and what flags would only half change.

    A kubelet looks every ten seconds whether it has become Ready. Told by flag to look more often, it would go on to report
    as seldom as before; so would its lease, whose duration has no flag.
    """
    content: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "5m",
        "nodeLeaseDurationSeconds": LEASE,
    }
    return json.dumps(content, indent=1).encode()


def container(
    name: str, network: str, token: str, settings: K3sConfig, files: Mapping[str, bytes], host: str, *, builtin: bool
) -> Container:
    """The server's container; without a kubelet it needs no privileges."""
    written = json.dumps(config(settings, host, builtin=builtin), indent=1).encode()
    return Container(
        name,
        settings.full_image,
        ["server"],
        hostname=NAME,
        network=network,
        files={**files, agent.CONFIG: written},
        env={"K3S_TOKEN": token, **settings.env},
        ports={PORT: None},
        privileged=settings.privileged and settings.server_node and not settings.virtual,
        tmpfs=("/run", "/var/run"),
    )


async def reach(engine: Engine, name: str, network: str, timeout: float) -> tuple[Kubeconfig, dict[str, Any]]:
    """Wait until the server answers, and find out under which of its addresses it does.

    Args:
        engine: where it runs.
        name: its container.
        network: the network that it is on.
        timeout: seconds.

    Returns:
        How to reach it, and the same as the content of a kubeconfig file.

    Raises:
        ClusterError: it was not ready in time; its last lines are in the text.
    """
    tried: dict[str, str] = {}
    try:
        return await asyncio.wait_for(_reach(engine, name, network, tried), timeout)
    except asyncio.TimeoutError:
        addresses = "; ".join(f"{where}: {what}" for where, what in tried.items()) or "it wrote no kubeconfig"
        raise ClusterError(
            f"the k3s server was not ready within {timeout:g} s ({addresses}); its last lines:\n{await engine.tail(name)}"
        ) from None


async def _reach(engine: Engine, name: str, network: str, tried: dict[str, str]) -> tuple[Kubeconfig, dict[str, Any]]:
    import yaml

    while True:
        state = await engine.inspect(name)
        text = await engine.read(name, KUBECONFIG)
        content: Any = None
        with contextlib.suppress(yaml.YAMLError):  # it is written in place: half of it is what one may see
            content = yaml.safe_load(text) if text else None
        if isinstance(content, dict):
            with contextlib.suppress(UsageError):  # likewise
                found = Kubeconfig.parse(content)
                answers = await asyncio.gather(*(_ready(found, one) for one in _addresses(state, network, engine.host)))
                for address, said in answers:
                    tried[address] = said
                    if not said:
                        return replace(found, server=address), _named(content, name, address)
        await asyncio.sleep(_PAUSE)


async def outlived(engine: Engine, name: str, work: Coroutine[Any, Any, object]) -> None:
    """Do something that needs the server, as long as it lives.

    Args:
        engine: where it runs.
        name: its container.
        work: what.

    Raises:
        ClusterError: it ended meanwhile, or can write no more; its last lines are in the text.
    """
    trouble: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    full = 0

    def hear(line: str | None) -> None:
        nonlocal full
        full += line is not None and bool(agent.DISK_FULL.search(line))
        if not trouble.done() and (line is None or full == _FULL):
            trouble.set_result("ended" if line is None else "has no space left on its disk")

    # From its first line: Docker takes a zero for no time at all.
    follower = engine.follow(name, datetime.fromtimestamp(1, timezone.utc), hear)
    working = asyncio.ensure_future(work)
    try:
        either: list[asyncio.Future[Any]] = [working, trouble]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await follower.close()
    code = (await engine.inspect(name))["State"]["ExitCode"]
    what = f"ended with {code}" if trouble.result() == "ended" else trouble.result()
    raise ClusterError(f"the k3s server {what}; its last lines:\n{await engine.tail(name)}")


async def signs(client: Client) -> None:
    """Wait until agents are let in; no longer than being turned away would take them."""
    await until(client, [(SECRETS, "kube-system")], lambda seen: SERVING in seen["Secret"], _SIGNS)


def _addresses(state: Mapping[str, Any], network: str, host: str) -> list[str]:
    """The published port; and the container's own address, which is the one that works from inside of a container."""
    published = (state["NetworkSettings"]["Ports"] or {}).get(f"{PORT}/tcp") or []
    own = (state["NetworkSettings"]["Networks"].get(network) or {}).get("IPAddress")
    found = [f"https://{host}:{row['HostPort']}" for row in published]
    return list(dict.fromkeys([*found, *([f"https://{own}:{PORT}"] if own else [])]))


async def _ready(found: Kubeconfig, address: str) -> tuple[str, str]:
    """An address, and why it does not work; empty if it does."""
    async with Client(replace(found, server=address)) as client:
        try:
            async with client._open().get(f"{address}/readyz", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                return address, "" if answer.status == 200 else f"{answer.status} {(await answer.text())[:100]}"
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ApiError) as error:
            return address, str(error) or type(error).__name__


def _named(content: Mapping[str, Any], name: str, address: str) -> dict[str, Any]:
    """The same kubeconfig with our address, and a name that tells clusters apart where k3s calls everything default."""
    cluster = {**content["clusters"][0]["cluster"], "server": address}
    user = content["users"][0]["user"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "preferences": {},
    }
