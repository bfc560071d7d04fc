"""``k3s server``: the embedded API server and its loops, behind k3s's door: 6443, token, node passwords, k3s.yaml."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import os
import re
import secrets
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import trustme
import yaml
from aiohttp import web

from k3s_standin import VERSION, agent
from k3s_standin.lifecycle import watch_nodes
from k3s_standin.running import PORT
from k3s_standin.settings import Settings, SettingsError, say, seconds
from k3s_standin.workloads import KINDS, watch_workloads
from pytest_daemonset.embedded import settings as embedded_settings
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.audit import AuditLog
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.http import Http, server
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.loops import LOOPS
from pytest_daemonset.embedded.watch import Watches

if TYPE_CHECKING:
    from collections.abc import Awaitable

_LOG = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/log")
DATA = Path("/var/lib/rancher/k3s/server")
KUBECONFIG = Path("/etc/rancher/k3s/k3s.yaml")
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
K3S = Caller("system:k3s-supervisor", ("system:masters",), "k3s-standin")
ADMIN = Caller("system:admin", ("system:masters",))
CONTROLLER = Caller("system:serviceaccount:kube-system:daemon-set-controller", ("system:serviceaccounts",))


KNOWN_CONTROLLERS = {"*", "tokencleaner", "daemonset", "deployment", "garbagecollector", "podgc", "nodelifecycle", "namespace",
                     "serviceaccount", "service", "route", "cloud-node-lifecycle", "daemonset-controller"}  # fmt: skip


class Door:
    """What k3s answers by itself, before the API server: /ping, /cacerts, the handshake of agents, and 401 to strangers."""

    def __init__(
        self, api: Api, http: Http, known: dict[str, Caller], token: str, ca: bytes, settings: Settings
    ) -> None:
        self.ready = False
        self._api = api
        self._http = http
        self._known = known
        self._kubelets: dict[str, str] = {}
        self._token = token
        self._ca = ca
        self._settings = settings

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        path = request.path
        if path == "/ping":
            return web.Response(text="pong")
        if path == "/cacerts":
            return web.Response(body=self._ca)
        if not self.ready:
            return web.Response(status=503, text="starting")
        if path.startswith("/v1-k3s/"):
            return self._agent(request)
        if not request.headers.get("Authorization"):
            return web.Response(status=401, text="Unauthorized")
        if (log := _LOG.fullmatch(path)) and request.method == "GET":
            return await self._log(request, *log.groups())
        answer = await self._http.handle(request)
        if path.rstrip("/") == "/version" and isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            return web.json_response({**orjson.loads(answer.body), "gitVersion": VERSION})
        return answer

    async def _log(self, request: web.BaseRequest, namespace: str, name: str) -> web.StreamResponse:
        """A pod's log, from the kubelet of its node."""
        if self._http._caller(request) is None:
            return web.Response(status=401, text="Unauthorized")
        pod = self._api.get("pods", namespace, name)
        node = pod["spec"].get("nodeName") if pod else None
        if pod is None or node not in self._kubelets:
            return web.Response(status=404 if pod is None else 400, text=f'pods "{name}" has no log')
        container = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        host = "127.0.0.1" if node == self._settings.node_name else node
        url = f"http://{host}:{PORT}/containerLogs/{namespace}/{name}/{container}"
        headers = {"Authorization": f"Bearer {self._kubelets[node]}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=3)) as session,
                session.get(url, params=request.query, headers=headers) as told,
            ):
                answer = web.StreamResponse(status=told.status)
                await answer.prepare(request)
                async for chunk in told.content.iter_any():
                    await answer.write(chunk)
                await answer.write_eof()
                return answer
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"{node}: {error}")

    def _agent(self, request: web.BaseRequest) -> web.Response:
        said = request.headers.get("Authorization", "")
        given = (
            base64.b64decode(said.removeprefix("Basic ")).decode().partition(":")[2]
            if said.startswith("Basic ")
            else ""
        )
        if not secrets.compare_digest(given.rpartition("::server:")[2].encode(), self._token.encode()):
            return web.Response(status=401, text="Unauthorized")
        if request.path == "/v1-k3s/config":
            return web.json_response({"FlannelBackend": self._settings.text("flannel-backend", "vxlan")})
        name, password = request.headers.get("k3s-Node-Name", ""), request.headers.get("k3s-Node-Password", "")
        if not self._password_fits(name, password):
            say(
                "error",
                f"unable to verify password for node {name}: unable to verify hash for node '{name}': hash does not match",
            )
            return web.Response(status=403, text="hash does not match")
        kubelet = secrets.token_urlsafe(24)
        self._kubelets[name] = kubelet
        self._known[kubelet] = Caller(f"system:node:{name}", ("system:nodes", "system:authenticated"))
        return web.json_response({"token": kubelet})

    def _password_fits(self, name: str, password: str) -> bool:
        secret = f"{name}.node-password.k3s"
        digest = hashlib.sha256(password.encode()).hexdigest()
        found = self._api.get("secrets", "kube-system", secret)
        if found is not None:
            return secrets.compare_digest(base64.b64decode(found["data"]["hash"]).decode(), digest)
        # Before the Node: an agent that dies in between leaves an orphan.
        body = {
            "metadata": {"name": secret, "namespace": "kube-system"},
            "stringData": {"hash": digest},
            "immutable": True,
        }
        self._api.create(K3S, "secrets", "kube-system", {"apiVersion": "v1", "kind": "Secret", **body})
        return True


def _controllers(settings: Settings) -> set[str]:
    """Which loops the controller-manager is told to leave out."""
    said = settings.arguments("kube-controller-manager-arg").get("controllers", "*")
    words = [word.strip() for word in said.split(",")]
    if unknown := [word for word in words if word.removeprefix("-") not in KNOWN_CONTROLLERS]:
        raise SettingsError(f'"{unknown[0]}" is not in the list of known controllers')
    return {word[1:].removesuffix("-controller") for word in words if word.startswith("-")}


def _token(settings: Settings) -> str:
    path = DATA / "token"
    token = settings.text("token") or (path.read_text().strip() if path.exists() else secrets.token_hex(16))
    return token.rpartition("::server:")[2]


def _write_kubeconfig(settings: Settings, token: str, ca: bytes) -> None:
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": base64.b64encode(ca).decode()}
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": cluster}],
        "users": [{"name": "default", "user": {"token": token}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
        "preferences": {},
    }
    KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
    mode = int(settings.text("write-kubeconfig-mode") or "0600", 8)
    # In place, as k3s does: a reader may see it empty.
    with os.fdopen(os.open(KUBECONFIG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        yaml.safe_dump(config, file)


def _names(settings: Settings) -> list[str]:
    addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return list(
        dict.fromkeys(["127.0.0.1", "localhost", socket.gethostname(), *map(str, addresses), *settings.many("tls-san")])
    )


def _listen() -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", 6443))  # inside the container only; who starts it publishes it on 127.0.0.1
    listening.listen(1024)
    listening.setblocking(False)
    return listening


def _authority() -> trustme.CA:
    """Kept in the data folder: the certificate survives a restart of the container."""
    path = DATA / "tls" / "ca.pem"
    if path.exists():
        text = path.read_bytes()
        cut = text.index(b"-----BEGIN CERTIFICATE")
        return trustme.CA.from_pem(text[cut:], text[:cut])
    made = trustme.CA()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(made.private_key_pem.bytes() + made.cert_pem.bytes())
    return made


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM; nothing is kept over a restart but the certificate authority and the token."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    without = _controllers(settings)
    DATA.mkdir(parents=True, exist_ok=True)
    token, admin = _token(settings), secrets.token_urlsafe(24)
    authority = _authority()
    ca = authority.cert_pem.bytes()
    (DATA / "token").write_text(f"K10{hashlib.sha256(ca).hexdigest()}::server:{token}\n")
    say("info", f"Node token is available at {DATA}/token")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert(*_names(settings)).configure_cert(context)
    async with contextlib.AsyncExitStack() as stack:
        audit = AuditLog(DATA / "audit.log")
        stack.callback(audit.close)
        wanted = embedded_settings.Settings(
            DATA,
            pod_gc_period=float(os.environ.get("K3S_STANDIN_POD_GC_PERIOD", "20")),
            pod_gc_quarantine=float(os.environ.get("K3S_STANDIN_POD_GC_QUARANTINE", "40")),
            namespace_delay=1.0,
            bookmark_interval=60.0,  # as rare as a real server's: nobody may wait for one
        )
        api = Api((*ALL_KINDS, *KINDS), audit, wanted.ring)
        watches = Watches(api.store, wanted.bookmark_interval, wanted.watch_buffer)
        known = {admin: ADMIN}
        http = Http(api, known, watches)
        door = Door(api, http, known, token, ca, settings)
        http.handle, handle = door.handle, http.handle  # type: ignore[method-assign]
        web_server = server(http)
        http.handle = handle  # type: ignore[method-assign]
        stack.push_async_callback(web_server.shutdown, 0.2)
        serving = await loop.create_server(web_server, sock=_listen(), ssl=context)
        stack.callback(watches.close)
        stack.callback(serving.close)
        _write_kubeconfig(settings, admin, ca)
        say("info", f"Wrote kubeconfig {KUBECONFIG}")
        for name in NAMESPACES:
            api.create(K3S, "namespaces", "", {"metadata": {"name": name}})
        manager = settings.arguments("kube-controller-manager-arg")
        started = asyncio.Event()
        loops: list[Awaitable[None]] = [run(api, wanted) for run in LOOPS.values()]
        loops += [
            watch_nodes(
                api,
                period=seconds(manager.get("node-monitor-period", ""), 5.0),
                grace=seconds(manager.get("node-monitor-grace-period", ""), 40.0),
            ),
            watch_workloads(api, started),
        ]
        tasks = [asyncio.ensure_future(one) for one in loops]
        door.ready = True
        serving_secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "k3s-serving", "namespace": "kube-system"},
        }
        api.create(K3S, "secrets", "kube-system", serving_secret)
        say("info", "Kube API server is now running")
        if "daemonset" not in without:
            tasks.append(asyncio.ensure_future(_controller(known, ca, started)))
        else:
            started.set()
        if not settings.switch("disable-agent"):
            tasks.append(asyncio.ensure_future(agent.join(settings, server="https://127.0.0.1:6443", token=token)))
        say("info", "k3s is up and running")
        gc.collect()
        gc.freeze()
        waiting = asyncio.ensure_future(ended.wait())
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in [waiting, *tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done - {waiting}:
            task.result()
    say("fatal", "flannel exited: <nil>")


async def _controller(known: dict[str, Caller], ca: bytes, started: asyncio.Event) -> None:
    """The control plane's own DaemonSet loop: the reference controller, in a process of its own; the other loops wait for it."""
    token = secrets.token_urlsafe(24)
    known[token] = CONTROLLER
    path = DATA / "daemonset.kubeconfig"
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": base64.b64encode(ca).decode()}
    config = {
        "clusters": [{"name": "default", "cluster": cluster}],
        "users": [{"name": "default", "user": {"token": token}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
    }
    path.write_bytes(orjson.dumps(config))
    words = ["-m", "pytest_daemonset.reference", "--kubeconfig", str(path)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
    try:
        if process.stdout is not None and await process.stdout.readline():
            started.set()
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    raise SettingsError(f"the DaemonSet loop ended with {code}")
