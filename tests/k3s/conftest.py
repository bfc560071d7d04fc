"""A cluster of stand-in containers, one for all tests of this folder; and its nodes as a test sees them."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import docker_here
import pytest

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.nodes import Nodes
from pytest_daemonset.observe.scope import Scope
from pytest_daemonset.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterator


os.environ.setdefault(docker_here.RUN, uuid.uuid4().hex)


@pytest.fixture
def for_sockets() -> Iterator[Path]:
    """A folder with a short path, as the address of a socket has to be: a test's own may be anywhere."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def image() -> str:
    if why := docker_here.why_not():
        pytest.skip(why)
    return docker_here.standin()


@pytest.fixture(scope="session")
def running(image: str) -> Iterator[Running]:
    k3s = K3sConfig(
        image=image, privileged=False, fast_not_ready=True, env=docker_here.FAST_COLLECTION, tiny_images=("agent:1",)
    )
    with Running(ClusterConfig(kind="k3s", nodes=2, k3s=k3s), ControllerConfig()) as one:
        yield one


@pytest.fixture
def scope(running: Running) -> Iterator[Scope]:
    one = Scope(running.portal)
    yield one
    one.close()


@pytest.fixture
def nodes(running: Running, scope: Scope) -> Iterator[Nodes]:
    yield Nodes(running.cluster.nodes, scope)
    running.portal.call(running.cluster.restore)
    assert running.cluster.nodes.names() == ["node-1", "node-2"]
