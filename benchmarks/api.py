"""The embedded server beside a bare aiohttp echo, both over TLS: requests per second, what they cost, fan-out, flatness, memory.

    python benchmarks/api.py [OBJECTS] [--event-loop auto|asyncio|uvloop]

Each measurement takes turns with the echo (or with what it is compared to), so that both have the same machine. Client and server share
it too; the client of both is wire.py, whose own cost is printed. On a busy machine read the processor times, and the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import psutil
import trustme
from aiohttp import web
from wire import Connection, Stream, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IN_FLIGHT = 16
TURNS = 10
WATCHERS = 5
FAN_OUTS = 1000
FEW, MANY = 100, 10_000
KUBELETS = 1000
WITHOUT = ("--without", "pod-gc")  # on a slow machine it would take away the pods whose nodes are not there
PODS = "/api/v1/namespaces/default/pods"
NODES = "/api/v1/nodes"
STRATEGIC = "application/strategic-merge-patch+json"
RUNNING = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
AT_ONCE = orjson.dumps({"gracePeriodSeconds": 0})


def pod(name: str, node: str) -> dict[str, Any]:
    containers = [{"name": "agent", "image": "agent:1", "env": [{"name": "A", "value": "b"}]}]
    metadata = {"name": name, "labels": {"app": "agent", "controller-revision-hash": "abc"}}
    return {"metadata": metadata, "spec": {"nodeName": node, "containers": containers}}


def node(name: str) -> dict[str, Any]:
    status = {
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"metadata": {"name": name, "labels": {"zone": "a"}}, "status": status}


def echo() -> None:
    """Answer every request with its own body, until standard input ends; send what comes to `/tell` to all who listen at `/watch`."""

    watchers: set[asyncio.Transport] = set()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/watch":
            return await watch(request)
        if request.path == "/tell":
            line = await request.content.read()
            for each in watchers:
                asyncio.get_running_loop().call_soon(each.write, b"%x\r\n%b\r\n" % (len(line), line))
            return web.Response(body=b"{}", headers={"Content-Type": "application/json"})
        return web.Response(body=await request.content.read(), headers={"Content-Type": "application/json"})

    async def watch(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"{}\n")
        transport = request.transport  # it is forgotten when the connection ends
        assert transport is not None
        watchers.add(transport)
        try:
            await asyncio.Event().wait()
        finally:
            watchers.discard(transport)
        return response

    async def main() -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        loop = asyncio.get_running_loop()
        serving = await loop.create_server(
            web.Server(answer, access_log=None, handler_cancellation=True), "127.0.0.1", 0, ssl=context
        )
        told = {"port": serving.sockets[0].getsockname()[1], "ca": authority.cert_pem.bytes().decode()}
        print(json.dumps(told), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


@contextmanager
def program(*command: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A program, and what its first line says."""
    with subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(20)


class Server:
    """One server that runs, and the connections to it."""

    def __init__(self, pid: int, port: int, tls: ssl.SSLContext, token: str = "") -> None:
        self.process = psutil.Process(pid)
        self.port = port
        self.tls = tls
        self.token = token
        self.connections: list[Connection] = []
        # the processor-time clock of another process, to the nanosecond: clock_getcpuclockid(3), which Python does not have
        self._clock = (~pid << 3) | 2

    @classmethod
    def bare(cls, stack: ExitStack) -> Server:
        process, told = stack.enter_context(program(__file__, "--echo"))
        return cls(process.pid, told["port"], ssl.create_default_context(cadata=told["ca"]))

    @classmethod
    def embedded(cls, stack: ExitStack, event_loop: str = "auto") -> Server:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        options = ("--dir", folder, "--event-loop", event_loop, *WITHOUT)
        process, ready = stack.enter_context(program("-m", "pytest_daemonset.embedded", *options))
        print(f"the embedded server runs on {ready['event_loop']}, the echo on asyncio")
        config = json.loads((Path(folder) / "admin.kubeconfig").read_text(encoding="utf-8"))
        ca = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        port = int(ready["server"].rpartition(":")[2])
        return cls(process.pid, port, ssl.create_default_context(cadata=ca), config["users"][0]["user"]["token"])

    async def connect(self) -> Server:
        self.connections = [await Connection.open(self.port, self.tls) for _ in range(IN_FLIGHT)]
        return self

    def close(self) -> None:
        for each in self.connections:
            each.close()

    @property
    def busy(self) -> float:
        """Seconds of processor time so far."""
        return time.clock_gettime(self._clock)

    def asks(self, method: str, path: str, body: Any = b"", of: str = "application/json") -> bytes:
        return request(method, path, self.token, body if isinstance(body, bytes) else orjson.dumps(body), of)

    async def ask(self, method: str, path: str, body: Any = b"", of: str = "application/json") -> bytes:
        return await self.connections[0].ask(self.asks(method, path, body, of))

    async def all(self, messages: list[bytes]) -> Cost:
        """Ask all this, `IN_FLIGHT` at a time."""
        waiting = iter(messages)

        async def work(connection: Connection) -> None:
            for message in waiting:
                await connection.ask(message)

        before = time.perf_counter(), self.busy, time.process_time()
        await asyncio.gather(*map(work, self.connections))
        after = time.perf_counter(), self.busy, time.process_time()
        return Cost(len(messages), *(b - a for a, b in zip(before, after, strict=True)))


class Cost:
    """What some requests took, in seconds: by the clock, of the server's processor, of the client's."""

    def __init__(self, count: int = 0, clock: float = 0.0, server: float = 0.0, client: float = 0.0) -> None:
        self.count = count
        self.clock = clock
        self.server = server
        self.client = client

    def __add__(self, other: Cost) -> Cost:
        ours, theirs = vars(self), vars(other)
        return Cost(**{name: ours[name] + theirs[name] for name in ours})

    @property
    def each(self) -> float:
        """The server's share of one, in µs."""
        return self.server / self.count * 1e6

    def shown(self, what: str, bare: Cost) -> str:
        rate, bare_rate = self.count / self.clock, bare.count / bare.clock
        return (
            f"{what:42} {rate:8,.0f} /s {rate / bare_rate:6.2f} x echo   server {self.each:5,.0f} µs "
            f"{self.each / bare.each:5.2f} x echo   client {self.client / self.count * 1e6:4,.0f} µs"
        )


async def in_turn(one: Server, ones: list[bytes], other: Server, others: list[bytes]) -> tuple[Cost, Cost]:
    """Two lists of requests to two servers, a slice of this and a slice of that."""
    costs = Cost(), Cost()
    for turn in range(TURNS):
        costs = (
            costs[0] + await one.all(ones[turn::TURNS]),
            costs[1] + await other.all(others[turn::TURNS]),
        )
    return costs


async def verbs(server: Server, bare: Server, count: int) -> None:
    """Creates, gets and status patches, each beside the echo of as many pods."""
    names = [f"{number:05}" for number in range(count)]
    bounced = [bare.asks("POST", "/", pod(f"pod-{each}", f"node-{each}")) for each in names]
    await bare.all(bounced[:500])
    for what, messages in {
        "create a node": [server.asks("POST", NODES, node(f"node-{each}")) for each in names],
        "create a pod": [server.asks("POST", PODS, pod(f"pod-{each}", f"node-{each}")) for each in names],
        "get a pod": [server.asks("GET", f"{PODS}/pod-{each}") for each in names],
        "patch the status of a pod": [
            server.asks("PATCH", f"{PODS}/pod-{each}/status", RUNNING, STRATEGIC) for each in names
        ],
    }.items():
        cost, echoed = await in_turn(server, messages, bare, bounced)
        if what == "create a node":
            print(echoed.shown("echo a pod", echoed))
        print(cost.shown(what, echoed))
    size = len(await server.ask("GET", PODS))
    cost, echoed = Cost(), Cost()
    for _ in range(TURNS):
        cost += await server.all([server.asks("GET", PODS)])
        echoed += await bare.all([bare.asks("POST", "/", b" " * size)])
    print(cost.shown(f"list {count:,} pods ({size / 2**20:.1f} MiB)", echoed))


async def told(
    server: Server, watch: bytes, messages: list[bytes], starts: int
) -> tuple[list[float], list[float], list[bytes]]:
    """Send what makes an event, and wait for it on each of `WATCHERS` streams.

    Args:
        watch: opens a stream; on each come `starts` lines before the first event.

    Returns:
        Milliseconds from the sending until the answer, and until each watcher has its line: as the sockets have them, nothing is decoded
        meanwhile. And the lines.
    """
    lines: list[tuple[float, bytes]] = []
    arrived = asyncio.Semaphore(0)

    def hear(now: float, line: bytes) -> None:
        lines.append((now, line))
        arrived.release()

    streams = [await Stream.open(server.port, server.tls, watch, hear) for _ in range(WATCHERS)]
    for _ in range(WATCHERS * starts):
        await arrived.acquire()
    lines.clear()
    answers, events, said = [], [], []
    for message in messages:
        sent = time.perf_counter()
        await server.connections[0].ask(message)
        answers.append((time.perf_counter() - sent) * 1000)
        for _ in streams:
            await arrived.acquire()
        events += [(now - sent) * 1000 for now, _ in lines]
        said += [line for _, line in lines]
        lines.clear()
    for each in streams:
        each.close()
    return answers, events, said


async def fan_out(server: Server, bare: Server) -> None:
    """From the sending of a patch until each watcher has its event, beside an echo that also sends what it got to as many watchers."""
    name, size = f"{PODS}/pod-00000", len(await server.ask("GET", f"{PODS}/pod-00000"))
    patches = [
        server.asks("PATCH", name, {"metadata": {"annotations": {"at": str(number)}}}, STRATEGIC)
        for number in range(FAN_OUTS)
    ]
    bounced = [bare.asks("POST", "/tell", b'{"%b"}\n' % (b"x" * size))] * FAN_OUTS
    watch, listen = (
        server.asks("GET", f"{PODS}?watch=1&fieldSelector=metadata.name=pod-00000"),
        bare.asks("GET", "/watch"),
    )
    found: dict[str, tuple[list[float], list[float]]] = {"server": ([], []), "bare": ([], [])}
    for turn in range(TURNS):
        for who, one, opening, messages in (("server", server, watch, patches), ("bare", bare, listen, bounced)):
            part = messages[turn::TURNS]
            answers, events, lines = await told(one, opening, part, 1)
            if one is server:
                at = [orjson.loads(line)["object"]["metadata"]["annotations"]["at"] for line in lines]
                assert at == [str(number) for number in range(turn, FAN_OUTS, TURNS) for _ in range(WATCHERS)]
            found[who][0].extend(answers)
            found[who][1].extend(events)
    for what, which in (("answer to a patch", 0), (f"fan-out to {WATCHERS} watchers", 1)):
        for quantile in (50, 99):
            ours, theirs = (statistics.quantiles(found[who][which], n=100)[quantile - 1] for who in ("server", "bare"))
            print(
                f"{what + f', p{quantile}':42} {ours:8.2f} ms {ours / theirs:6.2f} x echo that tells as many ({theirs:.2f} ms)"
            )


async def flatness(few: Server, many: Server) -> None:
    """The same between `FEW` other pods and between `MANY`: a ratio of 1 is flat."""
    print(f"the same with {FEW:,} and with {MANY:,} other pods (server's processor, µs):")
    for server, count in ((few, FEW), (many, MANY)):
        others = [pod(f"other-{each:05}", f"other-{each:05}") for each in range(count)]
        await server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "others"}})
        await server.all([server.asks("POST", PODS.replace("default", "others"), each) for each in others])
        await server.all([server.asks("POST", PODS, pod(f"mine-{each}", "mine")) for each in range(10)])
    names = [f"late-{each:04}" for each in range(1000)]
    cases: dict[str, Callable[[Server], list[bytes]]] = {
        "create a pod": lambda server: [server.asks("POST", PODS, pod(each, "late")) for each in names],
        "patch the status of a pod": lambda server: [
            server.asks("PATCH", f"{PODS}/{each}/status", RUNNING, STRATEGIC) for each in names
        ],
        "delete a pod": lambda server: [server.asks("DELETE", f"{PODS}/{each}", AT_ONCE) for each in names],
    }
    for what, query in {
        "list a namespace of 10": PODS,
        "list a node of 10": "/api/v1/pods?fieldSelector=spec.nodeName=mine",
        "list by a label of 10": "/api/v1/pods?labelSelector=team=blue",
        "list a page of 10": "/api/v1/pods?limit=10",
        "list a page of 10 of a namespace": f"{PODS.replace('default', 'others')}?limit=10",
    }.items():
        cases[what] = lambda server, query=query: [server.asks("GET", query)] * 500  # type: ignore[misc]
    for number in range(10):
        for server in (few, many):
            patch = {"metadata": {"labels": {"team": "blue"}}}
            await server.ask("PATCH", f"{PODS}/mine-{number}", patch, STRATEGIC)
    for what, messages in cases.items():
        less, more = await in_turn(few, messages(few), many, messages(many))
        print(f"  {what:40} {less.each:8,.0f} {more.each:8,.0f}   ratio {more.each / less.each:5.2f}")


async def kubelets(quiet: Server, watched: Server) -> None:
    """Writes while each of many nodes is watched by a kubelet of its own, beside writes that nobody watches."""
    heard = asyncio.Semaphore(0)
    query = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"

    def hear(_now: float, _line: bytes) -> None:
        heard.release()

    streams = []
    for number in range(KUBELETS):
        message = watched.asks("GET", f"/api/v1/pods?{query}&fieldSelector=spec.nodeName=watched-{number:04}")
        streams.append(await Stream.open(watched.port, watched.tls, message, hear))
        await heard.acquire()  # the bookmark that ends what was there
    costs = []
    for of in ("watched", "late"):
        messages = [
            [server.asks("POST", PODS, pod(f"{of}-{each:04}", f"{of}-{each:04}")) for each in range(1000)]
            for server in (quiet, watched)
        ]
        costs.append(await in_turn(quiet, messages[0], watched, messages[1]))
    for what, (alone, told) in zip(("one kubelet hears of each", "none hears of it"), costs, strict=True):
        print(
            f"create a pod while {KUBELETS:,} nodes are watched, {what}: server {told.each:,.0f} µs, "
            f"{told.each / alone.each:.2f} times what it costs unwatched"
        )
    for each in streams:
        each.close()


async def measure(count: int, event_loop: str) -> None:
    with ExitStack() as stack:
        bare = Server.bare(stack)
        server, other = (Server.embedded(stack, event_loop) for _ in range(2))
        for each in (bare, server, other):
            stack.callback((await each.connect()).close)
        empty = server.process.memory_info().rss
        await verbs(server, bare, count)
        await fan_out(server, bare)
        full = server.process.memory_info().rss
        sizes = f"{empty / 2**20:.0f} MiB empty, {full / 2**20:.0f} MiB with {count:,} nodes and {count:,} pods"
        print(f"memory: {sizes} ({(full - empty) / 2 / count / 1024:.1f} KiB each)")
        await server.all([server.asks("DELETE", f"{PODS}/pod-{each:05}", AT_ONCE) for each in range(count)])
        await flatness(other, server)
        await kubelets(other, server)


if __name__ == "__main__":
    if "--echo" in sys.argv:
        echo()
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("objects", type=int, nargs="?", default=5000)
        parser.add_argument("--event-loop", choices=("auto", "asyncio", "uvloop"), default="auto")
        said = parser.parse_args()
        asyncio.run(measure(said.objects, said.event_loop))
