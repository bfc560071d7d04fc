"""The binder: a small scheduler that puts every pending pod on a node that it may be on, and ignores resources.

A pod that its required affinity pins to a node waits for that node; any other goes to the first node that fits, by name.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.kinds.affinities import REQUIRED, admits
from pytest_daemonset.embedded.kinds.taints import UNSCHEDULABLE, tolerated
from pytest_daemonset.embedded.loops.identities import SCHEDULER
from pytest_daemonset.embedded.store import DELETED
from pytest_daemonset.embedded.times import timestamp

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.settings import Settings
    from pytest_daemonset.embedded.store import Change

Object = dict[str, Any]
Key = tuple[str, str]

_STRATEGIC = "application/strategic-merge-patch+json"
_REPELLING = ("NoSchedule", "NoExecute")
_MINE = "default-scheduler"
_ANYWHERE = ""


class Place(NamedTuple):
    """What of a node decides whether a pod may go there."""

    labels: dict[str, str]
    taints: list[Object]


async def bind(api: Api, _settings: Settings) -> None:
    """Bind pods until cancelled."""
    binder = Binder(api)
    with api.subscribe("pods", "nodes", only=binder.cares) as changes:
        binder.start()
        async for resource, change in changes:
            binder.see(resource, change)
            await asyncio.sleep(0)


class Binder:
    """The nodes, and the pods that wait: by the node that they are pinned to, or for any."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._places: dict[str, Place] = {}
        self._waiting: dict[str, dict[Key, None]] = {}
        self._targets: dict[Key, tuple[str, ...]] = {}

    def start(self) -> None:
        """Learn what is there already."""
        for node in self._api.list("nodes"):
            self._places[node["metadata"]["name"]] = place_of(node)
        for pod in self._api.list("pods", fields={"spec.nodeName": ""}):
            self._pod(pod)

    def see(self, resource: str, change: Change) -> None:
        """Learn of one change of a pod or a node; it costs what waits for that node."""
        if resource == "nodes":
            self._node(change)
        elif (pod := self._unbound(change.entry.key)) is None:
            self._forget(change.entry.key)
        else:
            self._pod(pod)

    def cares(self, resource: str, change: Change) -> bool:
        """Whether a change may mean something here: not what becomes of a pod that has its node."""
        return resource == "nodes" or change.entry.key in self._targets or self._unbound(change.entry.key) is not None

    def _unbound(self, key: Key) -> Object | None:
        """The pod as it is now, if it waits for a node."""
        entry = self._api.served["pods"].table.entries.get(key)
        return None if entry is None or entry.fields["spec.nodeName"] or entry.deleting else entry.object

    def _node(self, change: Change) -> None:
        name = change.entry.key[1]
        if change.type == DELETED:
            self._places.pop(name, None)
            return
        place = place_of(change.object)
        if self._places.get(name) == place:
            return
        self._places[name] = place
        for key in (*self._waiting.get(name, ()), *self._waiting.get(_ANYWHERE, ())):
            self._try(key, (name,))

    def _pod(self, pod: Object) -> None:
        spec = pod["spec"]
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self._forget(key)
        if spec.get("schedulerName") != _MINE or spec.get("schedulingGates"):
            return
        targets = _targets(spec)
        self._targets[key] = targets
        for name in targets:
            self._waiting.setdefault(name, {})[key] = None
        self._try(key, targets if _ANYWHERE not in targets else tuple(sorted(self._places)))

    def _forget(self, key: Key) -> None:
        for name in self._targets.pop(key, ()):
            del self._waiting[name][key]
            if not self._waiting[name]:
                del self._waiting[name]

    def _try(self, key: Key, names: tuple[str, ...]) -> None:
        self._api.attempt(partial(self._place, key, names), ("binder", *key))

    def _place(self, key: Key, names: tuple[str, ...]) -> None:
        pod = self._api.get("pods", *key)
        if pod is None or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return
        found = next((name for name in names if self._fits(pod["spec"], name)), None)
        if found is None:
            self._say_unschedulable(key, pod)
            return
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key[1], "namespace": key[0], "uid": pod["metadata"]["uid"]},
            "target": {"kind": "Node", "name": found},
        }
        self._api.create(SCHEDULER, "pods", key[0], binding, name=key[1], subresource="binding")

    def _fits(self, spec: Object, name: str) -> bool:
        place = self._places.get(name)
        return place is not None and fits(spec, name, place)

    def _say_unschedulable(self, key: Key, pod: Object) -> None:
        conditions = pod["status"].get("conditions", ())
        if any(each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions):
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "no node fits its node selector, affinity and tolerations",
            "lastTransitionTime": timestamp(self._api.now()),
        }
        patch = {"status": {"conditions": [condition]}}
        self._api.patch(SCHEDULER, "pods", key[0], key[1], patch, _STRATEGIC, "status")


def fits(spec: Object, name: str, place: Place) -> bool:
    """Whether a pod may go to a node: its node selector and affinity admit it, and it tolerates what repels."""
    if not admits(spec, {"metadata": {"name": name, "labels": place.labels}}):
        return False
    tolerations = spec.get("tolerations", ())
    return all(tolerated(taint, tolerations) for taint in place.taints if taint["effect"] in _REPELLING)


def place_of(node: Object) -> Place:
    """Read what of a node decides; a cordoned node repels even before anybody has put the taint on it."""
    taints = node["spec"].get("taints", [])
    if node["spec"].get("unschedulable") and not any(each["key"] == UNSCHEDULABLE for each in taints):
        taints = [*taints, {"key": UNSCHEDULABLE, "effect": "NoSchedule"}]
    return Place(node["metadata"].get("labels", {}), taints)


def _targets(spec: Object) -> tuple[str, ...]:
    """The names of the nodes that the pod can only be on; `_ANYWHERE` if it does not say."""
    required = spec.get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED)
    if required is None:
        return (_ANYWHERE,)
    names: list[str] = []
    for term in required["nodeSelectorTerms"]:
        pinned = [
            name
            for field in term.get("matchFields", ())
            if (field["key"], field["operator"]) == ("metadata.name", "In")
            for name in field["values"]
        ]
        if not pinned:
            return (_ANYWHERE,)
        names += pinned
    return tuple(dict.fromkeys(names))
