"""Placement: one pod on every node that should have one, and none elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from pytest_daemonset.contract import gates
from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, Event
from pytest_daemonset.contract.judging import Finding, FindingsJudgement, SignatureJudgement
from pytest_daemonset.contract.properties import Goal, Property
from pytest_daemonset.contract.state import ALL, NOWHERE, Change, State
from pytest_daemonset.contract.verdicts import BROKEN, Reason
from pytest_daemonset.contract.wording import listed, names
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.eligibility import Decision
    from pytest_daemonset.contract.judging import Judgement


@runtime_checkable
class Named(Protocol):
    """Anything with a name, such as a node that a test made join."""

    @property
    def name(self) -> str:
        """The name of the node."""


class OnePodPerNode(Goal):
    """Every eligible node has exactly one active pod, and no pod is active where it may not stay (PLACE-01).

    Unknown until the controller has observed the present generation, if the set has a status. Without one the pods
    speak for themselves, unless there is no eligible node: nothing to do is not the same as done. Pods of a node that
    has left count: they have to go, sooner or later.
    """

    name = "one_pod_per_node"
    rows = ("PLACE-01", "PLACE-02")
    reads = frozenset((NODE, POD, DAEMONSET))

    def judging(self, state: State) -> Judgement:
        return _OnePodPerNodeJudgement(state, self.reads)


class _OnePodPerNodeJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def gate(self) -> Finding | None:
        finding = gates.observed(self.state)
        if finding is not None and finding.fault == "no status" and self.state.eligible:
            return None
        return finding

    def judge(self, key: str) -> Finding | None:
        start, stay = self.state.may_start(key), self.state.may_stay(key)
        active = self.state.active_on(key)
        if start is None or stay is None:
            return _left_behind(self.state, key)
        self.relevant += 1
        if len(active) > 1:
            text = f"{key} has {len(active)} active pods: {listed(active)}"
            return Finding(BROKEN, "crowded", text, key, names(active))
        if active and not stay.truth:
            text = f"{key} has an active pod, {listed(active)}, although it may not keep one: {stay.because}"
            return Finding(BROKEN, "unwanted", text, key, names(active))
        if start.truth and not active:
            return self._missing(key, start)
        return None

    def _missing(self, key: str, start: Decision) -> Finding:
        others = self.state.owned_on(key)
        lack = f"no pod but {listed(others)}" if others else "no pod"
        text = f"{key} has {lack}, although it may start one: {start.because}"
        return Finding(BROKEN, "missing", text, key, names(others))


def _left_behind(state: State, key: str) -> Finding | None:
    """Active pods that target no node, or one that does not exist."""
    active = state.active_on(key)
    if not active or key in state.nodes:
        return None
    if key == NOWHERE:
        text = f"{listed(active)}: bound to no node and pinned to none"
        return Finding(BROKEN, "unpinned", text, None, names(active))
    return Finding(BROKEN, "left behind", f"{key} does not exist but has {listed(active)}", key, names(active))


class PodOn(Goal):
    """The node has an active pod of the set.

    `~pod_on(node)` says more than that it has no active one: no pod object of the set targets the node at all,
    terminating and terminal ones included. While the last one is on its way out neither of the two holds.
    """

    reads = frozenset((POD,))

    def __init__(self, node: str, wanted: bool = True) -> None:
        self.node = node
        self.wanted = wanted
        self.name = f"pod_on({node})" if wanted else f"~pod_on({node})"

    def __invert__(self) -> Property:
        """No pod object of the set targets the node."""
        return PodOn(self.node, not self.wanted)

    def judging(self, state: State) -> Judgement:
        return _PodOnJudgement(state, self.reads, self.node, self.wanted)


class _PodOnJudgement(FindingsJudgement):
    def __init__(self, state: State, reads: frozenset[str], node: str, wanted: bool) -> None:
        super().__init__(state, reads)
        self._node = node
        self._wanted = wanted
        self._proof: tuple[Reason, ...] = ()
        self.begin()

    def keys(self) -> Iterable[str]:
        return (self._node,)

    def touched(self, event: Event, change: Change) -> Iterable[str]:  # noqa: ARG002  (the change says it all)
        return (self._node,) if change.nodes is ALL or self._node in change.nodes else ()

    def since(self, key: str) -> float | None:
        return self.state.touched_at(key)

    def proof(self) -> tuple[Reason, ...]:
        return self._proof

    def judge(self, key: str) -> Finding | None:
        self.relevant += 1
        self._proof = ()
        pods = self.state.owned_on(key)
        if not self._wanted:
            return Finding(BROKEN, "there", f"{key} still has {listed(pods)}", key, names(pods)) if pods else None
        active = self.state.active_on(key)
        if active:
            self._proof = (Reason(f"{key} has {listed(active)}", key, names(active), self.since(key)),)
            return None
        if pods:
            return Finding(BROKEN, "inactive", f"{key} has no active pod but {listed(pods)}", key, names(pods))
        return Finding(BROKEN, "missing", f"{key} has no pod of {self.state.subject}", key)


one_pod_per_node: Final = OnePodPerNode()


def pod_on(node: str | Named) -> Goal:
    """The goal that a node has an active pod of the set; `~pod_on(node)`: none is left there, in whatever phase.

    Args:
        node: its name, or anything with one.

    Raises:
        UsageError: neither a name nor anything with one.
    """
    name = node.name if isinstance(node, Named) else node
    if not isinstance(name, str) or not name:
        raise UsageError(f"pod_on takes a node or its name, not {node!r}; a node still joining has to be awaited first")
    return PodOn(name)
