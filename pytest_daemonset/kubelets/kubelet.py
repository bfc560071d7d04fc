"""One virtual kubelet: what it does with the pods that are bound to its node, until it is as it should be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp

from pytest_daemonset.kubelets import pods as views
from pytest_daemonset.kubelets.api import KUBELET, LIFECYCLE, STRATEGIC, ApiError
from pytest_daemonset.kubelets.behaviour import Switches, switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.kubelets.api import Api
    from pytest_daemonset.kubelets.behaviour import Rule

Object: TypeAlias = "dict[str, Any]"

_TRIES = 6


def pod_path(pod: Object) -> str:
    """Where the pod is in the API."""
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


class Kubelet:
    """The kubelet of one node.

    Args:
        name: the node.
        address: the node's IP.
        api: where it writes.
        rules: gives the rules of behaviour of now.
        addresses: gives a pod its IP.
        failed: is told of what no kubelet expects; pods of it may be stuck then.
    """

    __slots__ = (
        "_addresses", "_api", "_busy", "_failed", "_overrides", "_removed", "_rules",
        "address", "name", "network", "pods", "serving",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        address: str,
        api: Api,
        rules: Callable[[], list[Rule]],
        addresses: Callable[[], str],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.name = name
        self.address = address
        self.network = True  # whether pods with a network of their own can start
        self.serving = True
        self.pods: dict[str, Object] = {}
        self._api = api
        self._rules = rules
        self._addresses = addresses
        self._failed = failed
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._overrides: dict[str, Object] = {}
        self._removed: set[str] = set()  # deleted by us, not yet told by the watch

    def saw(self, pod: Object) -> None:
        """A pod bound here was added or changed."""
        uid = pod["metadata"]["uid"]
        known = self.pods.get(uid)
        # What a write of our own answered may be newer than what the watch tells.
        if uid in self._removed:
            return
        if known is None or _version(pod) >= _version(known):
            self.pods[uid] = pod
            self.wake(uid)

    def lost_sight(self, uid: str) -> None:
        """A pod is gone from the API."""
        self._removed.discard(uid)
        self._forget(uid)

    def wake(self, uid: str) -> None:
        """Sees to one pod, unless that is being done: whoever is at it looks again before it ends."""
        if self.serving and uid not in self._busy and (step := self._next(uid)) is not None:
            self._busy[uid] = asyncio.get_running_loop().create_task(self._see_to(uid, step))

    async def settle(self) -> None:
        """Sees to every pod, and waits until nothing more is to be done now."""
        for uid in list(self.pods):
            self.wake(uid)
        await self.quiet()

    async def quiet(self) -> None:
        """Waits until nothing is being written."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))

    async def stop(self) -> None:
        """Serves no more; when this returns, nothing more of it reaches the API."""
        self.serving = False
        await self.quiet()

    def override(self, uid: str, change: Object) -> None:
        """Switches for this one pod, above all rules, until it is gone."""
        self._overrides[uid] = {**self._overrides.get(uid, {}), **change}

    async def write(self, pod: Object, patch: Object, *, lifecycle: bool = False) -> None:
        """One write of a pod's status; that the pod is gone by now is no error."""
        agent = LIFECYCLE if lifecycle else KUBELET
        uid = pod["metadata"]["uid"]
        try:
            answer = views.trimmed(
                await self._api.request("PATCH", pod_path(pod) + "/status", patch, kind=STRATEGIC, agent=agent)
            )
            known = self.pods.get(uid)
            # The watch may have told of a later change, such as a deletion, before the answer came.
            if known is None or _version(answer) >= _version(known):
                self.pods[uid] = answer
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            self._forget(uid)

    async def restart_containers(self) -> None:
        """The machine was started anew: every pod's containers run again, counted as a restart."""
        for pod in list(self.pods.values()):
            if views.phase(pod) == "Running" and not views.terminating(pod):
                wanted = self._switches(pod)
                patch = views.running(
                    pod, ready=wanted.ready, host_ip=self.address, pod_ip=self._ip(pod), restarted=True
                )
                await self.write(pod, patch)

    async def lose_pods(self) -> None:
        """What the node lifecycle loop does with the pods of a node that does not report: not ready any more."""
        for pod in list(self.pods.values()):
            if views.is_ready(pod):
                await self.write(pod, views.lost(pod), lifecycle=True)

    def _switches(self, pod: Object) -> Switches:
        found = switches(self._rules(), self.name, pod)
        change = self._overrides.get(pod["metadata"]["uid"])
        return replace(found, **change) if change else found

    def _next(self, uid: str) -> Object | str | None:
        """The next status patch, or ``delete``, or None: all is as it should be."""
        pod = self.pods.get(uid)
        if pod is None:
            return None
        wanted, phase = self._switches(pod), views.phase(pod)
        if views.terminating(pod):
            if wanted.hold:
                return None
            if wanted.terminal and phase not in views.TERMINAL:
                return views.ended(pod, wanted.terminal, code=0 if wanted.terminal == "Succeeded" else 143)
            return "delete"
        if phase in views.TERMINAL:
            return None
        if phase == "Pending":
            if wanted.reject:
                return views.rejected(pod, *wanted.reject)
            on_host = bool(pod["spec"].get("hostNetwork"))
            if not wanted.start or not (self.network or on_host):
                return None
            return views.running(pod, ready=wanted.ready, host_ip=self.address, pod_ip=self._ip(pod))
        if views.images_differ(pod):
            return views.running(pod, ready=wanted.ready, host_ip=self.address, pod_ip=self._ip(pod), restarted=True)
        ready = wanted.ready and views.gates_open(pod)
        if views.containers_ready(pod) != wanted.ready or views.is_ready(pod) != ready:
            return views.readiness(pod, ready=wanted.ready)
        return None

    def _ip(self, pod: Object) -> str:
        if pod["spec"].get("hostNetwork"):
            return self.address
        return (pod.get("status") or {}).get("podIP") or self._addresses()

    async def _see_to(self, uid: str, step: Object | str | None) -> None:
        tries = 0
        try:
            while self.serving and step is not None and (pod := self.pods.get(uid)) is not None:
                try:
                    if isinstance(step, str):
                        await self._remove(pod)
                    else:
                        await self.write(pod, step)
                except (ApiError, aiohttp.ClientError, asyncio.TimeoutError) as error:
                    tries += 1
                    if tries == _TRIES or not _passing(error):
                        raise
                    await asyncio.sleep(0.05 * 2**tries)
                step = self._next(uid)
        except Exception as error:  # noqa: BLE001 (whatever it is: it must be told, or the pod is silently stuck)
            self._failed(error)
        finally:
            del self._busy[uid]

    async def _remove(self, pod: Object) -> None:
        # Grace zero, or a bound pod never leaves.
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": pod["metadata"]["uid"]},
        }
        uid = pod["metadata"]["uid"]
        # What the watch still has to tell of it is old, until it tells the end.
        self._removed.add(uid)
        self._forget(uid)
        try:
            await self._api.request("DELETE", pod_path(pod), options)
        except ApiError as error:
            if error.status not in (404, 409):
                self._keep(pod)
                raise
        except BaseException:
            self._keep(pod)
            raise

    def _keep(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        self._removed.discard(uid)
        self.pods.setdefault(uid, pod)

    def _forget(self, uid: str) -> None:
        self.pods.pop(uid, None)
        self._overrides.pop(uid, None)


def _passing(error: BaseException) -> bool:
    """Whether it may go better soon, so that a kubelet tries again: its writes can be repeated."""
    return not isinstance(error, ApiError) or error.status >= 500


def _version(pod: Object) -> int:
    version = pod["metadata"].get("resourceVersion", "")
    # Versions that are no integers cannot be compared: then whatever comes last is taken for the newest.
    return int(version) if version.isdecimal() else 0
