"""The loops of a control plane that the embedded server does not have: node lifecycle and node identity."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from k3s_standin.settings import say
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.statuses import StatusError
from pytest_daemonset.kubelets import machines
from pytest_daemonset.kubelets import pods as pod_views

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api

FINALIZER = "wrangler.cattle.io/node"
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
STRATEGIC = "application/strategic-merge-patch+json"
_LIFECYCLE = Caller(
    "system:serviceaccount:kube-system:node-controller", ("system:serviceaccounts",), "k3s-standin/node-lifecycle"
)
_WRANGLER = Caller("system:k3s-controller", ("system:masters",), "k3s-standin/node")
_EVICTION_DELAY = 5.0  # seconds from the NoSchedule to the NoExecute taint of a node that does not report

Object = dict[str, Any]


async def watch_nodes(api: Api, *, period: float, grace: float) -> None:
    """Until cancelled: the node lifecycle loop, and k3s's own finalizer that ties a node's password to its Node."""
    nodes = _Nodes(api, grace)
    clock = asyncio.get_running_loop().time

    async def monitor() -> None:
        while True:
            nodes.monitor(clock())
            await asyncio.sleep(period)

    monitoring = asyncio.ensure_future(monitor())
    try:
        with api.subscribe("nodes") as changes:
            for node in api.list("nodes"):
                nodes.see(node["metadata"]["name"], clock())
            async for _, change in changes:
                nodes.see(change.entry.key[1], clock())
                if monitoring.done():
                    monitoring.result()
    finally:
        monitoring.cancel()


class _Nodes:
    def __init__(self, api: Api, grace: float) -> None:
        self._api = api
        self._grace = grace
        self._renewed: dict[
            str, tuple[str, str, float]
        ] = {}  # node -> its uid, what its lease said, since when on our clock
        self._lost: dict[str, float] = {}

    def see(self, name: str, now: float) -> None:
        """One node has changed."""
        node = self._api.get("nodes", "", name)
        if node is None:
            self._renewed.pop(name, None)
            self._lost.pop(name, None)
            return
        metadata = node["metadata"]
        finalizers = metadata.get("finalizers") or []
        if "deletionTimestamp" in metadata:
            if FINALIZER in finalizers:
                self._try(lambda: self._api.delete(_WRANGLER, "secrets", "kube-system", f"{name}.node-password.k3s"))
                kept = [one for one in finalizers if one != FINALIZER]
                self._patch(name, {"metadata": {"finalizers": kept or None}}, _WRANGLER)
            return
        if FINALIZER not in finalizers:
            self._patch(name, {"metadata": {"finalizers": [*finalizers, FINALIZER]}}, _WRANGLER)
        self._taints(name, now)

    def monitor(self, now: float) -> None:
        """Look at every node's lease."""
        for node in self._api.list("nodes"):
            name, uid = node["metadata"]["name"], node["metadata"]["uid"]
            lease = self._api.get("leases.coordination.k8s.io", "kube-node-lease", name) or {"spec": {}}
            said = str(lease["spec"].get("renewTime"))
            known = self._renewed.get(name)
            if known is None or known[:2] != (uid, said):
                self._renewed[name] = (uid, said, now)
                self._lost.pop(name, None)
            elif now - known[2] > self._grace and _ready(node) != "Unknown":
                say("info", f"node {name} hasn't been updated for {now - known[2]:.0f}s; marking it NotReady")
                patch = {"status": {"conditions": machines.unknown_conditions()}}
                self._lost[name] = now
                self._try(partial(self._api.patch, _LIFECYCLE, "nodes", "", name, patch, STRATEGIC, "status"))
                self._pods(name)
            self._taints(name, now)

    def _pods(self, name: str) -> None:
        for pod in self._api.list("pods", fields={"spec.nodeName": name}):
            if pod_views.is_ready(pod):
                where = pod["metadata"]["namespace"], pod["metadata"]["name"]
                self._try(
                    partial(self._api.patch, _LIFECYCLE, "pods", *where, pod_views.lost(pod), STRATEGIC, "status")
                )

    def _taints(self, name: str, now: float) -> None:
        node = self._api.get("nodes", "", name)
        if node is None:
            return
        before = node["spec"].get("taints") or []
        ready = _ready(node)
        evicting = ready != "Unknown" or now - self._lost.get(name, 0.0) >= _EVICTION_DELAY
        evicting &= any(
            _ready(one) == "True" for one in self._api.list("nodes")
        )  # else it thinks that it is cut off itself
        after = [
            one for one in machines.lifecycle_taints(before, ready, evicting=evicting) if one["key"] != UNINITIALIZED
        ]
        after = [one for one in after if one["key"] != UNSCHEDULABLE]
        if node["spec"].get("unschedulable"):
            after.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
        if sorted((t["key"], t["effect"]) for t in before) != sorted((t["key"], t["effect"]) for t in after):
            version = {"resourceVersion": node["metadata"]["resourceVersion"]}
            self._patch(name, {"metadata": version, "spec": {"taints": after or None}}, _LIFECYCLE)

    def _patch(self, name: str, patch: Object, caller: Caller) -> None:
        self._try(lambda: self._api.patch(caller, "nodes", "", name, patch))

    def _try(self, write: Any) -> None:
        try:
            write()
        except StatusError as refused:
            if refused.code not in (404, 409):  # somebody was quicker; the next change or round sees it
                raise


def _ready(node: Object) -> str:
    rows = (node.get("status") or {}).get("conditions") or []
    return next((str(row["status"]) for row in rows if row["type"] == "Ready"), "False")
