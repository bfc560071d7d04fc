"""One workload of a controller that runs in the cluster: which pods are its own, whether it is up, how it is taken down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.kube.conditions import is_true
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.documents import Document
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.kube.until import Seen

Object = dict[str, Any]
_BACKGROUND = {"propagationPolicy": "Background"}


class Workload:
    """A Deployment, StatefulSet, DaemonSet or Pod.

    Args:
        client: who writes.
        resource: its kind.
        document: as the user wrote it.
        stored: as the cluster has it.
    """

    def __init__(self, client: Client, resource: Resource, document: Document, stored: Object) -> None:
        self.resource = resource
        self.kind = resource.kind
        self.namespace: str = stored["metadata"]["namespace"]
        self.name: str = stored["metadata"]["name"]
        self._client = client
        self._document = document
        self._replicas = int(stored["spec"].get("replicas", 1))
        self._scales = self.kind in ("Deployment", "StatefulSet")

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def owns(self, pod: Mapping[str, Any]) -> bool:
        """Whether a pod of its namespace is one of its own: by its selector, as its own loop finds it."""
        if self.kind == "Pod":
            return bool(pod["metadata"]["name"] == self.name)
        wanted = (self._document.content["spec"].get("selector") or {}).get("matchLabels") or {}
        labels = pod["metadata"].get("labels") or {}
        return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())

    def is_up(self, seen: Seen) -> bool:
        """Whether all of it runs, in the generation of now, and is ready."""
        ready = sum(self.owns(pod) and _is_ready(pod) for pod in seen.get("Pod", {}).values())
        found = seen.get(self.kind, {}).get(self.name)
        if found is None or not ready:
            return False
        if self.kind == "Pod":
            return True
        status = found.get("status") or {}
        if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
            return False
        if self.kind == "DaemonSet":
            wanted = status.get("desiredNumberScheduled", 0)
            up, new = status.get("numberAvailable", 0), status.get("updatedNumberScheduled", 0)
        else:
            wanted = found["spec"].get("replicas", 1)
            up = status.get("availableReplicas", status.get("readyReplicas", 0))
            new = status.get("updatedReplicas", up)
        # A status is told later than its pods are.
        return bool(wanted and wanted == up == new and ready >= wanted)

    def complaints(self, seen: Seen) -> list[str]:
        """What its own loop could not do."""
        status = seen.get(self.kind, {}).get(self.name, {}).get("status") or {}
        rows = status.get("conditions") or () if self.kind != "Pod" else ()
        failed = [row for row in rows if row["type"] == "ReplicaFailure" and row["status"] == "True"]
        return [f"{row.get('reason')}: {row.get('message')}" for row in failed]

    async def begin(self) -> None:
        """Have it run: scaled to what the manifest says; made anew where it cannot be scaled."""
        if self._scales:
            await self._client.patch(self.resource, self.name, {"spec": {"replicas": self._replicas}}, self.namespace)
            return
        try:
            await self._client.create(self.resource, self._document.content, self.namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def end(self) -> None:
        """Have it run no more: scaled to nothing; deleted where it cannot be scaled. Its pods take their time."""
        if self._scales:
            await self._client.patch(self.resource, self.name, {"spec": {"replicas": 0}}, self.namespace)
            return
        await gone(self._client, self.resource, self.name, self.namespace, _BACKGROUND)

    async def drop(self, pod: Mapping[str, Any]) -> None:
        """Take one of its pods out of the API at once, whether or not a kubelet answers for it."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await gone(self._client, PODS, pod["metadata"]["name"], self.namespace, options)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    return is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]


async def gone(client: Client, resource: Resource, name: str, namespace: str, options: Mapping[str, Any]) -> None:
    """Delete an object; that it is not there, or has a successor of its name, is fine."""
    try:
        await client.delete(resource, name, namespace, options=options)
    except ApiError as error:
        if error.status not in (404, 409):
            raise
