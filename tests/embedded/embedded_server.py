"""The embedded server inside of a test: its Api alone, or the same over plain HTTP on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import aiohttp.web
import orjson
from yarl import URL

from pytest_daemonset.embedded import roles
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.authorization import Authorizer, Everything
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.http import BODY_SECONDS, HEAD_SECONDS, Http, server
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.rbac import Rbac
from pytest_daemonset.embedded.watch import Watches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pytest_daemonset.embedded.audit import AuditLog

Object = dict[str, Any]

ROOT = Caller("root", ("system:masters",), "a test")
ALICE = Caller("alice", ("testers",), "a test")
TOKEN = "alice's token"
PATIENCE = 60.0  # seconds; bounds a hang, measures nothing


def make_api(audit: AuditLog | None = None, ring: int = 100) -> Api:
    api = Api(ALL_KINDS, audit, ring)
    api.create(ALICE, "namespaces", "", {"metadata": {"name": "here"}})
    return api


def config_map(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}}


def pod(name: str, node: str = "", **more: Any) -> Object:
    spec: Object = {"containers": [{"name": "c", "image": "busybox:1.36"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, **more}, "spec": spec}


class Session:
    """A client of one server."""

    def __init__(
        self, session: aiohttp.ClientSession, api: Api, http: Http, watches: Watches, server: aiohttp.web.Server
    ) -> None:
        self._server = server
        self._session = session
        self.api = api
        self.http = http
        self.watches = watches

    @property
    def http_url(self) -> URL:
        """Where the server listens."""
        url = self._session._base_url
        assert url is not None
        return url

    @property
    def connections(self) -> list[aiohttp.web.RequestHandler]:
        """Those that are open."""
        return self._server.connections

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and body; the body is sent as JSON unless it is bytes."""
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        said = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        async with self._session.request(method, path, data=data, headers=said) as answer:
            raw = await answer.read()
            if answer.content_type == "application/json":
                return answer.status, orjson.loads(raw)
            return answer.status, raw.decode() if answer.content_type.startswith("text/") else raw

    def watch(self, path: str) -> contextlib.AbstractAsyncContextManager[Stream]:
        return self._watch(path)

    @contextlib.asynccontextmanager
    async def _watch(self, path: str) -> AsyncIterator[Stream]:
        async with self._session.get(path) as answer:
            yield Stream(answer)


class Stream:
    """The events of one watch."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self) -> Object | None:
        """The next event, None at the end of the stream."""
        line = await asyncio.wait_for(self.answer.content.readline(), PATIENCE)
        return orjson.loads(line) if line else None

    async def take(self, count: int) -> list[Object]:
        """The next events, without bookmarks."""
        found: list[Object] = []
        while len(found) < count:
            event = await self.next()
            assert event is not None, f"the stream ended after {found}"
            if event["type"] != "BOOKMARK":
                found.append(event)
        return found


@contextlib.asynccontextmanager
async def serving(
    ring: int = 100,
    buffer: int = 1 << 20,
    bookmark_interval: float = 0.005,
    tokens: Mapping[str, Caller] | None = None,
    patience: float = HEAD_SECONDS,
    body_patience: float = BODY_SECONDS,
) -> AsyncIterator[Session]:
    """A server and its client; with `tokens` beside Alice's, roles say who may do what."""
    api = make_api(ring=ring)
    watches = Watches(api.store, bookmark_interval, buffer)
    authorizer: Authorizer = Everything()
    if tokens is not None:
        roles.provide(api, ROOT)
        authorizer = Rbac(api)
    http = Http(api, {TOKEN: ALICE, **(tokens or {})}, watches, authorizer, body_patience)
    runner = server(http, patience)
    listening = await asyncio.get_running_loop().create_server(runner, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=aiohttp.ClientTimeout(PATIENCE),
        ) as session:
            yield Session(session, api, http, watches, runner)
    finally:
        watches.close()
        listening.close()
        await runner.shutdown(1)
        await api.close()


def names(events: list[Object]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]
