"""Thin views on plain JSON objects: what the contract's words mean on a Node, a Pod, a DaemonSet and a revision."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.shape import PLAIN, REVISION_LABEL, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TERMINAL_PHASES: Final = frozenset(("Failed", "Succeeded"))
NODE_NAME_FIELD: Final = "metadata.name"
KEEPS_PODS_AWAY: Final = frozenset(("NoSchedule", "NoExecute"))


def parse_time(stamp: str | None) -> float | None:
    """The unix seconds of an API server's time stamp such as "2026-05-04T10:11:12Z"; None for an absent one.

    Raises:
        ValueError: not a time stamp.
    """
    if not stamp:
        return None
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def controller_of(stored: Mapping[str, Any]) -> str | None:
    """The UID of the owner that the object's controller reference names (contract section 0, "owned pod")."""
    for reference in _references(stored):
        if reference.get("controller"):
            return str(reference.get("uid"))
    return None


def _references(stored: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (stored.get("metadata") or {}).get("ownerReferences") or ()


def target_node(pod: Mapping[str, Any]) -> str | None:
    """The node that a pod is bound to, else the one that its required node affinity pins it to by name, else None.

    Terms are alternatives, so it is pinned only if every one of them names the same single node.
    """
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    pins = {_pin(term) for term in required.get("nodeSelectorTerms") or ()}
    return pins.pop() if len(pins) == 1 else None


def _pin(term: Mapping[str, Any]) -> str | None:
    for field in term.get("matchFields") or ():
        values: Sequence[str] = field.get("values") or ()
        if field.get("key") == NODE_NAME_FIELD and field.get("operator") == "In" and len(values) == 1:
            return str(values[0])
    return None


def _condition(stored: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for condition in (stored.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return condition  # type: ignore[no-any-return]
    return {}


class Node:
    """What matters of a node.

    Attributes:
        taints: its taints, all effects.
        signature: equal for two states of a node between which no pod's right to be there can differ.
    """

    __slots__ = ("labels", "name", "object", "signature", "taints", "uid")

    def __init__(self, stored: Mapping[str, Any]) -> None:
        metadata = stored["metadata"]
        self.object = stored
        self.name: str = metadata["name"]
        self.uid: str = metadata.get("uid") or ""
        self.labels: Mapping[str, str] = metadata.get("labels") or {}
        self.taints: Sequence[Mapping[str, Any]] = (stored.get("spec") or {}).get("taints") or ()
        self.signature = (
            self.labels,
            [(taint.get("key"), taint.get("value"), taint.get("effect")) for taint in self.taints],
        )

    @property
    def ready(self) -> bool:
        """Whether its Ready condition is True; placement does not depend on it (row NCOND-01)."""
        return _condition(self.object, "Ready").get("status") == "True"


class Pod:
    """What matters of a pod.

    Attributes:
        owner: the UID that its controller reference names, or None.
        target: its target node, or None.
        bound: whether it is bound to its target, and not only pinned.
        created: when, in unix seconds.
        revision: the hash in its revision label, or None.
        signature: equal for two states of a pod that no property tells apart.
    """

    __slots__ = (
        "bound",
        "created",
        "name",
        "object",
        "owner",
        "phase",
        "ready",
        "ready_since",
        "revision",
        "signature",
        "target",
        "terminating_since",
        "uid",
    )

    def __init__(self, stored: Mapping[str, Any], revision_label: str = REVISION_LABEL) -> None:
        metadata = stored["metadata"]
        self.object = stored
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.owner = controller_of(stored)
        self.target = target_node(stored)
        self.bound = bool((stored.get("spec") or {}).get("nodeName"))
        self.created = parse_time(metadata.get("creationTimestamp")) or 0.0
        self.phase: str = (stored.get("status") or {}).get("phase") or "Pending"
        self.terminating_since: str | None = metadata.get("deletionTimestamp")
        ready = _condition(stored, "Ready")
        self.ready = ready.get("status") == "True"
        self.ready_since = parse_time(ready.get("lastTransitionTime")) if self.ready else None
        self.revision: str | None = (metadata.get("labels") or {}).get(revision_label)
        self.signature = (
            self.owner,
            self.target,
            self.bound,
            self.terminal,
            self.terminating,
            self.ready,
            self.ready_since,
            self.revision,
        )

    @property
    def terminal(self) -> bool:
        """Whether its phase is Failed or Succeeded."""
        return self.phase in TERMINAL_PHASES

    @property
    def terminating(self) -> bool:
        """Whether it carries a deletion timestamp."""
        return self.terminating_since is not None

    @property
    def active(self) -> bool:
        """Whether it is neither terminal nor terminating."""
        return not self.terminal and not self.terminating

    def available(self, min_ready_seconds: float, now: float) -> bool:
        """Whether it has been Ready for so many seconds at `now` (unix seconds)."""
        if not self.ready:
            return False
        return min_ready_seconds <= 0 or (self.ready_since is not None and self.ready_since + min_ready_seconds <= now)

    def references(self, uid: str) -> bool:
        """Whether any of its owner references names this UID, as controller or not."""
        return any(reference.get("uid") == uid for reference in _references(self.object))

    @property
    def owner_references(self) -> Sequence[Mapping[str, Any]]:
        """All its owner references."""
        return _references(self.object)


class DaemonSet:
    """What matters of the daemonset-like object. Counters that its status does not name are zero.

    Attributes:
        has_status: whether its status has any field: without one, nothing can be read from it.
        rules: equal for two states of it that ask the same of the cluster.
    """

    __slots__ = ("generation", "has_status", "name", "object", "rules", "spec", "status", "template", "uid")

    def __init__(self, stored: Mapping[str, Any], shape: Shape = PLAIN) -> None:
        metadata = stored["metadata"]
        self.object = stored
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.generation = int(metadata.get("generation") or 0)
        self.spec: Mapping[str, Any] = stored.get("spec") or {}
        self.status: Mapping[str, Any] = stored.get("status") or {}
        self.has_status = bool(self.status)
        self.template = shape.template_of(stored)
        self.rules = (self.spec.get("updateStrategy"), self.spec.get("minReadySeconds"))

    def counter(self, field: str) -> int:
        """A number of its status, such as "numberReady"; zero if it is absent."""
        return int(self.status.get(field) or 0)

    @property
    def observed_generation(self) -> int:
        """The generation that the controller says it has seen; zero before its first sync."""
        return self.counter("observedGeneration")

    @property
    def observed(self) -> bool:
        """Whether its status speaks of the present generation: before that, every counter is unknown."""
        return self.has_status and self.observed_generation >= self.generation

    @property
    def min_ready_seconds(self) -> int:
        """How long a pod must have been Ready to be available."""
        return int(self.spec.get("minReadySeconds") or 0)

    @property
    def surge(self) -> bool:
        """Whether a rolling update may run two pods on a node (row AMO-06)."""
        strategy = self.spec.get("updateStrategy") or {}
        limit = (strategy.get("rollingUpdate") or {}).get("maxSurge")
        return strategy.get("type", "RollingUpdate") == "RollingUpdate" and limit not in (None, 0, "0", "0%")

    @property
    def terminating(self) -> bool:
        """Whether it carries a deletion timestamp."""
        return bool(self.object["metadata"].get("deletionTimestamp"))


class Revision:
    """What matters of a ControllerRevision.

    Attributes:
        owner: the UID that its controller reference names, or None.
        number: its `revision`.
        hash: what its pods carry in their revision label.
        template: the pod template that it records; empty if its data have none.
    """

    __slots__ = ("hash", "name", "number", "object", "owner", "template", "uid")

    def __init__(self, stored: Mapping[str, Any], shape: Shape = PLAIN) -> None:
        metadata = stored["metadata"]
        self.object = stored
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.owner = controller_of(stored)
        self.number = int(stored.get("revision") or 0)
        self.template = shape.template_of(stored.get("data") or {})
        self.hash: str | None = (metadata.get("labels") or {}).get(shape.revision_label)

    def references(self, uid: str) -> bool:
        """Whether any of its owner references names this UID, as controller or not."""
        return any(reference.get("uid") == uid for reference in _references(self.object))

    @property
    def owner_references(self) -> Sequence[Mapping[str, Any]]:
        """All its owner references."""
        return _references(self.object)
