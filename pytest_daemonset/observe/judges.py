"""Judges: one property each, looking on as the merged order goes by, and remembering what matters for their question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.contract.verdicts import BROKEN, HOLDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.properties import Property
    from pytest_daemonset.contract.state import Change, State
    from pytest_daemonset.contract.verdicts import Verdict
    from pytest_daemonset.observe.history import Mark


class Judge:
    """Looks on, and keeps the latest verdict.

    Args:
        property: what is judged.
        floor: no state older than this version is judged: read your writes.
        until: no state younger than this one is judged; `None` for no end.

    Attributes:
        opened: the version of the first state judged, `None` before it.
        latest: the version of the last cut judged.
        verdict: the verdict on the last state judged.
    """

    def __init__(self, property: Property, *, floor: int = -1, until: int | None = None) -> None:  # noqa: A002
        self.property = property
        self.floor = floor
        self.until = until
        self.opened: int | None = None
        self.latest = -1
        self.verdict: Verdict | None = None
        self.judgement: Judgement | None = None

    @property
    def over(self) -> bool:
        """Whether it has seen all that it should."""
        return self.until is not None and self.latest >= self.until

    def end(self, version: int) -> None:
        """Judge nothing that is younger than this version."""
        self.until = version
        self.latest = max(self.latest, version)

    def open(self, state: State, version: int) -> None:
        """Begin, with this state."""
        self.opened = version
        self.judgement = self.property.judging(state)
        self.verdict = self.judgement.verdict

    def event(self, event: Event, change: Change) -> None:
        """Move on by one event."""
        if self.judgement is None or self.over:
            return
        if self.until is not None and event.rv > self.until:
            self.latest = self.until
            return
        self.verdict = self.judgement.update(event, change)

    def cut(self, low: int, high: int) -> None:
        """The state is real: what is there now may be judged. Called after `open` only."""
        if not self.over:
            self.latest = max(self.latest, high)
            self.judged(low)

    def judged(self, version: int) -> None:
        """The verdict is one on a real state, of this version on."""

    def blind(self, mark: Mark) -> None:
        """Something was missed."""

    def late(self, event: Event) -> None:
        """Something came out of order."""

    def barrier(self) -> None:
        """The controller has run after all that happened so far."""
        if self.judgement is not None and not self.over:
            self.judgement.barrier()


class Awaiting(Judge):
    """Tells every verdict on a real state: for ``eventually`` and ``stays``.

    Args:
        told: called with whether the property holds.
        missed: called with a sentence when something was missed.
    """

    def __init__(
        self,
        property: Property,  # noqa: A002
        told: Callable[[bool], None],
        *,
        missed: Callable[[str], None] | None = None,
        floor: int = -1,
        until: int | None = None,
    ) -> None:
        super().__init__(property, floor=floor, until=until)
        self._told = told
        self._missed = missed

    def judged(self, version: int) -> None:  # noqa: ARG002
        """See `Judge.judged`."""
        self._told(self.verdict is not None and self.verdict.answer is HOLDS)

    def blind(self, mark: Mark) -> None:
        """See `Judge.blind`."""
        if self._missed is not None and self.opened is not None and not self.over:
            self._missed(f"events of {mark.kind} were missed: {mark.note}")


class Guarding(Judge):
    """Remembers the first violation: for ``always`` and ``never``.

    Args:
        broken: called at the first violation.
        forbidden: the property must never hold, instead of always.

    Attributes:
        violation: the first verdict that broke it, with its reasons.
        violated_at: the version of the state that did.
        missed: why it cannot be said that nothing happened, `None` if it can.
    """

    def __init__(
        self,
        property: Property,  # noqa: A002
        broken: Callable[[Guarding], None],
        *,
        forbidden: bool = False,
        floor: int = -1,
        until: int | None = None,
    ) -> None:
        super().__init__(property, floor=floor, until=until)
        self.forbidden = forbidden
        self.violation: Verdict | None = None
        self.violated_at: int | None = None
        self.violated_when: float = 0.0
        self.missed: str | None = None
        self._broken = broken
        self._unreal = False

    @property
    def relevant(self) -> bool:
        """Whether anything was judged that could have broken it."""
        if self.judgement is None:
            return False
        return self.forbidden or self.violation is not None or self.judgement.relevant > 0

    def event(self, event: Event, change: Change) -> None:
        """See `Judge.event`."""
        super().event(event, change)
        if not self.forbidden and not self.over:
            # Some sentences are about the step and not the state: they are broken by this very event, or not at all.
            self._look(event.rv)

    def judged(self, version: int) -> None:
        """See `Judge.judged`."""
        self._look(version)

    def blind(self, mark: Mark) -> None:
        """See `Judge.blind`."""
        if self.opened is not None and not self.over and self.missed is None:
            self.missed = f"events of {mark.kind} after version {mark.rv} were missed: {mark.note}"

    def late(self, event: Event) -> None:
        """See `Judge.late`."""
        # Alone, a kind is in order however late it is; but what comes after the end of judging is not judged at all.
        after = self.over and self.until is not None and event.rv <= self.until
        if self.opened is not None and self.missed is None and (after or len(self.property.reads) != 1):
            self.missed = f"a {event.kind} event of version {event.rv} arrived after later ones had been judged"

    def _look(self, version: int) -> None:
        if self.violation is not None or self.missed is not None or self.judgement is None or self.verdict is None:
            return
        if self.verdict.answer is (HOLDS if self.forbidden else BROKEN):
            self.violation = self.verdict.frozen()
            self.violated_at = version
            self.violated_when = self.judgement.state.at
            self._broken(self)
