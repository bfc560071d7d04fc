"""``serve``: a cluster in the foreground, to try things by hand."""

from __future__ import annotations

import signal
import sys
import threading

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.running import Running


def serve(cluster: str, nodes: int, controller: str) -> int:
    """Start a cluster and its controller, say how to reach it, and keep it until Ctrl-C or SIGTERM.

    Raises:
        UsageError: an option that cannot be.
        ClusterError: something does not start.
    """
    config, controller_config = ClusterConfig(kind=cluster, nodes=nodes), ControllerConfig(controller)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with Running(config, controller_config) as running:
        print(
            f"{running.cluster.name} cluster, Kubernetes {running.cluster.version}, {nodes} nodes, controller {controller}"
        )
        print(f"export KUBECONFIG={running.cluster.kubeconfig}", flush=True)
        print("Ctrl-C ends it and removes all of it", file=sys.stderr, flush=True)
        over.wait()
    return 0
