"""Exclusivity: never two daemons at once on a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.creation import created
from pytest_daemonset.contract.events import POD, Event
from pytest_daemonset.contract.judging import Finding, LatchedJudgement, SignatureJudgement
from pytest_daemonset.contract.properties import Invariant
from pytest_daemonset.contract.state import NOWHERE, Change, State
from pytest_daemonset.contract.verdicts import BROKEN, Reason
from pytest_daemonset.contract.wording import describe, listed, names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.views import Pod

_MOST_WITH_SURGE: Final = 2


class AtMostOnePodPerNode(Invariant):
    """Without surge no node is ever the target of two active pods of the set (AMO-01).

    Pods are the set's by the UID in their controller reference, so those of an earlier incarnation do not count. Not
    for a set with surge: that is what `at_most_two_pods_per_node` is for.
    """

    name = "at_most_one_pod_per_node"
    rows = ("AMO-01",)
    reads = frozenset((POD,))

    def __init__(self, planted: frozenset[str] = frozenset()) -> None:
        self.planted = planted

    def exempting(self, *pods: str) -> AtMostOnePodPerNode:
        """The same, but for pods that the test itself planted, by name or UID."""
        return AtMostOnePodPerNode(self.planted.union(pods))

    def judging(self, state: State) -> Judgement:
        return _AtMostJudgement(state, self.reads, self.planted)


class _AtMostJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str], planted: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._planted = planted
        self.begin()

    def judge(self, key: str) -> Finding | None:
        if key == NOWHERE:
            return None
        active = [pod for pod in self.state.active_on(key) if not self._planted & {pod.name, pod.uid}]
        self.relevant += bool(active)
        if len(active) < _MOST_WITH_SURGE:
            return None
        return Finding(BROKEN, "crowded", _crowd(key, active), key, names(active))


class AtMostTwoPodsPerNode(Invariant):
    """With surge no node is ever the target of more than two active pods, nor of two of one revision (AMO-06)."""

    name = "at_most_two_pods_per_node"
    rows = ("AMO-06",)
    reads = frozenset((POD,))

    def judging(self, state: State) -> Judgement:
        return _AtMostTwoJudgement(state, self.reads)


class _AtMostTwoJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def judge(self, key: str) -> Finding | None:
        if key == NOWHERE:
            return None
        active = self.state.active_on(key)
        self.relevant += bool(active)
        if len(active) > _MOST_WITH_SURGE:
            return Finding(BROKEN, "crowded", _crowd(key, active), key, names(active))
        labelled = [pod.revision for pod in active if pod.revision is not None]
        if len(labelled) > len(set(labelled)):
            text = f"{_crowd(key, active)}; both are of revision {labelled[0]}"
            return Finding(BROKEN, "twins", text, key, names(active))
        return None


class NeverReplacedEarly(Invariant):
    """Without surge no pod is created for a node while another one of the set is there and not terminal (AMO-02).

    A terminating pod still runs: its replacement has to wait until it is terminal or gone. Not for a set with surge,
    which replaces early on purpose (AMO-07).
    """

    name = "never_replaced_early"
    rows = ("AMO-02",)
    reads = frozenset((POD,))

    def __init__(self, planted: frozenset[str] = frozenset()) -> None:
        self.planted = planted

    def exempting(self, *pods: str) -> NeverReplacedEarly:
        """The same, but for the creation of pods that the test itself planted, by name or UID."""
        return NeverReplacedEarly(self.planted.union(pods))

    def judging(self, state: State) -> Judgement:
        return _NeverReplacedEarlyJudgement(state, self.reads, self.planted)


class _NeverReplacedEarlyJudgement(LatchedJudgement):
    def __init__(self, state: State, reads: frozenset[str], planted: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._planted = planted

    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        new = created(event, change, self.state.subject)
        if new is None or new.target is None or self._planted & {new.name, new.uid}:
            return
        self.judged += 1
        self.relevant += 1
        there = [pod for pod in self.state.owned_on(new.target) if pod.uid != new.uid and not pod.terminal]
        if there:
            text = f"{describe(new)} was created for {new.target} while it still had {listed(there)}"
            yield Reason(text, new.target, names((new, *there)), event.at)


def _crowd(node: str, active: Iterable[Pod]) -> str:
    pods = list(active)
    return f"{node} has {'two' if len(pods) == _MOST_WITH_SURGE else len(pods)} active pods: {listed(pods)}"


at_most_one_pod_per_node: Final = AtMostOnePodPerNode()
at_most_two_pods_per_node: Final = AtMostTwoPodsPerNode()
never_replaced_early: Final = NeverReplacedEarly()
