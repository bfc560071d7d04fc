"""An API server in the test's own process, with loops beside it, and the objects that the tests are about."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.audit import AuditLog
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.loops import LOOPS
from pytest_daemonset.embedded.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]
ME = Caller("me", ("system:masters",), "test")
# How many turns of the event loop without any write mean that no loop has anything left to do.
_QUIET_TURNS = 30


class ControlPlane:
    """What a test does and sees."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.create("namespaces", {"metadata": {"name": "y"}})

    async def settle(self) -> None:
        """Until the loops have nothing left to do."""
        quiet = 0
        while quiet < _QUIET_TURNS:
            before = self.api.store.rv
            await asyncio.sleep(0)
            quiet = quiet + 1 if self.api.store.rv == before else 0

    def create(self, resource: str, obj: Object) -> Object:
        return self.api.create(ME, resource, obj["metadata"].get("namespace", ""), obj)

    def node(self, name: str, **spec: Any) -> Object:
        obj = self.create("nodes", {"metadata": {"name": name}, "spec": spec})
        # The taint of a node that just registered is the node-lifecycle loop's to lift.
        taints = {"spec": {"taints": spec.get("taints")}}
        return self.api.patch(ME, "nodes", "", obj["metadata"]["name"], taints)

    def pod(self, name: str, *owners: Object, pinned: str = "", meta: Object | None = None, **spec: Any) -> Object:
        references = [
            {
                "apiVersion": each["apiVersion"],
                "kind": each["kind"],
                "name": each["metadata"]["name"],
                "uid": each["metadata"]["uid"],
                "blockOwnerDeletion": each.get("blocks", True),
            }
            for each in owners
        ]
        if pinned:
            field = {"key": "metadata.name", "operator": "In", "values": [pinned]}
            term = {"nodeSelectorTerms": [{"matchFields": [field]}]}
            spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}
        metadata = {"name": name, "namespace": "y", "ownerReferences": references, **(meta or {})}
        return self.create(
            "pods", {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
        )

    def daemon_set(self, name: str, **meta: Any) -> Object:
        template = {"metadata": {"labels": {"a": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"selector": {"matchLabels": {"a": name}}, "template": template}
        return self.create("daemonsets.apps", {"metadata": {"name": name, "namespace": "y", **meta}, "spec": spec})

    def delete(self, resource: str, name: str, policy: str = "Background", namespace: str = "y") -> None:
        self.api.delete(ME, resource, namespace, name, {"propagationPolicy": policy})

    def names(self, resource: str) -> list[str]:
        return sorted(each["metadata"]["name"] for each in self.api.list(resource, "y"))

    def get(self, resource: str, name: str, namespace: str = "y") -> Object:
        found = self.api.get(resource, namespace, name)
        assert found is not None, f"no {name} in {resource}"
        return found

    def release(self, resource: str, name: str) -> None:
        self.api.patch(ME, resource, "y", name, {"metadata": {"finalizers": None}})


@contextlib.asynccontextmanager
async def control_plane(*loops: str, audit: Path | None = None, **constants: float) -> AsyncIterator[ControlPlane]:
    """Run these loops for a while; an error in one of them is the test's."""
    log = None if audit is None else AuditLog(audit)
    api = Api(ALL_KINDS, log)
    settings = Settings(Path(), **{"namespace_delay": 0.0, **constants})  # type: ignore[arg-type]
    tasks = [asyncio.create_task(LOOPS[name](api, settings)) for name in loops]
    try:
        plane = ControlPlane(api)
        await plane.settle()
        yield plane
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        if log is not None:
            log.close()
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
