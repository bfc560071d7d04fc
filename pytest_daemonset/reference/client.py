"""A thin Kubernetes API client: JSON in and out, watches in batches of events; it retries nothing by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from typing_extensions import Self

    from pytest_daemonset.reference.kubeconfig import Access

USER_AGENT = "pytest-daemonset-reference"
STRATEGIC = "application/strategic-merge-patch+json"
_LAST_ANSWER = 1.0
_TLS_END = 0.1

Body = dict[str, Any]


def _written(body: Any) -> bytes:
    """JSON as Go writes it: keys in order, and three signs escaped. An API server compares the data of revisions byte by byte, so one
    that is written otherwise could never be patched (the garbage collector would not get a set's revisions orphaned).
    """
    data = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return data.replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003e")


class ApiError(Exception):
    """The API server said no.

    Args:
        status: the HTTP status; 0 when no answer came, and then nobody knows whether a write was stored.
        reason: the Status reason, such as "NotFound".
        message: what the server, or the network, said.
        causes: the reasons of the Status's causes.
    """

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(f"{status or 'no answer'} {reason}: {message}")
        self.status, self.reason, self.message, self.causes = status, reason, message, causes

    @property
    def ambiguous(self) -> bool:
        """Whether a write may have been stored all the same."""
        return self.status in (0, 500, 502, 503, 504)


class Client:
    """Speaks to one API server; use as an async context manager.

    Args:
        access: address and credentials.
        connections: how many requests may be under way at once, watches not counted.
        timeout: seconds that one request, other than a watch, may take.
        fence: is called before each write, and keeps it from being sent by raising.
    """

    def __init__(
        self,
        access: Access,
        connections: int = 32,
        timeout: float = 30.0,
        fence: Callable[[], None] = lambda: None,
    ) -> None:
        self._access, self._connections, self._fence = access, connections, fence
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def __aenter__(self) -> Self:
        self._session = self._open(self._connections)
        # A crowd of writes must not keep a watch from being renewed.
        self._watches = self._open(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._watches.close()
        # aiohttp before 4 does not wait until TLS connections have ended; its documentation asks for a pause here.
        await asyncio.sleep(_TLS_END)

    def _open(self, connections: int) -> aiohttp.ClientSession:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if self._access.token:
            headers["Authorization"] = f"Bearer {self._access.token}"
        connector = aiohttp.TCPConnector(limit=connections, ssl=self._access.tls)
        return aiohttp.ClientSession(connector=connector, headers=headers, timeout=self._timeout)

    async def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        query: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> Body:
        """One request and its answer.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: from the server's root, as "/api/v1/nodes".
            body: sent as JSON.
            query: the query parameters.
            content: the body's content type; the kind of patch.

        Raises:
            ApiError: any answer of 400 or above, or none at all (status 0).
        """
        data, headers = (None, None) if body is None else (_written(body), {"Content-Type": content})
        url = self._access.server + path
        exchange = asyncio.ensure_future(self._exchange(method, url, data=data, params=query, headers=headers))
        try:
            status, raw = await asyncio.shield(exchange)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise ApiError(0, type(error).__name__, f"{method} {path}: {error}") from error
        except asyncio.CancelledError:
            # A write under way is let finish: cut off, nobody would know whether it was stored.
            await asyncio.wait([exchange], timeout=_LAST_ANSWER)
            exchange.cancel()
            await asyncio.gather(exchange, return_exceptions=True)
            raise
        if status >= 400:
            raise _refusal(status, raw)
        result: Body = orjson.loads(raw)
        return result

    async def _exchange(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        if method != "GET":
            self._fence()
        async with self._session.request(method, url, **more) as answer:
            return answer.status, await answer.read()

    async def get(self, path: str, **query: str) -> Body:
        """Read one object, or one page of a list."""
        return await self.request("GET", path, query=query)

    async def create(self, path: str, body: Body) -> Body:
        """Create an object in the collection at `path`; returns it as stored."""
        return await self.request("POST", path, body)

    async def replace(self, path: str, body: Body) -> Body:
        """Replace the object at `path`; its resourceVersion is checked by the server."""
        return await self.request("PUT", path, body)

    async def patch(self, path: str, body: Body) -> Body:
        """Change the object at `path` by a strategic merge patch."""
        return await self.request("PATCH", path, body, content=STRATEGIC)

    async def delete(self, path: str, options: Body) -> Body:
        """Delete the object at `path`.

        Args:
            options: the fields of the DeleteOptions.
        """
        return await self.request("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})

    async def watch(self, path: str, resource_version: str, seconds: int) -> AsyncGenerator[list[Body], None]:
        """The events of a collection since a resourceVersion, in the batches in which they arrive, until the server ends it.

        Args:
            path: the collection.
            resource_version: where to start, exclusive.
            seconds: how long the server shall keep the watch open; one that stays silent much longer is given up.

        Raises:
            ApiError: as for `request`; a broken connection has the status 0.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout.total, sock_read=seconds + 30)
        rest = b""
        try:
            async with self._watches.get(self._access.server + path, params=query, timeout=timeout) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                try:
                    async for chunk in answer.content.iter_any():
                        *lines, rest = (rest + chunk).split(b"\n")
                        if lines:
                            yield [orjson.loads(line) for line in lines if line.strip()]
                finally:
                    # An endless answer is cut off: a polite end of TLS would outlive the program's loop.
                    if answer.connection is not None and answer.connection.transport is not None:
                        answer.connection.transport.abort()
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise ApiError(0, type(error).__name__, f"watch {path}: {error}") from error


def _refusal(status: int, raw: bytes) -> ApiError:
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        return ApiError(status, "", raw[:500].decode(errors="replace"))
    causes = (told.get("details") or {}).get("causes") or ()
    return ApiError(
        status, told.get("reason") or "", told.get("message") or "", tuple(c.get("reason", "") for c in causes)
    )
