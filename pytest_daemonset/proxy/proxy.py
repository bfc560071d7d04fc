"""The proxy: HTTPS on the loopback of this machine, in front of an API server."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson
import trustme
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from pytest_daemonset.proxy.asked import Asked
from pytest_daemonset.proxy.watches import Watch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from pytest_daemonset.kube.config import Kubeconfig
    from pytest_daemonset.proxy.faults import Fault

_OF_ONE_CONNECTION: Final = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host")
)
"""Headers that are between two neighbours, and not from end to end (RFC 9110, 7.6.1)."""

_OURS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What aiohttp would add to a request that lacks it."""

_EXPIRED: Final = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "too old resource version: the proxy has cut this watch",
    "reason": "Expired",
    "code": 410,
}


class Proxy:
    """Passes on what comes, byte by byte, with the credential of whom it comes from, and has none of its own.

    What upgrades its connection (exec, port-forward) is answered with 501. Its methods run in one event loop.

    Args:
        upstream: where the API server is; its credentials are not used.

    Attributes:
        server: its URL, once it has started.
        authority: the certificate, in PEM, that its clients must trust.
    """

    def __init__(self, upstream: Kubeconfig) -> None:
        self._upstream = replace(upstream, token=None, certificate=None, key=None)
        self._watches: set[Watch] = set()
        self._connections: set[asyncio.Transport] = set()
        self._faults: list[Fault] = []
        self.server = ""
        self.authority = b""

    async def start(self) -> None:
        """Listen.

        Raises:
            UsageError: the API server's certificate authority cannot be read.
        """
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.authority = authority.cert_pem.bytes()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(_no_headers_of_ours)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, auto_decompress=False, access_log=None, shutdown_timeout=1.0
        )
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._upstream.tls(), limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=_OURS,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.server = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Break all connections, and listen no more."""
        for fault in tuple(self._faults):
            self.end(fault)
        for connection in tuple(self._connections):
            connection.abort()
        await self._runner.cleanup()
        await self._session.close()

    def begin(self, fault: Fault) -> None:
        """From now on this goes wrong."""
        self._faults.append(fault)
        fault.begin(tuple(self._watches))

    def end(self, fault: Fault) -> None:
        """It does so no longer; that it has ended already is no error."""
        if fault in self._faults:
            self._faults.remove(fault)
            fault.over.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        connection = request.transport
        if connection is None:
            return _break(request)  # gone before it was read
        self._connections.add(connection)
        try:
            return await self._answer(request, Asked.of(request.method, request.url))
        except (aiohttp.ClientError, ConnectionError):
            return _break(request)
        finally:
            self._connections.discard(connection)

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            return _status(401, "Unauthorized", "the proxy passes on credentials, and this request has none")
        if "Upgrade" in request.headers:
            return _status(501, "NotImplemented", "the proxy of pytest-daemonset does not pass on upgraded connections")
        faults = tuple(self._faults)
        if [fault for fault in faults if fault.refuses(asked)]:  # each of them hears of it
            return await _expired(request)
        if any(fault.breaks(asked, None) for fault in faults):
            return _break(request)
        async with self._session.request(
            request.method,
            URL(self._upstream.server + request.raw_path, encoded=True),
            headers=_passed_on(request.headers),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            server_hostname=self._upstream.server_name,
        ) as answer:
            if any(fault.breaks(asked, answer.status) for fault in self._faults):
                return _break(request)
            out = _PassedOn(status=answer.status, reason=answer.reason, headers=_passed_on(answer.headers))
            await out.prepare(request)
            if asked.verb == "watch" and answer.status == 200:
                await self._watch(Watch(asked, request, self._faults), answer, out)
            else:
                async for chunk in answer.content.iter_any():
                    await out.write(chunk)
            return out

    async def _watch(self, watch: Watch, answer: aiohttp.ClientResponse, out: web.StreamResponse) -> None:
        self._watches.add(watch)
        try:
            await watch.deliver(answer, out)
        finally:
            self._watches.discard(watch)


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION)


class _PassedOn(web.StreamResponse):
    """An answer of the API; it knows which headers it came with."""

    def __init__(self, *, headers: CIMultiDict[str], **more: Any) -> None:
        super().__init__(headers=headers, **more)
        self.came_with = frozenset(map(str.lower, headers))


async def _no_headers_of_ours(_: web.Request, response: web.StreamResponse) -> None:
    """Take away what aiohttp adds to an answer."""
    if isinstance(response, _PassedOn):
        for name in {"server", "date", "content-type"} - response.came_with:
            response.headers.popall(name, None)


def _break(request: web.BaseRequest) -> web.Response:
    """End a connection as a cable does that is pulled; nobody reads the answer that is returned."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _expired(request: web.Request) -> web.StreamResponse:
    """Say that a version is forgotten, as the API does: by an event to who reads JSON, and to others by the answer itself."""
    if "protobuf" in request.headers.get("Accept", ""):
        return _status(410, "Expired", str(_EXPIRED["message"]))
    out = web.StreamResponse(headers={"Content-Type": "application/json"})
    await out.prepare(request)
    await out.write(orjson.dumps({"type": "ERROR", "object": _EXPIRED}) + b"\n")
    return out


def _status(code: int, reason: str, message: str) -> web.Response:
    told: dict[str, Any] = {**_EXPIRED, "code": code, "reason": reason, "message": message}
    return web.Response(body=orjson.dumps(told), status=code, content_type="application/json")
