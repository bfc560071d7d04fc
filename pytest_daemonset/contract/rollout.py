"""Rollout: every eligible node's pod is Ready, and of the current revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract import gates
from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, REVISION
from pytest_daemonset.contract.judging import Finding, SignatureJudgement
from pytest_daemonset.contract.properties import Goal
from pytest_daemonset.contract.verdicts import BROKEN, UNKNOWN
from pytest_daemonset.contract.wording import listed, names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.state import Change, State

_STATUS: Final = "\0the status"


class Ready(Goal):
    """The controller has observed the present generation, and every eligible node has an active pod that is Ready.

    The pods' own conditions count, not the counters of the set's status (STAT-02).
    """

    name = "ready"
    rows = ("STAT-02",)
    reads = frozenset((NODE, POD, DAEMONSET))

    def judging(self, state: State) -> Judgement:
        return _ReadyJudgement(state, self.reads)


class _ReadyJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def gate(self) -> Finding | None:
        return gates.observed(self.state)

    def judge(self, key: str) -> Finding | None:
        start = self.state.may_start(key)
        if start is None or not start.truth:
            return None
        self.relevant += 1
        active = self.state.active_on(key)
        if any(pod.ready for pod in active):
            return None
        if active:
            return Finding(BROKEN, "unready", f"{key} has no Ready pod but {listed(active)}", key, names(active))
        others = self.state.owned_on(key)
        lack = f"no active pod but {listed(others)}" if others else "no pod"
        text = f"{key} has {lack}, although it may start one: {start.because}"
        return Finding(BROKEN, "missing", text, key, names(others))


class RolledOut(Goal):
    """Every eligible node runs one active pod, Ready and of the current revision, and the status says so (STAT-11).

    The current revision is the set's ControllerRevision with the highest number; unknown while there is none. Where a profile says that
    the kind has no history, it is told by the pods themselves: see `State.is_current`.
    """

    name = "rolled_out"
    rows = ("STAT-11",)
    reads = frozenset((NODE, POD, DAEMONSET, REVISION))

    def judging(self, state: State) -> Judgement:
        return _RolledOutJudgement(state, self.reads)


class _RolledOutJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def gate(self) -> Finding | None:
        if (finding := gates.observed(self.state)) is not None:
            return finding
        if not self.state.knows_current:
            return Finding(UNKNOWN, "no revision", f"no ControllerRevision of {self.state.subject} has been seen")
        return None

    def keys(self) -> Iterable[str]:
        return (*super().keys(), _STATUS)

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        nodes = super().touched(event, change)
        return (*nodes, _STATUS) if event.kind == DAEMONSET else nodes

    def _status(self) -> Finding | None:
        daemonset = self.state.daemonset
        if daemonset is None:
            return None
        desired = daemonset.counter("desiredNumberScheduled")
        short = [
            f"{field} is {daemonset.counter(field)}"
            for field in ("updatedNumberScheduled", "numberAvailable")
            if daemonset.counter(field) < desired
        ]
        text = f"the status of {self.state.subject} desires {desired} pods, but {' and '.join(short)}"
        return Finding(BROKEN, "status", text) if short else None

    def judge(self, key: str) -> Finding | None:
        if key == _STATUS:
            return self._status()
        start = self.state.may_start(key)
        if start is None or not start.truth or not self.state.knows_current:
            return None
        self.relevant += 1
        active = self.state.active_on(key)
        if len(active) != 1:
            text = f"{key} has {len(active)} active pods instead of one: {listed(active) or 'none'}"
            return Finding(BROKEN, "count", text, key, names(active))
        pod = active[0]
        if not self.state.is_current(pod):
            current = self.state.current_revision
            text = f"{key} runs {listed(active)} of revision {pod.revision}"
            text += (
                f", the current one is {current.hash}"
                if current is not None
                else ", which is not as the template says now"
            )
            return Finding(BROKEN, "old", text, key, names(active))
        if not pod.ready:
            return Finding(BROKEN, "unready", f"{key} has no Ready pod but {listed(active)}", key, names(active))
        return None


ready: Final = Ready()
rolled_out: Final = RolledOut()
