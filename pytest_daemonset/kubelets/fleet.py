"""All virtual nodes: their kubelets, the one watch on pods that feeds them, and what people do to machines."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp

from pytest_daemonset.kubelets import machines
from pytest_daemonset.kubelets import pods as views
from pytest_daemonset.kubelets.api import KUBELET, LIFECYCLE, MERGE, STRATEGIC, Api, ApiError
from pytest_daemonset.kubelets.heartbeats import DURATION, Heartbeats
from pytest_daemonset.kubelets.kubelet import Kubelet, pod_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.kubelets.behaviour import Rule

Object: TypeAlias = "dict[str, Any]"

_log = logging.getLogger(__name__)


@dataclass
class Machine:
    """One virtual node: `state` is running, paused, partitioned or crashed."""

    wanted: Object
    kubelet: Kubelet
    state: str = "running"


class FleetError(Exception):
    """A command that cannot be done as things are."""


class Fleet:
    """The virtual nodes of one cluster.

    Args:
        api: the connection.
        emulate: do what the node lifecycle loop of a control plane would (taints and conditions of nodes that are not
            ready or do not report). False where a real one runs: then every node has a lease, and that loop notices.
    """

    def __init__(self, api: Api, *, emulate: bool = True, lease: float = DURATION) -> None:
        self.api = api
        self.rules: list[Rule] = []
        self.machines: dict[str, Machine] = {}
        self.problems: list[str] = []
        self._emulate = emulate
        self._elsewhere: dict[str, dict[str, Object]] = {}  # pods on nodes that are not, or not any more, ours
        self._left: set[str] = set()
        self._where: dict[str, str] = {}  # uid of a pod -> its node
        self._refreshes: list[set[str]] = []
        self._heartbeats = Heartbeats(api, lease)
        self._node_numbers = iter(range(1, 2**20))
        self._pod_numbers = iter(range(1, 2**24))

    # -- the watch --

    async def watch(self) -> None:
        """Lists and watches the pods of all namespaces, for ever."""
        version = ""
        while True:
            try:
                if not version:
                    version = await self.read()
                async for event in self.api.watch("/api/v1/pods", version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] == "DELETED":
                        self._gone(event["object"]["metadata"]["uid"])
                    elif event["type"] != "BOOKMARK":
                        self._saw(event["object"])
            except ApiError as error:
                if error.status != 410:
                    _log.warning("the watch on pods: %s", error)
                    await asyncio.sleep(0.2)
                version = ""
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                _log.warning("the watch on pods was cut: %r", error)
                await asyncio.sleep(0.2)

    async def read(self) -> str:
        """Reads all pods; returns the version from which to watch on."""
        answer = await self.api.request("GET", "/api/v1/pods")
        present = {pod["metadata"]["uid"] for pod in answer["items"]}
        for uid in set(self._where) - present:
            self._gone(uid)
        for pod in answer["items"]:
            self._saw(pod)
        return str(answer["metadata"]["resourceVersion"])

    async def refresh(self, path: str = "/api/v1/pods") -> list[Object]:
        """Reads pods (all, or the one at `path`) ahead of the watch: what a command speaks of must be known by then."""
        ended: set[str] = set()
        self._refreshes.append(ended)
        try:
            answer = await self.api.request("GET", path)
        finally:
            self._refreshes.remove(ended)
        pods: list[Object] = answer.get("items", [answer])
        for pod in pods:
            if pod["metadata"]["uid"] not in ended:  # else the watch has told its end while this was under way
                self._saw(pod)
        return pods

    def _saw(self, pod: Object) -> None:
        node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
        if not node:
            return
        self._where[uid] = node
        if machine := self.machines.get(node):
            machine.kubelet.saw(views.trimmed(pod))
        else:
            self._elsewhere.setdefault(node, {})[uid] = views.trimmed(pod)

    def _gone(self, uid: str) -> None:
        for ended in self._refreshes:
            ended.add(uid)
        node = self._where.pop(uid, None)
        if node is None:
            return
        if machine := self.machines.get(node):
            machine.kubelet.lost_sight(uid)
        elif pods := self._elsewhere.get(node):
            pods.pop(uid, None)
            if not pods:
                del self._elsewhere[node]

    # -- machines --

    async def join(self, wanted: list[Object]) -> Object:
        """Starts kubelets that register their nodes, all at once; if one cannot, none stays.

        Returns:
            The uid of each node.
        """
        names = [one["name"] for one in wanted]
        if len(set(names)) < len(names) or set(names) & set(self.machines):
            twice = sorted({name for name in names if names.count(name) > 1 or name in self.machines})
            raise FleetError(f"there is a kubelet of that name already: {', '.join(twice)}")
        results = await asyncio.gather(*(self._join(one) for one in wanted), return_exceptions=True)
        failed = {
            name: result for name, result in zip(names, results, strict=True) if isinstance(result, BaseException)
        }
        if failed:
            await self.leave([name for name in names if name in self.machines])
            name, error = next(iter(failed.items()))
            raise FleetError(f"{len(failed)} of {len(names)} nodes could not join, first of them {name}: {error}")
        return dict(zip(names, results, strict=True))

    async def _join(self, wanted: Object) -> str:
        name, ready = wanted["name"], wanted.get("ready", True)
        number = next(self._node_numbers)
        address = f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        node = await self.api.request("POST", "/api/v1/nodes", machines.node_object(wanted, address))
        kubelet = Kubelet(name, address, self.api, lambda: self.rules, self._pod_address, self._failed)
        kubelet.network = ready
        self.machines[name] = Machine(wanted, kubelet)
        self._left.discard(name)
        if not self._emulate:
            await self._heartbeats.start(name)
        else:
            await self._taint(name, "True" if ready else "False", node=node)
        for pod in self._elsewhere.pop(name, {}).values():
            kubelet.saw(pod)
        return str(node["metadata"]["uid"])

    async def leave(self, names: Iterable[str]) -> None:
        """Ends the kubelets and deletes the Node objects; never the pods: collecting those is somebody's promise."""
        await asyncio.gather(*(self._leave(name) for name in self._known(names)))

    async def _leave(self, name: str) -> None:
        machine = self.machines[name]
        await machine.kubelet.stop()
        await self._heartbeats.stop(name)
        try:
            await self.api.request("DELETE", f"/api/v1/nodes/{name}")
        except ApiError as error:
            if error.status != 404:  # somebody deleted it by hand
                raise
        del self.machines[name]
        self._left.add(name)
        if machine.kubelet.pods:
            self._elsewhere[name] = dict(machine.kubelet.pods)

    async def crash(self, names: Iterable[str]) -> None:
        """Power cut: nothing serves, the Node object stays, and the node lifecycle loop notices (here: at once)."""
        await asyncio.gather(*(self._vanish(name, "crashed") for name in self._known(names)))

    async def partition(self, names: Iterable[str]) -> None:
        """The kubelets cannot reach the API server; to the API that looks like `crash`, but containers run on."""
        await asyncio.gather(*(self._vanish(name, "partitioned") for name in self._known(names)))

    async def _vanish(self, name: str, state: str) -> None:
        machine = self.machines[name]
        await machine.kubelet.stop()
        await self._heartbeats.stop(name)
        machine.state = state
        if self._emulate:
            await self._conditions(name, machines.unknown_conditions(), agent=LIFECYCLE)
            await self._taint(name, "Unknown", evicting=False)
            await machine.kubelet.lose_pods()
            await self._taint(name, "Unknown")

    async def restart(self, names: Iterable[str]) -> None:
        """Starts the machines anew, from whatever state: all containers restart."""
        await asyncio.gather(*(self._return(name, restarted=True) for name in self._known(names)))

    async def heal(self, names: Iterable[str]) -> None:
        """Ends a partition: the kubelets catch up."""
        await asyncio.gather(*(self._return(name, restarted=False) for name in self._known(names, "partitioned")))

    async def _return(self, name: str, *, restarted: bool) -> None:
        machine = self.machines[name]
        kubelet = machine.kubelet
        await kubelet.stop()
        try:
            await self._conditions(name, machines.conditions(ready=kubelet.network))
        except ApiError as error:
            if error.status != 404:
                raise
            # Somebody deleted the Node object; a kubelet that starts registers anew, one that merely runs does not.
            wanted = {**machine.wanted, "ready": kubelet.network}
            await self.api.request("POST", "/api/v1/nodes", machines.node_object(wanted, kubelet.address))
        machine.state = "running"
        if not self._emulate:
            await self._heartbeats.start(name)
        else:
            await self._taint(name, "True" if kubelet.network else "False")
        if restarted:
            await kubelet.restart_containers()
        kubelet.serving = True
        await kubelet.settle()

    async def pause(self, names: Iterable[str]) -> None:
        """Freezes the kubelets for less than the grace period of the node lifecycle loop: nobody notices."""
        for name in self._known(names, "running"):
            await self.machines[name].kubelet.stop()
            self.machines[name].state = "paused"

    async def resume(self, names: Iterable[str]) -> None:
        """Thaws them: they catch up."""
        for name in self._known(names, "paused"):
            self.machines[name].state = "running"
            self.machines[name].kubelet.serving = True
        await self.settle(names)

    async def set_ready(self, names: Iterable[str], *, ready: bool) -> None:
        """The nodes' network comes up, or goes away: Ready, its taints, and whether pods without hostNetwork start."""

        async def one(name: str) -> None:
            kubelet = self.machines[name].kubelet
            kubelet.network = ready
            await self._conditions(name, machines.conditions(ready=ready))
            if self._emulate:
                await self._taint(name, "True" if ready else "False")
            await kubelet.settle()

        await asyncio.gather(*(one(name) for name in self._known(names, "running")))

    async def heartbeats(self, names: Iterable[str], *, on: bool) -> None:
        """Leases, renewed or no more."""
        for name in self._known(names):
            await (self._heartbeats.start(name) if on else self._heartbeats.stop(name))

    async def settle(self, names: Iterable[str] | None = None) -> None:
        """Every pod of these nodes (default: all) is seen to by the rules of now."""
        await self.refresh()
        await asyncio.gather(*(self.machines[name].kubelet.settle() for name in (names or list(self.machines))))

    async def forget(self) -> int:
        """Removes, with grace zero, the pods on nodes that have left: cleaning up after a test, not part of one."""
        await self.refresh()
        pods = [pod for name in self._left for pod in self._elsewhere.get(name, {}).values()]
        await asyncio.gather(*(self._force(pod) for pod in pods))
        self._left.clear()
        return len(pods)

    async def _force(self, pod: Object) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        try:
            await self.api.request("DELETE", pod_path(pod), {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def pod_verb(self, namespace: str, name: str, verb: str, how: Object) -> None:
        """Does one thing to one pod: fail, succeed, set_ready, release."""
        (pod,) = await self.refresh(f"/api/v1/namespaces/{namespace}/pods/{name}")
        node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
        if node not in self.machines:
            raise FleetError(f"pod {namespace}/{name} is on {node or 'no node'}, which has no virtual kubelet")
        kubelet = self.machines[node].kubelet
        if not kubelet.serving:
            raise FleetError(f"node {node} is {self.machines[node].state}: its kubelet does nothing with {name}")
        await kubelet.quiet()
        if verb in ("fail", "succeed"):
            phase = "Failed" if verb == "fail" else "Succeeded"
            code = how.get("exit_code", 1 if verb == "fail" else 0)
            pod = kubelet.pods.get(uid, pod)
            await kubelet.write(
                pod, views.ended(pod, phase, reason=how.get("reason", ""), message=how.get("message", ""), code=code)
            )
        elif verb == "set_ready":
            kubelet.override(uid, {"ready": bool(how["ready"])})
        elif verb == "release":
            kubelet.override(uid, {"hold": False})
        else:
            raise FleetError(f"a pod can fail, succeed, set_ready, release, not {verb!r}")
        kubelet.wake(uid)
        await kubelet.quiet()

    # -- how --

    def _known(self, names: Iterable[str], state: str | None = None) -> list[str]:
        names = list(names)
        if unknown := [name for name in names if name not in self.machines]:
            raise FleetError(f"no virtual node of that name: {', '.join(unknown)}")
        wrong = {name: self.machines[name].state for name in names if state not in (None, self.machines[name].state)}
        if wrong:
            raise FleetError("; ".join(f"node {name} is {now}, not {state}" for name, now in wrong.items()))
        return names

    def _pod_address(self) -> str:
        number = next(self._pod_numbers)
        return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"

    def _failed(self, error: BaseException) -> None:
        _log.error("a kubelet could not do its part: %r", error)
        self.problems.append(repr(error))

    async def _conditions(self, name: str, conditions: list[Object], agent: str = KUBELET) -> None:
        await self.api.request(
            "PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": conditions}}, kind=STRATEGIC, agent=agent
        )

    async def _taint(self, name: str, ready: str, *, evicting: bool = True, node: Object | None = None) -> None:
        while True:
            node = node or await self.api.request("GET", f"/api/v1/nodes/{name}")
            before = node["spec"].get("taints") or []
            after = machines.lifecycle_taints(before, ready, evicting=evicting)
            if [(t["key"], t["effect"]) for t in before] == [(t["key"], t["effect"]) for t in after]:
                return
            # Taints are replaced as a whole: the version keeps us from undoing what somebody else just did.
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            patch = {"metadata": version, "spec": {"taints": after or None}}
            try:
                await self.api.request("PATCH", f"/api/v1/nodes/{name}", patch, kind=MERGE, agent=LIFECYCLE)
                return
            except ApiError as error:
                if error.status != 409:
                    raise
                node = None
