"""The garbage collector: what its owners are gone for is deleted, in the background, in the foreground, or left as an orphan.

After kubernetes/pkg/controller/garbagecollector. It acts on changes only: each costs what it touches, nothing is scanned again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds.metadata import FOREGROUND, ORPHAN
from pytest_daemonset.embedded.loops.attempts import too_late_is_fine
from pytest_daemonset.embedded.loops.identities import GARBAGE
from pytest_daemonset.embedded.loops.ownership import Known, Owner, Ownership, known
from pytest_daemonset.embedded.store import DELETED

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.settings import Settings
    from pytest_daemonset.embedded.store import Change, Entry

Object = dict[str, Any]

_STRATEGIC = "application/strategic-merge-patch+json"
# As in Kubernetes, nobody collects events, and they own nothing.
_IGNORED = frozenset({"events"})
# Owners, finalizers, deletion of what stays as it is whatever becomes of others; it may own them all the same.
_PLAIN = (None, None, False)


async def collect(api: Api, _settings: Settings) -> None:
    """Collect garbage until cancelled."""
    collector = Collector(api)
    with api.subscribe(only=cares) as changes:
        collector.start()
        collector.work()
        async for resource, change in changes:
            collector.see(resource, change)
            collector.work()
            # A cascade is long; the network gets its turn in between.
            await asyncio.sleep(0)


def cares(resource: str, change: Change) -> bool:
    """Whether a change may mean something here: most are of a status."""
    entry, was = change.entry, change.previous
    if resource in _IGNORED:
        return False
    before = _PLAIN if was is None else (was.owners, was.finalizers, was.deleting)
    return change.type == DELETED or before != (entry.owners, entry.finalizers, entry.deleting)


class Collector:
    """The graph of owners and the work that follows from its changes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._graph = Ownership()
        self._todo: deque[str] = deque()

    def start(self) -> None:
        """Learn what is there already."""
        for served in self._api.kept:
            if served.name not in _IGNORED:
                for entry in served.table:
                    self._put(known(served.name, entry))

    def see(self, resource: str, change: Change) -> None:
        """Learn of one change, and remember what it makes necessary."""
        if change.type == DELETED:
            gone = self._graph.remove(change.entry.uid)
            self._todo.extend(each.uid for each in self._graph.dependents(change.entry.uid))
            if gone is not None:
                self._todo.extend(each.uid for each in gone.owners)
            return
        self._put(known(resource, change.entry))

    def _put(self, new: Known) -> None:
        old = self._graph.put(new)
        if old is None or old != new:
            self._todo.append(new.uid)
        if old is not None and old.owners != new.owners:
            # An owner that waits for its dependents may have lost one.
            self._todo.extend(each.uid for each in old.owners if each not in new.owners)

    def work(self) -> None:
        """Do all that has become necessary."""
        while self._todo:
            uid = self._todo.popleft()
            self._api.attempt(partial(self._attend, uid), ("garbage", uid))

    def _attend(self, uid: str) -> None:
        item = self._graph.get(uid)
        if item is None:
            return
        if item.deleting:
            if ORPHAN in item.finalizers:
                self._orphan(item)
            elif FOREGROUND in item.finalizers:
                self._wait_for_dependents(item)
        elif item.owners:
            self._judge_owners(item)

    # orphan and foreground: the owner is being deleted

    def _orphan(self, owner: Known) -> None:
        for dependent in self._graph.dependents(owner.uid):
            with too_late_is_fine():
                self._drop_owners(dependent, [owner.uid])
        self._drop_finalizer(owner, ORPHAN)

    def _wait_for_dependents(self, owner: Known) -> None:
        waiting = False
        for dependent in self._graph.dependents(owner.uid):
            waiting = waiting or any(each.uid == owner.uid and each.blocks for each in dependent.owners)
            if not dependent.deleting:
                self._todo.append(dependent.uid)
        if not waiting:
            self._drop_finalizer(owner, FOREGROUND)

    def _drop_finalizer(self, item: Known, finalizer: str) -> None:
        obj = self._live(item)
        if obj is None or finalizer not in obj["metadata"].get("finalizers", ()):
            return
        left = [each for each in obj["metadata"]["finalizers"] if each != finalizer]
        patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"], "finalizers": left or None}}
        self._api.patch(GARBAGE, item.resource, item.namespace, item.name, patch)

    def _drop_owners(self, item: Known, uids: list[str]) -> None:
        if self._api.served[item.resource].kind.schema is not None:
            # custom resources take no strategic patches
            obj = self._live(item)
            if obj is None:
                return
            left = [each for each in obj["metadata"].get("ownerReferences", ()) if each["uid"] not in uids]
            version = obj["metadata"]["resourceVersion"]
            merge = {"metadata": {"resourceVersion": version, "ownerReferences": left or None}}
            self._api.patch(GARBAGE, item.resource, item.namespace, item.name, merge)
            return
        references = [{"$patch": "delete", "uid": uid} for uid in uids]
        patch = {"metadata": {"uid": item.uid, "ownerReferences": references}}
        self._api.patch(GARBAGE, item.resource, item.namespace, item.name, patch, _STRATEGIC)

    # the dependent: are its owners still there?

    def _judge_owners(self, item: Known) -> None:
        live = self._entry(item)
        if live is None or live.deleting:
            return
        item = known(item.resource, live)
        absent = [each.uid for each in item.owners if self._is_absent(item, each)]
        waiting = [each.uid for each in item.owners if each.uid not in absent and self._waits(each)]
        leaving = {*absent, *waiting}
        if not leaving:
            return
        if any(each.uid not in leaving for each in item.owners):
            # Somebody else still holds it: only the references that mean nothing any more go.
            self._drop_owners(item, [each.uid for each in item.owners if each.uid in leaving])
            return
        options: Object = {"preconditions": {"uid": item.uid}, "propagationPolicy": self._policy(item, bool(waiting))}
        self._api.delete(GARBAGE, item.resource, item.namespace, item.name, options)

    def _policy(self, item: Known, waiting: bool) -> str:
        if waiting and any(True for _ in self._graph.dependents(item.uid)):
            return "Foreground"
        if ORPHAN in item.finalizers:
            return "Orphan"
        return "Foreground" if FOREGROUND in item.finalizers else "Background"

    def _waits(self, owner: Owner) -> bool:
        """Whether the owner is being deleted in the foreground, and so takes its dependents along."""
        there = self._graph.get(owner.uid)
        return there is not None and there.deleting and FOREGROUND in there.finalizers

    def _is_absent(self, item: Known, owner: Owner) -> bool:
        """Whether no object is what the reference says: kind, name, uid, and the namespace of the dependent.

        What cannot be resolved (a kind that is not served, a namespaced owner of a cluster-wide object) is never absent.
        """
        served = self._api.find(owner.api_version.rpartition("/")[0], owner.kind)
        if served is None:
            return False
        namespaced = served.kind.namespaced
        if namespaced and not item.namespace:
            return False
        # Asked of the store, not of the graph: the owner's event may be on its way.
        entry = served.table.entries.get((item.namespace if namespaced else "", owner.name))
        return entry is None or entry.uid != owner.uid

    def _live(self, item: Known) -> Object | None:
        entry = self._entry(item)
        return None if entry is None else entry.object

    def _entry(self, item: Known) -> Entry | None:
        served = self._api.served.get(item.resource)
        # a kind that is served no more is gone, with all that there was of it
        entry = None if served is None else served.table.entries.get((item.namespace, item.name))
        return entry if entry is not None and entry.uid == item.uid else None
