"""A whole cluster for the reference controller: the embedded server, virtual kubelets, and one or more controllers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from pytest_daemonset.reference.client import ApiError, Client
from pytest_daemonset.reference.kubeconfig import Access

PATIENCE = 60.0  # seconds; bounds a hang, measures nothing
PATHS = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "controllerrevisions": "/apis/apps/v1/controllerrevisions",
}


class Program:
    """One of the three programs, ended by the end of its standard input."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log.open("ab")
        command = [sys.executable, "-m", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{command} ended before it was ready:\n{log.read_text()}"
        assert json.loads(line)["ready"] is True

    def kill(self) -> None:
        self.process.kill()
        self.stop()

    def stop(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        try:
            self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self._log.close()


class Rig:
    """The programs of one cluster; what it holds is seen through `world`."""

    def __init__(self, folder: Path, *server: str) -> None:
        self.folder = folder
        identities = ("admin=kubernetes-admin:system:masters", "controller=daemonset-controller:system:masters")
        named = [part for identity in identities for part in ("--identity", identity)]
        quick = ("--pod-gc-period", "0.5", "--pod-gc-quarantine", "0.5")
        self.server = Program(
            folder / "server.log", "pytest_daemonset.embedded", "--dir", str(folder), *named, *quick, *server
        )
        config = str(folder / "admin.kubeconfig")
        self.kubelets = Program(folder / "kubelets.log", "pytest_daemonset.kubelets", "--kubeconfig", config)
        self.controllers: list[Program] = []
        self._command = 0

    def start(self, *broken: str, flags: Sequence[str] = ()) -> Program:
        """Start a controller."""
        named = [*flags, *(part for name in broken for part in ("--broken", name))]
        config = ["--kubeconfig", str(self.folder / "controller.kubeconfig")]
        program = Program(self.folder / "controller.log", "pytest_daemonset.reference", *config, *named)
        self.controllers.append(program)
        return program

    def stop(self) -> None:
        for program in (*self.controllers, self.kubelets, self.server):
            if program.process.returncode is None:
                program.stop()

    def kubelet(self, do: str, **how: Any) -> Any:
        """Have the kubelets do something, and wait until it is done."""
        self._command += 1
        stdin, stdout = self.kubelets.process.stdin, self.kubelets.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"id": self._command, "do": do, **how}).encode() + b"\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        assert answer.get("ok"), answer
        return answer

    def join(self, *names: str, **fields: Any) -> None:
        """Let nodes join, all alike."""
        self.kubelet("join", nodes=[{"name": name, **fields} for name in names])

    def writes(self, since: int = 0) -> list[tuple[str, str, str]]:
        """(verb, resource, name) of what controllers wrote, events left out, from the audit log's byte `since` on."""
        found = []
        # Whole lines only: the last one may be in the middle of being written.
        written, _, _ = (self.folder / "audit.log").read_bytes()[since:].rpartition(b"\n")
        for line in written.splitlines():
            entry = json.loads(line)
            about = entry.get("objectRef") or {}
            if (
                entry["user"]["username"] == "daemonset-controller"
                and entry["verb"] not in ("get", "list", "watch")
                and about.get("resource") != "events"
            ):
                resource = about["resource"] + ("/" + about["subresource"] if about.get("subresource") else "")
                found.append((entry["verb"], resource, about.get("name") or ""))
        return found

    def mark(self) -> int:
        """Where the audit log ends now."""
        return (self.folder / "audit.log").stat().st_size

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """The cluster, watched."""
        async with Client(Access.load(self.folder / "admin.kubeconfig")) as client:
            world = World(self, client)
            tasks = [asyncio.ensure_future(world.follow(kind)) for kind in PATHS]
            try:
                await asyncio.gather(*(event.wait() for event in world.listed.values()))
                yield world
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


class World:
    """The objects of a rig as they are now, and what may be done to them."""

    def __init__(self, rig: Rig, client: Client) -> None:
        self.rig, self.client = rig, client
        self.objects: dict[str, dict[str, Any]] = {kind: {} for kind in PATHS}
        self.events: list[tuple[str, str, Any]] = []
        self.listed = {kind: asyncio.Event() for kind in PATHS}
        self.progress = dict.fromkeys(PATHS, 0)
        self._changed = asyncio.Condition()

    async def follow(self, kind: str) -> None:
        listed = await self.client.get(PATHS[kind])
        self.objects[kind] = {o["metadata"]["uid"]: o for o in listed["items"]}
        self.listed[kind].set()
        version = listed["metadata"]["resourceVersion"]
        async with aclosing(self.client.watch(PATHS[kind], version, 600)) as watch:
            async for events in watch:
                for event in events:
                    uid = event["object"]["metadata"].get("uid")
                    self.progress[kind] = int(event["object"]["metadata"]["resourceVersion"])
                    if event["type"] == "BOOKMARK":
                        continue
                    self.events.append((event["type"], kind, event["object"]))
                    if event["type"] == "DELETED":
                        self.objects[kind].pop(uid, None)
                    else:
                        self.objects[kind][uid] = event["object"]
                async with self._changed:
                    self._changed.notify_all()

    async def until(self, true: Callable[[], Any], within: float = PATIENCE) -> None:
        """Wait until something is true, judged after each event."""
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(true), within)
            except asyncio.TimeoutError:
                raise AssertionError(f"not within {within} s; {self.told()}") from None

    def told(self) -> str:
        """The pods and sets, for a failing test."""
        pods = [
            (
                p["metadata"]["name"],
                target(p),
                (p.get("status") or {}).get("phase"),
                p["metadata"].get("deletionTimestamp"),
            )
            for p in self.objects["pods"].values()
        ]
        sets = [(d["metadata"]["name"], d.get("status")) for d in self.objects["daemonsets"].values()]
        log = (self.rig.folder / "controller.log").read_text()[-2000:] if self.rig.controllers else ""
        return f"pods {pods}\nsets {sets}\ncontroller: {log}"

    async def apply(self, name: str = "agent", namespace: str = "default", **spec: Any) -> Any:
        """Create a set."""
        body = {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name), **spec},
        }
        return await self.seen(
            "daemonsets", await self.client.create(f"/apis/apps/v1/namespaces/{namespace}/daemonsets", body)
        )

    async def seen(self, kind: str, written: Any) -> Any:
        """Wait until one's own write shows."""
        await self.until(lambda: self.progress[kind] >= int(written["metadata"]["resourceVersion"]))
        return written

    async def patch(self, kind: str, name: str, body: Any, namespace: str = "default") -> Any:
        return await self.seen(kind, await self.client.patch(self.path(kind, name, namespace), body))

    async def delete(self, kind: str, name: str, **options: Any) -> Any:
        return await self.client.delete(self.path(kind, name, "default"), options)

    @staticmethod
    def path(kind: str, name: str, namespace: str) -> str:
        group, _, plural = PATHS[kind].rpartition("/")
        return f"{group}/{plural}/{name}" if kind == "nodes" else f"{group}/namespaces/{namespace}/{plural}/{name}"

    async def taint(self, node: str, *effects: str) -> None:
        taints = [{"key": "broken.example/t", "value": "v", "effect": effect} for effect in effects]
        current = next(n for n in self.objects["nodes"].values() if n["metadata"]["name"] == node)
        kept = [t for t in current["spec"].get("taints") or () if t["key"] != "broken.example/t"]
        await self.merge("nodes", node, {"spec": {"taints": kept + taints or None}})

    async def merge(self, kind: str, name: str, body: Any) -> Any:
        """A JSON merge patch."""
        path = self.path(kind, name, "default")
        return await self.seen(
            kind, await self.client.request("PATCH", path, body, content="application/merge-patch+json")
        )

    def uids(self, name: str = "agent") -> dict[str, str]:
        """The UID of each node's pod."""
        return {str(target(p)): p["metadata"]["uid"] for p in self.pods(name)}

    def images(self, name: str = "agent") -> list[str]:
        """The images that run, sorted."""
        return sorted(p["spec"]["containers"][0]["image"] for p in self.pods(name))

    def most_active(self) -> int:
        """The most active pods of one owner that any node had at any moment that was seen (AMO-01)."""
        now: dict[str, Any] = {}
        most = 0
        for kind, resource, thing in self.events:
            if resource == "pods":
                now[thing["metadata"]["uid"]] = None if kind == "DELETED" else thing
                most = max(most, *_active(now.values()).values(), 0)
        return most

    def set(self, name: str = "agent") -> Any:
        return next(d for d in self.objects["daemonsets"].values() if d["metadata"]["name"] == name)

    def pods(self, name: str = "agent") -> list[Any]:
        """The pods labelled for a set."""
        return [p for p in self.objects["pods"].values() if (p["metadata"].get("labels") or {}).get("app") == name]

    def nodes_served(self, name: str = "agent") -> list[str]:
        """The targets of its pods, sorted, those of two pods twice."""
        return sorted(str(target(p)) for p in self.pods(name))

    def revisions(self) -> list[Any]:
        return sorted(self.objects["controllerrevisions"].values(), key=lambda r: r["revision"])

    def status(self, name: str = "agent") -> tuple[int, ...]:
        """Desired, current, misscheduled, ready, updated, available; all -1 until the newest spec was observed."""
        found = self.set(name)
        status = found.get("status") or {}
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return (-1,) * 6
        keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")
        return tuple(status.get(k, 0) for k in (*keys, "updatedNumberScheduled", "numberAvailable"))

    async def settled(self, count: int, name: str = "agent") -> None:
        """Wait until the set has that many nodes, each with one available pod of the current revision, and nothing else."""
        full = (count, count, 0, count, count, count)
        await self.until(lambda: self.status(name) == full and len(self.pods(name)) == count)

    async def nudge(self, name: str = "agent") -> None:
        """Have the controller show that it has seen everything until now."""
        limit = self.set(name)["spec"].get("revisionHistoryLimit", 10)
        await self.patch("daemonsets", name, {"spec": {"revisionHistoryLimit": limit + 1}})
        await self.until(lambda: self.status(name) != (-1,) * 6)

    async def update(self, image: str, name: str = "agent") -> None:
        """Change the template's image."""
        containers = [{"name": "c", "image": image}]
        await self.patch("daemonsets", name, {"spec": {"template": {"spec": {"containers": containers}}}})


def _active(pods: Any) -> Counter[tuple[str, str]]:
    count: Counter[tuple[str, str]] = Counter()
    for pod in pods:
        if (
            pod
            and "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("phase") not in ("Failed", "Succeeded")
        ):
            for owner in pod["metadata"].get("ownerReferences") or ():
                count[owner["uid"], str(target(pod))] += 1
    return count


def template(name: str, image: str = "one", **spec: Any) -> Any:
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def target(pod: Any) -> str | None:
    """Where a pod is, or is to be."""
    if pod["spec"].get("nodeName"):
        return str(pod["spec"]["nodeName"])
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {"nodeSelectorTerms": []}
    for term in required["nodeSelectorTerms"]:
        for field in term.get("matchFields") or ():
            return str(field["values"][0])
    return None


@contextmanager
def rig(folder: Path, *server: str) -> Iterator[Rig]:
    """A rig for the time of a test."""
    made = Rig(folder, *server)
    try:
        yield made
    finally:
        made.stop()


def story(cluster: Rig, tell: Callable[[World], Awaitable[None]]) -> None:
    """Run a test's coroutine with the cluster watched."""

    async def run() -> None:
        async with cluster.world() as world:
            await tell(world)

    asyncio.run(run())


__all__ = ["ApiError", "Rig", "World", "rig", "story", "target", "template"]
