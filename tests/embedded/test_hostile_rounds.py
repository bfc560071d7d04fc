"""The program under one round of everything after the other: it answers others, says nothing unseemly, and grows no more."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from test_hostile_bodies import LAUGHS

MAPS = "/api/v1/namespaces/default/configmaps"
MEBIBYTE = 1 << 20


class Client:
    def __init__(self, directory: Path) -> None:
        config = json.loads((directory / "admin.kubeconfig").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        self.server = cluster["server"].removeprefix("https://")
        self.headers = {"Authorization": f"Bearer {user['token']}"}

    def ask(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> int:
        connection = http.client.HTTPSConnection(self.server, context=self.context, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, {**self.headers, "Content-Type": content_type})
            return connection.getresponse().status

    def open(self, said: bytes) -> ssl.SSLSocket:
        host, _, port = self.server.partition(":")
        plain = socket.create_connection((host, int(port)), timeout=60)
        secure = self.context.wrap_socket(plain, server_hostname=host)
        secure.sendall(said)
        return secure


def resident(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def one_round(client: Client) -> None:
    assert client.ask("POST", MAPS, LAUGHS, "application/yaml") == 400
    assert client.ask("POST", MAPS, b'{"metadata":{"name":"a"},"data":{"k":"' + b"v" * 100_000 + b'"}}') == 201
    copies = [{"op": "copy", "from": "/data", "path": f"/data{at}"} for at in range(5000)]
    assert client.ask("PATCH", f"{MAPS}/a", json.dumps(copies).encode(), "application/json-patch+json") == 422
    deep = b'{"x":' * 900 + b"1" + b"}" * 900
    assert (
        client.ask("PATCH", f"{MAPS}/a", b'{"metadata":{"annotations":%b}}' % deep, "application/merge-patch+json")
        == 400
    )
    assert client.ask("POST", MAPS, b" " * (4 * MEBIBYTE)) == 413
    asking = f"Host: x\r\nAuthorization: {client.headers['Authorization']}\r\n"
    watching = f"GET {MAPS}?watch=1 HTTP/1.1\r\n{asking}\r\n".encode()
    slow = f"POST {MAPS} HTTP/1.1\r\n{asking}Content-Length: 3000000\r\n\r\n".encode() + b" " * MEBIBYTE
    with contextlib.ExitStack() as stack:
        for said in (watching, slow, b"GET / HTTP/1.1\r\nX: ", b"\0\1\2\3"):
            for _ in range(20):
                stack.enter_context(client.open(said))
        for at in range(20):
            assert (
                client.ask("POST", MAPS, b'{"metadata":{"name":"b%d"},"data":{"k":"%b"}}' % (at, b"v" * 100_000)) == 201
            )
        assert client.ask("GET", MAPS) == 200
    assert client.ask("DELETE", MAPS) == 200


def test_rounds_of_everything_leave_nothing(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc, which this system does not have")
    # few events are remembered, so that those do not grow either
    command = [sys.executable, "-m", "pytest_daemonset.embedded", "--dir", str(tmp_path), "--ring", "30"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            pid = json.loads(process.stdout.readline())["pid"]
            client = Client(tmp_path)
            sizes = []
            for _ in range(10):
                one_round(client)
                sizes.append(resident(pid))
            # how much the allocator keeps is settled after some rounds only
            assert sizes[-1] < max(sizes[:5]) + 32 * MEBIBYTE, sizes
        finally:
            _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in log, log.decode()
