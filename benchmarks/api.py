"""The embedded server beside a bare aiohttp echo, both over TLS: requests per second, fan-out to watchers, memory.

    python benchmarks/api.py [OBJECTS]

Client and server share the machine, and the client is Python too: the ratios say more than the numbers.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import psutil
import trustme
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

IN_FLIGHT = 16
WATCHERS = 5
FAN_OUTS = 500
PODS = "/api/v1/namespaces/default/pods"
NODES = "/api/v1/nodes"


def pod(number: int) -> dict[str, Any]:
    containers = [{"name": "agent", "image": "agent:1", "env": [{"name": "A", "value": "b"}]}]
    metadata = {"name": f"pod-{number:05}", "labels": {"app": "agent", "controller-revision-hash": "abc"}}
    return {"metadata": metadata, "spec": {"nodeName": f"node-{number:05}", "containers": containers}}


def node(number: int) -> dict[str, Any]:
    status = {
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"metadata": {"name": f"node-{number:05}", "labels": {"zone": "a"}}, "status": status}


def echo() -> None:
    """Answer every request with its own body, until standard input ends."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.read(), headers={"Content-Type": "application/json"})

    async def main() -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        loop = asyncio.get_running_loop()
        serving = await loop.create_server(web.Server(answer, access_log=None), "127.0.0.1", 0, ssl=context)
        told = {"port": serving.sockets[0].getsockname()[1], "ca": authority.cert_pem.bytes().decode()}
        print(json.dumps(told), flush=True)
        await loop.run_in_executor(None, sys.stdin.read)

    asyncio.run(main())


@contextmanager
def running(*command: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
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


async def rate(count: int, one: Callable[[int], Awaitable[None]]) -> float:
    """Calls per second, `IN_FLIGHT` at a time."""
    waiting = iter(range(count))

    async def work() -> None:
        for number in waiting:
            await one(number)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - started)


async def ask(
    session: aiohttp.ClientSession, method: str, path: str, body: bytes | None = None, of: str = "application/json"
) -> bytes:
    async with session.request(method, path, data=body, headers={"Content-Type": of}) as answer:
        told = await answer.read()
        assert answer.status < 300, (method, path, told[:300])
        return told


async def fan_out(session: aiohttp.ClientSession, name: str, url: str, tls: ssl.SSLContext, token: str) -> list[float]:
    """Seconds from the sending of a patch until each watcher has its event."""
    arrivals: dict[str, list[float]] = {}
    listening = [asyncio.Event() for _ in range(WATCHERS)]

    async def watch(ready: asyncio.Event) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(ssl=tls)
        async with (
            aiohttp.ClientSession(url, headers=headers, connector=connector, read_bufsize=1 << 24) as own,
            own.get(f"{PODS}?watch=1&fieldSelector=metadata.name={name}") as stream,
        ):
            async for line in stream.content:
                now = time.perf_counter()
                told = orjson.loads(line)["object"]["metadata"].get("annotations", {}).get("at", "")
                arrivals.setdefault(told, []).append(now)
                ready.set()
                if told == str(FAN_OUTS - 1):
                    return

    watchers = [asyncio.create_task(watch(ready)) for ready in listening]
    await asyncio.gather(*(ready.wait() for ready in listening))
    sent: dict[str, float] = {}
    for number in range(FAN_OUTS):
        body = orjson.dumps({"metadata": {"annotations": {"at": str(number)}}})
        sent[str(number)] = time.perf_counter()
        await ask(session, "PATCH", f"{PODS}/{name}", body, "application/merge-patch+json")
    await asyncio.gather(*watchers)
    return [arrived - sent[at] for at in sent for arrived in arrivals[at]]


def shown(what: str, number: float, unit: str, bare: float, more: str = "") -> None:
    print(f"{what:34} {number:10,.1f} {unit:4} {number / bare:7.2f} x echo  {more}")


async def measure(count: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(__file__, "--echo") as (_, bare),
        running("-m", "pytest_daemonset.embedded", "--dir", folder) as (process, ready),
    ):
        config = json.loads((Path(folder) / "admin.kubeconfig").read_text(encoding="utf-8"))
        token = config["users"][0]["user"]["token"]
        ca = b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        tls = ssl.create_default_context(cadata=ca)
        server = psutil.Process(process.pid)
        empty = server.memory_info().rss
        plain = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=bare["ca"]), limit=IN_FLIGHT)
        ours = aiohttp.TCPConnector(ssl=tls, limit=0)
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(f"https://127.0.0.1:{bare['port']}", connector=plain) as reference,
            aiohttp.ClientSession(ready["server"], connector=ours, headers=headers) as session,
        ):
            await compare(count, reference, session, server)
            watched = await fan_out(session, "pod-00000", ready["server"], tls, token)
            trips = []
            for _ in range(FAN_OUTS):
                started = time.perf_counter()
                await ask(reference, "POST", "/", b"{}")
                trips.append(time.perf_counter() - started)
            trip, quantiles = statistics.median(trips) * 1000, statistics.quantiles(watched, n=100)
            shown(f"fan-out to {WATCHERS} watchers, p50", statistics.median(watched) * 1000, "ms", trip)
            shown(f"fan-out to {WATCHERS} watchers, p99", quantiles[98] * 1000, "ms", trip)
        full = server.memory_info().rss
        sizes = f"{empty / 2**20:.0f} MiB empty, {full / 2**20:.0f} MiB with {count:,} nodes and {count:,} pods"
        print(f"memory: {sizes} ({(full - empty) / 2 / count / 1024:.1f} KiB each)")


async def compare(
    count: int, reference: aiohttp.ClientSession, session: aiohttp.ClientSession, server: psutil.Process
) -> None:
    bodies = [orjson.dumps(pod(number)) for number in range(count)]

    async def bounce(number: int) -> None:
        await ask(reference, "POST", "/", bodies[number])

    async def create(number: int) -> None:
        await ask(session, "POST", PODS, bodies[number])

    async def get(number: int) -> None:
        await ask(session, "GET", f"{PODS}/pod-{number:05}")

    async def patch(number: int) -> None:
        status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        body, of = orjson.dumps(status), "application/strategic-merge-patch+json"
        await ask(session, "PATCH", f"{PODS}/pod-{number:05}/status", body, of)

    async def join(number: int) -> None:
        await ask(session, "POST", NODES, orjson.dumps(node(number)))

    await rate(min(count, 500), bounce)
    bare = await rate(count, bounce)
    shown("echo", bare, "/s", bare)

    async def told(what: str, calls: int, one: Callable[[int], Awaitable[None]]) -> None:
        before = server.cpu_times()
        per_second = await rate(calls, one)
        after = server.cpu_times()
        busy = (after.user + after.system - before.user - before.system) / calls * 1e6
        shown(what, per_second, "/s", bare, f"{busy:6,.0f} µs of the server's processor")

    await told("create a node", count, join)
    await told("create a pod, the first 100", 100, create)
    await told("create a pod", count - 100, lambda number: create(number + 100))
    await told("get a pod", count, get)
    await told("patch the status of a pod", count, patch)
    times, size = [], 0
    for _ in range(5):
        started = time.perf_counter()
        size = len(await ask(session, "GET", PODS))
        times.append(time.perf_counter() - started)
    blob, echoes = b" " * min(size, 1 << 20), []
    for _ in range(5):
        started = time.perf_counter()
        await ask(reference, "POST", "/", blob)
        echoes.append((time.perf_counter() - started) * size / len(blob))
    took, bare_took = min(times) * 1000, min(echoes) * 1000
    shown(f"list {count:,} pods ({size / 2**20:.1f} MiB)", took, "ms", bare_took)


if __name__ == "__main__":
    if "--echo" in sys.argv:
        echo()
    else:
        asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5000))
