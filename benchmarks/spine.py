"""From spawn to a ready API, and from apply to one pod per node, with the memory of each process."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import psutil

from pytest_daemonset import one_pod_per_node
from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.daemonsets.daemonsets import DaemonSets
from pytest_daemonset.kube.resources import NAMESPACES, PODS
from pytest_daemonset.observe.observation import Observation
from pytest_daemonset.observe.scope import Scope
from pytest_daemonset.running import Running

AGENT = Path(__file__).parent.parent / "examples" / "downstream" / "deploy" / "agent.yaml"
SIZES = (1, 100, 250, 1000)


async def bare_creates(running: Running, namespace: str, count: int) -> float:
    """Seconds that the same number of pods takes when they are merely created, with no controller."""
    client = running.cluster.client
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"bare-{number}", "namespace": namespace},
            "spec": {"schedulerName": "nobody", "containers": [{"name": "bare", "image": "bare:1"}]},
        }
        for number in range(count)
    ]
    few = asyncio.Semaphore(20)  # more connections than that would measure TLS handshakes

    async def create(pod: dict[str, object]) -> None:
        async with few:
            await client.create(PODS, pod)

    began = time.perf_counter()
    await asyncio.gather(*map(create, pods))
    return time.perf_counter() - began


def measure(nodes: int) -> None:
    """One size: start, converge, weigh."""
    began = time.perf_counter()
    with Running(ClusterConfig(nodes=nodes), ControllerConfig()) as running:
        started = time.perf_counter() - began
        portal, client, scope = running.portal, running.cluster.client, Scope(running.portal)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}}
        portal.call(lambda: client.create(NAMESPACES, body))
        bare = portal.call(lambda: bare_creates(running, "bench", nodes))

        def observe(namespace: str) -> Observation:
            return Observation(client, namespace, portal=portal, constants=running.cluster.constants)

        daemonsets = DaemonSets(client, "bench", scope, observe)
        began = time.perf_counter()
        agent = daemonsets.apply(AGENT).wait()
        agent.eventually(one_pod_per_node).wait()
        converged = time.perf_counter() - began
        sizes = {
            name: process.memory_info().rss >> 20
            for process in psutil.Process().children(recursive=True)
            for name in ("embedded", "kubelets", "reference", "keeper")
            if name in " ".join(process.cmdline())
        }
        portal.call(daemonsets.close)
    memory = ", ".join(f"{name} {size} MiB" for name, size in sorted(sizes.items()))
    print(
        f"{nodes:>5} nodes: cluster with its nodes {started:.2f} s; apply to one pod per node {converged:.2f} s, "
        f"{converged / bare:.1f} times the bare creation of as many pods ({bare:.2f} s); {memory}, "
        f"this process {psutil.Process().memory_info().rss >> 20} MiB",
        flush=True,
    )


if __name__ == "__main__":
    for size in [int(word) for word in sys.argv[1:]] or SIZES:
        measure(size)
