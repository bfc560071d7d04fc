"""Waiting for a state of a few collections, by watch; for provisioning, where nobody judges anything yet."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp

from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.resources import Resource

Object: TypeAlias = "dict[str, Any]"
Seen: TypeAlias = "Mapping[str, Mapping[str, Object]]"

_PAUSE = 0.2  # seconds until a lost or refused watch is tried again


class Sight:
    """Collections, watched from entry to exit.

    Args:
        client: to watch with.
        collections: each a resource, and a namespace or None; no kind twice.
        look: is called once all were listed, and after every change, with kind -> name -> object.
    """

    def __init__(
        self,
        client: Client,
        collections: Sequence[tuple[Resource, str | None]],
        look: Callable[[Seen], object] = lambda _: None,
    ) -> None:
        self.collections = collections
        self._client = client
        self._look = look
        self._seen: dict[str, dict[str, Object]] = {}
        self._tasks: list[asyncio.Future[None]] = []
        self._waiting: list[Callable[[], None]] = []

    @property
    def seen(self) -> Seen:
        """What there is now, as far as it was told: kind -> name -> object."""
        return self._seen

    async def __aenter__(self) -> Sight:  # noqa: PYI034  (Self needs Python 3.11)
        self._tasks = [asyncio.ensure_future(self._follow(*one)) for one in self.collections]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, good: Callable[[Seen], bool], timeout: float) -> bool:
        """Wait until the collections are as wanted; see `until`."""
        done = asyncio.Event()

        def look() -> None:
            if len(self._seen) == len(self.collections) and good(self._seen):
                done.set()

        self._waiting.append(look)
        waiting = asyncio.ensure_future(done.wait())
        either: list[asyncio.Future[Any]] = [waiting, *self._tasks]
        try:
            look()
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()  # it ends by an error of ours only
            return done.is_set()
        finally:
            self._waiting.remove(look)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def _changed(self) -> None:
        if len(self._seen) == len(self.collections):
            self._look(self._seen)
        for look in list(self._waiting):
            look()

    async def _follow(self, resource: Resource, namespace: str | None) -> None:
        while True:
            with contextlib.suppress(ApiError, aiohttp.ClientError, asyncio.TimeoutError):  # the time limit tells of it
                listed = await self._client.list(resource, namespace)
                found = self._seen[resource.kind] = {one["metadata"]["name"]: one for one in listed["items"]}
                self._changed()
                version = listed["metadata"]["resourceVersion"]
                stream = self._client.watch(resource, namespace, resource_version=version)
                async with contextlib.aclosing(stream):
                    async for kind, one in stream:
                        if kind == "BOOKMARK":
                            continue
                        if kind == "DELETED":
                            found.pop(one["metadata"]["name"], None)
                        else:
                            found[one["metadata"]["name"]] = one
                        self._changed()
            await asyncio.sleep(_PAUSE)


async def until(
    client: Client, collections: Sequence[tuple[Resource, str | None]], good: Callable[[Seen], bool], timeout: float
) -> bool:
    """Watch collections until they are as wanted.

    Args:
        client: to watch with.
        collections: each a resource, and a namespace or None.
        good: is called once all were listed, and after every change, with kind -> name -> object.
        timeout: seconds.

    Returns:
        Whether it came to be in time.
    """
    async with Sight(client, collections) as sight:
        return await sight.until(good, timeout)
