"""Images without a registry: what lies in a node's containers after images were loaded, and which pods start."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import docker_here
import pytest
from agent_manifest import AGENT

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.clusters.k3s.cluster import REGISTRIES, K3sCluster
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.engine.tiny_image import image_tar
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.resources import PODS
from pytest_daemonset.kube.until import until
from pytest_daemonset.running import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_daemonset.nodes import Nodes

pytestmark = pytest.mark.docker


@pytest.fixture
def local(tmp_path: Path, image: str) -> Iterator[Callable[[str], str]]:
    """Puts an image of some name onto the Docker daemon."""
    names = []

    def put(name: str) -> str:
        tar = tmp_path / "image.tar"
        tar.write_bytes(image_tar((name,)))
        docker_here.docker("load", "-i", str(tar))
        names.append(name)
        return name

    yield put
    for name in names:  # all are names of one image: what is asked for is what nodes know it by
        docker_here.docker("rmi", name)


def cluster_of(running: Running) -> K3sCluster:
    assert isinstance(running.cluster, K3sCluster)
    return running.cluster


def load(running: Running, *names: str) -> None:
    running.portal.call(lambda: cluster_of(running).load_images(names))


def inside(running: Running, node: object, *words: str) -> str:
    return docker_here.docker("exec", f"{cluster_of(running)._engine.group}-{node}", *words)


def imported(running: Running, node: object) -> list[str]:
    return inside(running, node, "ctr", "-n", "k8s.io", "images", "ls", "-q").split()


def bind(running: Running, name: str, node: object, image: str) -> None:
    body = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": str(node), "containers": [{"name": "main", "image": image}]},
    }
    running.portal.call(lambda: running.cluster.client.create(PODS, body, "default"))


def becomes(running: Running, name: str, good: Callable[[dict[str, Any]], bool]) -> bool:
    def there(seen: Any) -> bool:
        return name in seen["Pod"] and good(seen["Pod"][name].get("status") or {})

    return running.portal.call(lambda: until(running.cluster.client, [(PODS, "default")], there, 60))


def runs(running: Running, name: str) -> bool:
    return becomes(running, name, lambda status: status.get("phase") == "Running")


def cannot_pull(status: dict[str, Any]) -> bool:
    rows = status.get("containerStatuses") or []
    return any((row["state"].get("waiting") or {}).get("reason") == "ErrImagePull" for row in rows)


def test_an_image_is_loaded_into_running_nodes_and_the_pod_that_waits_for_it_starts(
    running: Running, nodes: Nodes, local: Callable[[str], str]
) -> None:
    name = local("pytest-daemonset.invalid/waited-for:1")
    bind(running, "waits", nodes[0], name)
    assert becomes(running, "waits", cannot_pull)
    assert name not in imported(running, nodes[0])
    load(running, name)
    assert [name in imported(running, node) for node in nodes] == [True, True]
    assert runs(running, "waits")


def test_all_nodes_are_loaded_at_once(
    running: Running, nodes: Nodes, local: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, begun, all_begun = cluster_of(running)._engine, set(), asyncio.Event()
    real = engine.run

    async def meet(name: str, command: Any) -> tuple[int, str]:
        begun.add(name)
        if len(begun) == len(nodes):
            all_begun.set()
        await asyncio.wait_for(all_begun.wait(), 60)
        return await real(name, command)

    monkeypatch.setattr(engine, "run", meet)
    load(running, local("pytest-daemonset.invalid/at-once:1"))
    assert begun == {f"{engine.group}-{node}" for node in nodes}


def test_a_node_that_joins_later_has_what_was_loaded_before(
    running: Running, nodes: Nodes, local: Callable[[str], str]
) -> None:
    name = local("pytest-daemonset.invalid/before:1")
    load(running, name)
    late = nodes.join().wait()
    assert name in imported(running, late)
    bind(running, "late", late, name)
    assert runs(running, "late")
    late.leave().wait()
    late.rejoin().wait()
    assert name in imported(running, late)


def test_a_node_that_was_frozen_or_down_has_the_image_when_it_is_back(
    running: Running, nodes: Nodes, local: Callable[[str], str]
) -> None:
    frozen, down = nodes
    frozen.pause().wait()
    down.crash().wait()
    name = local("pytest-daemonset.invalid/missed:1")
    load(running, name)
    frozen.resume().wait()
    down.restart().wait()
    assert [name in imported(running, node) for node in nodes] == [True, True]


def test_what_is_no_image_is_told_with_its_node(running: Running, nodes: Nodes) -> None:
    with pytest.raises(UsageError, match="build or pull it before"):
        load(running, "pytest-daemonset.invalid/nowhere:1")


def test_a_tar_that_one_node_refuses_is_taken_back_from_all_and_forgotten(
    running: Running, nodes: Nodes, tmp_path: Path
) -> None:
    frozen, whole = nodes
    frozen.pause().wait()
    broken = tmp_path / "broken.tar"
    broken.write_bytes(b"no tar")
    with pytest.raises(ClusterError, match=rf"node {whole} does not take image .*broken-tar-\w+\.tar: ctr "):
        load(running, str(broken))
    frozen.resume().wait()
    late = nodes.join().wait()  # which would be given it if it were still on the list
    for node in (frozen, whole, late):
        assert "broken" not in inside(running, node, "ls", "/var/lib/rancher/k3s/agent/images")


def test_tars_and_a_registries_yaml_lie_in_every_node_before_it_starts(
    image: str, tmp_path: Path, local: Callable[[str], str]
) -> None:
    plain, packed, short = tmp_path / "plain.tar", tmp_path / "packed.tar.gz", tmp_path / "short.tgz"
    plain.write_bytes(image_tar(("plain.invalid/a:1",)))
    packed.write_bytes(gzip.compress(image_tar(("packed.invalid/a:1",))))
    short.write_bytes(gzip.compress(image_tar(("short.invalid/a:1",))))
    registries = tmp_path / "registries.yaml"
    registries.write_text("mirrors:\n  docker.io:\n    endpoint: [https://mirror.invalid]\n")
    named = local("pytest-daemonset.invalid/by-name:1")
    later = local("pytest-daemonset.invalid/later:1")
    k3s = K3sConfig(
        image=image,
        privileged=False,
        server_node=True,
        images=(str(plain), str(packed), str(short), named),
        tiny_images=("tiny.invalid/a:1",),
        registries=registries,
    )
    wanted = {f"{one}.invalid/a:1" for one in ("plain", "packed", "short", "tiny")} | {named}
    with Running(ClusterConfig(kind="k3s", nodes=2, k3s=k3s), ControllerConfig()) as running:
        everywhere = ("server", "node-1", "node-2")
        for node in everywhere:
            assert wanted <= set(imported(running, node))
            assert inside(running, node, "cat", REGISTRIES) == registries.read_text()
        load(running, later)
        assert all(later in imported(running, node) for node in everywhere)


LOADING = """
import asyncio
import pytest
from pytest_daemonset import UsageError, ready

def test_plain(daemonsets, nodes, cluster):
    cluster.load_images("IMAGE", "more.tar").wait()
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    late = nodes.join().wait()
    agent.eventually(ready).wait()

def test_async(cluster):
    async def load():
        await cluster.load_images("more.tar")
    asyncio.run(load())

def test_none(cluster):
    with pytest.raises(UsageError, match="expected names of images, or paths of tars"):
        cluster.load_images()
"""
NOWHERE = """
def test_nowhere(cluster):
    with pytest.raises(UsageError, match="nowhere.tar: cannot be read: No such file"):
        cluster.load_images("nowhere.tar").wait()
    with pytest.raises(UsageError, match="build or pull it before"):
        cluster.load_images("pytest-daemonset.invalid/nowhere:1").wait()
"""


def test_a_test_loads_images_by_name_and_by_tar_and_runs_on_virtual_nodes_too(
    image: str, pytester: pytest.Pytester, local: Callable[[str], str]
) -> None:
    name = local("pytest-daemonset.invalid/mine:1")
    (pytester.path / "more.tar").write_bytes(image_tar(("pytest-daemonset.invalid/more:1",)))
    both = AGENT.replace('"agent:1"}', f'"{name}"}}\n      - {{name: more, image: "pytest-daemonset.invalid/more:1"}}')
    pytester.makefile(".yaml", agent=both)
    text = LOADING.replace("IMAGE", name)
    pytester.makepyfile(text)
    pytester.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=3)
    pytester.makepyfile(text + NOWHERE)
    words = ["--daemonset-cluster=k3s", f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no"]
    pytester.runpytest_subprocess("-p", "no:asyncio", *words, "--daemonset-nodes=1").assert_outcomes(passed=4)


def test_a_red_test_names_the_image_that_does_not_come_and_its_node(image: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        from pytest_daemonset import ready
        from pytest_daemonset.kube.client import Client
        from pytest_daemonset.kube.config import Kubeconfig
        from pytest_daemonset.kube.resources import PODS
        from pytest_daemonset.kube.until import until

        def waits(seen):
            rows = [row for pod in seen["Pod"].values() for row in pod["status"].get("containerStatuses") or ()]
            return any("waiting" in row["state"] for row in rows)

        async def is_seen_to_wait(kubeconfig, namespace):
            async with Client(Kubeconfig.load(kubeconfig), user_agent="test") as client:
                return await until(client, [(PODS, namespace)], waits, 60)

        def test_it(daemonsets, cluster):
            labels = {"app": "agent"}
            containers = [{"name": "main", "image": "nowhere.invalid/agent:1"}]
            template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
            spec = {"selector": {"matchLabels": labels}, "template": template}
            manifest = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec}
            agent = daemonsets.apply(manifest).wait()
            assert asyncio.run(is_seen_to_wait(cluster.kubeconfig, agent.namespace))
            agent.eventually(ready, within=0.1).wait()
        """
    )
    words = ["--daemonset-cluster=k3s", f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no"]
    result = pytester.runpytest_subprocess("-p", "no:asyncio", *words, "--daemonset-nodes=1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Violation: *ready did not come true*",
            "*images that do not come:*",
            "*node node-1: image nowhere.invalid/agent:1 of pod agent-*, container main: ErrImagePull since *no registry*",
        ]
    )
