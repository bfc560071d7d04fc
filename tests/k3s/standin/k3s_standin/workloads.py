"""Deployments and StatefulSets: as many pods of one template as are wanted, made and deleted without ReplicaSets or roll-outs."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.kinds import Kind
from pytest_daemonset.embedded.statuses import StatusError
from pytest_daemonset.kubelets import pods as pod_views

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api

HASH = "pod-template-hash"
_CALLER = Caller(
    "system:serviceaccount:kube-system:deployment-controller", ("system:serviceaccounts",), "k3s-standin/workloads"
)

Object = dict[str, Any]


def _count_changes(new: Object, old: Object) -> None:
    if new["spec"] != old["spec"]:
        new["metadata"]["generation"] = old["metadata"]["generation"] + 1


def _kind(name: str) -> Kind:
    return Kind(
        group="apps",
        version="v1",
        kind=name,
        plural=f"{name.lower()}s",
        singular=name.lower(),
        subresources=("status",),
        has_generation=True,
        message="Deployment",  # near enough: the fields that are read here are the same
        on_prepare_update=_count_changes,
    )


KINDS = (_kind("Deployment"), _kind("StatefulSet"))
_RESOURCES = {kind.kind: f"{kind.plural}.apps" for kind in KINDS}


async def watch_workloads(api: Api, started: asyncio.Event) -> None:
    """Until cancelled: see to each of them, whenever it or one of its pods has changed."""
    await started.wait()
    with api.subscribe(*_RESOURCES.values(), "pods") as changes:
        for resource in _RESOURCES.values():
            for found in api.list(resource):
                _see_to(api, resource, found["metadata"]["namespace"], found["metadata"]["name"])
        async for resource, change in changes:
            if resource in _RESOURCES.values():
                await asyncio.sleep(0.02)  # the loop in kube-controller-manager makes some requests for each
                _see_to(api, resource, *change.entry.key)
                continue
            for owner in change.object["metadata"].get("ownerReferences") or ():
                if owner["kind"] in _RESOURCES:
                    _see_to(api, _RESOURCES[owner["kind"]], change.entry.key[0], owner["name"])


def _see_to(api: Api, resource: str, namespace: str, name: str) -> None:
    found = api.get(resource, namespace, name)
    if found is None or "deletionTimestamp" in found["metadata"]:
        return
    wanted, template = int(found["spec"].get("replicas", 1)), found["spec"]["template"]
    digest = hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).hexdigest()[:10]
    pods = [pod for pod in api.list("pods", namespace) if _owned(pod, found)]
    there = [pod for pod in pods if not pod_views.terminating(pod)]
    right = [
        pod
        for pod in there
        if pod["metadata"]["labels"].get(HASH) == digest and pod_views.phase(pod) not in pod_views.TERMINAL
    ]
    for pod in [pod for pod in there if pod not in right] + right[wanted:]:
        _try(partial(api.delete, _CALLER, "pods", namespace, pod["metadata"]["name"]))
    names = {pod["metadata"]["name"] for pod in pods}
    ordered = resource.startswith("statefulsets")
    free = [f"{name}-{number}" for number in range(wanted) if f"{name}-{number}" not in names]
    refusal = ""
    for number in range(wanted - len(right)):
        if ordered and number >= len(free):
            break  # its predecessor of that name is not gone yet
        own = {"name": free[number]} if ordered else {"generateName": f"{name}-{digest}-"}
        refusal = _try(partial(api.create, _CALLER, "pods", namespace, _pod(found, template, digest, own))) or refusal
    ready = sum(map(pod_views.is_ready, right[:wanted]))
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refusal}
    status = {
        "conditions": [failure] if refusal else [],
        "observedGeneration": found["metadata"]["generation"],
        "replicas": len(there),
        "updatedReplicas": len(right),
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    if status != {key: (found.get("status") or {}).get(key) for key in status}:
        _try(partial(api.patch, _CALLER, resource, namespace, name, {"status": status}, subresource="status"))


def _owned(pod: Object, owner: Object) -> bool:
    return any(one["uid"] == owner["metadata"]["uid"] for one in pod["metadata"].get("ownerReferences") or ())


def _pod(owner: Object, template: Object, digest: str, own: Object) -> Object:
    metadata, said = owner["metadata"], template.get("metadata") or {}
    reference = {
        "apiVersion": "apps/v1",
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {**(said.get("labels") or {}), HASH: digest}
    body = {**said, **own, "labels": labels, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": body, "spec": template["spec"]}


def _try(write: Any) -> str:
    """Write something; what it was refused for, unless somebody was quicker, which the next change tells."""
    try:
        write()
    except StatusError as refused:
        return "" if refused.code in (404, 409) else str(refused)
    return ""
