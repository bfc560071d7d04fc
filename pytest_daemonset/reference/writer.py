"""The controller's writes: each is expected back in the caches, told by an event, and says what its failure means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference import status
from pytest_daemonset.reference.client import ApiError, Body, Client

if TYPE_CHECKING:
    from pytest_daemonset.reference.events import Recorder
    from pytest_daemonset.reference.expectations import Expectations
    from pytest_daemonset.reference.views import Json, PodView

_CONFLICTS = 5
_BRIEF = 1.0


class Writer:
    """Writes for one set at a time.

    Args:
        client: where to write to.
        expectations: where each write is noted until the caches show it.
        recorder: where events go.
    """

    def __init__(self, client: Client, expectations: Expectations, recorder: Recorder) -> None:
        self._client, self._expectations, self._recorder = client, expectations, recorder

    async def create_pod(self, daemonset: Json, pod: Body) -> Body:
        """Create a pod.

        Raises:
            ApiError: it was refused; told by an event unless the whole namespace is going (GC-08).
        """
        try:
            made = await self._client.create(_path("pods", daemonset["metadata"]["namespace"]), pod)
        except ApiError as error:
            if not namespace_is_going(error):
                self._recorder.record(daemonset, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._wrote(daemonset, "pods", made)
        self._recorder.record(daemonset, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return made

    async def delete_pod(self, daemonset: Json, pod: PodView, options: dict[str, Any]) -> None:
        """Delete a pod; one that is gone already, or is another by now, counts as deleted (ROB-04).

        Raises:
            ApiError: it was refused; told by an event.
        """
        uid = daemonset["metadata"]["uid"]
        self._expectations.deleting(uid, pod.uid)
        try:
            await self._client.delete(_path("pods", pod.namespace, pod.name), options)
        except ApiError as error:
            self._expectations.gone(pod.uid)
            if error.status in (404, 409):
                # Its end is on its way to the cache: do not repeat the delete meanwhile, do not wait long for it either.
                self._expectations.deleting(uid, pod.uid, within=_BRIEF)
                return
            self._recorder.record(daemonset, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._recorder.record(daemonset, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.name}")

    async def patch(self, daemonset: Json, kind: str, name: str, body: Body) -> None:
        """Change a pod or revision of the set's namespace by a strategic merge patch."""
        self._wrote(
            daemonset, kind, await self._client.patch(_path(kind, daemonset["metadata"]["namespace"], name), body)
        )

    async def create_revision(self, daemonset: Json, revision: Body) -> Body | None:
        """Create a revision; returns what is stored under its name if that has the same data, None if it has other data."""
        namespace = daemonset["metadata"]["namespace"]
        try:
            made = await self._client.create(_path("controllerrevisions", namespace), revision)
        except ApiError as error:
            if error.status != 409:
                raise
            made = await self._client.get(_path("controllerrevisions", namespace, revision["metadata"]["name"]))
            return made if made.get("data") == revision["data"] else None
        self._wrote(daemonset, "controllerrevisions", made)
        return made

    async def replace_revision(self, daemonset: Json, revision: Body) -> None:
        """Store a revision anew: its number or labels changed, its data never does."""
        path = _path("controllerrevisions", daemonset["metadata"]["namespace"], revision["metadata"]["name"])
        self._wrote(daemonset, "controllerrevisions", await self._client.replace(path, revision))

    async def delete_revision(self, daemonset: Json, name: str, uid: str) -> None:
        """Delete a revision; one that is gone already counts as deleted."""
        path = _path("controllerrevisions", daemonset["metadata"]["namespace"], name)
        try:
            await self._client.delete(path, {"preconditions": {"uid": uid}})
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def live(self, daemonset: Json) -> Json | None:
        """The set as it is now, or None when it is gone, being deleted, or another of the same name (GC-05)."""
        metadata = daemonset["metadata"]
        try:
            now = await self._client.get(_path("daemonsets", metadata["namespace"], metadata["name"]))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return now if now["metadata"]["uid"] == metadata["uid"] and "deletionTimestamp" not in now["metadata"] else None

    async def see_pods(self, daemonset: Json) -> None:
        """After a create without an answer: read the pods live, so that no sync acts before the cache has what is there."""
        listed = await self._client.get(_path("pods", daemonset["metadata"]["namespace"]))
        for pod in listed.get("items") or ():
            self._wrote(daemonset, "pods", pod)

    async def write_counters(self, daemonset: Json, count: dict[str, Any]) -> None:
        """Store the counters and the generation that was acted on; a conflict is retried on fresh data (STAT-07).

        A set whose spec has moved on meanwhile is left to the sync that this change has woken.
        """
        generation, current = daemonset["metadata"]["generation"], daemonset
        for _ in range(_CONFLICTS):
            new = {**current, "status": status.merged(current.get("status") or {}, count, generation)}
            try:
                return await self._write_status(new)
            except ApiError as error:
                if error.status == 404:
                    return None
                if error.status != 409:
                    raise
            fresh = await self.live(daemonset)
            if fresh is None or fresh["metadata"]["generation"] != generation:
                return None
            current = fresh
        raise ApiError(409, "Conflict", f"status of {daemonset['metadata']['name']}: {_CONFLICTS} conflicts in a row")

    async def raise_collisions(self, daemonset: Json) -> None:
        """Count one more clash of revision names; the set's own event brings the next sync (REV-11)."""
        stored = daemonset.get("status") or {}
        await self._write_status(
            {**daemonset, "status": {**stored, "collisionCount": int(stored.get("collisionCount") or 0) + 1}}
        )

    async def _write_status(self, daemonset: Json) -> None:
        metadata = daemonset["metadata"]
        path = _path("daemonsets", metadata["namespace"], metadata["name"]) + "/status"
        self._wrote(daemonset, "daemonsets", await self._client.replace(path, dict(daemonset)))

    def _wrote(self, daemonset: Json, kind: str, stored: Json) -> None:
        self._expectations.wrote(daemonset["metadata"]["uid"], kind, stored["metadata"]["resourceVersion"])


def namespace_is_going(error: ApiError) -> bool:
    """Whether a create was refused because the namespace is being deleted."""
    return error.status == 403 and "NamespaceTerminating" in error.causes


def _path(kind: str, namespace: str, name: str = "") -> str:
    group = "/api/v1" if kind == "pods" else "/apis/apps/v1"
    return f"{group}/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")
