"""A team's own controller: one pod of each NodeAgent on each node that its node selector and tolerations admit.

Pods are named after set and node, so two of them on one node cannot exist. Updates, history and adoption are not offered.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import kopf
import yaml

SETS = "/apis/example.com/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EVERYWHERE = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
    for key, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]


class Operator:
    """What has been seen of the cluster, and the one connection for writing to it."""

    def __init__(self) -> None:
        config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = (
            base64.b64decode(cluster["certificate-authority-data"]).decode()
            if "certificate-authority-data" in cluster
            else None
        )
        tls = ssl.create_default_context(cafile=cluster.get("certificate-authority"), cadata=authority)
        self.session = aiohttp.ClientSession(
            cluster["server"],
            headers={"Authorization": f"Bearer {user['token']}"},
            connector=aiohttp.TCPConnector(ssl=tls),
        )
        self.seen: dict[str, dict[str, Any]] = {"Node": {}, "Pod": {}, "NodeAgent": {}}
        self.lock = asyncio.Lock()

    async def write(self, verb: str, path: str, body: Any, *fine: int) -> None:
        kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
        async with self.session.request(verb, path, json=body, headers={"Content-Type": kind}) as answer:
            if answer.status >= 400 and answer.status not in fine:
                raise RuntimeError(f"{verb} {path}: {answer.status} {await answer.text()}")

    async def look(self) -> None:
        """Read what there is before the first event: a pod must not be judged while its node has not been heard of."""
        for kind, path in (("Node", "/api/v1/nodes"), ("Pod", "/api/v1/pods"), ("NodeAgent", f"{SETS}/nodeagents")):
            async with self.session.get(path) as answer:
                if answer.status == 404:  # the definition was made a moment ago: there is no NodeAgent yet
                    continue
                answer.raise_for_status()
                for content in (await answer.json())["items"]:
                    self.seen[kind][key_of(kind, content)] = content

    async def reconcile(self, agent: dict[str, Any]) -> None:
        meta, template = agent["metadata"], agent["spec"]["template"]
        if meta.get("deletionTimestamp"):
            return
        pods = f"/api/v1/namespaces/{meta['namespace']}/pods"
        own = {pod["metadata"]["name"]: pod for pod in self.seen["Pod"].values() if owner(pod) == meta["uid"]}
        wanted, counted, misplaced, ready = 0, 0, 0, 0
        for pod in own.values():
            node = self.seen["Node"].get(target(pod))
            ended = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
            if (ended or node is None or not admits(template, node)[1]) and not pod["metadata"].get(
                "deletionTimestamp"
            ):
                options = {"preconditions": {"uid": pod["metadata"]["uid"]}}
                await self.write("DELETE", f"{pods}/{pod['metadata']['name']}", options, 404, 409)
        for name, node in self.seen["Node"].items():
            there = own.get(f"{meta['name']}-{name}")
            schedules, _ = admits(template, node)
            wanted += schedules
            if there is None and schedules:
                await self.write("POST", pods, pod_for(agent, name), 409)
            active = there is not None and not there["metadata"].get("deletionTimestamp")
            counted += active and schedules
            misplaced += active and not schedules
            conditions = there.get("status", {}).get("conditions", []) if active and there else []
            ready += schedules and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        status = {
            "observedGeneration": meta["generation"],
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": counted,
            "updatedNumberScheduled": counted,
            "numberMisscheduled": misplaced,
            "numberReady": ready,
            "numberAvailable": ready,
            "numberUnavailable": wanted - ready,
        }
        if agent.get("status") != status:
            path = f"{SETS}/namespaces/{meta['namespace']}/nodeagents/{meta['name']}/status"
            await self.write("PATCH", path, {"status": status}, 404)


def owner(pod: dict[str, Any]) -> str | None:
    return next((r["uid"] for r in pod["metadata"].get("ownerReferences", ()) if r.get("controller")), None)


def key_of(kind: str, content: Any) -> str:
    return str(content["metadata"]["name" if kind == "Node" else "uid"])


def target(pod: dict[str, Any]) -> str:
    """The node that a pod is bound to, else the one that it is pinned to; empty for a pod that somebody else planted."""
    try:
        terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        pinned = str(terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])
    except (KeyError, IndexError):
        pinned = ""
    return pod["spec"].get("nodeName") or pinned


def tolerated(taint: dict[str, Any], tolerations: list[dict[str, Any]]) -> bool:
    return any(
        t.get("effect", "") in ("", taint["effect"])
        and t.get("key", "") in ("", taint["key"])
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in tolerations
    )


def admits(template: dict[str, Any], node: dict[str, Any]) -> tuple[bool, bool]:
    """Whether a new pod may come to the node, and whether an old one may stay."""
    spec, labels = template["spec"], node["metadata"].get("labels", {})
    fits = all(labels.get(key) == value for key, value in spec.get("nodeSelector", {}).items())
    tolerations = [*spec.get("tolerations", []), *EVERYWHERE]
    hard = {t["effect"] for t in node["spec"].get("taints", []) if not tolerated(t, tolerations)}
    return fits and not hard & {"NoSchedule", "NoExecute"}, fits and "NoExecute" not in hard


def pod_for(agent: dict[str, Any], node: str) -> dict[str, Any]:
    meta, template = agent["metadata"], agent["spec"]["template"]
    reference = {"apiVersion": "example.com/v1", "kind": "NodeAgent", "name": meta["name"], "uid": meta["uid"]}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    pin = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    own = {
        "name": f"{meta['name']}-{node}",
        "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}],
    }
    tolerations = [*template["spec"].get("tolerations", []), *EVERYWHERE]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template.get("metadata", {}), **own},
        "spec": {**template["spec"], "affinity": pin, "tolerations": tolerations},
    }


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, logger: Any, **_: Any) -> None:
    settings.posting.enabled = False
    memo.operator = Operator()
    crd = yaml.safe_load((Path(__file__).parent / "crd.yaml").read_text())
    await memo.operator.write("POST", CRDS, crd, 409)
    await memo.operator.look()
    logger.info("NodeAgent is served")


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    await memo.operator.session.close()


@kopf.on.event("v1", "nodes")
@kopf.on.event("v1", "pods")
@kopf.on.event("example.com", "v1", "nodeagents")
async def seen(event: Any, body: kopf.Body, memo: kopf.Memo, resource: kopf.Resource, **_: Any) -> None:
    operator: Operator = memo.operator
    key = key_of(resource.kind, body)
    async with operator.lock:
        if event["type"] == "DELETED":
            operator.seen[resource.kind].pop(key, None)
        else:
            operator.seen[resource.kind][key] = dict(event["object"])
        for agent in list(operator.seen["NodeAgent"].values()):
            await operator.reconcile(agent)
