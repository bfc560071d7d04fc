"""One moment of a cluster, as far as one DaemonSet is concerned, moved on event by event."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_daemonset.contract.agreement import differences
from pytest_daemonset.contract.eligibility import Decision, may_start, may_stay
from pytest_daemonset.contract.events import DAEMONSET, DELETED, NODE, POD, REVISION, Event
from pytest_daemonset.contract.shape import PLAIN, Shape
from pytest_daemonset.contract.views import DaemonSet, Node, Pod, Revision

if TYPE_CHECKING:
    from collections.abc import Mapping


class AllNodes(enum.Enum):
    """The type of `ALL`."""

    ALL = "all"


ALL: Final = AllNodes.ALL

NOWHERE: Final = ""
"""Stands for the node of a pod that is neither bound nor pinned to one."""

View: TypeAlias = Node | Pod | DaemonSet | Revision

_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Subject:
    """The daemonset-like object under test: one incarnation of it, for a recreated one has another UID.

    Args:
        api_version: such as "apps/v1".
        kind: as its owner references say, such as "DaemonSet".
        namespace: where it and its pods live.
        name: its name.
        uid: its UID.
        shape: where the fields of its kind stand.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    shape: Shape = PLAIN

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Subject:
        """The subject that a stored object is."""
        metadata = stored["metadata"]
        return cls(stored["apiVersion"], stored["kind"], metadata["namespace"], metadata["name"], metadata["uid"])

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """What an event changed that a judgement may depend on.

    Args:
        nodes: the names of the nodes to judge anew, or ALL. None of them after a heartbeat or a written status.
        before: the view on the object before the event; None if there was none.
        after: the view on it after the event; None if it is gone, or not of this subject.
    """

    nodes: frozenset[str] | AllNodes
    before: View | None = None
    after: View | None = None


class State:
    """Nodes, pods, revisions and the DaemonSet as the events applied so far left them.

    Applying an event costs the same in a small and in a large cluster, but for a change of the template (every node is
    judged anew) and of the current revision.

    Attributes:
        subject: the DaemonSet under test.
        nodes: the nodes, by name.
        pods: all pods of its namespace, by UID.
        owned: those whose controller is the subject, by UID.
        adopted: the UIDs of those that were there before they were the subject's.
        daemonset: the DaemonSet itself; None before it was seen and after it is gone.
        seen: whether the DaemonSet, or its deletion, was ever seen.
        revisions: all ControllerRevisions of its namespace, by UID.
        current_revision: the owned one with the highest number, or None.
        template: the last pod template known; it outlives the DaemonSet.
        eligible: the names of the nodes that may start a pod, by the last template known.
        rv: the highest resourceVersion applied.
        at: when the latest event was seen, in unix seconds.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Pod] = {}
        self.owned: dict[str, Pod] = {}
        self.adopted: set[str] = set()
        self.daemonset: DaemonSet | None = None
        self.seen = False
        self.revisions: dict[str, Revision] = {}
        self.current_revision: Revision | None = None
        self.eligible: set[str] = set()
        self.template: Mapping[str, Any] | None = None
        self.rv = 0
        self.at = 0.0
        self._by_node: dict[str, dict[str, Pod]] = {}
        self._start: dict[str, Decision] = {}
        self._stay: dict[str, Decision] = {}
        self._touched: dict[str, float] = {}
        self._touched_all = 0.0

    def apply(self, event: Event) -> Change:
        """Move on by one event.

        Returns:
            What it changed; nothing for events of other namespaces, other sets, or kinds that are not known.
        """
        self.rv = max(self.rv, event.rv)
        self.at = max(self.at, event.at)
        change = self._move(event)
        if change.nodes is ALL:
            self._touched_all = self.at
        else:
            self._touched.update(dict.fromkeys(change.nodes, self.at))
        return change

    def _move(self, event: Event) -> Change:
        if event.kind == NODE:
            return self._node(event)
        if event.kind == POD:
            return self._pod(event)
        if event.kind == DAEMONSET:
            return self._daemonset(event)
        if event.kind == REVISION:
            return self._revision(event)
        return Change(_NONE)

    def owned_on(self, node: str) -> tuple[Pod, ...]:
        """The owned pods that target a node, in whatever phase; `NOWHERE` asks for those that target none."""
        return tuple(self._by_node.get(node, {}).values())

    def active_on(self, node: str) -> tuple[Pod, ...]:
        """The owned pods on a node that are neither terminal nor terminating, the oldest first."""
        return tuple(
            sorted((pod for pod in self.owned_on(node) if pod.active), key=lambda pod: (pod.created, pod.name))
        )

    def targets(self) -> set[str]:
        """The names of all nodes there are, and of all that an owned pod targets."""
        return self.nodes.keys() | self._by_node.keys()

    @property
    def knows_current(self) -> bool:
        """Whether it can be said which pods are of the present template; see `is_current`."""
        return (self.current_revision if self.subject.shape.history else self.template) is not None

    def is_current(self, pod: Pod) -> bool:
        """Whether a pod is of the present template; false while that is not known.

        By its revision; of a kind without a history, by the labels, annotations and images that the template says, so that one
        whose template differs in nothing else counts as current.
        """
        if self.subject.shape.history:
            return self.current_revision is not None and pod.revision == self.current_revision.hash
        return self.template is not None and not differences(self.template, pod.object)

    def touched_at(self, node: str) -> float | None:
        """When the latest event that touched a node was seen, in unix seconds; None if there was none."""
        return max(self._touched.get(node, 0.0), self._touched_all) or None

    def may_start(self, node: str) -> Decision | None:
        """Whether a new pod may start on a node; None while the node or the template is not known."""
        return self._start.get(node)

    def may_stay(self, node: str) -> Decision | None:
        """Whether a pod may stay on a node; None while the node or the template is not known."""
        return self._stay.get(node)

    def _node(self, event: Event) -> Change:
        name = event.object["metadata"]["name"]
        before = self.nodes.get(name)
        if event.type == DELETED:
            self.nodes.pop(name, None)
            self._start.pop(name, None)
            self._stay.pop(name, None)
            self.eligible.discard(name)
            return Change(frozenset((name,)) if before else _NONE, before, None)
        after = self.nodes[name] = Node(event.object)
        if before is not None and before.signature == after.signature:
            return Change(_NONE, before, after)
        self._decide(name)
        return Change(frozenset((name,)), before, after)

    def _decide(self, name: str) -> None:
        if self.template is None:
            return
        node = self.nodes[name]
        start = self._start[name] = may_start(node, self.template)
        self._stay[name] = may_stay(node, self.template)
        if start.truth:
            self.eligible.add(name)
        else:
            self.eligible.discard(name)

    def _pod(self, event: Event) -> Change:
        metadata = event.object["metadata"]
        if metadata.get("namespace") != self.subject.namespace:
            return Change(_NONE)
        before = self.pods.pop(metadata["uid"], None)
        after = None
        if event.type == DELETED:
            self.adopted.discard(metadata["uid"])
        else:
            after = self.pods[metadata["uid"]] = Pod(event.object, self.subject.shape.revision_label)
        mine_before = before if before is not None and before.owner == self.subject.uid else None
        mine = after if after is not None and after.owner == self.subject.uid else None
        touched = []
        if mine_before is not None:
            self._forget(mine_before)
            touched.append(mine_before.target or NOWHERE)
        if mine is not None:
            if before is not None and mine_before is None:
                self.adopted.add(mine.uid)
            self.owned[mine.uid] = mine
            self._by_node.setdefault(mine.target or NOWHERE, {})[mine.uid] = mine
            touched.append(mine.target or NOWHERE)
        if mine is not None and mine_before is not None and mine.signature == mine_before.signature:
            touched = []
        return Change(frozenset(touched), before, after)

    def _forget(self, pod: Pod) -> None:
        del self.owned[pod.uid]
        node = pod.target or NOWHERE
        there = self._by_node[node]
        del there[pod.uid]
        if not there:
            del self._by_node[node]

    def _daemonset(self, event: Event) -> Change:
        if event.object["metadata"].get("uid") != self.subject.uid:
            return Change(_NONE)
        before = self.daemonset
        self.seen = True
        if event.type == DELETED:
            self.daemonset = None
            return Change(ALL if before else _NONE, before, None)
        after = self.daemonset = DaemonSet(event.object, self.subject.shape)
        if self.template != after.template:
            self.template = after.template
            for name in self.nodes:
                self._decide(name)
        elif before is not None and before.rules == after.rules:
            return Change(_NONE, before, after)
        return Change(ALL, before, after)

    def _revision(self, event: Event) -> Change:
        metadata = event.object["metadata"]
        if metadata.get("namespace") != self.subject.namespace:
            return Change(_NONE)
        before = self.revisions.pop(metadata["uid"], None)
        after = None
        if event.type != DELETED:
            after = self.revisions[metadata["uid"]] = Revision(event.object, self.subject.shape)
        mine = [revision for revision in self.revisions.values() if revision.owner == self.subject.uid]
        hash_before = self.current_revision.hash if self.current_revision else None
        self.current_revision = max(mine, key=lambda revision: revision.number, default=None)
        hash_after = self.current_revision.hash if self.current_revision else None
        return Change(_NONE if hash_before == hash_after else ALL, before, after)
