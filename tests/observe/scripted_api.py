"""A small API server that does what a test tells it: holds events back, drops watches, forgets versions, sends no bookmarks."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from pytest_daemonset.contract import Subject
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.observe.constants import Constants
from pytest_daemonset.observe.observation import Observation
from pytest_daemonset.observe.portal import Portal
from pytest_daemonset.observe.scope import Scope
from pytest_daemonset.observe.signals import Signal
from pytest_daemonset.observe.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {"nodes": "Node", "pods": "Pod", "daemonsets": "DaemonSet", "controllerrevisions": "ControllerRevision"}
TOKEN = "scripted"
NAMESPACE = "work"


class ScriptedApi:
    """Runs in a portal; its attributes are the script, and may be changed from any thread."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.version = 100
        self.objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = {plural: {} for plural in KINDS}
        self.log: dict[str, list[tuple[int, str, dict[str, Any]]]] = {plural: [] for plural in KINDS}
        self.oldest: dict[str, int] = dict.fromkeys(KINDS, 0)  # versions below are answered with 410
        self.held: set[str] = set()  # kinds whose watches get nothing
        self.held_until_listed: set[str] = set()  # kinds that are let go when somebody lists them
        self.bookmarks = True
        self.watch_list = True
        self.broken: dict[str, int] = {}  # kinds whose requests are answered with this status
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.reactions: list[Any] = []  # called with (plural, type, object) in the loop after each write
        self.changed = Signal()
        self._watches: dict[str, set[asyncio.Task[Any]]] = {plural: set() for plural in KINDS}
        self._runner: web.AppRunner | None = None
        self.url = ""

    def start(self) -> Kubeconfig:
        self.portal.call(self._start)
        return Kubeconfig(server=self.url, token=TOKEN)

    def stop(self) -> None:
        self.portal.call(self._stop, despite_poison=True)

    # The script

    def put(self, plural: str, object_: dict[str, Any]) -> dict[str, Any]:
        """Write an object behind everybody's back."""

        async def put() -> dict[str, Any]:
            return self.write(plural, object_)

        return self.portal.call(put)

    def remove(self, plural: str, name: str, namespace: str = NAMESPACE) -> None:
        async def remove() -> None:
            self.erase(plural, "" if plural == "nodes" else namespace, name)

        self.portal.call(remove)

    def hold(self, *plurals: str) -> None:
        self.held.update(plurals)

    def release(self, *plurals: str) -> None:
        async def release() -> None:
            self.held.difference_update(plurals)
            self.changed.fire()

        self.portal.call(release)

    def drop(self, plural: str) -> None:
        """Cut the connections of a kind's watches."""

        async def drop() -> None:
            for task in self._watches[plural]:
                task.cancel()

        self.portal.call(drop)

    def forget(self, plural: str) -> None:
        """Answer 410 to whoever resumes from before now."""
        self.version += 1
        self.oldest[plural] = self.version

    # The store

    def write(self, plural: str, object_: dict[str, Any]) -> dict[str, Any]:
        namespace = "" if plural == "nodes" else object_["metadata"].setdefault("namespace", NAMESPACE)
        key = (namespace, object_["metadata"]["name"])
        before = self.objects[plural].get(key)
        self.version += 1
        stored = json.loads(json.dumps(object_))
        metadata = stored["metadata"]
        metadata["resourceVersion"] = str(self.version)
        metadata.setdefault("uid", before["metadata"]["uid"] if before else str(uuid.uuid4()))
        if plural == "daemonsets":
            changed = before is not None and before["spec"] != stored["spec"]
            metadata["generation"] = (before["metadata"]["generation"] if before else 1) + changed
        self.objects[plural][key] = stored
        self._tell(plural, "MODIFIED" if before else "ADDED", stored)
        return stored

    def erase(self, plural: str, namespace: str, name: str) -> None:
        gone = self.objects[plural].pop((namespace, name))
        self.version += 1
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
        self._tell(plural, "DELETED", gone)

    def _tell(self, plural: str, type_: str, object_: dict[str, Any]) -> None:
        self.log[plural].append((self.version, type_, object_))
        self.changed.fire()
        for reaction in self.reactions:
            asyncio.get_running_loop().call_soon(reaction, plural, type_, object_)

    # HTTP

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        for tasks in self._watches.values():
            for task in tasks:
                task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized")
        self.requests.append((request.method, request.path, dict(request.query)))
        parts = request.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        plural, name = parts[0], parts[1] if len(parts) > 1 else None
        if plural in self.broken:
            return _status(self.broken[plural], "InternalError")
        if request.method == "GET" and name is None:
            return await (self._watch if "watch" in request.query else self._list)(request, plural)
        body = await request.json() if request.can_read_body else {}
        if request.method == "POST":
            body.setdefault("metadata", {}).setdefault("namespace", namespace)
            if (namespace, body["metadata"]["name"]) in self.objects[plural]:
                return _status(409, "AlreadyExists")
            return web.json_response(self.write(plural, body), status=201)
        if request.method == "DELETE" and name is None:
            return web.json_response({"kind": "Status", "status": "Success"})
        found = self.objects[plural].get((namespace, str(name)))
        if found is None:
            return _status(404, "NotFound")
        if request.method == "DELETE":
            self.erase(plural, namespace, str(name))
            return web.json_response({"kind": "Status", "status": "Success"})
        if request.method == "PATCH":
            found = self.write(plural, _merge(found, body))
        return web.json_response(found)

    async def _list(self, request: web.Request, plural: str) -> web.Response:
        items = list(self.objects[plural].values())
        if plural in self.held_until_listed:
            self.held_until_listed.discard(plural)
            self.held.discard(plural)
            self.changed.fire()
        items = items[: int(request.query.get("limit") or len(items))]
        return web.json_response(
            {"kind": f"{KINDS[plural]}List", "metadata": {"resourceVersion": str(self.version)}, "items": items}
        )

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        if "sendInitialEvents" in request.query:
            if not self.watch_list:
                return _status(422, "Invalid")
            start = self.version
        else:
            start = int(request.query["resourceVersion"])
            if start < self.oldest[plural]:
                return _status(410, "Expired")
        response = web.StreamResponse()
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._watches[plural].add(task)
        try:
            if "sendInitialEvents" in request.query:
                for object_ in list(self.objects[plural].values()):
                    await _send(response, "ADDED", object_)
                await _send(response, "BOOKMARK", _bookmark(plural, start, {"k8s.io/initial-events-end": "true"}))
            await self._stream(response, plural, start)
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionResetError:
            pass
        finally:
            self._watches[plural].discard(task)
        return response

    async def _stream(self, response: web.StreamResponse, plural: str, sent: int) -> None:
        while True:
            if plural not in self.held:
                for version, type_, object_ in [entry for entry in self.log[plural] if entry[0] > sent]:
                    await _send(response, type_, object_)
                    sent = version
                if self.bookmarks and sent < self.version:
                    sent = self.version
                    await _send(response, "BOOKMARK", _bookmark(plural, sent))
                    continue
            await self.changed.wait()


class World:
    """A scripted server, an observation of it, and one DaemonSet: what most of these tests start from."""

    def __init__(self, **settings: Any) -> None:
        script = {key: settings.pop(key) for key in ("bookmarks", "watch_list") if key in settings}
        self.portal = Portal()
        self.portal.start()
        self.server_portal = Portal("scripted-api")
        self.server_portal.start()
        self.api = ScriptedApi(self.server_portal)
        for key, value in script.items():
            setattr(self.api, key, value)
        self.client = Client(self.api.start())
        self.scope = Scope(self.portal)
        self.daemonset = self.api.put("daemonsets", daemonset("agent"))
        settings.setdefault("constants", Constants(base=5.0, fence=5.0, barrier=5.0, bookmark=0.05))
        self.observation = Observation(self.client, NAMESPACE, portal=self.portal, **settings)
        self.subject = Subject.of(self.daemonset)
        self.watched = Watched(self.observation, self.subject, self.scope)
        self._pods = 0

    def __enter__(self) -> World:  # noqa: PYI034
        self.portal.call(self.observation.start)
        return self

    def __exit__(self, *_: object) -> None:
        self.portal.call(self.observation.stop, despite_poison=True)
        self.portal.call(self.client.close, despite_poison=True)
        self.portal.stop()
        self.api.stop()
        self.server_portal.stop()

    def once_waiting(self, action: Callable[[], object]) -> None:
        """Have the server do something in the moment in which the next `eventually`, `stays` or guard has begun to look."""
        wake = self.observation.wake

        def woken() -> None:
            self.observation.wake = wake  # type: ignore[method-assign]
            wake()
            action()

        self.observation.wake = woken  # type: ignore[method-assign]

    def node(self, name: str, **labels: str) -> dict[str, Any]:
        return self._wrote(self.api.put("nodes", node(name, **labels)))

    def pod(self, on: str, name: str | None = None, **changes: Any) -> dict[str, Any]:
        self._pods += 1
        return self._wrote(self.api.put("pods", pod(name or f"agent-{self._pods}", on, self.subject.uid, **changes)))

    def _wrote(self, object_: dict[str, Any]) -> dict[str, Any]:
        self.client.wrote_at(object_["metadata"]["resourceVersion"])
        return object_


def node(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(name: str, on: str, owner: str, *, phase: str = "Running") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": "agent"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": owner, "controller": True}
            ],
        },
        "spec": {"nodeName": on, "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def daemonset(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "revisionHistoryLimit": 10,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 1},
    }


def _bookmark(plural: str, version: int, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if annotations:
        metadata["annotations"] = annotations
    return {"kind": KINDS[plural], "metadata": metadata}


def _status(code: int, reason: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": f"scripted {reason}"}
    return web.json_response(body, status=code)


async def _send(response: web.StreamResponse, type_: str, object_: dict[str, Any]) -> None:
    await response.write(json.dumps({"type": type_, "object": object_}).encode() + b"\n")


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
