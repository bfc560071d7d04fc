"""The operator of NodeAgents: `kopf run -A --standalone main.py`.

Handlers only note what was seen and wake the sets that it may concern; a task for each set does the work, so that one
that fails delays no other. Nothing is kept on the objects and nothing in a process that a restart could lose but the back-off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import Any

import aiohttp
import kopf
from cluster import ApiError, Cluster
from eligibility import selects
from plan import BackOff, Plan, plan, status
from pods import GROUP_VERSION, KIND, going, owner, pod_for, reference

Object = dict[str, Any]

RESYNC = 300.0
RETRY, RETRY_CAP = 0.1, 30.0
LULL = 0.01
"""Seconds: until everything is read anew; the first wait after an error, which doubles, and the longest one; what is waited
after an event, for events come in bursts."""

TROUBLE = (ApiError, aiohttp.ClientError, asyncio.TimeoutError)
"""What goes by itself, or by somebody's doing: it is tried again."""


class Keeper:
    """The task that keeps one set as it should be."""

    def __init__(self, cluster: Cluster, agent: Object, logger: kopf.Logger) -> None:
        self.cluster, self.logger = cluster, logger
        self.namespace, self.uid = agent["metadata"]["namespace"], agent["metadata"]["uid"]
        self.wake, self.back_off = asyncio.Event(), BackOff()
        self.refused: set[str] = set()  # nodes whose last pod was refused
        self.lost, self.vain = set[str](), BackOff()  # nodes whose last pod was ours no more as it was made
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        after, retry = 0.0, RETRY
        while (agent := self.cluster.find("NodeAgent", self.namespace, self.uid)) is not None:
            self.wake.clear()
            try:
                after, retry = await self.reconcile(agent), RETRY
            except Exception as error:  # a set that trips us up must not be given up
                unforeseen = not isinstance(error, TROUBLE)
                self.logger.warning("%s: %s", agent["metadata"]["name"], error, exc_info=unforeseen)
                after, retry = retry, min(2 * retry, RETRY_CAP)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.wake.wait(), None if after == math.inf else after)
                await asyncio.sleep(LULL)

    async def reconcile(self, agent: Object) -> float:
        """Do what is to be done, then tell it in the status; returns after how many seconds to look again."""
        if going(agent):  # its pods are the garbage collector's
            return math.inf
        nodes = {one["metadata"]["name"]: one for one in self.cluster.all("Node")}
        todo = plan(agent, nodes, await self.claim(agent), self.back_off, time.time())
        trouble = await self.delete(agent, todo.delete) + await self.create(agent, self.worthwhile(agent, todo))
        pods = [pod for pod in self.cluster.all("Pod", self.namespace) if owner(pod) == self.uid]
        counters = status(agent, nodes, pods, time.time())
        if {field: (agent.get("status") or {}).get(field) for field in counters} != counters:
            await self.cluster.set_status(agent, counters)
        for error in trouble:
            raise error
        return todo.after + 0.05  # stamps have whole seconds: never a moment too early

    async def claim(self, agent: Object) -> list[Object]:
        """Its pods: those that match and are nobody's are adopted, those that match no more released."""
        adopting = False
        for pod in self.cluster.all("Pod", self.namespace):
            mine, owners = owner(pod) == self.uid, pod["metadata"].get("ownerReferences") or []
            fits = selects(agent["spec"]["selector"], pod["metadata"].get("labels") or {})
            if mine and not fits and not going(pod):
                await self.cluster.set_owners(pod, [one for one in owners if one["uid"] != self.uid])
            elif owner(pod) is None and fits and not going(pod):
                if not adopting:  # a set that is going, or that is another one by now, must not adopt
                    now = await self.cluster.fresh(agent)
                    if now["metadata"]["uid"] != self.uid or going(now):
                        break
                    adopting = True
                await self.cluster.set_owners(pod, [*owners, reference(agent)])
        return [pod for pod in self.cluster.all("Pod", self.namespace) if owner(pod) == self.uid]

    async def delete(self, agent: Object, pods: list[tuple[Object, str]]) -> list[BaseException]:
        results = await asyncio.gather(*(self.cluster.delete_pod(pod) for pod, _ in pods), return_exceptions=True)
        done = [one for one, error in zip(pods, results, strict=True) if error is None]
        for reason in {reason for _, reason in done}:
            names = ", ".join(pod["metadata"]["name"] for pod, why in done if why == reason)
            tell(agent, "Warning" if reason == "FailedDaemonPod" else "Normal", reason, f"Deleted {names}")
        return [error for error in results if error is not None]

    def worthwhile(self, agent: Object, todo: Plan) -> list[str]:
        """The nodes that want a pod, less those where the last ones lost their labels to a policy: these wait, ever longer."""
        waits = {node: self.vain.left(node, agent, time.time()) for node in todo.create if node in self.lost}
        todo.after = min([todo.after, *filter(None, waits.values())])
        return [node for node in todo.create if not waits.get(node)]

    async def create(self, agent: Object, nodes: list[str]) -> list[BaseException]:
        """In batches that double, and stop at the first refusal: what refuses one often refuses all. Who was refused comes last."""
        size, nodes = 1, sorted(nodes, key=self.refused.__contains__)
        while nodes:
            batch, nodes = nodes[:size], nodes[size:]
            made = (self.cluster.create_pod(pod_for(agent, node)) for node in batch)
            results = await asyncio.gather(*made, return_exceptions=True)
            trouble = [one for one in results if isinstance(one, BaseException)]
            pods = {node: one for node, one in zip(batch, results, strict=True) if not isinstance(one, BaseException)}
            self.refused = self.refused - pods.keys() | (set(batch) - pods.keys())
            ours = {
                node
                for node, pod in pods.items()
                if selects(agent["spec"]["selector"], pod["metadata"].get("labels") or {})
            }
            self.lost = self.lost - ours | (pods.keys() - ours)
            if names := ", ".join(pod["metadata"]["name"] for pod in pods.values()):
                tell(agent, "Normal", "SuccessfulCreate", f"Created {names}")
            for error in trouble[:1]:
                if isinstance(error, ApiError) and "NamespaceTerminating" in error.causes:
                    return []
                tell(agent, "Warning", "FailedCreate", str(error))
                return trouble
            size *= 2
        return []


def tell(agent: Object, kind: str, reason: str, message: str) -> None:
    kopf.event({**agent, "apiVersion": GROUP_VERSION, "kind": KIND}, type=kind, reason=reason, message=message[:1000])


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, logger: kopf.Logger, **_: Any) -> None:
    settings.scanning.disabled = True  # no right to watch definitions and namespaces is needed
    settings.networking.error_backoffs = [1, 1, 2, 3, 5, 8, *[10] * 100]  # longer than an API server takes to restart
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # no line for every heartbeat of a node
    memo.keepers = {}
    memo.cluster = await Cluster.connect()
    memo.listed = asyncio.Event()
    memo.resync = asyncio.create_task(resync(memo, logger))
    logger.info("NodeAgent is served")


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    tasks = [memo.resync, *(keeper.task for keeper in memo.keepers.values())]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await memo.cluster.close()


async def resync(memo: kopf.Memo, logger: kopf.Logger) -> None:
    """Read everything anew now and then, and whenever a watch had to: it does not tell what went in between."""
    while True:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(memo.listed.wait(), RESYNC)
        memo.listed.clear()
        try:
            await memo.cluster.relist()
        except TROUBLE as error:
            logger.warning("reading everything anew: %s", error)
            memo.listed.set()
            await asyncio.sleep(RETRY_CAP)
        wake(memo)


def wake(memo: kopf.Memo, namespace: str | None = None) -> None:
    for keeper in memo.keepers.values():
        if namespace in (None, keeper.namespace):
            keeper.wake.set()


def note(event: Object, kind: str, memo: kopf.Memo) -> None:
    (memo.cluster.forget if event["type"] == "DELETED" else memo.cluster.learn)(kind, dict(event["object"]))
    if event["type"] is None:  # listed, not watched
        memo.listed.set()


@kopf.on.event("example.com", "v1", "nodeagents")
async def agent_seen(event: Any, uid: str, memo: kopf.Memo, logger: kopf.Logger, **_: Any) -> None:
    note(event, "NodeAgent", memo)
    if event["type"] == "DELETED":
        if keeper := memo.keepers.pop(uid, None):
            keeper.wake.set()  # it looks, and ends
    elif uid not in memo.keepers:
        memo.keepers[uid] = Keeper(memo.cluster, dict(event["object"]), logger)
    else:
        memo.keepers[uid].wake.set()


@kopf.on.event("v1", "pods")
async def pod_seen(event: Any, namespace: str, memo: kopf.Memo, **_: Any) -> None:
    note(event, "Pod", memo)
    wake(memo, namespace)


@kopf.on.event("v1", "nodes")
async def node_seen(event: Any, uid: str, memo: kopf.Memo, **_: Any) -> None:
    before = memo.cluster.find("Node", "", uid)
    note(event, "Node", memo)
    if what_counts(before) != what_counts(memo.cluster.find("Node", "", uid)):
        wake(memo)  # heartbeats, several a minute from each node, concern nobody


def what_counts(node: Object | None) -> tuple[Any, Any] | None:
    return None if node is None else (node["metadata"].get("labels"), node["spec"].get("taints"))
