"""Cuts: the moments at which several kinds are known at once, out of streams that arrive as they please.

Inside a kind a watch is complete and in order. Between kinds it is not: on a real control plane 17 % of the events
arrived after a higher resourceVersion of another kind. So each kind has its *progress*, and what has happened up to
the lowest progress of all kinds is merged into one order, by resourceVersion. What is judged then does not depend on
how the arrivals interleaved, nor on how they were batched.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Protocol

from pytest_daemonset.contract.events import Event
from pytest_daemonset.observe.history import What

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.observe.history import Mark, Record


class Receiver(Protocol):
    """Who is told of the merged order."""

    def event(self, event: Event) -> None:
        """The next event, in the merged order."""

    def cut(self, low: int, high: int) -> None:
        """The events told so far are the state at every resourceVersion from ``low`` to ``high``, and it was real."""

    def blind(self, mark: Mark) -> None:
        """From this gap on, until the next `cut`, states are told that may never have been."""

    def barrier(self, mark: Mark) -> None:
        """The controller has provably run after everything up to ``mark.since``."""

    def late(self, event: Event) -> None:
        """This event, which is told next, should have come earlier: a fence was passed too soon."""


class Cuts:
    """The merged order of some kinds.

    Args:
        reads: the kinds.
        receiver: who is told.
        comparable: whether the kinds' versions can be compared. If not, the order is that of arrival, and positions are
            arrival numbers instead of resourceVersions.
    """

    def __init__(self, reads: Iterable[str], receiver: Receiver, *, comparable: bool = True) -> None:
        self.reads = frozenset(reads)
        self.comparable = comparable
        self.progress: dict[str, int] = dict.fromkeys(self.reads, -1)
        self._receiver = receiver
        # Kinds being listed, with the version from which on they are unseen; and the stretches that stayed unseen.
        self._unseen: dict[str, int] = dict.fromkeys(self.reads, -1)
        self._stretches: list[tuple[int, int]] = []
        self._held: list[tuple[int, int, str, int, Record]] = []
        self._sequence = 0
        self._arrivals = 0
        self._at = -1  # up to here everything was told
        self._low = 0  # what was told is the state from this version on

    @property
    def position(self) -> int:
        """The latest cut; -1 before the first."""
        return self._at

    @property
    def ready(self) -> bool:
        """Whether every kind was listed, and none is being listed again."""
        return not self._unseen

    @property
    def wanted(self) -> int:
        """The version that every kind must reach before all that has arrived can be told."""
        return max((held[0] for held in self._held), default=self._at)

    def lagging(self, version: int) -> frozenset[str]:
        """The kinds whose progress has not reached a version."""
        if not self.comparable:
            return frozenset()
        return frozenset(kind for kind, progress in self.progress.items() if progress < version)

    def feed(self, record: Record) -> None:
        """Take what just arrived and tell what can be told now."""
        if record.kind and record.kind not in self.reads:
            return
        self._sequence += 1
        if self.comparable:
            self._take(record)
            self._tell()
        else:
            self._tell_at_once(record)

    def _take(self, record: Record) -> None:
        kind = record.kind
        if isinstance(record, Event):
            if kind not in self._unseen:
                if record.rv <= self._at:
                    self._late(record)
                    return
                self.progress[kind] = max(self.progress[kind], record.rv)
            self._hold(record.rv, 0, record)
        elif record.what is What.BARRIER:
            # No kind had progressed beyond the mark's version when it was made, so it has its place in the order.
            self._hold(max(record.rv, self._at), 1, record)
        elif record.what is What.GAP:
            self._unseen.setdefault(kind, self.progress[kind])
            self._hold(self.progress[kind], 2, record)
        else:
            if record.what is What.SYNCED:
                start = self._unseen.pop(kind, record.rv)
                if start + 1 < record.rv:
                    self._stretches.append((start, record.rv))
            if kind not in self._unseen:
                self.progress[kind] = max(self.progress[kind], record.rv)

    def _hold(self, version: int, rank: int, record: Record) -> None:
        # The kind breaks ties between kinds, so that the order of arrival does not.
        heapq.heappush(self._held, (version, rank, record.kind, self._sequence, record))

    def _tell(self) -> None:
        reached = min(self.progress.values(), default=-1)
        barrier = False
        while self._held and self._held[0][0] <= reached:
            version, *_, record = heapq.heappop(self._held)
            if version > self._low:
                self._cut(version - 1)
                self._low = version
            self._one(record)
            barrier = not isinstance(record, Event) and record.what is What.BARRIER
        # A barrier may stand at the last cut itself: what was told again before it ended one version short of that.
        if reached > self._at or barrier:
            self._cut(reached)

    def _late(self, event: Event) -> None:
        self._receiver.late(event)
        self._receiver.event(event)
        self._low = self._at
        self._cut(self._at)

    def _one(self, record: Record) -> None:
        if isinstance(record, Event):
            self._receiver.event(record)
        elif record.what is What.BARRIER:
            self._receiver.barrier(record)
        else:
            self._receiver.blind(record)

    def _cut(self, high: int) -> None:
        """Tell that the state told so far was that of ``self._low`` to ``high``, as far as every kind was seen then."""
        self._at = max(self._at, high)
        low = self._low
        for start, end in sorted(self._stretches):
            if start < low < end:
                low = end
        for start, end in self._stretches:
            if low <= start < high < end:
                high = start
        if low <= high:
            self._receiver.cut(low, high)

    def _tell_at_once(self, record: Record) -> None:
        if isinstance(record, Event) or record.what is What.BARRIER:
            self._arrivals += 1
            self._one(record)
        elif record.what is What.GAP:
            self._unseen.setdefault(record.kind, self._arrivals)
            self._receiver.blind(record)
        elif record.what is What.SYNCED:
            self._unseen.pop(record.kind, None)
        if self.ready:
            self._low = self._at = self._arrivals
            self._receiver.cut(self._at, self._at)
