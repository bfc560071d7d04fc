"""`eventually` and `stays`: waiting for a state, judged at every moment and resolved in the tick that decides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_daemonset.contract.verdicts import UNKNOWN
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.observe.findings import Finding, violation
from pytest_daemonset.observe.judges import Awaiting
from pytest_daemonset.observe.signals import Signal, until

if TYPE_CHECKING:
    from pytest_daemonset.contract.properties import Property
    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.contract.verdicts import Verdict
    from pytest_daemonset.errors import Violation
    from pytest_daemonset.observe.observation import Observation


class _Streak:
    """Whether a property holds, and how often it began to."""

    def __init__(self) -> None:
        self.holds = False
        self.number = 0
        self.seen = 0
        self.signal = Signal()

    def unseen(self) -> bool:
        """Whether it began to hold since somebody looked, even if it has ended again."""
        return self.number > self.seen

    def told(self, holds: bool) -> None:
        """Take the verdict on the next state."""
        if holds != self.holds:
            self.holds = holds
            self.number += holds
            self.signal.fire()


async def eventually(
    observation: Observation, subject: Subject, goal: Property, *, within: float | None = None, settle: float = 0.0
) -> None:
    """Wait until a property holds, at a state that has all that the test wrote before.

    Args:
        observation: what is watched.
        subject: the DaemonSet under test.
        goal: what shall hold.
        within: seconds; by default from the cluster's constants and its number of nodes.
        settle: seconds for which it shall go on to hold.

    Raises:
        Violation: it did not come to hold in time; says why not.
        Inconclusive: that could not be seen.
    """
    within = observation.within if within is None else within
    tracker = observation.tracker(subject, goal.reads, goal.name)
    streak = _Streak()
    judge = Awaiting(goal, streak.told, floor=await observation.floor(tracker))
    tracker.attach(judge)
    observation.wake()
    deadline = time.monotonic() + within
    try:
        while await until(streak.unseen, streak.signal.wait, deadline - time.monotonic()):
            streak.seen = streak.number
            if settle <= 0 or await _settled(observation, tracker.cuts.reads, streak, settle):
                return
        # What has happened in time but not arrived yet counts.
        await observation.fence(tracker.cuts.reads)
        if streak.unseen() and (settle <= 0 or await _settled(observation, tracker.cuts.reads, streak, settle)):
            return
        if judge.verdict is None:
            raise Inconclusive(_unseen(subject, goal, judge.floor, tracker.cuts.position))
        stay = f" and stay so for {settle:g} s" if settle > 0 else ""
        unknown = " (it is not known whether it holds)" if judge.verdict.answer is UNKNOWN else ""
        raise _broken(
            observation,
            subject,
            goal,
            f"{goal.name} did not come true{stay} within {within:g} s{unknown}",
            judge.verdict.frozen(),
            judge.latest,
        )
    finally:
        tracker.detach(judge)


async def stays(observation: Observation, subject: Subject, goal: Property, *, for_: float) -> None:
    """Watch a property hold from now on, at every state, for a time.

    Args:
        observation: what is watched.
        subject: the DaemonSet under test.
        goal: what shall hold.
        for_: seconds.

    Raises:
        Violation: it did not hold at some state; says since when and why.
        Inconclusive: a part of that time could not be seen.
    """
    tracker = observation.tracker(subject, goal.reads, goal.name)
    ended = Signal()
    broken: list[tuple[Verdict, int]] = []
    missed: list[str] = []
    began = time.monotonic()

    def told(holds: bool) -> None:
        if not holds and not broken and not missed and judge.verdict is not None:
            broken.append((judge.verdict.frozen(), judge.latest))
            ended.fire()

    def not_seen(what: str) -> None:
        missed.append(what)
        ended.fire()

    judge = Awaiting(goal, told, missed=not_seen, floor=await observation.floor(tracker))
    tracker.attach(judge)
    observation.wake()
    try:
        if not await until(lambda: bool(broken or missed), ended.wait, for_):
            await observation.fence(tracker.cuts.reads)
    finally:
        tracker.detach(judge)
    if broken:
        verdict, version = broken[0]
        passed = time.monotonic() - began
        sentence = (
            f"{goal.name} did not stay true for {for_:g} s: it was {verdict.answer} {passed:.2f} s after the start"
        )
        raise _broken(observation, subject, goal, sentence, verdict, version)
    if missed:
        raise Inconclusive(f"{subject}: it cannot be said whether {goal.name} stayed true for {for_:g} s: {missed[0]}")
    if judge.verdict is None:
        raise Inconclusive(_unseen(subject, goal, judge.floor, tracker.cuts.position))


async def _settled(observation: Observation, reads: frozenset[str], streak: _Streak, settle: float) -> bool:
    number = streak.number

    def gone() -> bool:
        return not streak.holds or streak.number != number

    if await until(gone, streak.signal.wait, settle):
        return False
    await observation.fence(reads)
    return not gone()


def _broken(
    observation: Observation, subject: Subject, goal: Property, sentence: str, verdict: Verdict, version: int
) -> Violation:
    finding = Finding(
        subject=subject,
        sentence=sentence,
        property=goal.name,
        rows=goal.rows,
        verdict=verdict,
        version=version,
        at=time.time(),
        history=observation.history,
    )
    return violation(finding, observation.explain)


def _unseen(subject: Subject, goal: Property, floor: int, position: int) -> str:
    return (
        f"{subject}: {goal.name} could not be judged: the test wrote at version {floor}, and the watches of "
        f"{', '.join(sorted(goal.reads))} have together been seen only up to {position}"
    )
