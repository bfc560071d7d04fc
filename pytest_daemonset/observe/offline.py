"""Judging a saved history: the same verdict as live, because it is the same code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.properties import Goal
from pytest_daemonset.contract.verdicts import BROKEN, HOLDS, UNKNOWN, Reason, Verdict
from pytest_daemonset.errors import UsageError
from pytest_daemonset.observe.judges import Guarding, Judge
from pytest_daemonset.observe.tracker import Tracker, checked_reads, replay

if TYPE_CHECKING:
    from pytest_daemonset.contract.properties import Property
    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.observe.history import History, Mark

_MODES: Final = ("eventually", "stays", "always", "never")


class _Looking(Judge):
    """Keeps the first verdict that holds and the first that does not, and whether something was missed."""

    missed: str | None = None
    held: Verdict | None = None
    failed: Verdict | None = None

    def judged(self, version: int) -> None:  # noqa: ARG002
        if self.verdict is None:
            return
        if self.verdict.answer is HOLDS:
            if self.held is None:
                self.held = self.verdict.frozen()
        elif self.failed is None:
            self.failed = self.verdict.frozen()

    def blind(self, mark: Mark) -> None:
        if self.opened is not None and not self.over:
            self.missed = self.missed or f"events of {mark.kind} were missed: {mark.note}"


def judge(
    history: History,
    subject: Subject,
    property: Property,  # noqa: A002
    mode: str = "eventually",
    *,
    since: int | None = None,
    until: int | None = None,
) -> Verdict:
    """Judge a history, loaded or live, as a test would have.

    Args:
        history: what was observed.
        subject: the DaemonSet in question.
        property: what is asked of it.
        mode: ``eventually`` (it held at some state), ``stays`` or ``always`` (at every state), ``never`` (at none).
        since: the first resourceVersion judged, by default the first state that was seen whole.
        until: the last one, by default the end of the history.

    Returns:
        HOLDS if the sentence was kept; BROKEN with the reasons of the first state that broke it (for ``eventually``, of
        the last state); UNKNOWN if it cannot be said, because events were missed or nothing was judged.

    Raises:
        UsageError: the mode is none of these, does not suit the property, or the history lacks a kind.
    """
    if mode not in _MODES:
        raise UsageError(f"judge(mode={mode!r}): expected one of {', '.join(_MODES)}")
    if mode == "always" and isinstance(property, Goal):
        raise UsageError(f"judge(mode='always'): {property.name} is a goal; judge it with 'eventually' or 'stays'")
    reads = checked_reads(property.reads, history.kinds, property.name)
    tracker = Tracker(subject, reads, comparable=history.comparable)
    floor = -1 if since is None else since
    if mode in ("always", "never"):
        guard = Guarding(property, _ignored, forbidden=mode == "never", floor=floor, until=until)
        tracker.attach(guard)
        replay(history, tracker)
        return _guarded(guard, property)
    looking = _Looking(property, floor=floor, until=until)
    tracker.attach(looking)
    replay(history, tracker)
    return _looked(looking, property, mode)


def _guarded(guard: Guarding, property: Property) -> Verdict:  # noqa: A002
    if guard.violation is not None:
        reasons = guard.violation.reasons
        if guard.forbidden:
            reasons = (*reasons, Reason(f"{property.name} held at version {guard.violated_at}, and must never"))
        return Verdict(BROKEN, reasons, guard.violation.event)
    if guard.missed is not None:
        return Verdict(UNKNOWN, (Reason(guard.missed),))
    if guard.opened is None:
        return _nothing(property)
    if not guard.relevant:
        return Verdict(UNKNOWN, (Reason(f"nothing happened that {property.name} judges: it guarded nothing"),))
    return Verdict(HOLDS)


def _looked(looking: _Looking, property: Property, mode: str) -> Verdict:  # noqa: A002
    if looking.opened is None or looking.verdict is None:
        return _nothing(property)
    if mode == "eventually":
        return looking.verdict.frozen() if looking.held is None else looking.held
    if looking.failed is not None:
        return looking.failed
    if looking.missed is not None:
        return Verdict(UNKNOWN, (Reason(looking.missed),))
    return Verdict(HOLDS)


def _nothing(property: Property) -> Verdict:  # noqa: A002
    return Verdict(UNKNOWN, (Reason(f"no state was seen whole at which {property.name} could be judged"),))


def _ignored(guard: Guarding) -> None:
    """Nobody waits for a violation in a history: it is read off the judge afterwards."""
