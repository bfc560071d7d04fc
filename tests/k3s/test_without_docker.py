"""What of k3s can be shown without Docker: settings, what an agent's log means, freshness, the tiny image, the keeper's HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import os
import platform
import signal
import socket
import socketserver
import subprocess
import tarfile
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from pytest_daemonset import keeper_docker
from pytest_daemonset.clusters.doctor import doctor
from pytest_daemonset.clusters.k3s import server
from pytest_daemonset.clusters.k3s.capacity import cap
from pytest_daemonset.clusters.k3s.doctor import cgroups
from pytest_daemonset.clusters.k3s.settings import DEFAULT_VERSION, K3sConfig
from pytest_daemonset.engine import tiny_image
from pytest_daemonset.engine.engine import without_help
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.keeper import Entry, Keeper, KeeperError
from pytest_daemonset.nodes import NodeSpec, Taint, agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.engine.engine import Engine

REJECTED = 'level=error msg="Node password rejected, duplicate hostname or contents of /etc/rancher/node/password"'


# Settings


@pytest.mark.parametrize(
    ("settings", "image"),
    [
        ({}, f"docker.io/rancher/k3s:{DEFAULT_VERSION.replace('+', '-')}"),
        ({"version": "v1.33.5+k3s1"}, "docker.io/rancher/k3s:v1.33.5-k3s1"),
        ({"image": "mirror.example:5000/k3s", "version": "v1.33.5+k3s1"}, "mirror.example:5000/k3s:v1.33.5-k3s1"),
        ({"image": "mirror.example:5000/k3s:mine"}, "mirror.example:5000/k3s:mine"),
    ],
)
def test_the_image_is_pinned(settings: dict[str, str], image: str) -> None:
    assert K3sConfig(**settings).full_image == image


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"version": "latest"}, "no version of k3s"),
        ({"image": "k3s:mine", "version": "v1.33.5+k3s1"}, "has a tag already"),
        ({"image": "two words"}, "cannot be the name"),
        ({"images": ("nowhere.tar",)}, "no image tar"),
        ({"timeout": 0}, "more than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        K3sConfig(**settings)


def test_the_server_is_lean_and_its_daemonset_loop_is_on_only_where_it_is_judged() -> None:
    lean = server.config(K3sConfig(), "127.0.0.1", builtin=True)
    assert set(lean["disable"]) == {"traefik", "servicelb", "metrics-server", "local-storage", "coredns"}
    assert lean["disable-agent"] is True
    assert not [row for row in lean["kube-controller-manager-arg"] if row.startswith("controllers=")]
    off = server.config(K3sConfig(), "127.0.0.1", builtin=False)
    assert "controllers=*,tokencleaner,-daemonset" in off["kube-controller-manager-arg"]


def test_under_the_fast_setting_a_node_that_lives_is_not_taken_for_lost() -> None:
    fast = K3sConfig(fast_not_ready=True)
    rows = dict(row.partition("=")[::2] for row in server.config(fast, "", builtin=True)["kube-controller-manager-arg"])
    lease = json.loads(server.kubelet_config())["nodeLeaseDurationSeconds"]
    assert 3 * lease / 4 < float(rows["node-monitor-grace-period"].removesuffix("s"))  # renewed after a quarter


def test_settings_of_the_user_are_added_to_lists_and_win_elsewhere() -> None:
    more = {"disable": ["runtimes"], "flannel-backend": "vxlan"}
    merged = server.config(K3sConfig(server=more), "127.0.0.1", builtin=True)
    assert merged["disable"][-1] == "runtimes"
    assert merged["flannel-backend"] == "vxlan"


def test_the_cap_is_the_users_or_goes_by_the_machine() -> None:
    assert cap("3")[0] == 3
    assert cap("")[0] >= 1
    with pytest.raises(UsageError, match="above 0"):
        cap("none")


# Agents


def test_an_agent_gets_by_flag_what_a_kubelet_may_say_of_itself() -> None:
    spec = NodeSpec(
        "a",
        labels={"zone": "b", "topology.kubernetes.io/zone": "c", "node.kubernetes.io/x": "y"},
        taints=(Taint("k", "NoSchedule"),),
    )
    found = agent.config(spec, "https://server:6443", {"v": "2"}, {"kubelet-arg": ["x=y"]})
    assert found["node-label"] == ["zone=b", "node.kubernetes.io/x=y"]
    assert found["node-taint"] == ["k:NoSchedule"]
    assert found["kubelet-arg"] == ["v=2", "x=y"]


def test_sandboxes_are_made_of_the_image_that_every_node_has_so_that_none_is_pulled() -> None:
    assert agent.config(NodeSpec("a"), "https://server:6443", {}, {})["pause-image"] == tiny_image.NAME
    assert agent.config(NodeSpec("a"), "https://server:6443", {}, {"pause-image": "own"})["pause-image"] == "own"
    assert server.config(K3sConfig(server_node=True), "127.0.0.1", builtin=True)["pause-image"] == tiny_image.NAME


def test_settings_of_one_node_are_added_to_those_of_all_and_win_elsewhere() -> None:
    spec = NodeSpec("a", settings={"kubelet-arg": ["max-pods=20"], "snapshotter": "native"})
    every = {"kubelet-arg": ["x=y"], "snapshotter": "fuse-overlayfs"}
    agent.check(spec, "amd64")
    found = agent.config(spec, "https://server:6443", {"v": "2"}, every)
    assert found["kubelet-arg"] == ["v=2", "x=y", "max-pods=20"]
    assert found["snapshotter"] == "native"
    other = agent.config(NodeSpec("b"), "https://server:6443", {"v": "2"}, every)
    assert (other["kubelet-arg"], other["snapshotter"]) == (["v=2", "x=y"], "fuse-overlayfs")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"--kubelet-arg": ["v=2"]}, "names of k3s's flags"),
        ({"node-name": "b"}, "use name="),
        ({"token": "x"}, "the cluster's"),
        ({"kubelet-arg": {"v": "2"}}, "or a list, not"),
        ({"kubelet-arg": [None]}, "or a list, not"),
    ],
)
def test_settings_of_one_node_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        agent.check(NodeSpec("a", settings=settings), "amd64")


@pytest.mark.parametrize(
    ("line", "times", "meaning"),
    [
        (REJECTED, 2, "a.node-password.k3s"),
        ('msg="Failed to configure agent: https://server:6443/v1-k3s/config: 401 Unauthorized"', 2, "token"),
        ('msg="\\"overlayfs\\" snapshotter cannot be enabled: operation not permitted"', 2, "privileged"),
        ("write /var/lib/x: no space left on device", 3, "disk is full"),
        ('msg="failed to get CA certs: connection refused"', 15, "cannot reach the server"),
        ('level=fatal msg="--token is required"', 1, "gave up"),
    ],
)
def test_a_log_that_loops_says_what_is_wrong_once_it_is_sure(line: str, times: int, meaning: str) -> None:
    diagnosis = agent.Diagnosis("a")
    assert [diagnosis.read(line) for _ in range(times - 1)] == [""] * (times - 1)
    assert meaning in diagnosis.read(line)


def test_a_server_that_still_starts_is_nothing_wrong() -> None:
    diagnosis = agent.Diagnosis("a")
    assert not any(diagnosis.read("https://server:6443/v1-k3s/config: 503 Service Unavailable") for _ in range(50))


def test_a_ready_node_proves_nothing_without_a_fresh_lease() -> None:
    started = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)

    def lease(seconds: float) -> dict[str, Any]:
        when = started + timedelta(seconds=seconds)
        return {"spec": {"renewTime": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}

    assert not agent.is_fresh(None, "", started)
    assert not agent.is_fresh(lease(-1), "", started), "of the container that is gone"
    assert agent.is_fresh(lease(1), "", started)
    assert not agent.is_fresh(lease(1), lease(1)["spec"]["renewTime"], None), "not renewed since"
    assert agent.is_fresh(lease(2), lease(1)["spec"]["renewTime"], None)


def test_times_of_docker_and_of_the_api_are_read_alike() -> None:
    assert agent.moment("2026-11-23T11:05:12.512058364Z") == agent.moment("2026-11-23T11:05:12.512058Z")
    assert agent.moment("2026-11-23T11:05:12Z") < agent.moment("2026-11-23T11:05:12.1Z")


def seen(ready: str, *effects: str, zone: str = "") -> dict[str, Any]:
    taints = [{"key": agent.UNREACHABLE, "effect": effect} for effect in effects]
    conditions = [{"type": "Ready", "status": ready}]
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return {"metadata": {"labels": labels}, "spec": {"taints": taints}, "status": {"conditions": conditions}}


def test_a_node_is_lost_only_when_both_taints_are_there() -> None:
    half, whole = seen("Unknown", "NoSchedule"), seen("Unknown", "NoSchedule", "NoExecute")
    assert not agent.is_lost(half, [half, seen("True")])
    assert agent.is_lost(whole, [whole, seen("True")])
    assert not agent.is_lost(None, [])


def test_the_second_taint_is_not_waited_for_where_the_lifecycle_loop_holds_it_back() -> None:
    half = seen("Unknown", "NoSchedule", zone="a")
    assert agent.is_lost(half, [half, seen("Unknown", zone="b")])
    assert not agent.is_lost(seen("Unknown"), [seen("Unknown")])
    ready = [seen("True", zone="a")] * 2
    assert agent.is_lost(half, [half, half, half, *ready])
    assert not agent.is_lost(half, [half, half, *ready])
    assert not agent.is_lost(half, [half, half, half, *ready, seen("True", zone="a")])


# The tiny image


def test_the_tiny_image_is_one_that_docker_load_takes() -> None:
    with tarfile.open(fileobj=io.BytesIO(tiny_image.image_tar(("a:1", "b:2"), "amd64"))) as archive:
        (row,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        assert row["RepoTags"] == ["a:1", "b:2"]
        assert set(archive.getnames()) == {"manifest.json", row["Config"], *row["Layers"]}
        assert json.load(archive.extractfile(row["Config"]))["architecture"] == "amd64"  # type: ignore[arg-type]


def test_the_same_names_make_the_same_bytes() -> None:
    assert tiny_image.image_tar(arch="arm64") == tiny_image.image_tar(arch="arm64")


@pytest.mark.skipif(platform.system() != "Linux", reason="an ELF program needs Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_its_program_waits_and_ends_with_0_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "tiny"
    program.write_bytes(tiny_image.program(tiny_image.architecture()))
    program.chmod(0o755)
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])  # inherited: it must not die before its first instruction
    try:
        popen = subprocess.Popen([program])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(popen.pid, number)
    assert popen.wait(timeout=10) == 0


def test_a_machine_for_which_there_is_no_program_is_told() -> None:
    with pytest.raises(UsageError, match="riscv64"):
        tiny_image.architecture("riscv64")


# The keeper


class Daemon:
    """A daemon that knows some names; creations may show late."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self.there: dict[str, dict[str, str]] = {}
        self.deleted: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

            def do_DELETE(self) -> None:
                kind, _, name = self.path.partition("?")[0].lstrip("/").partition("/")
                found = outer.there.pop(f"{kind}/{name}", None)
                if found is not None:
                    outer.deleted.append(f"{kind}/{name}")
                self._say(404 if found is None else 204, b"")

            def do_GET(self) -> None:
                kind = self.path.partition("?")[0].strip("/").partition("/")[0]
                rows = [
                    {"Name": key.partition("/")[2], "Labels": labels}
                    for key, labels in outer.there.items()
                    if key.startswith(kind)
                ]
                self._say(200, json.dumps({"Volumes": rows} if kind == "volumes" else rows).encode())

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(str(path), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def daemon(for_sockets: Path) -> Iterator[Daemon]:
    one = Daemon(for_sockets / "docker.sock")
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_what_was_told_is_removed_containers_before_their_network(daemon: Daemon, tmp_path: Path) -> None:
    with Keeper(tmp_path / "home") as keeper:
        for kind, name in (
            ("network", "pytest-daemonset-n"),
            ("container", "pytest-daemonset-c"),
            ("volume", "pytest-daemonset-v"),
        ):
            keeper.started(kind, name, engine=daemon.address)
            daemon.there[f"{kind}s/{name}"] = {}
            keeper.learned(kind, name, made=True)
    assert daemon.deleted == [
        "volumes/pytest-daemonset-v",
        "containers/pytest-daemonset-c",
        "networks/pytest-daemonset-n",
    ]


def test_a_creation_under_way_is_waited_for(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Entry("container", "pytest-daemonset-late", {"engine": daemon.address})
    real = keeper_docker.ask

    def ask(address: str, method: str, path: str) -> tuple[int, Any]:
        answer = real(address, method, path)
        if not daemon.deleted:  # it shows only after somebody has asked for it once
            daemon.there["containers/pytest-daemonset-late"] = {}
        return answer

    monkeypatch.setattr(keeper_docker, "ask", ask)
    assert keeper_docker.remove("container", [told], lambda _: None) == []
    assert daemon.deleted == ["containers/pytest-daemonset-late"]


def test_a_name_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    with Keeper(tmp_path / "home") as keeper:
        with pytest.raises(KeeperError, match="whose name begins with"):
            keeper.started("container", "production", engine="unix:///x")
        with pytest.raises(KeeperError, match="told with its engine"):
            keeper.started("container", "pytest-daemonset-c")


def test_a_sweep_takes_only_what_a_dead_keeper_of_this_machine_left(daemon: Daemon) -> None:
    ours = keeper_docker.owner_labels(os.getpid())
    dead = {**ours, keeper_docker.STARTED: "1"}
    daemon.there = {
        "networks/pytest-daemonset-living": ours,
        "networks/pytest-daemonset-dead": dead,
        "networks/pytest-daemonset-booted": {**ours, keeper_docker.BOOT: "another"},
        "networks/pytest-daemonset-kept": {**dead, keeper_docker.KEEP: "true"},
        "networks/pytest-daemonset-elsewhere": {**dead, keeper_docker.MACHINE: "another"},
        "networks/pytest-daemonset-inside": {**dead, keeper_docker.PIDS: "pid:[1]"},
        "networks/production": dead,
    }
    assert keeper_docker.sweep(daemon.address, lambda _: None) == []
    assert daemon.deleted == ["networks/pytest-daemonset-dead", "networks/pytest-daemonset-booted"]


def test_a_daemon_that_is_gone_is_told() -> None:
    told = Entry("container", "pytest-daemonset-c", {"engine": "unix:///nowhere/docker.sock", "made": True})
    (problem,) = keeper_docker.remove("container", [told], lambda _: None)
    assert "does not answer" in problem


def test_the_doctor_says_that_docker_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    out = io.StringIO()
    assert doctor(out, "k3s") == 1
    assert "no Docker daemon answers" in out.getvalue()
    assert "apt install docker.io" in out.getvalue()


def test_the_doctor_does_not_wait_for_a_docker_that_hangs(monkeypatch: pytest.MonkeyPatch, for_sockets: Path) -> None:
    monkeypatch.setattr("pytest_daemonset.clusters.k3s.doctor._PATIENCE", 0.2)
    with socket.socket(socket.AF_UNIX) as hangs:
        hangs.bind(str(for_sockets / "docker.sock"))
        hangs.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{for_sockets}/docker.sock")
        out = io.StringIO()
        assert doctor(out, "k3s") == 1
    assert "no Docker daemon answers" in out.getvalue()
    assert "timed out" in out.getvalue()


ALL = {"CgroupVersion": "2", "CpuCfsQuota": True, "CPUSet": True, "MemoryLimit": True, "PidsLimit": True}


@pytest.mark.parametrize(
    ("said", "image", "fine", "words"),
    [
        (ALL, "k3s:v1.36.4-k3s1", True, "cgroups v2"),
        ({**ALL, "CgroupVersion": "1"}, "k3s:v1.34.9-k3s1", True, "cgroups v1"),
        ({**ALL, "CgroupVersion": "1"}, "k3s:v1.35.8-k3s1", False, "kubelets refuse from Kubernetes 1.35 on"),
        ({**ALL, "CgroupVersion": "1"}, "k3s:mine", True, "cgroups v1"),
        ({**ALL, "MemoryLimit": False, "PidsLimit": False}, "k3s:mine", False, "without memory, pids"),
        ({**ALL, "SecurityOptions": ["name=rootless"]}, "k3s:mine", False, "rootless"),
    ],
)
def test_the_doctor_tells_what_kubelets_will_think_of_the_control_groups(
    said: dict[str, Any], image: str, fine: bool, words: str
) -> None:
    finding = cgroups(said, image)
    assert (finding.fine, bool(finding.remedy)) == (fine, not fine)
    assert words in finding.text


def test_the_public_workflow_runs_the_pinned_version_among_four_minors() -> None:
    workflow = yaml.safe_load((Path(__file__).parents[2] / ".github" / "workflows" / "ci.yml").read_text())
    versions = workflow["jobs"]["k3s"]["strategy"]["matrix"]["version"]
    assert DEFAULT_VERSION in versions
    assert len({one.split(".")[1] for one in versions}) == 4


FULL = 'level=error msg="failed to ping connection: database or disk is full"'


class Told:
    """What of an engine `outlived` uses; its container says these lines, then ends if None is the last."""

    def __init__(self, *lines: str | None) -> None:
        self.lines = lines
        self.closed = False

    def follow(self, _name: str, _since: Any, hear: Any) -> Told:
        for line in self.lines:
            hear(line)
        return self

    async def close(self) -> None:
        self.closed = True

    async def inspect(self, _name: str) -> dict[str, Any]:
        return {"State": {"ExitCode": 1}}

    async def tail(self, _name: str) -> str:
        return "    the end"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([FULL, FULL, FULL], "the k3s server has no space left on its disk; its last lines:\n    the end"),
        (["up", None], "the k3s server ended with 1; its last lines:\n    the end"),
    ],
)
def test_nobody_waits_for_a_server_that_has_ended_or_can_write_no_more(lines: list[str | None], words: str) -> None:
    engine = Told(*lines)
    with pytest.raises(ClusterError, match=words):
        asyncio.run(server.outlived(cast("Engine", engine), "server", asyncio.Event().wait()))
    assert engine.closed


def test_a_server_that_goes_on_is_none_of_anybodys_business() -> None:
    engine = Told("up", FULL)
    asyncio.run(server.outlived(cast("Engine", engine), "server", asyncio.sleep(0)))
    assert engine.closed


def test_the_last_lines_are_not_those_of_a_help() -> None:
    said = [
        "E1126 Failed to parse kubelet flag: invalid taint effect: Never",
        "Usage:",
        "  kubelet [flags]",
        "",
        "Generic flags:",
    ]
    flags = [
        "  -v, --v Level           number for the log level",
        "      --version version   Print",
        " " * 30 + "Preferred values: x",
    ]
    assert without_help([*said, *flags, "level=info done"]) == [said[0], said[2], "level=info done"]
