"""The thin API client: JSON dicts in and out, with the retries that are safe and the versions that writes got."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import orjson

from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType

    from pytest_daemonset.kube.config import Kubeconfig
    from pytest_daemonset.kube.resources import Resource

Object: TypeAlias = "dict[str, Any]"

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_PAGE: Final = 500
_LINE_LIMIT: Final = 16 * 1024 * 1024
_TRIES: Final = 6


class Client:
    """One user's connection to one API server; to be used from the event loop that first used it.

    Args:
        kubeconfig: where and as whom.
        user_agent: how the audit log will call it.
        timeout: seconds for one request, a watch excepted.

    Reads are tried again after 429, 5xx and a lost connection. Writes are tried again only where they cannot have
    happened: after 429 and after a refused connection.
    """

    def __init__(self, kubeconfig: Kubeconfig, *, user_agent: str = "pytest-daemonset", timeout: float = 30.0) -> None:
        self.kubeconfig = kubeconfig
        self.user_agent = user_agent
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._wrote = 0

    @property
    def wrote(self) -> int:
        """The highest resourceVersion that a write got, 0 before the first: a state older than it lacks that write."""
        return self._wrote

    def wrote_at(self, version: int | str | None) -> None:
        """Remember the resourceVersion of a write that was made by somebody else on the test's behalf.

        A version that is no integer cannot be compared and is not remembered.
        """
        if version is not None and str(version).isdecimal():
            self._wrote = max(self._wrote, int(version))

    async def __aenter__(self) -> Client:  # noqa: PYI034  (Self needs Python 3.11)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client can be used again afterwards."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # Reading

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str | None = None
    ) -> Object:
        """Read one object.

        Raises:
            ApiError: with status 404 where there is none.
        """
        return await self.request("GET", resource.path(namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str | None = None,
        resource_version_match: str | None = None,
        limit: int = _PAGE,
        metadata_only: bool = False,
    ) -> Object:
        """Read a collection, page by page, into one list object whose resourceVersion is that of the snapshot.

        Args:
            resource: what to list.
            namespace: where, or ``None`` for all namespaces.
            label_selector: as in the API.
            field_selector: as in the API.
            resource_version: as in the API; ``None`` asks for a consistent read.
            resource_version_match: as in the API.
            limit: objects per page, 0 for no paging.
            metadata_only: ask for PartialObjectMetadata; a server that has none answers whole objects.
        """
        query = _query(
            labelSelector=label_selector,
            fieldSelector=field_selector,
            resourceVersion=resource_version,
            resourceVersionMatch=resource_version_match,
            limit=limit or None,
        )
        headers = {"Accept": _METADATA_LIST} if metadata_only else None
        path = resource.path(namespace)
        whole = await self.request("GET", path, query=query, headers=headers)
        items: list[Object] = whole.get("items") or []
        following = (whole.get("metadata") or {}).get("continue")
        while following:
            paged = {key: value for key, value in query.items() if not key.startswith("resourceVersion")}
            page = await self.request("GET", path, query={**paged, "continue": following}, headers=headers)
            items += page.get("items") or []
            following = (page.get("metadata") or {}).get("continue")
        whole["items"] = items
        whole.setdefault("metadata", {}).pop("continue", None)
        whole["metadata"].pop("remainingItemCount", None)
        return whole

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 290,
        bookmarks: bool = True,
        initial_events: bool = False,
        silence: float | None = 90.0,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Watch a collection: (type, object) as they come, until the server ends the watch.

        Nothing is retried and no event type is special: BOOKMARK is handed on, ERROR is raised.
        Leave it with ``contextlib.aclosing`` so that the connection closes with the loop that reads it.

        Args:
            resource: what to watch.
            namespace: where, or ``None`` for all namespaces.
            resource_version: start after this version; ``None`` starts at "most recent" with synthetic ADDED events.
            label_selector: as in the API.
            field_selector: as in the API.
            timeout_seconds: when the server shall end the watch.
            bookmarks: ask for BOOKMARK events.
            initial_events: ask for WatchList: the collection as ADDED events, then an annotated bookmark.
            silence: seconds without a byte after which a watch that was accepted is ended from here, like one that the
                server ends: a quiet collection and a dead connection look the same, and resuming misses nothing.

        Raises:
            ApiError: the watch was refused, or an ERROR event came (status 410 when the version is too old).
            aiohttp.ClientError: the connection was lost, or nobody answered.
        """
        query = _query(
            watch="1",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            timeoutSeconds=timeout_seconds,
            allowWatchBookmarks="true" if bookmarks or initial_events else None,
            sendInitialEvents="true" if initial_events else None,
            resourceVersionMatch="NotOlderThan" if initial_events else None,
        )
        path = resource.path(namespace)
        asked = f"GET {path}?watch=1"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=silence)
        async with self._open().get(self.kubeconfig.server + path, params=query, timeout=timeout) as answer:
            if answer.status != 200:
                raise ApiError.from_answer(
                    answer.status, await answer.read(), request=asked, retry_after=answer.headers.get("Retry-After")
                )
            try:
                async for line in _lines(answer, asked):
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError.from_status(event["object"], request=asked)
                    yield event["type"], event["object"]
            except aiohttp.SocketTimeoutError:
                return
            finally:
                # A TLS connection that is closed politely outlives a loop that ends right after the watch.
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()

    async def lines(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[str, None]:
        """Read text line by line as it comes, such as a pod's log, until the server ends it. Leave it with ``contextlib.aclosing``.

        Args:
            path: what to read.
            query: parameters, such as ``follow``.

        Raises:
            ApiError: refused.
            aiohttp.ClientError: the connection was lost.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout)
        async with self._open().get(self.kubeconfig.server + path, params=query, timeout=timeout) as answer:
            if answer.status != 200:
                raise ApiError.from_answer(answer.status, await answer.read(), request=f"GET {path}")
            try:
                async for line in _lines(answer, path, last_too=True):
                    yield line.decode(errors="replace")
            finally:
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()

    # Writing

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Create an object; for a subresource such as ``pods/binding`` use `request`.

        ``namespace`` defaults to the one in the body's metadata; ``query`` holds more parameters, such as ``fieldManager``.
        """
        where = namespace or (body.get("metadata") or {}).get("namespace")
        return await self.request("POST", resource.path(where), body, query=query)

    async def replace(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> Object:
        """Replace an object; with a resourceVersion in the body, only that version (409 otherwise)."""
        return await self.request("PUT", resource.path(namespace, name, subresource), body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        kind: str = MERGE_PATCH,
        subresource: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Patch an object.

        Args:
            resource: what it is.
            name: which one.
            body: the patch.
            namespace: where.
            kind: the patch's content type: `MERGE_PATCH`, `JSON_PATCH`, `STRATEGIC_PATCH` or `APPLY_PATCH`.
            subresource: such as ``status``.
            query: more parameters, such as ``fieldManager``.
        """
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, body, query=query, headers={"Content-Type": kind})

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        options: Mapping[str, Any] | None = None,
    ) -> Object:
        """Delete an object, with DeleteOptions such as ``gracePeriodSeconds`` and ``propagationPolicy``.

        Returns:
            The object, if it lives on as terminating, else the server's last word on it.
        """
        result = await self.request("DELETE", resource.path(namespace, name), options)
        metadata = result.get("metadata") or {}
        if not (metadata.get("deletionTimestamp") and metadata.get("deletionGracePeriodSeconds")):
            await self._note_removal(resource, namespace)
        return result

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Object:
        """Delete every object of a collection that the selectors choose."""
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        result = await self.request("DELETE", resource.path(namespace), options, query=query)
        await self._note_removal(resource, namespace)
        return result

    # The one road for every request but watches

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Object:
        """Send one request, again where that is safe, and decode the answer.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError: the server could not be reached, or the connection was lost while it may have written.
        """
        reading = method == "GET"
        data = None if body is None else orjson.dumps(body)
        sent = {"Content-Type": "application/json", **(headers or {})} if data is not None else dict(headers or {})
        asked = f"{method} {path}"
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                async with self._open().request(
                    method, self.kubeconfig.server + path, params=query, data=data, headers=sent
                ) as answer:
                    told = await answer.read()
                    if answer.status < 400:
                        result: Object = orjson.loads(told) if told else {}
                        if not reading:
                            self._note(result)
                        return result
                    error = ApiError.from_answer(
                        answer.status, told, request=asked, retry_after=answer.headers.get("Retry-After")
                    )
            except aiohttp.ClientConnectorError:
                if last:
                    raise
                wait = None
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError):
                if last or not reading:
                    raise
                wait = None
            else:
                again = error.status == 429 or (reading and error.status in (500, 502, 503, 504))
                if last or not again:
                    raise error
                wait = error.retry_after
            await asyncio.sleep(wait if wait is not None else _backoff(attempt))
        raise AssertionError("the last attempt either returned or raised")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            config = self.kubeconfig
            headers = {"User-Agent": self.user_agent, "Accept": "application/json"}
            if config.token:
                headers["Authorization"] = f"Bearer {config.token}"
            self._session = aiohttp.ClientSession(
                headers=headers,
                connector=aiohttp.TCPConnector(ssl=config.tls(), limit=0),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                auto_decompress=True,
            )
        return self._session

    async def _note_removal(self, resource: Resource, namespace: str | None) -> None:
        # The answer to a removal does not tell the version of the removal; a consistent read afterwards is as good.
        try:
            await self.wrote_until_now(resource, namespace)
        except ApiError as error:
            if error.status not in (403, 405):
                raise

    async def wrote_until_now(self, resource: Resource, namespace: str | None = None) -> int:
        """Take the cluster's present version as written by us, and tell it: for writes whose version nobody told.

        Raises:
            ApiError: the collection may not be listed.
        """
        head = await self.request(
            "GET", resource.path(namespace), query={"limit": "1"}, headers={"Accept": _METADATA_LIST}
        )
        self.wrote_at((head.get("metadata") or {}).get("resourceVersion"))
        return self._wrote

    def _note(self, result: Object) -> None:
        if result.get("kind") != "Status":
            self.wrote_at((result.get("metadata") or {}).get("resourceVersion"))


async def _lines(answer: aiohttp.ClientResponse, asked: str, *, last_too: bool = False) -> AsyncGenerator[bytes, None]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_LIMIT:
            raise ApiError(0, "LineTooLong", f"a watch event of more than {_LINE_LIMIT} bytes", request=asked)
        for line in lines:
            if line:
                yield line
    if last_too and rest:  # of a watch it would be half an event
        yield rest


def _query(**parameters: str | int | None) -> dict[str, str]:
    return {key: str(value) for key, value in parameters.items() if value is not None}


def _backoff(attempt: int) -> float:
    # Spread, so that several clients that were refused together do not come back together.
    return float(min(2.0, 0.05 * 2**attempt)) * random.uniform(0.5, 1.0)  # noqa: S311
