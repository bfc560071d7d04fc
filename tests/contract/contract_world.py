"""A made-up cluster for the tests of the oracle: every verb changes it and returns the events that a watch would show."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any

from pytest_daemonset.contract import Event, Judgement, Property, State, Subject, Verdict
from pytest_daemonset.contract.shape import PLAIN, Shape

START = 1_780_000_000.0


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def pin(node: str) -> dict[str, Any]:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


class World:
    """Nodes, pods, revisions and the DaemonSet "agent", and everything that happened to them."""

    def __init__(self, uid: str = "ds-1", shape: Shape = PLAIN) -> None:
        self.subject = Subject("apps/v1", "DaemonSet", "default", "agent", uid, shape)
        self.state = State(self.subject)
        self.rv = 0
        self.at = START
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.history: list[Event] = []
        self.judgements: list[Judgement] = []
        self.verdicts: list[Verdict] = []

    def judge(self, judged: Property) -> Judgement:
        judgement = judged.judging(self.state)
        self.judgements.append(judgement)
        return judgement

    def happens(self, kind: str, what: str, stored: dict[str, Any]) -> Event:
        self.rv += 1
        self.at += 1.0
        stored = copy.deepcopy(stored)
        stored["metadata"]["resourceVersion"] = str(self.rv)
        event = Event(kind, what, stored, self.rv, self.at)
        self.history.append(event)
        change = self.state.apply(event)
        self.change = change
        self.verdicts = [judgement.update(event, change) for judgement in self.judgements]
        return event

    def store(self, kind: str, name: str, stored: dict[str, Any]) -> Event:
        what = "MODIFIED" if (kind, name) in self.objects else "ADDED"
        self.objects[kind, name] = stored
        return self.happens(kind, what, stored)

    def remove(self, kind: str, name: str) -> Event:
        return self.happens(kind, "DELETED", self.objects.pop((kind, name)))

    def edit(self, kind: str, name: str, **fields: Any) -> Event:
        """Change fields named by their path, with `__` for the dots: metadata__labels={...}; None takes one away."""
        stored = copy.deepcopy(self.objects[kind, name])
        for path, value in fields.items():
            *parents, last = path.split("__")
            place = stored
            for parent in parents:
                place = place.setdefault(parent, {})
            if value is None:
                place.pop(last, None)
            else:
                place[last] = value
        return self.store(kind, name, stored)

    def node(
        self, name: str, labels: dict[str, str] | None = None, taints: list[dict[str, Any]] | None = None
    ) -> Event:
        metadata = {"name": name, "uid": f"uid-{name}-{self.rv}", "labels": labels or {}}
        return self.store("Node", name, {"metadata": metadata, "spec": {"taints": taints or []}, "status": {}})

    def daemonset(self, template: dict[str, Any] | None = None, **spec: Any) -> Event:
        subject = self.subject
        stored = {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "metadata": {"name": subject.name, "namespace": subject.namespace, "uid": subject.uid, "generation": 1},
            "spec": {"template": {"spec": template or {}}, **spec},
            "status": {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0},
        }
        return self.store("DaemonSet", subject.name, stored)

    def status(self, **fields: int) -> Event:
        status = {"observedGeneration": self.objects["DaemonSet", "agent"]["metadata"]["generation"], **fields}
        return self.edit("DaemonSet", "agent", status=status)

    def retemplate(self, template: dict[str, Any]) -> Event:
        generation = self.objects["DaemonSet", "agent"]["metadata"]["generation"] + 1
        return self.edit("DaemonSet", "agent", spec__template={"spec": template}, metadata__generation=generation)

    def reference(self, **changes: Any) -> dict[str, Any]:
        subject = self.subject
        whole = {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "name": subject.name,
            "uid": subject.uid,
            "controller": True,
            "blockOwnerDeletion": True,
            **changes,
        }
        return {field: value for field, value in whole.items() if value is not None}

    def pod(self, name: str, node: str | None, bound: bool = False, revision: str | None = "r1", **more: Any) -> Event:
        metadata = {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "creationTimestamp": stamp(self.at),
            "ownerReferences": more.pop("references", [self.reference()]),
            "labels": {} if revision is None else {"controller-revision-hash": revision},
            **more,
        }
        spec: dict[str, Any] = {}
        if node is not None:
            spec = {"nodeName": node} if bound else {"affinity": pin(node)}
        return self.store("Pod", name, {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})

    def bind(self, name: str, node: str) -> Event:
        return self.edit("Pod", name, spec__nodeName=node)

    def runs(self, name: str, ready: bool = True) -> Event:
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": stamp(self.at)}
        return self.edit("Pod", name, status={"phase": "Running", "conditions": [condition]})

    def ends(self, name: str, phase: str = "Failed") -> Event:
        return self.edit("Pod", name, status__phase=phase)

    def terminate(self, name: str) -> Event:
        return self.edit("Pod", name, metadata__deletionTimestamp=stamp(self.at))

    def revision(self, name: str, number: int, label: str, **more: Any) -> Event:
        metadata = {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "labels": {"controller-revision-hash": label},
            "ownerReferences": more.pop("references", [self.reference()]),
        }
        return self.store("ControllerRevision", name, {"metadata": metadata, "revision": number})
