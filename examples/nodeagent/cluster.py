"""What the operator knows of the cluster, its own last writes included, and how it writes to it."""

from __future__ import annotations

import collections
from http import HTTPStatus
from typing import Any

from kubernetes_asyncio import client, config
from pods import going

Object = dict[str, Any]

LISTS = {"Node": "/api/v1/nodes", "Pod": "/api/v1/pods", "NodeAgent": "/apis/example.com/v1/nodeagents"}
REMEMBERED = 10_000
"""UIDs of deleted objects that are kept, so that a late answer does not bring one back."""


class ApiError(Exception):
    """The API server said no."""

    def __init__(self, request: str, status: int, answer: Object) -> None:
        super().__init__(f"{request}: {status} {answer.get('message', '')}")
        self.status, self.message = status, answer.get("message", "")
        self.causes = {one.get("reason") for one in (answer.get("details") or {}).get("causes") or ()}


class Cluster:
    """A cache that events fill and that reads its own writes: what has just been written is never taken for undone.

    Of two states of an object the one with the higher resourceVersion is kept, so events and answers may come in any order.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, Object]] = collections.defaultdict(dict)
        self._gone: dict[str, None] = {}
        self._api = client.ApiClient()

    @classmethod
    async def connect(cls) -> Cluster:
        """By the kubeconfig, or as the pod's ServiceAccount; everything there is has been read."""
        await config.load_config()
        cluster = cls()
        await cluster.relist()
        return cluster

    async def close(self) -> None:
        await self._api.close()

    def all(self, kind: str, namespace: str = "") -> list[Object]:
        """The objects of a kind; of a namespaced one, those of a namespace."""
        return list(self._known[kind, namespace].values())

    def find(self, kind: str, namespace: str, uid: str) -> Object | None:
        return self._known[kind, namespace].get(uid)

    def learn(self, kind: str, seen: Object) -> None:
        """An object was seen, in an event or in an answer."""
        meta = seen["metadata"]
        known = self._known[kind, meta.get("namespace", "")]
        old = known.get(meta["uid"])
        if meta["uid"] not in self._gone and (old is None or _version(old) < _version(seen)):
            known[meta["uid"]] = seen

    def forget(self, kind: str, gone: Object) -> None:
        """An object is not there any more."""
        meta = gone["metadata"]
        self._known[kind, meta.get("namespace", "")].pop(meta["uid"], None)
        self._gone[meta["uid"]] = None
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]

    async def relist(self) -> None:
        """Read everything anew: a watch that begins anew does not tell what went in between."""
        for kind, path in LISTS.items():
            found = await self.send("GET", path)
            there = {one["metadata"]["uid"] for one in found["items"]}
            for known in [objects for (one, _), objects in self._known.items() if one == kind]:
                for old in list(known.values()):
                    if old["metadata"]["uid"] not in there and _version(old) < _version(found):
                        self.forget(kind, old)
            for one in found["items"]:
                self.learn(kind, one)

    async def create_pod(self, pod: Object) -> Object:
        """Returns it as it is stored."""
        made = await self.send("POST", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod)
        self.learn("Pod", made)
        return made

    async def delete_pod(self, pod: Object) -> None:
        """Ask it to go in its own time; that it has gone already is as good."""
        known, uid = self._known["Pod", pod["metadata"]["namespace"]], pod["metadata"]["uid"]
        try:
            answer = await self.send("DELETE", _path(pod), {"preconditions": {"uid": uid}})
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
            self.forget("Pod", pod)
            return
        if answer.get("kind") == "Pod":
            self.learn("Pod", answer)
        if uid in known and not going(known[uid]):  # gone at once, and its last event is still to come
            known[uid] = {**known[uid], "metadata": {**known[uid]["metadata"], "deletionTimestamp": "just now"}}

    async def set_owners(self, pod: Object, owners: list[Object]) -> None:
        """Whose pod it is, unless it has changed since it was looked at."""
        meta = {"resourceVersion": pod["metadata"]["resourceVersion"], "ownerReferences": owners}
        self.learn("Pod", await self.send("PATCH", _path(pod), {"metadata": meta}))

    async def fresh(self, agent: Object) -> Object:
        """The set as it is stored now."""
        return await self.send("GET", _path(agent))

    async def set_status(self, agent: Object, status: Object) -> None:
        """Its counters; what others wrote to the status stays."""
        told = {"metadata": {"uid": agent["metadata"]["uid"]}, "status": status}
        self.learn("NodeAgent", await self.send("PATCH", f"{_path(agent)}/status", told))

    async def send(self, verb: str, path: str, body: Object | None = None) -> Object:
        """One request.

        Raises:
            ApiError: the answer is an error.
        """
        content = "application/merge-patch+json" if verb == "PATCH" else "application/json"
        answer = await self._api.call_api(
            path,
            verb,
            body=body,
            header_params={"Content-Type": content},
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=30,
        )
        async with answer:
            told: Object = await answer.json(content_type=None)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(f"{verb} {path}", answer.status, told if isinstance(told, dict) else {})
        return told


def _version(one: Object) -> int:
    return int(one["metadata"]["resourceVersion"])


def _path(one: Object) -> str:
    kind, meta = one.get("kind", "Pod"), one["metadata"]
    if kind == "NodeAgent":
        return f"/apis/example.com/v1/namespaces/{meta['namespace']}/nodeagents/{meta['name']}"
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
