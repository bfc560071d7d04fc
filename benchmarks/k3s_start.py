"""How long server and two agents take, against the bare server container's own time in the same run; the target is 1.3 times.

``python benchmarks/k3s_start.py [IMAGE] [--unprivileged] [--rounds=N]``; needs a Docker daemon. The bare server is one container with a
node of its own, as other tools start it: until that node is Ready. Beside it stands a server without one, until its API is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.clusters.k3s import server
from pytest_daemonset.clusters.k3s.cluster import K3sCluster
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.engine.engine import Engine
from pytest_daemonset.keeper import Keeper
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.resources import NODES
from pytest_daemonset.kube.until import until
from pytest_daemonset.nodes import agent


async def bare(settings: K3sConfig, keeper: Keeper) -> float:
    """Seconds from making a network to a server that is ready, and its node, if it has one; with nothing beside it."""
    engine = await Engine.connect(keeper, f"pytest-daemonset-bare-{time.time_ns():x}")
    name = f"{engine.group}-server"
    files = {server.KUBELET_CONFIG: server.kubelet_config()}
    try:
        await engine.ensure_image(settings.full_image)
        began = time.monotonic()
        await engine.make_network(engine.group)
        await engine.make(server.container(name, engine.group, "token", settings, files, engine.host, builtin=True))
        await engine.start(name)
        found, _ = await server.reach(engine, name, engine.group, settings.timeout)
        if settings.server_node:
            async with Client(found) as client:
                ready = await until(
                    client,
                    [(NODES, None)],
                    lambda seen: agent.is_ready(seen["Node"].get(server.NAME)),
                    settings.timeout,
                )
                assert ready, "the server's own node did not become Ready"
        return time.monotonic() - began
    finally:
        await engine.close()


async def whole(settings: K3sConfig, keeper: Keeper) -> tuple[float, float]:
    """Seconds until the server, and until it and two agents are ready."""
    began = time.monotonic()
    cluster = await K3sCluster.start(ClusterConfig(kind="k3s", nodes=2, k3s=settings), keeper, builtin=True)
    took = time.monotonic() - began
    await cluster.stop()
    return cluster.timings["server ready"], took


def main() -> None:
    """Alternate all, so that what else the machine does hits all of them."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    rounds = next((int(word.partition("=")[2]) for word in sys.argv if word.startswith("--rounds=")), 3)
    settings = K3sConfig(image=words[0] if words else "", privileged="--unprivileged" not in sys.argv)
    with Keeper() as keeper:
        for _ in range(rounds):
            api = asyncio.run(bare(settings, keeper))
            one = asyncio.run(bare(replace(settings, server_node=True), keeper))
            ready, all_ = asyncio.run(whole(settings, keeper))
            print(
                f"{settings.full_image}: API alone {api:.1f} s, bare server {one:.1f} s, "
                f"server and two agents {all_:.1f} s (the server {ready:.1f} s), {all_ / one:.2f} times",
                flush=True,
            )


if __name__ == "__main__":
    main()
