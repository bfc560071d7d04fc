"""A thin HTTP client of one API server: requests in JSON, one watch, and the highest version that was written."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Object: TypeAlias = "dict[str, Any]"

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
KUBELET: Final = "pytest-daemonset-kubelets"
LIFECYCLE: Final = "pytest-daemonset-node-lifecycle"
"""The user agent of what the node lifecycle loop of a real control plane would write, so that the audit log says so."""

_CONNECTIONS = 32
_TRIES = 6


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


def load_kubeconfig(path: Path) -> tuple[str, ssl.SSLContext | None, str | None]:
    """Server, TLS context and token of the current context; certificates may be inline or files.

    Raises:
        ValueError: the file is no kubeconfig of that form.
    """
    text = path.read_bytes()
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        import yaml

        content = yaml.safe_load(text)
    try:
        context = _named(content["contexts"], content["current-context"])["context"]
        cluster = _named(content["clusters"], context["cluster"])["cluster"]
        user = _named(content["users"], context["user"])["user"]
        server: str = cluster["server"]
    except (KeyError, TypeError, StopIteration) as error:
        raise ValueError(f"{path} is no kubeconfig with clusters, users and a current context: {error!r}") from error
    tls: ssl.SSLContext | None = None
    if server.startswith("https"):
        tls = ssl.create_default_context()
        if authority := _bytes(path, cluster, "certificate-authority"):
            tls = ssl.create_default_context(cadata=authority.decode())
        if cluster.get("insecure-skip-tls-verify"):
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        certificate, key = _bytes(path, user, "client-certificate"), _bytes(path, user, "client-key")
        if certificate and key:
            _load_pair(tls, certificate, key)
    token = user.get("token")
    if not token and user.get("tokenFile"):
        token = (path.parent / user["tokenFile"]).read_text().strip()
    return server, tls, token


def _load_pair(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # The ssl module reads a client certificate from files only.
    import tempfile

    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        tls.load_cert_chain(pair.name)


def _named(items: list[Object], name: str) -> Object:
    return next(item for item in items if item["name"] == name)


def _bytes(path: Path, holder: Object, field: str) -> bytes | None:
    if inline := holder.get(f"{field}-data"):
        return base64.b64decode(inline)
    if named := holder.get(field):
        return (path.parent / str(named)).read_bytes()
    return None


class Api:
    """The connection. `wrote` is the highest resourceVersion that a write got (0 before the first)."""

    def __init__(self, server: str, tls: ssl.SSLContext | None, token: str | None) -> None:
        self._server = server.rstrip("/")
        headers = {"User-Agent": KUBELET, "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # The watch must not wait behind writes: it takes one connection on top of the limit.
        connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True, limit=_CONNECTIONS + 1)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)
        )
        self.wrote = 0

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        kind: str = "application/json",
        query: dict[str, str] | None = None,
        agent: str = KUBELET,
    ) -> Object:
        """One request; the answer decoded.

        Tried again after 429, and, for reads, after 5xx and a lost connection.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: the connection failed.
        """
        data = orjson.dumps(body) if body is not None else None
        headers = {"User-Agent": agent, **({"Content-Type": kind} if data is not None else {})}
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                async with self._session.request(
                    method, self._server + path, data=data, params=query, headers=headers, timeout=_PATIENCE
                ) as response:
                    text = await response.read()
                    status = response.status
                    pause = float(response.headers.get("Retry-After", 0.05 * 2**attempt))
            except aiohttp.ClientError:
                if method != "GET" or last:
                    raise
                await asyncio.sleep(0.05 * 2**attempt)
                continue
            if not last and (status == 429 or (method == "GET" and status >= 500)):
                await asyncio.sleep(pause)
                continue
            break
        answer = _decode(text, status)
        if method != "GET":
            self._note((answer.get("metadata") or {}).get("resourceVersion"))
        return answer

    def _note(self, version: object) -> None:
        if isinstance(version, str) and version.isdecimal():
            self.wrote = max(self.wrote, int(version))

    async def watch(self, path: str, version: str) -> AsyncIterator[Object]:
        """Events from `version` on, until the server ends the watch.

        Raises:
            ApiError: refused, or ended by an ERROR event (410 Gone: list again).
            aiohttp.ClientError: the connection failed.
        """
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        async with self._session.get(self._server + path, params=query) as response:
            if response.status != 200:
                _decode(await response.read(), response.status)
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not line:
                        continue
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                    yield event


_PATIENCE = aiohttp.ClientTimeout(total=60, sock_connect=10)


def _decode(text: bytes, status: int) -> Object:
    answer: Any = None
    with contextlib.suppress(orjson.JSONDecodeError):
        answer = orjson.loads(text)
    if not isinstance(answer, dict):
        raise ApiError(status, "NoObject", text[:200].decode(errors="replace"))
    if status >= 400:
        raise ApiError(status, answer.get("reason", ""), answer.get("message", ""))
    return answer
