"""How long server and two agents take, against the bare server container's own time in the same run; the target is 1.3 times.

``python benchmarks/k3s_start.py [IMAGE] [--unprivileged]``; needs a Docker daemon.
"""

from __future__ import annotations

import asyncio
import sys
import time

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.clusters.k3s import server
from pytest_daemonset.clusters.k3s.cluster import K3sCluster
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.engine.engine import Engine
from pytest_daemonset.keeper import Keeper

ROUNDS = 3


async def bare(settings: K3sConfig, keeper: Keeper) -> float:
    """Seconds from `docker create` to an answer of /readyz, with nothing beside the server."""
    engine = await Engine.connect(keeper, f"pytest-daemonset-bare-{time.time_ns():x}")
    name = f"{engine.group}-server"
    try:
        await engine.ensure_image(settings.full_image)
        began = time.monotonic()
        await engine.make_network(engine.group)
        await engine.make(server.container(name, engine.group, "token", settings, {}, engine.host, builtin=True))
        await engine.start(name)
        await server.reach(engine, name, engine.group, settings.timeout)
        return time.monotonic() - began
    finally:
        await engine.close()


async def whole(settings: K3sConfig, keeper: Keeper) -> float:
    """Seconds until the server and two agents are ready."""
    began = time.monotonic()
    cluster = await K3sCluster.start(ClusterConfig(kind="k3s", nodes=2, k3s=settings), keeper, builtin=True)
    took = time.monotonic() - began
    await cluster.stop()
    return took


def main() -> None:
    """Alternate both, so that what else the machine does hits both."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    settings = K3sConfig(image=words[0] if words else "", privileged="--unprivileged" not in sys.argv)
    with Keeper() as keeper:
        rows = [(asyncio.run(bare(settings, keeper)), asyncio.run(whole(settings, keeper))) for _ in range(ROUNDS)]
    for one, two in rows:
        print(
            f"{settings.full_image}: bare server {one:.1f} s, server and two agents {two:.1f} s, {two / one:.2f} times"
        )


if __name__ == "__main__":
    main()
