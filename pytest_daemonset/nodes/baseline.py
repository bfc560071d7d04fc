"""How the nodes were at the beginning, and the way back to it by difference."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_daemonset.errors import ClusterError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import NODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.nodes.pool import NodePool
    from pytest_daemonset.nodes.spec import NodeSpec

Object: TypeAlias = "dict[str, Any]"

_WAKE: Final = {"paused": "resume", "partitioned": "heal", "crashed": "restart"}


class Baseline:
    """What a pool's nodes were like when `take` was awaited. `restore` is for between tests, not for within one."""

    def __init__(self, pool: NodePool, specs: Mapping[str, NodeSpec], objects: Mapping[str, Object]) -> None:
        self._pool = pool
        self._specs = specs
        self._objects = objects

    @classmethod
    async def take(cls, pool: NodePool) -> Baseline:
        """Looks at the nodes as they are now."""
        return cls(pool, {name: pool.records[name].spec for name in pool.names()}, await _nodes(pool))

    async def restore(self) -> None:
        """Undoes what was done to the nodes since; only what differs is written.

        Raises:
            ClusterError: a node could not be brought back.
        """
        pool = self._pool
        # What was asked for and never awaited is asked for no more; what was cancelled may have happened all the same.
        states = await pool.provider.states()
        for name, record in pool.records.items():
            record.planned = record.state = states.get(name, "left")
        await pool.provider.clean_up()
        left = [name for name in pool.names() if name not in self._specs]
        await self._do("leave", left)
        for state, verb in _WAKE.items():
            await self._do(verb, [name for name in pool.names() if pool.records[name].state == state])
        await self._do("rejoin", [name for name in self._specs if pool.records[name].state == "left"])
        present = await _nodes(pool)
        # Node objects that somebody deleted by hand: a kubelet that starts anew registers anew.
        await self._do("restart", [name for name in self._specs if name not in present])
        for ready in (True, False):
            names = [name for name, spec in self._specs.items() if spec.ready == ready]
            if changed := [name for name in names if pool.records[name].ready != ready]:
                await pool.set_ready(changed, ready=ready)
        present = await _nodes(pool)
        await asyncio.gather(
            *(self._set_back(name, self._objects[name], present[name]) for name in self._specs if name in present)
        )
        if pool.provider.exclusive:
            await asyncio.gather(*(self._delete(name) for name in set(present) - set(self._objects)))
        for name in set(pool.records) - set(self._specs):
            del pool.records[name]
        if left:
            await pool.provider.clean_up()  # the pods on them

    async def _do(self, verb: str, names: Sequence[str]) -> None:
        if names:
            self._pool.plan(verb, names)
            await self._pool.act(verb, names)

    async def _set_back(self, name: str, before: Object, now: Object) -> None:
        metadata: Object = {}
        for field in ("labels", "annotations"):
            wanted, have = before["metadata"].get(field) or {}, now["metadata"].get(field) or {}
            if wanted != have:
                metadata[field] = {**dict.fromkeys(set(have) - set(wanted)), **wanted}
        spec: Object = {}
        if _taints(before) != _taints(now):
            spec["taints"] = before["spec"].get("taints")
        if bool(before["spec"].get("unschedulable")) != bool(now["spec"].get("unschedulable")):
            spec["unschedulable"] = before["spec"].get("unschedulable")
        if metadata or spec:
            await self._pool.patch(name, {"metadata": metadata, "spec": spec})

    async def _delete(self, name: str) -> None:
        try:
            await self._pool.client.delete(NODES, name)
        except ApiError as error:
            if error.status != 404:
                raise ClusterError(f"node {name}, which a test had made, could not be deleted: {error}") from error


async def _nodes(pool: NodePool) -> dict[str, Object]:
    answer = await pool.client.list(NODES)
    return {node["metadata"]["name"]: node for node in answer["items"]}


def _taints(node: Object) -> list[tuple[str, str, str]]:
    rows = node["spec"].get("taints") or []
    return sorted((row["key"], row.get("value") or "", row["effect"]) for row in rows)
