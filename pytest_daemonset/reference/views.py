"""What the controller reads of a Node and of a Pod: the few facts that can matter, so that everything else wakes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

Json = Mapping[str, Any]

HASH_LABEL = "controller-revision-hash"
"""The label that ties a pod to its ControllerRevision (`apps/v1` DefaultDaemonSetUniqueLabelKey)."""


def seconds(stamp: str) -> float:
    """The unix time of an RFC 3339 stamp, as Kubernetes writes it."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).replace(tzinfo=timezone.utc).timestamp()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node, as far as placement reads it: heartbeats, conditions, capacity and annotations are no part of it (NCOND-04)."""

    name: str
    uid: str
    labels: Json
    taints: tuple[Json, ...]

    @classmethod
    def of(cls, node: Json) -> NodeView:
        """The view of a Node object."""
        metadata = node["metadata"]
        taints = (node.get("spec") or {}).get("taints") or ()
        return cls(metadata["name"], metadata["uid"], metadata.get("labels") or {}, tuple(taints))


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod, as far as a DaemonSet controller reads it."""

    uid: str
    namespace: str
    name: str
    created: str
    labels: Json
    owner: str | None
    """The UID in its controller reference; kind and name decide nothing (OWN-05)."""
    node: str | None
    """The target: the bound node, else the one that its required affinity pins it to, else None."""
    bound: bool
    phase: str
    terminating: bool
    ready_since: float | None
    """Unix time of the Ready condition's last change to True; None while it is not Ready."""

    @classmethod
    def of(cls, pod: Json) -> PodView:
        """The view of a Pod object."""
        metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
        bound = spec.get("nodeName") or None
        return cls(
            uid=metadata["uid"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            created=metadata.get("creationTimestamp") or "",
            labels=metadata.get("labels") or {},
            owner=controller_of(pod),
            node=bound or _pinned(spec.get("affinity")),
            bound=bound is not None,
            phase=status.get("phase") or "Pending",
            terminating="deletionTimestamp" in metadata,
            ready_since=_ready_since(status),
        )

    @property
    def terminal(self) -> bool:
        """Whether it has ended, well or not."""
        return self.phase in ("Failed", "Succeeded")

    @property
    def active(self) -> bool:
        """Whether it is neither terminal nor terminating."""
        return not self.terminating and not self.terminal

    @property
    def revision(self) -> str | None:
        """The hash of the revision that it was made from."""
        return self.labels.get(HASH_LABEL)

    def available(self, min_ready: float, now: float) -> bool:
        """Whether it has been Ready for `min_ready` seconds at the unix time `now`."""
        return self.ready_since is not None and (min_ready <= 0 or self.ready_since + min_ready <= now)

    def seniority(self) -> tuple[bool, str, str]:
        """What survives pruning sorts first: bound before unbound, then the oldest, then the smaller name (AMO-04)."""
        return (not self.bound, self.created, self.name)


def controller_of(thing: Json) -> str | None:
    """The UID in an object's controller reference, or None."""
    for reference in thing["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            uid: str = reference["uid"]
            return uid
    return None


def _pinned(affinity: Json | None) -> str | None:
    required = ((affinity or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("operator") == "In" and len(field["values"]) == 1:
                name: str = field["values"][0]
                return name
    return None


def _ready_since(status: Json) -> float | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready":
            return seconds(condition["lastTransitionTime"]) if condition.get("status") == "True" else None
    return None
