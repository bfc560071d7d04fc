"""Leases of nodes, for control planes whose node lifecycle loop looks at them."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import aiohttp

from pytest_daemonset.kubelets.api import MERGE, ApiError

if TYPE_CHECKING:
    from pytest_daemonset.kubelets.api import Api

_PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
DURATION = 40.0
"""Seconds that a lease is good for unless told otherwise; it is renewed after a quarter, as kubelets do."""

_log = logging.getLogger(__name__)


class Heartbeats:
    """The leases of those nodes that have one, good for so many seconds."""

    def __init__(self, api: Api, duration: float = DURATION) -> None:
        self._api = api
        self._duration = duration
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, node: str) -> None:
        """Renews the lease of a node now and from now on."""
        if node not in self._tasks:
            await self._renew(node)
            self._tasks[node] = asyncio.get_running_loop().create_task(self._beat(node))

    async def stop(self, node: str) -> None:
        """Renews it no more; when this returns, no renewal is under way."""
        if task := self._tasks.pop(node, None):
            task.cancel()
            await asyncio.wait([task])

    async def _beat(self, node: str) -> None:
        while True:
            await asyncio.sleep(self._duration / 4)
            try:
                await self._renew(node)
            except (
                ApiError,
                aiohttp.ClientError,
                asyncio.TimeoutError,
            ) as error:  # the next beat may succeed, as a kubelet's does
                _log.warning("the lease of %s was not renewed: %s", node, error)

    async def _renew(self, node: str) -> None:
        time = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            await self._api.request("PATCH", f"{_PATH}/{node}", {"spec": {"renewTime": time}}, kind=MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
            spec = {"holderIdentity": node, "leaseDurationSeconds": max(1, round(self._duration)), "renewTime": time}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node}, "spec": spec}
            await self._api.request("POST", _PATH, lease)
