"""`Watched`: one DaemonSet under observation, and what a test can ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.contract.properties import Property
from pytest_daemonset.errors import UsageError
from pytest_daemonset.observe import waiting
from pytest_daemonset.observe.barrier import Barrier
from pytest_daemonset.observe.guard import Guard
from pytest_daemonset.observe.tracker import Tracker, replay

if TYPE_CHECKING:
    from pytest_daemonset.contract.state import State, Subject
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.observation import Observation
    from pytest_daemonset.observe.scope import Scope


class Watched:
    """One DaemonSet under observation.

    Args:
        observation: what is watched; started.
        subject: which DaemonSet.
        scope: the test's, which remembers what it asked for.
    """

    def __init__(self, observation: Observation, subject: Subject, scope: Scope) -> None:
        self.observation = observation
        self.subject = subject
        self._scope = scope
        self._barrier = Barrier(observation, subject)

    def eventually(self, goal: Property, within: float | None = None, settle: float = 0.0) -> Handle[None]:
        """Wait until a property holds, at a state that contains all that the test wrote before it began to wait.

        Args:
            goal: what shall hold.
            within: seconds; by default from the cluster's own constants and its number of nodes.
            settle: seconds for which it shall go on to hold.

        Raises:
            Violation: it did not come to hold in time: names nodes, pods, reasons, and since when.
            Inconclusive: that could not be seen.
            UsageError: at once, if this is no property, or the times make no sense.
        """
        _checked("eventually", goal)
        if within is not None and within <= 0:
            raise UsageError(f"eventually({goal.name}, within={within!r}): within is a number of seconds above 0")
        if settle < 0:
            raise UsageError(f"eventually({goal.name}, settle={settle!r}): settle is a number of seconds, at least 0")
        return self._scope.handle(
            lambda: waiting.eventually(self.observation, self.subject, goal, within=within, settle=settle),
            f"{self.subject}: eventually({goal.name})",
        )

    def stays(self, goal: Property, for_: float) -> Handle[None]:
        """Watch a property hold at every state, from the moment of waiting, for a number of seconds.

        Raises:
            Violation: it did not.
            Inconclusive: a part of that time could not be seen.
            UsageError: at once, if this is no property, or ``for_`` is not above 0.
        """
        _checked("stays", goal)
        if for_ <= 0:
            raise UsageError(f"stays({goal.name}, for_={for_!r}): for_ is a number of seconds above 0")
        return self._scope.handle(
            lambda: waiting.stays(self.observation, self.subject, goal, for_=for_),
            f"{self.subject}: stays({goal.name}, for_={for_:g})",
        )

    def always(self, *properties: Property, from_birth: bool = False) -> Guard:
        """Guard a block: each of these invariants and reactions must hold at every state in it.

        Args:
            properties: invariants and reactions.
            from_birth: judge also what was seen of the set before the block.

        Raises:
            UsageError: at once, for a goal (no correct controller keeps one at every instant), or for no property.
        """
        return self._guard(Guard(self.observation, self.subject, self._scope, properties, from_birth=from_birth))

    def never(self, property: Property) -> Guard:  # noqa: A002
        """Guard a block: this property, a goal too, must not hold at any state in it.

        Raises:
            UsageError: at once, if this is no property.
        """
        return self._guard(Guard(self.observation, self.subject, self._scope, (property,), forbidden=True))

    def barrier(self) -> Handle[None]:
        """Make the controller prove that it ran after all that the test wrote before: for "nothing happens" (M2).

        It is a nudge, and heals exactly the lost wake-ups that liveness rows look for: not for those. It makes a new
        generation, and so resets back-offs: not for those either.

        Raises:
            Inconclusive: the controller did not show that it ran.
        """
        return self._scope.handle(self._barrier.pass_, f"{self.subject}: barrier()")

    def nudge(self) -> Handle[None]:
        """Wake the controller by an annotation on one of the set's own pods: milder than `barrier`, and no proof.

        Raises:
            Inconclusive: there is no pod to annotate.
        """
        return self._scope.handle(self._barrier.nudge, f"{self.subject}: nudge()")

    @property
    def state(self) -> State:
        """The state as of now, with all that the test wrote; it does not move on.

        Raises:
            Inconclusive: it could not be seen.
        """
        return self.observation.portal.call(self._state, f"{self.subject}: state")

    async def _state(self) -> State:
        await self.observation.fence()
        history = self.observation.history
        tracker = Tracker(self.subject, history.kinds, comparable=history.comparable)
        replay(history, tracker)
        return tracker.state

    def _guard(self, guard: Guard) -> Guard:
        self._scope.guard(guard)
        return guard


def _checked(verb: str, goal: object) -> None:
    if not isinstance(goal, Property):
        raise UsageError(f"{verb}() takes a property such as one_pod_per_node, not {goal!r}")
