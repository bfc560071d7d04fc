"""The program: what it writes, what it says when it is ready, and its three ways to end."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.embedded import eventloop
from pytest_daemonset.embedded.settings import Identity, identity, parse

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60  # seconds; bounds a hang, measures nothing


def _start(directory: Path, *arguments: str, stdin=subprocess.PIPE) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest_daemonset.embedded", "--dir", str(directory), *arguments]
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ready(process: subprocess.Popen[str]) -> dict:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate(timeout=PATIENCE)[1]
    return json.loads(line)


def _ask(directory: Path, name: str, path: str) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
    config = json.loads((directory / f"{name}.kubeconfig").read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    connection = http.client.HTTPSConnection(
        cluster["server"].removeprefix("https://"), context=trusted, timeout=PATIENCE
    )
    connection.request("GET", path, headers={"Authorization": f"Bearer {user['token']}"})
    return connection, connection.getresponse()


def _get(directory: Path, name: str, path: str) -> dict:
    connection, answer = _ask(directory, name, path)
    with contextlib.closing(connection), answer:
        assert answer.status == 200
        return json.loads(answer.read())


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_name(request):
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="the extra `fast` is not installed")
    return request.param


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "end of file"])
def test_it_serves_what_its_kubeconfig_says_and_ends_when_told(tmp_path, way, event_loop_name):
    with _start(tmp_path, "--event-loop", event_loop_name) as process:
        ready = _ready(process)
        assert ready == {
            "ready": True,
            "server": ready["server"],
            "pid": process.pid,
            "event_loop": event_loop_name,
        }
        listed = _get(tmp_path, "admin", "/api/v1/namespaces")
        assert "kube-system" in [item["metadata"]["name"] for item in listed["items"]]
        if way == "end of file":
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, way))
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""
    host, port = ready["server"].removeprefix("https://").split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_it_takes_the_faster_event_loop_where_that_is_installed(tmp_path):
    with _start(tmp_path) as process:
        assert _ready(process)["event_loop"] == ("uvloop" if eventloop.installed() else "asyncio")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_an_event_loop_that_is_not_installed_is_a_usage_error_with_its_remedy(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(eventloop, "installed", lambda: False)
    with pytest.raises(SystemExit):
        parse(["--dir", str(tmp_path), "--event-loop", "uvloop"])
    assert "pip install 'pytest-daemonset[fast]'" in capsys.readouterr().err
    assert parse(["--dir", str(tmp_path)]).event_loop == "auto"


def test_open_watches_do_not_delay_the_end(tmp_path, event_loop_name):
    with _start(tmp_path, "--event-loop", event_loop_name) as process:
        _ready(process)
        connection, stream = _ask(tmp_path, "admin", "/api/v1/namespaces?watch=1")
        with contextlib.closing(connection), stream:
            assert json.loads(stream.readline())["type"] == "ADDED"
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0


def test_it_ends_at_once_when_standard_input_is_empty(tmp_path):
    with _start(tmp_path, stdin=subprocess.DEVNULL) as process:
        _ready(process)
        assert process.wait(PATIENCE) == 0


def test_each_identity_gets_a_kubeconfig_of_its_own(tmp_path):
    given = (
        "--identity",
        "a=alice:one,two",
        "--identity",
        "ds=system:serviceaccount:kube-system:ds::system:authenticated",
    )
    with _start(tmp_path, *given) as process:
        _ready(process)
        assert _get(tmp_path, "a", "/version")["major"] == "1"
        assert _get(tmp_path, "ds", "/version")["major"] == "1"
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["a.kubeconfig", "audit.log", "ds.kubeconfig"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    tokens = {json.loads(path.read_text())["users"][0]["user"]["token"] for path in tmp_path.glob("*.kubeconfig")}
    assert len(tokens) == 2


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = _start(tmp_path, "--port", str(taken.getsockname()[1]))
        out, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "")
    assert len(said.splitlines()) == 1
    assert "in use" in said


@pytest.mark.parametrize(
    "arguments",
    [["--without", "nonsense"], ["--identity", "nouser"], ["--ring", "0"], ["--dir", "/nonexistent/folder"]],
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(tmp_path, arguments):
    process = _start(tmp_path, *arguments)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert arguments[0] in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("admin=kubernetes-admin:system:masters", Identity("admin", "kubernetes-admin", ("system:masters",))),
        ("a=alice", Identity("a", "alice")),
        ("a=alice:x,y", Identity("a", "alice", ("x", "y"))),
        ("ds=system:serviceaccount:ns:n", Identity("ds", "system:serviceaccount:ns:n")),
        ("ds=system:serviceaccount:ns:n::g,h", Identity("ds", "system:serviceaccount:ns:n", ("g", "h"))),
    ],
)
def test_an_identity_is_a_name_a_user_and_groups(text, expected):
    assert identity(text) == expected
