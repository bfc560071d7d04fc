"""Follows one DaemonSet through the merged order of some kinds, and lets judges look at every moment of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.contract.events import DAEMONSET, NODE, Event
from pytest_daemonset.contract.state import State
from pytest_daemonset.errors import UsageError
from pytest_daemonset.observe.cuts import Cuts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.observe.history import History, Mark, Record
    from pytest_daemonset.observe.judges import Judge


class Tracker:
    """One subject's state in the merged order of some kinds.

    It is fed the records of a history, live as they arrive or afterwards from a file: judging is the same code.

    Args:
        subject: the DaemonSet under test.
        reads: the kinds that the judged properties depend on.
        comparable: as in `History`.
    """

    def __init__(self, subject: Subject, reads: Iterable[str], *, comparable: bool = True) -> None:
        self.subject = subject
        self.state = State(subject)
        self.cuts = Cuts(reads, self, comparable=comparable)
        self._judges: list[Judge] = []
        self._eligibility_changed = -1
        self._last_cut: tuple[int, int] | None = None

    def feed(self, record: Record) -> None:
        """Take the next record of the history."""
        self.cuts.feed(record)

    def attach(self, judge: Judge) -> None:
        """Let a judge look, from the present cut on or from its own floor on, whichever is later."""
        self._judges.append(judge)
        if self._last_cut is not None and self.cuts.ready:
            self._show(judge, *self._last_cut)

    def detach(self, judge: Judge) -> None:
        """Let a judge go; harmless when it has gone."""
        if judge in self._judges:
            self._judges.remove(judge)

    def wanted(self) -> int:
        """The version that the kinds must reach so that no judge has to wait; -1 if none waits."""
        active = [judge for judge in self._judges if not judge.over]
        if not active:
            return -1
        floors = [judge.floor for judge in active if judge.opened is None]
        return max([self.cuts.wanted, *floors])

    # Receiver

    def event(self, event: Event) -> None:
        """See `cuts.Receiver`."""
        self._last_cut = None
        eligible, template = self._eligibility(event)
        change = self.state.apply(event)
        if (eligible, template) != self._eligibility(event):
            self._eligibility_changed = event.rv
        for judge in tuple(self._judges):
            judge.event(event, change)

    def cut(self, low: int, high: int) -> None:
        """See `cuts.Receiver`."""
        self._last_cut = (low, high)
        for judge in tuple(self._judges):
            self._show(judge, low, high)

    def blind(self, mark: Mark) -> None:
        """See `cuts.Receiver`."""
        for judge in tuple(self._judges):
            judge.blind(mark)

    def late(self, event: Event) -> None:
        """See `cuts.Receiver`."""
        for judge in tuple(self._judges):
            judge.late(event)

    def barrier(self, mark: Mark) -> None:
        """See `cuts.Receiver`.

        The controller has seen what was written up to ``mark.since``. Where the eligible nodes changed after that, it may
        still act on an older view, so the barrier must not wipe out what excuses it.
        """
        if self._eligibility_changed <= mark.since:
            for judge in tuple(self._judges):
                judge.barrier()

    def _show(self, judge: Judge, low: int, high: int) -> None:
        if judge.opened is None and high >= judge.floor:
            judge.open(self.state, max(low, judge.floor))
        if judge.opened is not None:
            judge.cut(low, high)

    def _eligibility(self, event: Event) -> tuple[bool, object]:
        # Compared by value only where it can differ: a pod event never changes who is eligible.
        if event.kind == NODE:
            return event.object["metadata"]["name"] in self.state.eligible, None
        if event.kind == DAEMONSET:
            return False, self.state.template
        return False, None


def replay(history: History, tracker: Tracker) -> None:
    """Feed a whole history to a tracker."""
    if not tracker.cuts.comparable:
        for record in history:
            tracker.feed(record)
        return
    # A barrier's place is its version. Fed first, it is there in time, however the kinds interleave.
    for barriers in (True, False):
        for record in history:
            if (not record.kind) is barriers:
                tracker.feed(record)


def checked_reads(reads: frozenset[str], kinds: Iterable[str], name: str) -> frozenset[str]:
    """The kinds that a property reads.

    Raises:
        UsageError: one of them was not watched.
    """
    unseen = reads - frozenset(kinds)
    if unseen:
        raise UsageError(f"{name} depends on {', '.join(sorted(unseen))}, which this observation does not watch")
    return reads or frozenset(kinds)
