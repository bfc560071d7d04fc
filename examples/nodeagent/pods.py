"""The pods of a set: how they are made of its template, and what can be read off one."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from eligibility import tolerations

Object = dict[str, Any]

GROUP_VERSION, KIND = "example.com/v1", "NodeAgent"
HASH = "example.com/template-hash"
"""The label that ties a pod to the template that it was made of."""


def template_hash(template: Object) -> str:
    """The same for equal templates, whichever process asks."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def reference(agent: Object) -> Object:
    """The reference by which a pod names its set: the garbage collector takes the pod with it."""
    meta = agent["metadata"]
    whose = {"apiVersion": GROUP_VERSION, "kind": KIND, "name": meta["name"], "uid": meta["uid"]}
    return {**whose, "controller": True, "blockOwnerDeletion": True}


def pod_for(agent: Object, node: str) -> Object:
    """A pod of the set, pinned to the node: the scheduler binds it there."""
    meta, template = agent["metadata"], agent["spec"]["template"]
    said, spec = template.get("metadata") or {}, template["spec"]
    affinity = spec.get("affinity") or {}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    pin = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **{field: said[field] for field in ("annotations", "finalizers") if field in said},
            "labels": {**(said.get("labels") or {}), HASH: template_hash(template)},
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "ownerReferences": [reference(agent)],
        },
        "spec": {
            **spec,
            "affinity": {**affinity, "nodeAffinity": {**(affinity.get("nodeAffinity") or {}), **pin}},
            "tolerations": tolerations(spec),
        },
    }


def owner(pod: Object) -> str | None:
    """The UID of the set that controls it."""
    return next((one["uid"] for one in pod["metadata"].get("ownerReferences") or () if one.get("controller")), None)


def target(pod: Object) -> str:
    """The node that it is bound to, else the one that it is pinned to; empty for a stray that names none."""
    if bound(pod):
        return str(pod["spec"]["nodeName"])
    try:
        affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        return str(affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])
    except (KeyError, IndexError, TypeError):
        return ""


def bound(pod: Object) -> bool:
    """Whether a scheduler has put it on its node."""
    return bool(pod["spec"].get("nodeName"))


def going(pod: Object) -> bool:
    """Whether somebody has asked it to go."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def ended(pod: Object) -> bool:
    """Whether none of its containers will run again."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def ready_since(pod: Object) -> float | None:
    """Since when it has been Ready, in unix seconds; None if it is not."""
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one["type"] == "Ready" and one["status"] == "True":
            return datetime.fromisoformat(one["lastTransitionTime"].replace("Z", "+00:00")).timestamp()
    return None
