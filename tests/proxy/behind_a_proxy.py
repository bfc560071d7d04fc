"""A scripted API server, a proxy in front of it, and a client: all of them in one loop, and gone with it."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import warnings
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from yarl import URL

from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.proxy.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOKEN = {"Authorization": "Bearer of-the-client"}
JSON_WATCH = {"Content-Type": "application/json"}
PODS = "/api/v1/pods?watch=1&resourceVersion=7"


class Stage:
    """What a test has to do with."""

    proxy: Proxy
    trust: ssl.SSLContext
    client: aiohttp.ClientSession

    def __init__(self, answer: Callable[[Stage, web.Request], Awaitable[web.StreamResponse]]) -> None:
        self._answer = answer
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.watches: asyncio.Queue[Sending] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return await self._answer(self, request)

    def ask(self, path: str, method: str = "GET", **more: Any) -> Any:
        """A request through the proxy, to be entered."""
        headers = {**TOKEN, **more.pop("headers", {})}
        url = URL(self.proxy.server + path, encoded=True)
        return self.client.request(method, url, headers=headers, ssl=self.trust, **more)


class Sending:
    """A watch, as the API server has it."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self._to_send: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.gone = asyncio.Event()

    def send(self, *events: bytes) -> None:
        for event in events:
            self._to_send.put_nowait(event)

    def finish(self) -> None:
        self._to_send.put_nowait(None)

    async def run(self, out: web.StreamResponse) -> web.StreamResponse:
        try:
            await out.prepare(self.request)
            while (event := await self._to_send.get()) is not None:
                await out.write(event)
            return out
        finally:
            self.gone.set()


async def watched(stage: Stage, request: web.Request) -> web.StreamResponse:
    """Answers each request by a watch that the test feeds, and lists by an empty one."""
    if "watch" not in request.query:
        return web.json_response({"items": []})
    sending = Sending(request)
    stage.watches.put_nowait(sending)
    protobuf = "protobuf" in request.headers.get("Accept", "")
    media = "application/vnd.kubernetes.protobuf;stream=watch" if protobuf else "application/json"
    return await sending.run(web.StreamResponse(headers={"Content-Type": media}))


async def echo(_: Stage, request: web.Request) -> web.StreamResponse:
    """Answers with what was sent."""
    return web.Response(body=await request.read(), content_type="application/octet-stream")


def play(
    act: Callable[[Stage], Awaitable[None]], answer: Callable[[Stage, web.Request], Awaitable[web.StreamResponse]]
) -> Stage:
    """Run a test behind a proxy.

    Args:
        act: the test.
        answer: what the API server does with a request.
    """

    async def run() -> Stage:
        stage = Stage(answer)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", stage.handle)
        runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stage.proxy = Proxy(Kubeconfig(f"http://127.0.0.1:{runner.addresses[0][1]}", token="of-the-plugin"))
        await stage.proxy.start()
        stage.trust = ssl.create_default_context(cadata=stage.proxy.authority.decode())
        stage.client = aiohttp.ClientSession(auto_decompress=False)
        try:
            await act(stage)
        finally:
            await stage.client.close()
            await stage.proxy.close()
            await runner.cleanup()
        return stage

    with warnings.catch_warnings():
        if sys.version_info < (3, 11):  # takes a TLS connection that the other side breaks for one that was forgotten
            warnings.filterwarnings("ignore", "unclosed transport", ResourceWarning)
        stage = asyncio.run(asyncio.wait_for(run(), 60))
        gc.collect()
    return stage
