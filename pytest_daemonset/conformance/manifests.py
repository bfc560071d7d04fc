"""Manifests of the sets that the rows apply: small, plain, and unlike each other only where the row says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]

IMAGE = "registry.k8s.io/pause:3.10"
OTHER_IMAGE = "registry.k8s.io/pause:3.9"
NOBODY = "nobody.example.com"
"""A scheduler that does not exist: pods that ask for it stay unbound, for binders serve their own name only."""


def daemonset(
    name: str = "agent",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    strategy: str = "RollingUpdate",
    selector: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A DaemonSet.

    Args:
        name: its name; also the value of the label ``app`` of its pods.
        labels: of its pods, beside ``app``.
        annotations: of its pods.
        strategy: ``OnDelete`` where a row plants pods: they carry no revision, so a rolling update would replace them.
        selector: another selector than ``app=NAME``, as the API has it.
        spec: fields of the pods' spec, such as ``nodeSelector``.
    """
    own = {"app": name}
    metadata: Object = {"labels": {**own, **(labels or {})}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {
            "selector": dict(selector or {"matchLabels": own}),
            "updateStrategy": {"type": strategy},
            "template": {"metadata": metadata, "spec": {**_containers(), **spec}},
        },
    }


def pod(
    name: str,
    *,
    labels: Mapping[str, str],
    bound_to: str | None = None,
    pinned_to: str | None = None,
    owner: Mapping[str, Any] | None = None,
    finalizers: Iterable[str] = (),
) -> Object:
    """A pod that a row plants.

    Args:
        name: its name.
        labels: its labels.
        bound_to: the node that it is bound to from the first.
        pinned_to: the node that it names without being bound; no scheduler serves it.
        owner: the object that controls it, as stored.
        finalizers: keep it from going.
    """
    metadata: Object = {"name": name, "labels": dict(labels)}
    if owner is not None:
        metadata["ownerReferences"] = [reference(owner)]
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    spec: Object = {**_containers(), "tolerations": [{"operator": "Exists"}]}
    if bound_to is not None:
        spec["nodeName"] = bound_to
    if pinned_to is not None:
        spec |= {"schedulerName": NOBODY, "affinity": pin(pinned_to)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def reference(owner: Mapping[str, Any]) -> Object:
    """The controller reference to an object as stored."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pin(node: str) -> Object:
    """The affinity that names one node."""
    return required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]})


def required(*terms: Mapping[str, Any]) -> Object:
    """Required node affinity of these terms."""
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [dict(term) for term in terms]}
        }
    }


def expressions(*rows: tuple[str, str, list[str]]) -> Object:
    """A term of label requirements: key, operator, values."""
    return {
        "matchExpressions": [
            {"key": key, "operator": operator, **({"values": values} if values else {})}
            for key, operator, values in rows
        ]
    }


def _containers() -> Object:
    return {"containers": [{"name": "agent", "image": IMAGE}]}
