"""Judging a property event by event, at a cost that does not grow with the cluster."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from pytest_daemonset.contract.verdicts import Answer, Reason, Verdict

if TYPE_CHECKING:
    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.state import Change, State


class Judgement(abc.ABC):
    """One property, judged on one state as it moves on.

    Attributes:
        state: the state that is judged.
        relevant: how often something that matters was judged (a node with a pod, a created pod, a written status): a
            guard whose `relevant` is 0 guarded nothing.
        judged: how often a single node or object was judged, relevant or not: the cost.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.relevant = 0
        self.judged = 0
        self._version = 0

    @abc.abstractmethod
    def update(self, event: Event, change: Change) -> Verdict:
        """Judge anew after `state.apply(event)` returned `change`; only what the change touched is looked at."""

    def barrier(self) -> None:
        """The controller has demonstrably seen all that happened so far: what was so before excuses nothing any more."""

    @property
    @abc.abstractmethod
    def verdict(self) -> Verdict:
        """The verdict on the state as it is."""
