"""Verdicts: one of three answers, and the reasons for it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_daemonset.contract.events import Event


class Answer(enum.Enum):
    """Holds, broken or unknown, combined as Kleene did (strong three-valued logic).

    Unknown is what a status says before its first sync: 0 == 0 is never "ready".
    """

    HOLDS = "holds"
    UNKNOWN = "unknown"
    BROKEN = "broken"

    def __and__(self, other: Answer) -> Answer:
        """Broken if one of them is broken, else unknown if one of them is unknown, else holds."""
        if Answer.BROKEN in (self, other):
            return Answer.BROKEN
        return Answer.UNKNOWN if Answer.UNKNOWN in (self, other) else Answer.HOLDS

    def __or__(self, other: Answer) -> Answer:
        """Holds if one of them holds, else unknown if one of them is unknown, else broken."""
        if Answer.HOLDS in (self, other):
            return Answer.HOLDS
        return Answer.UNKNOWN if Answer.UNKNOWN in (self, other) else Answer.BROKEN

    def __invert__(self) -> Answer:
        """Holds and broken change places; unknown stays unknown."""
        return {Answer.HOLDS: Answer.BROKEN, Answer.BROKEN: Answer.HOLDS}.get(self, self)

    def __bool__(self) -> bool:
        """Refused: three answers do not fit into two.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"an answer has three values: compare it (`answer is HOLDS`) instead of testing {self} for truth"
        )

    def __str__(self) -> str:
        return self.value


HOLDS = Answer.HOLDS
BROKEN = Answer.BROKEN
UNKNOWN = Answer.UNKNOWN


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer is what it is.

    Args:
        text: a full sentence that names node, pods and cause.
        node: the name of the node that it is about, or None.
        pods: the names of the pods that it is about.
        since: when the event that made it so was seen, in unix seconds; None if that was before we looked.
    """

    text: str
    node: str | None = None
    pods: tuple[str, ...] = ()
    since: float | None = None

    def __str__(self) -> str:
        return self.text


class Verdict:
    """An answer with its reasons.

    The reasons of a verdict whose answer has just changed are there from the start, so the moment of a violation is
    kept. Those of a verdict that merely repeats its answer are collected when they are first asked for, which
    must be before the next event is judged: `frozen()` collects them at once.

    Attributes:
        answer: HOLDS, BROKEN or UNKNOWN.
        event: the event that brought the answer about; None if it was so when judging began.
    """

    __slots__ = ("_collect", "_reasons", "answer", "event")

    def __init__(self, answer: Answer, reasons: Iterable[Reason] = (), event: Event | None = None) -> None:
        self.answer = answer
        self.event = event
        self._reasons = tuple(reasons)
        self._collect: Callable[[], tuple[Reason, ...]] | None = None

    @classmethod
    def collecting(cls, answer: Answer, collect: Callable[[], tuple[Reason, ...]], event: Event | None) -> Verdict:
        """A verdict whose reasons are collected by calling `collect` when somebody asks for them."""
        verdict = cls(answer, (), event)
        verdict._collect = collect
        return verdict

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is broken or unknown; when it holds, what shows that, if there is anything to name.

        Raises:
            RuntimeError: asked for only after further events were judged.
        """
        if self._collect is not None:
            self._reasons = self._collect()
            self._collect = None
        return self._reasons

    def frozen(self) -> Verdict:
        """The same verdict, with its reasons collected now, so that it can be kept while judging goes on."""
        _ = self.reasons
        return self

    def __bool__(self) -> bool:
        """Refused: three answers do not fit into two.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"a verdict has three answers: compare it, `{self.answer}` (`verdict.answer is HOLDS`), do not test it"
        )

    def __str__(self) -> str:
        return "\n".join([str(self.answer), *(f"  {reason}" for reason in self.reasons)])

    def __repr__(self) -> str:
        return f"<Verdict {self.answer}>"
