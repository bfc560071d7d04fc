"""How long the verbs on nodes in containers take, each against the start of the cluster in the same run.

``python benchmarks/k3s_nodes.py [IMAGE] [--unprivileged] [--fast]``; needs a Docker daemon. ``--fast``: with fast_not_ready.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.clusters.k3s.cluster import K3sCluster
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.keeper import Keeper
from pytest_daemonset.nodes.spec import NodeSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def verbs(settings: K3sConfig, keeper: Keeper) -> dict[str, float]:
    """Seconds of the start, and of each verb on one node that came last."""
    took: dict[str, float] = {}

    async def timed(what: str, work: Awaitable[object]) -> None:
        began = time.monotonic()
        await work
        took[what] = time.monotonic() - began

    began = time.monotonic()
    cluster = await K3sCluster.start(ClusterConfig(kind="k3s", nodes=2, k3s=settings), keeper, builtin=True)
    took["start"] = time.monotonic() - began
    try:
        pool = cluster.nodes
        spec = NodeSpec(pool.new_name())
        pool.plan_join([spec])
        await timed("join", pool.join([spec]))
        for verb in ("leave", "rejoin", "pause", "resume", "partition", "heal", "crash", "restart", "leave"):
            pool.plan(verb, [spec.name])
            await timed(verb, pool.act(verb, [spec.name]))
        pool.plan("rejoin", [spec.name])
        await timed("rejoin, same identity", pool.act("rejoin", [spec.name], same_identity=True))
    finally:
        await cluster.stop()
    return took


def main() -> None:
    """Time them and print."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    settings = K3sConfig(
        image=words[0] if words else "",
        privileged="--unprivileged" not in sys.argv,
        fast_not_ready="--fast" in sys.argv,
    )
    with Keeper() as keeper:
        took = asyncio.run(verbs(settings, keeper))
    for what, seconds in took.items():
        print(f"{settings.full_image}: {what} {seconds:.1f} s, {seconds / took['start']:.2f} times the start")


if __name__ == "__main__":
    main()
