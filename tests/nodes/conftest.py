"""A cluster without controllers: the embedded server and the virtual kubelets, one for all tests of this folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from small_cluster import Cluster

from pytest_daemonset.keeper import Keeper
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.kube.resources import NAMESPACES, NODES, PODS
from pytest_daemonset.nodes import Baseline, NodePool, Nodes, VirtualNodes
from pytest_daemonset.observe.portal import Portal
from pytest_daemonset.observe.scope import Scope
from pytest_daemonset.processes import JsonLine, Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    portal = Portal()
    portal.start()
    with Keeper(folder / "home") as keeper:
        server = Process(
            [sys.executable, "-m", "pytest_daemonset.embedded", "--dir", str(folder)],
            keeper=keeper, name="embedded server", log=folder / "server.log",
        )  # fmt: skip
        kubeconfig = folder / "admin.kubeconfig"
        kubelets = Process(
            [sys.executable, "-m", "pytest_daemonset.kubelets", "--kubeconfig", str(kubeconfig)],
            keeper=keeper, name="kubelets", log=folder / "kubelets.log",
        )  # fmt: skip
        try:
            portal.call(lambda: server.start(JsonLine()))
            portal.call(lambda: kubelets.start(JsonLine()))
            client = Client(Kubeconfig.load(kubeconfig))
            portal.call(lambda: client.get(NAMESPACES, "default"))
            yield Cluster(portal, client, NodePool(client, VirtualNodes(client, kubelets)))
            portal.call(client.close)
        finally:
            portal.call(kubelets.stop)
            portal.call(server.stop)
            portal.stop()


@pytest.fixture
def scope(cluster: Cluster) -> Iterator[Scope]:
    one = Scope(cluster.portal)
    yield one
    one.close()


@pytest.fixture
def nodes(cluster: Cluster, scope: Scope) -> Iterator[Nodes]:
    baseline = cluster.portal.call(lambda: Baseline.take(cluster.pool))
    yield Nodes(cluster.pool, scope)
    cluster.portal.call(baseline.restore)
    assert cluster.pool.names() == []
    assert cluster.portal.call(lambda: cluster.client.list(NODES))["items"] == []
    assert cluster.portal.call(lambda: cluster.client.list(PODS))["items"] == []
