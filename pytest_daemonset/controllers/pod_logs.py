"""What the containers of a controller in the cluster say: followed through the API into one file."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from pytest_daemonset.controllers.pod_troubles import rows
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pytest_daemonset.controllers.pod_troubles import Instance
    from pytest_daemonset.kube.client import Client

_PAUSE: Final = (
    0.3  # seconds until a log that broke off is asked for again: its container may have ended, which the watch tells
)
_KEPT: Final = 200  # lines of one container
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")


class PodLogs:
    """Follows each run of each container that it is shown.

    Args:
        client: to read with.
        path: the file; each line begins with pod and container.
    """

    def __init__(self, client: Client, path: Path) -> None:
        self.path = path
        self._client = client
        self._lines: dict[Instance, deque[str]] = {}
        self._following: dict[Instance, asyncio.Task[None]] = {}
        self._ended: set[Instance] = set()
        self._waiting: dict[asyncio.Future[None], re.Pattern[str]] = {}
        path.touch(mode=0o600)

    def show(self, pod: Mapping[str, Any]) -> None:
        """A pod was seen: what began in it is followed."""
        for row in rows(pod):
            if not row.get("containerID"):
                continue
            run = pod["metadata"]["uid"], row["name"], int(row.get("restartCount", 0))
            if "running" not in row.get("state", {}):
                self._ended.add(run)
            if run not in self._lines:
                for number in range(run[2]):  # whose runs are over
                    self._ended.add((*run[:2], number))
                self._lines[run] = deque(maxlen=_KEPT)
                self._following[run] = asyncio.ensure_future(self._follow(run, pod["metadata"]))

    def only(self, uids: Collection[str]) -> None:
        """These pods are there; of all others nothing more is to be had."""
        self._ended |= {run for run in self._lines if run[0] not in uids}

    async def last_lines(self, run: Instance, *, patience: float, count: int = 20) -> list[str]:
        """The last lines of one run of a container.

        Args:
            run: which.
            patience: seconds that what a container has said to its end may take to come.
            count: how many.
        """
        following = self._following.get(run)
        if following is not None and patience:
            await asyncio.wait([following], timeout=patience)
        return list(self._lines.get(run, ()))[-count:]

    async def complete(self, *, patience: float) -> None:
        """Wait until all that has ended is told to its end.

        Args:
            patience: seconds that it may take.
        """
        following = [task for run, task in self._following.items() if run in self._ended]
        if following:
            await asyncio.wait(following, timeout=patience)

    async def heard(self, pattern: re.Pattern[str]) -> None:
        """Wait for a line, from now on."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = pattern
        try:
            await waiting
        finally:
            del self._waiting[waiting]

    async def close(self) -> None:
        """Follow no more."""
        for task in self._following.values():
            task.cancel()
        await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def _follow(self, run: Instance, metadata: Mapping[str, Any]) -> None:
        path = PODS.path(metadata["namespace"], metadata["name"], "log")
        query = {"container": run[1], "follow": "true", "timestamps": "true"}
        last = ""
        with self.path.open("a", encoding="utf-8", buffering=1) as file:
            while True:
                over = run in self._ended  # before it is read: then what comes is all that there is
                since, before = ({"sinceTime": f"{last[:19]}Z"} if last else {}), last
                try:
                    async with contextlib.aclosing(self._client.lines(path, {**query, **since})) as lines:
                        async for line in lines:
                            stamp, _, text = line.partition(" ")
                            if not _STAMP.fullmatch(stamp):
                                continue  # the kubelet's own word, of a container that it has just removed
                            stamp = stamp.removesuffix("Z")
                            if stamp > before:  # whole seconds are all that a log can be asked for
                                last = stamp
                                self._tell(run, text)
                                file.write(f"{metadata['name']}/{run[1]}: {text}\n")
                except (ApiError, aiohttp.ClientError, asyncio.TimeoutError) as error:
                    if over and isinstance(error, ApiError):
                        return
                if over:
                    return
                await asyncio.sleep(_PAUSE)

    def _tell(self, run: Instance, text: str) -> None:
        self._lines[run].append(text)
        for waiting, pattern in self._waiting.items():
            if not waiting.done() and pattern.search(text):
                waiting.set_result(None)
