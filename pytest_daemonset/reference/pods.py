"""The pod that a DaemonSet makes for one node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.views import HASH_LABEL, Json

if TYPE_CHECKING:
    from collections.abc import Sequence


def owner_reference(daemonset: Json) -> dict[str, Any]:
    """The one reference that every pod and revision of a set carries (GC-06)."""
    metadata = daemonset["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_for(daemonset: Json, node: str, revision: str, tolerations: Sequence[Json], owner: Json) -> dict[str, Any]:
    """The template plus the revision label, the tolerations, the pin and one owner reference, and nothing else (PLACE-11).

    Args:
        daemonset: the set; its stored template is left untouched (TAINT-11).
        node: the name of the node that the pod is for.
        revision: the hash of the current revision.
        tolerations: what the pod shall tolerate, the template's own included.
        owner: its owner reference.
    """
    template = daemonset["spec"]["template"]
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if k in ("annotations", "finalizers")}
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    metadata["labels"] = {**labels, HASH_LABEL: revision}
    metadata["generateName"] = daemonset["metadata"]["name"] + "-"
    metadata["namespace"] = daemonset["metadata"]["namespace"]
    metadata["ownerReferences"] = [owner]
    spec = {
        **template["spec"],
        "tolerations": list(tolerations),
        "affinity": pinned(template["spec"].get("affinity"), node),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pinned(affinity: Json | None, node: str) -> dict[str, Any]:
    """The affinity with its required node terms replaced by the node's name; everything else survives (PLACE-09, PLACE-10)."""
    pin = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": pin}
    return {**(affinity or {}), "nodeAffinity": {**((affinity or {}).get("nodeAffinity") or {}), **required}}
