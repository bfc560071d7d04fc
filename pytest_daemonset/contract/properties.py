"""Properties: sentences about a cluster that can be judged, and how they combine."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, NoReturn

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.state import State


class Property(abc.ABC):
    """A sentence that holds, is broken or is unknown at a moment of a cluster.

    Properties combine with `&`, `|` and `~`. A combination with a `Goal` is a `Goal`; one of `Invariant`s alone is an
    `Invariant` (an `|` across kinds is not: it is a `Reaction`, for it depends on the order between the kinds); every
    other one is a `Reaction`.

    Attributes:
        name: how the sentence is called in tests and reports.
        rows: the rows of the contract that it stands for.
        reads: the kinds of event that it depends on.
    """

    name: str
    rows: tuple[str, ...] = ()
    reads: frozenset[str]

    @abc.abstractmethod
    def judging(self, state: State) -> Judgement:
        """Begin judging this property on `state`, from the moment that the state is in.

        Args:
            state: lives on; every event applied to it must be passed to `Judgement.update` next, before another one is.
        """

    def __and__(self, other: Property) -> Property:
        """Both hold."""
        if not isinstance(other, Property):
            return NotImplemented
        from pytest_daemonset.contract.combinations import both

        return both(self, other)

    def __or__(self, other: Property) -> Property:
        """At least one of them holds."""
        if not isinstance(other, Property):
            return NotImplemented
        from pytest_daemonset.contract.combinations import either

        return either(self, other)

    def __invert__(self) -> Property:
        """The opposite."""
        from pytest_daemonset.contract.combinations import opposite

        return opposite(self)

    def __bool__(self) -> NoReturn:
        """Refused: a property is judged while a cluster is watched.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{self.name} is a property, neither true nor false by itself: wait: eventually({self.name}), or "
            f"guard it with always({self.name}); combine properties with `&`, `|` and `~`, not with `and`, `or`, `not`"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Invariant(Property):
    """Holds in every state; about one kind, so it is judged on every event of that kind as it arrives."""


class Goal(Property):
    """Holds sooner or later: for `eventually` and `stays`. No correct controller satisfies it at every instant."""


class Reaction(Property):
    """Holds in every state, across kinds and with causality: judged in the merged order of the kinds that it reads."""
