"""Reactions: what a controller did, against what it could have known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_daemonset.contract.creation import created
from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, Event
from pytest_daemonset.contract.judging import LatchedJudgement
from pytest_daemonset.contract.properties import Reaction
from pytest_daemonset.contract.state import ALL, Change, State
from pytest_daemonset.contract.verdicts import Reason
from pytest_daemonset.contract.wording import describe, moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.judging import Judgement


class NoPodForAnIneligibleNode(Reaction):
    """No pod is created for a node that was eligible at no moment since the last barrier, or since the guard began.

    A controller acts on what it has seen a little while ago: a pod created for a node that has just become ineligible is
    no fault (rows PLACE-03, TAINT-01, NODE-02). A barrier proves that it has seen all; what was before excuses nothing after.
    """

    name = "no_pod_for_an_ineligible_node"
    rows = ("PLACE-03", "TAINT-01", "NODE-02")
    reads = frozenset((NODE, DAEMONSET, POD))

    def judging(self, state: State) -> Judgement:
        return _IneligibleJudgement(state, self.reads)


class _Ineligible(NamedTuple):
    """A node that is there but ineligible, or that is not there; and since when, None if before the guard began."""

    exists: bool
    since: float | None


class _IneligibleJudgement(LatchedJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._start = "the guard began"
        self._started = state.at
        self._excused = set(state.eligible)
        self._ineligible: dict[str, _Ineligible] = {}
        for name in state.nodes.keys() - state.eligible:
            self._ineligible[name] = _Ineligible(True, None)

    def barrier(self) -> None:
        self._start = "the last barrier"
        self._started = self.state.at
        self._excused = set(self.state.eligible)

    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        if event.kind != POD:
            names = self.state.targets() if change.nodes is ALL else change.nodes
            self.judged += len(names)
            for name in names:
                self._follow(name, event.at)
            return
        pod = created(event, change, self.state.subject)
        if pod is None or pod.target is None or self.state.template is None:
            return
        self.judged += 1
        self.relevant += 1
        if pod.target not in self._excused:
            text = f"{describe(pod)} was created for {pod.target}, eligible at no moment since {self._beginning()}"
            yield Reason(f"{text}: {self._why(pod.target)}", pod.target, (pod.name,), event.at)

    def _beginning(self) -> str:
        return f"{self._start} at {moment(self._started)}" if self._started else self._start

    def _follow(self, name: str, at: float) -> None:
        if name in self.state.eligible:
            self._excused.add(name)
            self._ineligible.pop(name, None)
            return
        exists = name in self.state.nodes
        known = self._ineligible.get(name)
        if known is None or known.exists != exists:
            self._ineligible[name] = _Ineligible(exists, at)

    def _why(self, node: str) -> str:
        decision = self.state.may_start(node)
        cause = f"{node} does not exist" if decision is None else decision.reason
        known = self._ineligible.get(node)
        since = None if known is None or known.since is None else moment(known.since)
        return f"{cause} (since {since or 'before the guard began'})"


no_pod_for_an_ineligible_node: Final = NoPodForAnIneligibleNode()
