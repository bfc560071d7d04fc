"""Plain objects for the reference controller's unit tests."""

from __future__ import annotations

from typing import Any

from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.placement import Rules
from pytest_daemonset.reference.views import PodView, seconds

NOW = seconds("2030-01-01T00:01:00Z")
READY = "2030-01-01T00:00:30Z"
START, STAY, LEAVE = Decision.START, Decision.STAY, Decision.LEAVE


def node(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"node-{name}", "labels": fields.get("labels", {})},
        "spec": {k: v for k, v in fields.items() if k in ("taints", "unschedulable")},
    }


def pod(
    name: str,
    on: str | None = "a",
    *,
    bound: bool = True,
    phase: str = "Running",
    ready: str | None = READY,
    terminating: bool = False,
    hash: str = "new",  # noqa: A002
    created: str = "2030-01-01T00:00:00Z",
    owner: str | None = "set",
    labels: dict[str, str] | None = None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "creationTimestamp": created,
        "labels": {"app": "agent", "controller-revision-hash": hash} if labels is None else labels,
    }
    if owner is not None:
        metadata["ownerReferences"] = [{"kind": "DaemonSet", "name": "agent", "uid": owner, "controller": True}]
    if terminating:
        metadata["deletionTimestamp"] = "2030-01-01T00:00:50Z"
    spec: dict[str, Any] = {}
    if on is not None and bound:
        spec["nodeName"] = on
    elif on is not None:
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec["affinity"] = {"nodeAffinity": required}
    status: dict[str, Any] = {"phase": phase}
    if ready and phase == "Running" and bound:
        status["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}]
    return {"metadata": metadata, "spec": spec, "status": status}


def view(name: str, on: str | None = "a", **fields: Any) -> PodView:
    return PodView.of(pod(name, on, **fields))


def daemonset(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}
    return {
        "metadata": {"name": "agent", "namespace": "ns", "uid": "set", "generation": 3, "resourceVersion": "7"},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template, **spec},
    }


def rules(*, surge: bool = False, min_ready: float = 0, failure_wait: float = 0, creation_wait: float = 0) -> Rules:
    return Rules(
        surge=surge,
        revision="new",
        available=lambda p: p.available(min_ready, NOW),
        failure_wait=lambda _: failure_wait,
        creation_wait=lambda _: creation_wait,
    )


def names(pods: list[PodView]) -> list[str]:
    return sorted(p.name for p in pods)
