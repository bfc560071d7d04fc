"""Judging a property event by event, at a cost that does not grow with the cluster."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.state import ALL, NOWHERE, Change, State
from pytest_daemonset.contract.verdicts import BROKEN, HOLDS, UNKNOWN, Answer, Reason, Verdict
from pytest_daemonset.contract.views import Node, Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_daemonset.contract.events import Event

_GATE: Final = "\0the set as a whole"


class Judgement(abc.ABC):
    """One property, judged on one state as it moves on.

    Attributes:
        state: the state that is judged.
        relevant: how often something that matters was judged (a node with a pod, a created pod, a written status): a
            guard whose `relevant` is 0 guarded nothing.
        judged: how often a single node or object was judged, relevant or not: the cost.
        verdict: the verdict on the state as it is.
    """

    verdict: Verdict

    def __init__(self, state: State) -> None:
        self.state = state
        self.relevant = 0
        self.judged = 0
        self._version = 0

    @abc.abstractmethod
    def update(self, event: Event, change: Change) -> Verdict:
        """Judge anew after `state.apply(event)` returned `change`; only what the change touched is looked at."""

    def barrier(self) -> None:  # noqa: B027  (most properties do not depend on barriers)
        """The controller has seen all that happened so far: what was so earlier excuses nothing from now on."""

    def _settle(self, answer: Answer, reasons: Callable[[], tuple[Reason, ...]], event: Event | None) -> Verdict:
        """Make the verdict: with its reasons if the answer is another one, else they are collected on demand."""
        self._version += 1
        version = self._version
        previous: Verdict | None = getattr(self, "verdict", None)
        if previous is None or previous.answer is not answer:
            self.verdict = Verdict(answer, reasons(), event)
            return self.verdict

        def collect() -> tuple[Reason, ...]:
            if self._version != version:
                raise RuntimeError(
                    "the reasons of this verdict were asked for after the next event had been judged; "
                    "keep a verdict with .frozen()"
                )
            return reasons()

        self.verdict = Verdict.collecting(answer, collect, previous.event)
        return self.verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, or not known, about one node or object.

    Args:
        answer: BROKEN or UNKNOWN.
        fault: names the fault: as long as it stays the same, so does `Reason.since`.
        text: a full sentence.
        node: the name of the node that it is about, or None.
        pods: the names of the pods that it is about.
    """

    answer: Answer
    fault: str
    text: str
    node: str | None = None
    pods: tuple[str, ...] = ()


class FindingsJudgement(Judgement):
    """Judges nodes or objects one by one, by a key, and the set as a whole; holds where there are no findings."""

    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state)
        self.reads = reads
        self._findings: dict[str, tuple[Finding, float | None]] = {}
        self._count = {BROKEN: 0, UNKNOWN: 0}

    def begin(self) -> None:
        """Judge the state from scratch. To be called once, when the judgement is otherwise complete."""
        for key in self.keys():
            self._note(key, self.judge(key), self.since(key))
        self._note(_GATE, self.gate(), self._looked_at)
        self._settle(self._answer(), self._reasons, None)

    @abc.abstractmethod
    def keys(self) -> Iterable[str]:
        """All keys that can be judged."""

    @abc.abstractmethod
    def touched(self, event: Event, change: Change) -> Iterable[str]:
        """The keys to judge anew after an event of a kind that the property reads."""

    @abc.abstractmethod
    def judge(self, key: str) -> Finding | None:
        """What is wrong at a key; None if nothing is. Counts itself in `relevant` if it matters."""

    def gate(self) -> Finding | None:
        """What keeps the set as a whole from being judged, or breaks it; it comes before all other findings."""
        return None

    def proof(self) -> tuple[Reason, ...]:
        """What shows that the property holds, as last judged, if it can be named: for one that should never hold."""
        return ()

    def since(self, key: str) -> float | None:  # noqa: ARG002  (of the state as a whole, no more is known)
        """Since when a finding that was there at the beginning is known to be so, in unix seconds."""
        return self._looked_at

    @property
    def _looked_at(self) -> float | None:
        """When the present state came to be, which is the least that can be said; None if nothing was seen yet."""
        return self.state.at or None

    def update(self, event: Event, change: Change) -> Verdict:
        if event.kind not in self.reads:
            return self.verdict
        proof = self.proof()
        moved = False
        for key in self.touched(event, change):
            moved |= self._note(key, self.judge(key), self.state.at)
        moved |= self._note(_GATE, self.gate(), self.state.at)
        moved |= proof != self.proof()
        return self._settle(self._answer(), self._reasons, event) if moved else self.verdict

    def _note(self, key: str, finding: Finding | None, since: float | None) -> bool:
        """Record the finding at a key; says whether it is another one."""
        self.judged += key != _GATE
        known = self._findings.get(key)
        if known is not None:
            if known[0] == finding:
                return False
            self._count[known[0].answer] -= 1
            if finding is not None and finding.fault == known[0].fault:
                since = known[1]
        if finding is not None:
            self._count[finding.answer] += 1
            self._findings[key] = (finding, since)
            return True
        self._findings.pop(key, None)
        return known is not None

    def _answer(self) -> Answer:
        gate = self._findings.get(_GATE)
        if gate is not None:
            return gate[0].answer
        if self._count[BROKEN]:
            return BROKEN
        return UNKNOWN if self._count[UNKNOWN] else HOLDS

    def _reasons(self) -> tuple[Reason, ...]:
        if not self._findings:
            return self.proof()
        ordered = sorted(
            self._findings.items(), key=lambda item: (item[0] != _GATE, item[1][0].answer is UNKNOWN, item[0])
        )
        return tuple(Reason(found.text, found.node, found.pods, since) for _, (found, since) in ordered)


class NodesJudgement(FindingsJudgement):
    """Judges node by node, those that are and those that an owned pod targets, whatever changes of a node or of its pods."""

    def keys(self) -> Iterable[str]:
        return self.state.targets()

    def touched(self, event: Event, change: Change) -> Iterable[str]:  # noqa: ARG002  (the change says it all)
        if change.nodes is ALL:
            return self.state.targets() | (self._findings.keys() - {_GATE})
        return change.nodes or self._about(change)

    def _about(self, change: Change) -> frozenset[str]:
        """The node of which something else changed than what the house's own judgements look at."""
        after = change.after
        if isinstance(after, Pod) and after.owner == self.state.subject.uid:
            return frozenset((after.target or NOWHERE,))
        return frozenset((after.name,)) if isinstance(after, Node) else frozenset()

    def proof(self) -> tuple[Reason, ...]:
        """What shows that the property holds, as last judged, if it can be named: for one that should never hold."""
        return ()

    def since(self, key: str) -> float | None:
        return self.state.touched_at(key)


class SignatureJudgement(NodesJudgement):
    """Judges a node when a signature changes (`Node.signature`, `Pod.signature`): heartbeats and statuses of containers cost nothing."""

    def _about(self, change: Change) -> frozenset[str]:  # noqa: ARG002  (nothing else matters)
        return frozenset()


class LatchedJudgement(Judgement):
    """Judges events rather than states: what happened once has happened, so it stays broken."""

    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state)
        self.reads = reads
        self._faults: list[Reason] = []
        self._settle(HOLDS, self._reasons, None)

    @abc.abstractmethod
    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        """What an event of a kind that the property reads did wrong."""

    def update(self, event: Event, change: Change) -> Verdict:
        if event.kind in self.reads:
            faults = list(self.examine(event, change))
            if faults:
                self._faults += faults
                self._settle(BROKEN, self._reasons, event)
        return self.verdict

    def _reasons(self) -> tuple[Reason, ...]:
        return tuple(self._faults)
