"""A set that a row applied, and all that was seen of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract import State, no_pod_for_an_ineligible_node, one_pod_per_node
from pytest_daemonset.contract.events import ADDED, POD
from pytest_daemonset.contract.verdicts import HOLDS, UNKNOWN
from pytest_daemonset.contract.views import Pod
from pytest_daemonset.errors import Inconclusive, Violation
from pytest_daemonset.kube.resources import DAEMONSETS, PODS
from pytest_daemonset.observe.offline import judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.contract import Event, Property
    from pytest_daemonset.daemonsets.daemonset import Change, DaemonSet
    from pytest_daemonset.nodes.node import Node
    from pytest_daemonset.observe.history import History

Object = dict[str, Any]

_MOMENT: Final = 0.01
"""Seconds: enough for one look, since what was seen up to now is judged at the end."""


class SetUnderTest:
    """One incarnation of a set.

    Args:
        rig: the row's.
        daemonset: the set.
    """

    def __init__(self, rig: Rig, daemonset: DaemonSet) -> None:
        self.daemonset = daemonset
        self._rig = rig

    @property
    def name(self) -> str:
        """Its name."""
        return self.daemonset.name

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.daemonset.namespace

    @property
    def uid(self) -> str:
        """Its UID."""
        return self.daemonset.uid

    # Asked of it

    def eventually(self, goal: Property, *, settle: float = 0, after: float = 0) -> None:
        """Wait for a goal; see `DaemonSet.eventually`.

        Args:
            goal: what shall hold.
            settle: seconds that it must then go on holding.
            after: seconds that the controller itself may let pass first; the time-out is so much longer.
        """
        __tracebackhide__ = True
        within = self._rig.daemonsets.observations[self.namespace].constants.within(len(self._rig.nodes)) + after
        self.daemonset.eventually(goal, settle=settle, within=within if after else None).wait()

    def stays(self, goal: Property, *, for_: float) -> None:
        """Hold a goal for some seconds; see `DaemonSet.stays`."""
        __tracebackhide__ = True
        self.daemonset.stays(goal, for_=for_).wait()

    def settles(self, goal: Property) -> None:
        """Wait for a goal, and see that it still holds once the controller has provably run again.

        Counters pass through the right numbers on their way to wrong ones. The barrier comes after the goal, so that it can
        heal no lost wake-up that the goal waited for; its own answer is an event, so what follows must not need silence.

        Args:
            goal: what shall hold, and go on to hold.
        """
        __tracebackhide__ = True
        self.eventually(goal)
        self.barrier()
        self.stays(goal, for_=_MOMENT)

    def barrier(self) -> None:
        """Wait until the controller has provably run after all that the row did (method M2)."""
        __tracebackhide__ = True
        self.daemonset.barrier().wait()

    def throughout(self, *properties: Property) -> None:
        """Judge everything that was seen since before the set existed (method M1).

        Args:
            properties: invariants and reactions.

        Raises:
            Violation: one of them was broken at some moment.
            Inconclusive: that cannot be said.
        """
        __tracebackhide__ = True
        history = self.history()
        for one in properties:
            verdict = judge(history, self.daemonset.subject, one, "always")
            reasons = "".join(f"\n  - {reason}" for reason in verdict.reasons)
            if verdict.answer is UNKNOWN:
                raise Inconclusive(f"{self.daemonset.subject}: always({one.name}) cannot be judged:{reasons}")
            if verdict.answer is not HOLDS:
                rows = f" [{', '.join(one.rows)}]" if one.rows else ""
                raise Violation(f"{self.daemonset.subject}: {one.name} was broken{rows}:{reasons}")

    def only_on_eligible_nodes(self) -> None:
        """After a barrier: no pod was ever made for a node that was not eligible, and the placement is right.

        Raises:
            Violation: not so.
        """
        __tracebackhide__ = True
        self.barrier()
        if self.made():
            self.throughout(no_pod_for_an_ineligible_node)
        self.eventually(one_pod_per_node)

    # Done to it

    def update(self, change: Change) -> None:
        """Change its object; see `DaemonSet.update`."""
        self.updated(change)

    def updated(self, change: Change) -> Object:
        """Change its object, as a DaemonSet whatever its kind; returns it as it is stored then."""
        shape = self._rig.shape
        if not callable(change):
            return shape.standard(self.daemonset.update(shape.own(change)).wait())

        def own(stored: Object) -> None:
            standard = shape.standard(stored)
            change(standard)
            changed = shape.own(standard)
            stored.clear()
            stored.update(changed)

        return shape.standard(self.daemonset.update(own).wait())

    def delete(self, propagation: str = "Background") -> None:
        """Delete it."""
        self.daemonset.delete(propagation=propagation).wait()

    def hold_by_finalizer(self) -> None:
        """Keep its object from going when it is deleted, until the row is over."""
        finalizers = {"metadata": {"finalizers": ["conformance.pytest-daemonset.io/hold"]}}
        self._rig.patch(DAEMONSETS, self.name, finalizers, namespace=self.namespace)
        self._rig.at_end(
            lambda: self._rig.patch(DAEMONSETS, self.name, {"metadata": {"finalizers": None}}, namespace=self.namespace)
        )

    def wake(self) -> None:
        """Make the controller look at the set: an annotation on it is the mildest of nudges and proves nothing."""
        stamp = {"metadata": {"annotations": {"conformance.pytest-daemonset.io/wake": str(len(self.history()))}}}
        self._rig.patch(DAEMONSETS, self.name, stamp, namespace=self.namespace)

    # Read of it

    def get(self) -> Object:
        """Its object."""
        return self._rig.shape.standard(self.daemonset.get().wait())

    def pods(self) -> list[Object]:
        """The pods that it owns now."""
        return self.daemonset.pods().wait()

    def pod_on(self, node: Node | str) -> Object:
        """Its active pod on a node.

        Raises:
            Violation: there is none, or more than one.
        """
        __tracebackhide__ = True
        found = [one for one in self.pods() if Pod(one).target == str(node) and Pod(one).active]
        self._rig.expect(len(found) == 1, f"{self.daemonset.subject} has {len(found)} active pods on {node}, not one")
        return found[0]

    def uids(self) -> dict[str, str]:
        """The UIDs of its active pods, by node."""
        return {Pod(one).target or "": one["metadata"]["uid"] for one in self.pods() if Pod(one).active}

    def state(self) -> State:
        """Nodes, pods, set and revisions as they are now."""
        state = State(self.daemonset.subject)
        for event in self.history().events:
            state.apply(event)
        return state

    def history(self) -> History:
        """All that was seen in its namespace, up to now."""
        observation = self._rig.daemonsets.observations[self.namespace]
        self._rig.do(observation.fence)
        return observation.history

    def made(self) -> list[Object]:
        """Its pods as they were in their first moment, all that there ever were, in order."""
        first: dict[str, Event] = {}
        for event in self.history().events:
            if event.kind == POD and event.type == ADDED:
                first.setdefault(event.object["metadata"]["uid"], event)
        return [dict(event.object) for event in first.values() if Pod(event.object).owner == self.uid]

    def made_for(self) -> dict[str, int]:
        """How many pods it ever had, by the node that each named in its first moment."""
        count: dict[str, int] = {}
        for one in self.made():
            target = Pod(one).target or ""
            count[target] = count.get(target, 0) + 1
        return count

    def survived(self, pod: Mapping[str, Any]) -> bool:
        """Whether a pod is still there, the same one, and nobody has asked it to go."""
        metadata = pod["metadata"]
        now = self._rig.get(PODS, metadata["name"], metadata["namespace"])
        return now is not None and now["metadata"]["uid"] == metadata["uid"] and Pod(now).active
