"""A cluster without controllers, as the tests of nodes and kubelets see it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import NODES, PODS, Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.nodes import NodePool
    from pytest_daemonset.observe.portal import Portal


class Cluster:
    """What the tests ask of it, from plain functions."""

    def __init__(self, portal: Portal, client: Client, pool: NodePool) -> None:
        self.portal = portal
        self.client = client
        self.pool = pool

    def node(self, name: object) -> dict[str, Any] | None:
        return self._get(NODES, str(name), None)

    def pod(self, name: str) -> dict[str, Any] | None:
        return self._get(PODS, name, "default")

    def _get(self, resource: Resource, name: str, namespace: str | None) -> dict[str, Any] | None:
        try:
            return self.portal.call(lambda: self.client.get(resource, name, namespace))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def bind(self, name: str, node: object, **spec: Any) -> None:
        """A pod that is bound from the beginning."""
        labels = spec.pop("labels", {"app": "x"})
        body = {
            "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {"nodeName": str(node), "containers": [{"name": "main", "image": "agent:1"}], **spec},
        }
        self.portal.call(lambda: self.client.create(PODS, body, "default"))

    def delete(self, name: str) -> None:
        self.portal.call(lambda: self.client.delete(PODS, name, "default"))

    def until(self, name: str, good: Callable[[dict[str, Any] | None], bool]) -> dict[str, Any] | None:
        """Watches until the pod (None: it is gone) is as wanted."""

        async def watch() -> dict[str, Any] | None:
            listed = await self.client.list(PODS, "default")
            pod = next((one for one in listed["items"] if one["metadata"]["name"] == name), None)
            if good(pod):
                return pod
            version = listed["metadata"]["resourceVersion"]
            async with contextlib.aclosing(self.client.watch(PODS, "default", resource_version=version)) as stream:
                async for kind, found in stream:
                    if kind == "BOOKMARK" or found["metadata"]["name"] != name:
                        continue
                    pod = None if kind == "DELETED" else found
                    if good(pod):
                        return pod
            raise AssertionError(f"the watch ended, and the pod is {pod}")

        return self.portal.call(watch)
