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
    seen: dict[str, dict[str, Object]] = {}
    done = asyncio.Event()

    def look() -> None:
        if len(seen) == len(collections) and good(seen):
            done.set()

    async def follow(resource: Resource, namespace: str | None) -> None:
        while True:
            with contextlib.suppress(ApiError, aiohttp.ClientError, asyncio.TimeoutError):  # the time limit tells of it
                listed = await client.list(resource, namespace)
                found = seen[resource.kind] = {one["metadata"]["name"]: one for one in listed["items"]}
                look()
                version = listed["metadata"]["resourceVersion"]
                async with contextlib.aclosing(client.watch(resource, namespace, resource_version=version)) as stream:
                    async for kind, one in stream:
                        if kind == "BOOKMARK":
                            continue
                        if kind == "DELETED":
                            found.pop(one["metadata"]["name"], None)
                        else:
                            found[one["metadata"]["name"]] = one
                        look()
            await asyncio.sleep(_PAUSE)

    tasks = [asyncio.ensure_future(follow(*one)) for one in collections]
    waiting = asyncio.ensure_future(done.wait())
    try:
        finished, _ = await asyncio.wait([waiting, *tasks], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in finished - {waiting}:
            task.result()  # it ends by an error of ours only
        return done.is_set()
    finally:
        for task in (waiting, *tasks):
            task.cancel()
        await asyncio.gather(waiting, *tasks, return_exceptions=True)
