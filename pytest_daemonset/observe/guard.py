"""`always` and `never`: a block of a test in which something must hold at every single state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.properties import Goal, Property
from pytest_daemonset.errors import DaemonSetTestError, Inconclusive, UsageError
from pytest_daemonset.observe.findings import Finding, violation
from pytest_daemonset.observe.handles import Handle, inside_a_loop
from pytest_daemonset.observe.judges import Guarding
from pytest_daemonset.observe.notes import add_note
from pytest_daemonset.observe.sites import caller

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.observe.observation import Observation
    from pytest_daemonset.observe.scope import Scope
    from pytest_daemonset.observe.tracker import Tracker

# The body was interrupted: whoever did it wants an end, not a verdict.
_INTERRUPTED: Final = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


class Guard:
    """What ``always(...)`` and ``never(...)`` return: enter it with ``with``, or ``async with`` in a coroutine.

    From its entry on, and including the state at that moment, every state is judged; with ``from_birth``, all that was seen
    before too. A violation fails at once what the test waits for, and is raised, at the latest, at the end of the block, after
    everything that happened in it has been seen. If the block failed by itself, that failure stays, and the violation is added
    to it as a note.

    Attributes:
        what: what it guards, for messages.
        site: the user's line that made it.
    """

    def __init__(
        self,
        observation: Observation,
        subject: Subject,
        scope: Scope,
        properties: tuple[Property, ...],
        *,
        forbidden: bool = False,
        from_birth: bool = False,
    ) -> None:
        verb = "never" if forbidden else "always"
        if not properties:
            raise UsageError(f"{verb}() guards nothing: name a property")
        for one in properties:
            if not isinstance(one, Property):
                raise UsageError(f"{verb}() takes properties such as at_most_one_pod_per_node, not {one!r}")
            if isinstance(one, Goal) and not forbidden:
                raise UsageError(
                    f"always({one.name}): {one.name} is a goal, and no correct controller keeps a goal at every instant; "
                    f"write eventually({one.name}) to wait for it, or stays({one.name}, for_=...) once it holds"
                )
        self.what = f"{verb}({', '.join(one.name for one in properties)})"
        self.site = caller()
        self._observation = observation
        self._subject = subject
        self._scope = scope
        self._properties = properties
        self._forbidden = forbidden
        self._from_birth = from_birth
        self._watches: list[tuple[Tracker, Guarding]] = []
        self._entered = False
        self._ended = False
        self._finding: Finding | None = None
        self._text = ""
        self._told: list[BaseException] = []

    @property
    def entered(self) -> bool:
        """Whether its block was entered."""
        return self._entered

    def __enter__(self) -> Guard:  # noqa: PYI034  (Self needs Python 3.11)
        __tracebackhide__ = True
        self._enter("with")
        self._observation.portal.call(self._begin, self.what)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if isinstance(error, _INTERRUPTED):
            self.abandon()
            return
        try:
            found = self._observation.portal.call(self._end, f"the end of {self.what}")
        except DaemonSetTestError as poison:
            found = self._poisoned(poison)
        self._tell(error, found)

    async def __aenter__(self) -> Guard:  # noqa: PYI034  (Self needs Python 3.11)
        __tracebackhide__ = True
        self._enter("async with")
        await Handle(self._observation.portal, self._begin, self.what)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if isinstance(error, _INTERRUPTED):
            self.abandon()
            return
        found: DaemonSetTestError | None
        try:
            found = await Handle(self._observation.portal, self._end, f"the end of {self.what}")
        except DaemonSetTestError as poison:
            found = self._poisoned(poison)
        self._tell(error, found)

    async def finish(self) -> DaemonSetTestError | None:
        """End it if it still runs; tell what it found and has not told yet. Called once, in the portal's loop."""
        found = None if self._ended else await self._end()
        if found is None and not self._told:
            # Its block was green; an event of before its end that came only now makes that green worthless.
            found = self._missed()
        for tracker, judge in self._watches:
            tracker.detach(judge)
        return found

    def told(self, error: BaseException) -> bool:
        """Whether this very error is how it told its finding."""
        return any(error is told for told in self._told)

    def _enter(self, how: str) -> None:
        __tracebackhide__ = True
        if self._entered:
            raise UsageError(f"{self.what}: entered twice; ask for another one (made at {self.site})")
        if how == "with" and inside_a_loop():
            raise UsageError(f"{self.what}: `with` would block the running event loop; write `async with`")
        self._entered = True

    async def _begin(self) -> None:
        if self._from_birth:
            self._begin_from_birth()
        else:
            await self._begin_now()
        self._observation.wake()

    async def _begin_now(self) -> None:
        for one in self._properties:
            tracker = self._observation.tracker(self._subject, one.reads, one.name)
            floor = await self._observation.floor(tracker)
            judge = Guarding(one, self._broken, forbidden=self._forbidden, floor=floor)
            self._watches.append((tracker, judge))
            tracker.attach(judge)

    def _begin_from_birth(self) -> None:
        judges: dict[frozenset[str], list[Guarding]] = {}
        for one in self._properties:
            judges.setdefault(one.reads, []).append(Guarding(one, self._broken, forbidden=self._forbidden))
        for those in judges.values():
            tracker = self._observation.tracker_from_birth(self._subject, those)
            self._watches += [(tracker, judge) for judge in those]

    async def _end(self) -> DaemonSetTestError | None:
        """See everything up to now, judge it, and tell what was found."""
        self._ended = True
        poison = self._observation.portal.poisoned
        if poison is not None:
            # Nobody brings events any more, so a fence could only run into its time-out.
            self._stop_judging()
            return self._copy() or self._remember(Inconclusive(str(poison)))
        if self._finding is None:
            try:
                await self._observation.fence(frozenset().union(*(t.cuts.reads for t, _ in self._watches)))
            except Inconclusive as error:
                self._stop_judging()
                return self._copy() or self._remember(error)
        self._stop_judging()
        return self._copy() or self._missed() or self._unopened()

    def _poisoned(self, poison: DaemonSetTestError) -> DaemonSetTestError:
        self._ended = True
        return self._remember(poison)

    def _stop_judging(self) -> None:
        for tracker, judge in self._watches:
            judge.end(tracker.cuts.position)

    def abandon(self) -> None:
        """End it without a verdict: whoever interrupted the test wants an end, and the scope's last check must not wait."""
        self._ended = True
        for _, judge in self._watches:
            judge.end(-1)

    def _broken(self, judge: Guarding) -> None:
        """Called in the portal's loop, by the event that broke it."""
        if self._finding is not None or judge.violation is None or judge.violated_at is None:
            return
        one = judge.property
        sentence = f"{one.name} held, and must never" if self._forbidden else f"{one.name} was broken"
        self._finding = Finding(
            subject=self._subject,
            sentence=sentence,
            property=one.name,
            rows=one.rows,
            verdict=judge.violation,
            version=judge.violated_at,
            at=judge.violated_when,
            history=self._observation.history,
        )
        self._text = str(violation(self._finding, self._observation.explain))
        self._scope.fail(self._fresh)

    def _fresh(self) -> DaemonSetTestError:
        from pytest_daemonset.errors import Violation

        return self._remember(Violation(self._text))

    def _copy(self) -> DaemonSetTestError | None:
        return None if self._finding is None else self._fresh()

    def _missed(self) -> DaemonSetTestError | None:
        for _, judge in self._watches:
            if judge.missed is not None:
                return self._remember(
                    Inconclusive(f"{self._subject}: it cannot be said whether {self.what} was kept: {judge.missed}")
                )
        return None

    def _unopened(self) -> DaemonSetTestError | None:
        for tracker, judge in self._watches:
            one = judge.property
            if judge.opened is None:
                return self._remember(
                    Inconclusive(
                        f"{self._subject}: {self.what} judged no state at all: the test had written at version {judge.floor}, "
                        f"and {', '.join(sorted(one.reads))} have been seen only up to {tracker.cuts.position}"
                    )
                )
        if not any(judge.relevant for _, judge in self._watches):
            first = self._watches[0][1]
            return self._remember(
                _GuardedNothing(
                    f"{self._subject}: {self.what} guarded nothing: in its block (versions {first.opened} to {first.until}) "
                    f"nothing happened that it judges. Do the steps that it shall watch inside the block: {self.site}"
                )
            )
        return None

    def _remember(self, error: DaemonSetTestError) -> DaemonSetTestError:
        self._told.append(error)
        return error

    def _tell(self, error: BaseException | None, found: DaemonSetTestError | None) -> None:
        __tracebackhide__ = True
        if found is None:
            return
        if error is None:
            raise found.with_traceback(None)
        if self.told(error) or isinstance(found, _GuardedNothing):
            return
        add_note(error, f"Also, {self.what}: {type(found).__name__}: {found}")


class _GuardedNothing(Inconclusive):
    """The guard had nothing to judge: worth a failure of its own, and not a word beside another one."""
