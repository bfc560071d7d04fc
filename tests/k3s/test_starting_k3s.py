"""Starting a k3s cluster: what it is made of, and each way in which it cannot be had is one clear error with nothing left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker_here
import pytest
from docker import APIClient
from docker.errors import APIError

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.clusters.k3s import proof, server
from pytest_daemonset.clusters.k3s.cluster import K3sCluster
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.resources import DAEMONSETS, NODES
from pytest_daemonset.nodes import Nodes, containers
from pytest_daemonset.nodes.agent import NOT_READY, is_lost
from pytest_daemonset.observe.scope import Scope
from pytest_daemonset.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker

REFERENCE = f"command: {sys.executable} -m pytest_daemonset.reference --kubeconfig {{kubeconfig}}"


@pytest.fixture
def k3s(image: str) -> Iterator[K3sConfig]:
    before = set(docker_here.ours())
    yield K3sConfig(image=image, privileged=False, timeout=60)
    assert set(docker_here.ours()) <= before, "nothing is left"


def start(k3s: K3sConfig, nodes: int = 0, controller: str = "builtin") -> Running:
    return Running(ClusterConfig(kind="k3s", nodes=nodes, k3s=k3s), ControllerConfig(controller))


def refused(k3s: K3sConfig, error: type[Exception], words: str, nodes: int = 0) -> None:
    with pytest.raises(error, match=words), start(k3s, nodes):
        pytest.fail("it started")


def test_no_report_can_mistake_the_stand_in_for_k3s(k3s: K3sConfig) -> None:
    with start(k3s, nodes=1) as running:
        assert "not k3s" in running.cluster.name
        assert running.cluster.version.endswith("stand-in")
        assert "real_kubelet" not in running.cluster.capabilities
        node = running.portal.call(lambda: running.cluster.client.get(NODES, "node-1"))
        assert node["status"]["nodeInfo"]["kubeletVersion"].endswith("stand-in")


def test_the_builtin_loop_is_off_when_another_controller_is_named_and_that_is_proven(k3s: K3sConfig) -> None:
    with start(k3s, nodes=1, controller=REFERENCE) as running:
        assert "builtin_controller" not in running.cluster.capabilities
        running.portal.call(running.controller.stop)
        running.portal.call(lambda: proof.no_daemonset_loop(running.cluster.client))


def test_a_loop_that_is_on_although_it_was_switched_off_is_told(k3s: K3sConfig) -> None:
    # The user's own setting wins by a flag of the same name.
    ours = {"kube-controller-manager-arg": ["controllers=*"]}
    with (
        pytest.raises(ClusterError, match="own DaemonSet loop still runs"),
        start(replace(k3s, server=ours), 0, REFERENCE),
    ):
        pytest.fail("it started")


def test_virtual_nodes_on_its_control_plane(k3s: K3sConfig) -> None:
    with start(replace(k3s, virtual=True, fast_not_ready=True), nodes=2) as running:
        assert {"virtual_nodes", "behave"} <= running.cluster.capabilities
        names = [
            one["metadata"]["name"] for one in running.portal.call(lambda: running.cluster.client.list(NODES))["items"]
        ]
        assert names == ["node-1", "node-2"]
        assert docker_here.docker("ps", "--filter", f"name=^/{running.cluster._engine.group}-node", "-q") == ""
        scope = Scope(running.portal)
        try:
            node, other = Nodes(running.cluster.nodes, scope)
            node.crash().wait()
            assert is_lost(node.get().wait(), [node.get().wait(), other.get().wait()])
            node.restart().wait()
            assert not node.get().wait()["spec"].get("taints")
        finally:
            scope.close()


def test_a_cluster_for_sets_that_bring_the_network(k3s: K3sConfig) -> None:
    with start(replace(k3s, network_plugin=False), nodes=1) as running:
        assert ready(running, "node-1") == "False"
        scope = Scope(running.portal)
        try:
            node = Nodes(running.cluster.nodes, scope).join(ready=False).wait()
            assert ready(running, node.name) == "False"
            assert NOT_READY in {taint["key"] for taint in node.get().wait()["spec"]["taints"]}
            before = node.uid
            node.restart().wait()
            assert ready(running, node.name) == "False"
            node.leave().wait()
            node.rejoin().wait()
            assert node.uid != before
            assert ready(running, node.name) == "False"
        finally:
            scope.close()
        running.portal.call(running.cluster.restore)
        listed = running.portal.call(lambda: running.cluster.client.list(NODES))
        assert [one["metadata"]["name"] for one in listed["items"]] == ["node-1"]


def ready(running: Running, name: str) -> str:
    node = running.portal.call(lambda: running.cluster.client.get(NODES, name))
    return next(str(row["status"]) for row in node["status"]["conditions"] if row["type"] == "Ready")


def test_an_image_that_is_nowhere(k3s: K3sConfig) -> None:
    refused(
        replace(k3s, image="pytest-daemonset.invalid/nowhere:1"), ClusterError, "cannot be pulled(?s:.*)docker pull"
    )


def test_a_side_loaded_image_that_is_nowhere(k3s: K3sConfig) -> None:
    refused(replace(k3s, images=("pytest-daemonset.invalid/nowhere:1",)), UsageError, "build or pull it before")


def test_an_agent_that_ends_at_once(k3s: K3sConfig) -> None:
    bad = {"node-label": ["node-role.kubernetes.io/x=y"]}
    refused(replace(k3s, agent=bad), ClusterError, "node-1: (?s:.*)Failed to validate kubelet flags", nodes=1)


def test_a_server_that_ends_at_once(k3s: K3sConfig) -> None:
    bad = {"kube-controller-manager-arg": ["controllers=*,-nonsense"]}
    refused(replace(k3s, server=bad), ClusterError, "server ended with 1(?s:.*)not in the list of known controllers")


def test_a_server_that_ends_while_the_rest_starts(k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def killed(cluster: K3sCluster) -> None:
        await cluster._engine.kill(cluster._server)
        await asyncio.Event().wait()

    monkeypatch.setattr(K3sCluster, "_accounts", killed)
    refused(k3s, ClusterError, "server ended with 137(?s:.*)k3s is up and running", nodes=1)


def test_a_server_that_is_never_ready(k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "KUBECONFIG", "/nowhere")
    refused(replace(k3s, timeout=2), ClusterError, "not ready within 2 s \\(it wrote no kubeconfig\\); its last lines")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"node-taint": ["dedicated=db:Never"]}, "node-1: (?s:.*)invalid taint effect: Never"),
        ({"node-label": ["zone=a b"]}, "node-1: the API server refuses its Node(?s:.*)Invalid value: .*a b"),
    ],
    ids=["a taint that the kubelet refuses", "a label that the API server refuses"],
)
def test_what_is_refused_at_registration(k3s: K3sConfig, bad: dict[str, Any], words: str) -> None:
    refused(replace(k3s, agent=bad), ClusterError, words, nodes=1)


def test_a_full_disk_of_a_server(k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    real = server.container

    def small(*args: Any, **more: Any) -> Any:
        made = real(*args, **more)
        return replace(made, tmpfs=(*made.tmpfs, "/var/lib/rancher/k3s/server:size=4k"))

    monkeypatch.setattr(server, "container", small)
    refused(k3s, ClusterError, "server ended with 1(?s:.*)No space left on device")


def test_a_full_disk_of_a_node(k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    real = containers.Container

    def small(*args: Any, **more: Any) -> Any:
        return real(
            *args, **{**more, "tmpfs": (*more["tmpfs"], "/var/lib/rancher/k3s/agent/imported:size=1k,nr_inodes=1")}
        )

    monkeypatch.setattr(containers, "Container", small)
    refused(k3s, ClusterError, "node-1: (?s:.*)No space left on device", nodes=1)


def test_a_full_disk_of_the_docker_daemon(k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "write /var/lib/docker/overlay2/x/diff: no space left on device"

    def full(*args: Any, **more: Any) -> Any:
        raise APIError("500 Server Error", explanation=said)

    monkeypatch.setattr(APIClient, "put_archive", full)
    refused(k3s, ClusterError, f"making container (?s:.*)refused: {said}\n(?s:.*)docker system df", nodes=1)


def test_a_port_that_is_taken(k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        real = server.container

        def on_that_port(*args: Any, **more: Any) -> Any:
            return replace(real(*args, **more), ports={server.PORT: port})

        monkeypatch.setattr(server, "container", on_that_port)
        refused(k3s, ClusterError, f"starting container(?s:.*)the Docker daemon refused(?s:.*){port}")


def test_a_daemon_that_is_not_there(
    k3s: K3sConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    refused(k3s, UsageError, "no Docker daemon answers(?s:.*)install and start Docker")
    pytester.makepyfile("def test_one(daemonsets): ...\ndef test_two(daemonsets): ...\n")
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--daemonset-cluster=k3s")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*no Docker daemon answers*"])


def test_no_docker_is_asked_for_by_tests_that_use_no_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    pytester.makepyfile(
        "import sys\ndef test_nothing():\n    assert not {'docker', 'testcontainers'} & set(sys.modules)\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--daemonset-cluster=k3s")
    result.assert_outcomes(passed=1)


def test_a_kept_cluster_says_how_it_is_reached_and_removed(image: str, pytester: pytest.Pytester) -> None:
    before = set(docker_here.ours())
    pytester.makepyfile("def test_it(nodes):\n    assert len(nodes) == 1\n")
    words = ["--daemonset-cluster=k3s", f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no"]
    result = pytester.runpytest_subprocess("-p", "no:asyncio", *words, "--daemonset-nodes=1", "--daemonset-keep=yes")
    told = next(line for line in result.outlines if "remove it with:" in line)
    kept = sorted(set(docker_here.ours()) - before)
    kubeconfig = next(line for line in result.outlines if "kept: KUBECONFIG=" in line).partition("KUBECONFIG=")[2]
    docker_here.shell(f"{Path(sys.executable).parent}/kubectl --kubeconfig {kubeconfig} get nodes node-1")
    assert [name for name in kept if not name.startswith("volume")]
    docker_here.shell(told.partition("remove it with:")[2])
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*kept: KUBECONFIG=*"])
    assert set(docker_here.ours()) <= before


def test_each_worker_tells_how_its_kept_cluster_is_reached_and_removed(image: str, pytester: pytest.Pytester) -> None:
    before = set(docker_here.ours())
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(nodes, n):\n    assert len(nodes) == 0\n"
    )
    words = ["--daemonset-cluster=k3s", f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no"]
    more = ["--daemonset-nodes=0", "--daemonset-k3s-clusters=2", "--daemonset-keep=yes", "-n", "2", "--dist=each"]
    result = pytester.runpytest_subprocess("-p", "no:asyncio", *words, *more)
    reached = [line.partition("KUBECONFIG=")[2] for line in result.outlines if "kept: KUBECONFIG=" in line]
    told = [line.partition("remove it with:")[2] for line in result.outlines if "remove it with:" in line]
    for line in told:
        docker_here.shell(line)
    assert (len(reached), len(set(reached)), len(told)) == (2, 2, 2)
    assert set(docker_here.ours()) <= before


def test_each_worker_has_a_cluster_and_the_cap_is_told(image: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(nodes, n):\n    assert len(nodes) == 0\n"
    )
    words = ["--daemonset-cluster=k3s", f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no"]
    result = pytester.runpytest_subprocess(
        "-p", "no:asyncio", *words, "--daemonset-nodes=0", "--daemonset-k3s-clusters=2", "-n", "3"
    )
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*3 workers were asked for, 2 run: *"])
    result.stdout.fnmatch_lines(["*2 workers*"])


def test_probes_leave_nothing(running: Running) -> None:
    listed = running.portal.call(lambda: running.cluster.client.list(DAEMONSETS))
    assert listed["items"] == []


class Way:
    """The way to the Docker daemon, which can be cut and opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sockets: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen()
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was cut
            while True:
                near, far = listening.accept()[0], socket.socket(socket.AF_UNIX)
                self._sockets += [near, far]
                far.connect("/var/run/docker.sock")
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets.clear()


def test_a_daemon_that_goes_away_in_the_middle_is_told_and_swept_once_it_is_back(
    image: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, for_sockets: Path, pytester: pytest.Pytester
) -> None:
    before = {name for name in docker_here.ours() if not name.startswith("volume")}
    way = Way(for_sockets / "docker.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{way.path}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    k3s = ["--daemonset-cluster=k3s", f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no"]
    words = ["-p", "no:asyncio", *k3s, "--daemonset-nodes=1"]
    pytester.makepyfile(
        """
        import os
        import pytest
        from pytest_daemonset.errors import ClusterError

        def test_it(nodes):
            open(os.environ["REACHED"], "w").close()  # FIFOs: each waits for the other side
            open(os.environ["CUT"]).close()
            with pytest.raises(ClusterError, match="does not answer any more"):
                nodes.join().wait()
        """
    )
    for name in ("REACHED", "CUT"):
        os.mkfifo(tmp_path / name)
        monkeypatch.setenv(name, str(tmp_path / name))
    pipes: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    popen = pytester.popen([sys.executable, "-m", "pytest", *words], **pipes)
    (tmp_path / "REACHED").open().close()
    way.cut()
    (tmp_path / "CUT").open("w").close()
    said = popen.communicate(timeout=120)[0].decode()
    assert "1 passed" in said, said
    assert "What it could not remove, the next one will try" in said, said
    left = {name for name in docker_here.ours() if not name.startswith("volume")} - before
    assert left, "nobody could remove it"
    way.open()
    pytester.makepyfile("def test_it(nodes): ...")
    assert pytester.runpytest_subprocess(*words).ret == 0
    way.cut()
    assert {name for name in docker_here.ours() if not name.startswith("volume")} == before
