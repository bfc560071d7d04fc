"""Combinations of properties: `&`, `|` and `~`, judged part by part as Kleene's logic says."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final, Literal

from pytest_daemonset.contract.judging import Judgement
from pytest_daemonset.contract.properties import Goal, Invariant, Property, Reaction
from pytest_daemonset.contract.verdicts import BROKEN, HOLDS, UNKNOWN, Answer, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.state import Change, State

_AND: Final = "&"
_OR: Final = "|"


class Combination(Property):
    """Two properties, of which both hold, or at least one."""

    def __init__(self, sign: Literal["&", "|"], first: Property, second: Property) -> None:
        self.sign = sign
        self.parts = (first, second)
        self.name = f" {sign} ".join(
            f"({part.name})" if isinstance(part, Combination) and part.sign != sign else part.name
            for part in self.parts
        )
        self.rows = tuple(dict.fromkeys(first.rows + second.rows))
        self.reads = first.reads | second.reads

    def judging(self, state: State) -> Judgement:
        return _CombinedJudgement(state, self.sign, [part.judging(state) for part in self.parts])


class _InvariantCombination(Combination, Invariant):
    pass


class _GoalCombination(Combination, Goal):
    pass


class _ReactionCombination(Combination, Reaction):
    pass


class Opposite(Property):
    """Holds where the other property is broken, is broken where it holds, and is unknown where it is unknown."""

    def __init__(self, positive: Property) -> None:
        self.positive = positive
        self.name = f"~{positive.name}"
        self.rows = positive.rows
        self.reads = positive.reads

    def judging(self, state: State) -> Judgement:
        return _OppositeJudgement(state, self.positive.judging(state), self.positive.name)


class _InvariantOpposite(Opposite, Invariant):
    pass


class _GoalOpposite(Opposite, Goal):
    pass


class _ReactionOpposite(Opposite, Reaction):
    pass


def both(first: Property, second: Property) -> Property:
    """Both hold: an `Invariant` if both are, for each part is judged on its own kind; see `Property`."""
    return _combine(_AND, first, second)


def either(first: Property, second: Property) -> Property:
    """At least one holds: an `Invariant` if both are about the same kind; see `Property`."""
    return _combine(_OR, first, second)


def _combine(sign: Literal["&", "|"], first: Property, second: Property) -> Property:
    if isinstance(first, Goal) or isinstance(second, Goal):
        return _GoalCombination(sign, first, second)
    separable = sign == _AND or first.reads == second.reads
    if isinstance(first, Invariant) and isinstance(second, Invariant) and separable:
        return _InvariantCombination(sign, first, second)
    return _ReactionCombination(sign, first, second)


def opposite(positive: Property) -> Property:
    """The opposite, pushed down to the parts (De Morgan), so that a part with an opposite of its own keeps it."""
    if isinstance(positive, Opposite):
        return positive.positive
    if isinstance(positive, Combination):
        first, second = (~part for part in positive.parts)
        return _combine(_OR if positive.sign == _AND else _AND, first, second)
    if isinstance(positive, Goal):
        return _GoalOpposite(positive)
    return _InvariantOpposite(positive) if isinstance(positive, Invariant) else _ReactionOpposite(positive)


class _CombinedJudgement(Judgement):
    def __init__(self, state: State, sign: str, parts: Sequence[Judgement]) -> None:
        super().__init__(state)
        self._sign = sign
        self._parts = parts
        self._sum_up()
        self._settle(self._answer(), self._reasons, None)

    def update(self, event: Event, change: Change) -> Verdict:
        before = [part.verdict for part in self._parts]
        after = [part.update(event, change) for part in self._parts]
        self._sum_up()
        if any(old is not new for old, new in zip(before, after, strict=True)):
            self._settle(self._answer(), self._reasons, event)
        return self.verdict

    def barrier(self) -> None:
        for part in self._parts:
            part.barrier()

    def _sum_up(self) -> None:
        relevances = [part.relevant for part in self._parts]
        # A conjunction of which one part judged nothing has judged nothing of that part's sentence.
        self.relevant = min(relevances) if self._sign == _AND else max(relevances)
        self.judged = sum(part.judged for part in self._parts)

    def _answer(self) -> Answer:
        answers = [part.verdict.answer for part in self._parts]
        return reduce(Answer.__and__ if self._sign == _AND else Answer.__or__, answers)

    def _reasons(self) -> tuple[Reason, ...]:
        answer = self._answer()
        # Of an `|` that is unknown, the broken parts are as much a reason as the unknown ones.
        every = self._sign == _OR and answer is UNKNOWN
        told = [part for part in self._parts if every or part.verdict.answer is answer]
        return tuple(dict.fromkeys(reason for part in told for reason in part.verdict.reasons))


class _OppositeJudgement(Judgement):
    def __init__(self, state: State, positive: Judgement, name: str) -> None:
        super().__init__(state)
        self._positive = positive
        self._name = name
        self._since: float | None = None
        self._follow(None)

    def update(self, event: Event, change: Change) -> Verdict:
        before = self._positive.verdict
        if self._positive.update(event, change) is not before:
            if before.answer is not self._positive.verdict.answer:
                self._since = self.state.at
            self._follow(event)
        self.relevant, self.judged = self._positive.relevant, self._positive.judged
        return self.verdict

    def barrier(self) -> None:
        self._positive.barrier()

    def _follow(self, event: Event | None) -> None:
        self.relevant, self.judged = self._positive.relevant, self._positive.judged
        self._settle(~self._positive.verdict.answer, self._reasons, event)

    def _reasons(self) -> tuple[Reason, ...]:
        verdict = self._positive.verdict
        if verdict.answer is HOLDS:
            return verdict.reasons or (Reason(f"{self._name} holds, and should not", since=self._since),)
        return () if verdict.answer is BROKEN else verdict.reasons
