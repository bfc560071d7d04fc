"""`Observation`: the nodes and one namespace of a cluster, watched for as long as a test runs."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, REVISION
from pytest_daemonset.errors import Inconclusive, UsageError
from pytest_daemonset.kube.resources import CONTROLLER_REVISIONS, DAEMONSETS, NODES, PODS
from pytest_daemonset.observe.constants import Constants
from pytest_daemonset.observe.fence import fence, head
from pytest_daemonset.observe.history import History, Mark, What
from pytest_daemonset.observe.reflector import Reflector
from pytest_daemonset.observe.signals import Signal
from pytest_daemonset.observe.tracker import Tracker, checked_reads, replay

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.observe.findings import Explain
    from pytest_daemonset.observe.history import Record
    from pytest_daemonset.observe.judges import Judge
    from pytest_daemonset.observe.portal import Portal

KINDS: Final[Mapping[str, Resource]] = {
    NODE: NODES,
    POD: PODS,
    DAEMONSET: DAEMONSETS,
    REVISION: CONTROLLER_REVISIONS,
}

_FIRST_FENCE: Final = 0.05  # seconds that somebody may wait for a bookmark before a fence is asked for
_GATHERING: Final = 0.01  # the same where no bookmark is to be expected: what comes together is fenced together
_SLOWEST_FENCE: Final = 1.0


class Observation:
    """Watches the nodes, and the pods, DaemonSets and revisions of one namespace, into a history.

    Its methods run in the portal's loop, like the client's.

    Args:
        client: who watches. Its `wrote` is what "read your writes" goes by.
        namespace: the namespace of the test.
        portal: is poisoned should a watch be lost.
        kinds: what to watch under which kind; for a daemonset-like kind of another group, its resource as "DaemonSet".
        comparable: whether resourceVersions of different kinds can be compared.
        constants: the cluster's own constants.
        cluster: what the cluster is called.
        explain: adds to the text of a violation.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        *,
        portal: Portal,
        kinds: Mapping[str, Resource] = KINDS,
        comparable: bool = True,
        constants: Constants | None = None,
        cluster: str = "",
        explain: Explain | None = None,
    ) -> None:
        self.client = client
        self.namespace = namespace
        self.portal = portal
        self.constants = constants or Constants()
        self.explain = explain
        self.history = History(kinds, comparable=comparable, cluster=cluster, namespace=namespace)
        self.reflectors = {
            kind: Reflector(client, resource, kind=kind, namespace=namespace, emit=self._record)
            for kind, resource in kinds.items()
        }
        self._trackers: dict[tuple[Subject, frozenset[str]], Tracker] = {}
        self._whole: list[Tracker] = []
        self._signal = Signal()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Begin to watch; returns once every kind was listed.

        Raises:
            UsageError: started twice.
            Inconclusive: something cannot be watched.
        """
        if self._tasks:
            raise UsageError("the observation was started twice")
        for reflector in self.reflectors.values():
            self._tasks.append(
                self.portal.spawn(self._reflecting(reflector), f"the watch of {reflector.resource.plural}")
            )
        self._tasks.append(self.portal.spawn(self._pace, "the pacing of fences"))
        while not all(reflector.synced for reflector in self.reflectors.values()):
            await self.changed()

    async def stop(self) -> None:
        """End the watches; the history stays. Harmless when stopped."""
        self._stopping = True
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.reflectors[NODE].known) if NODE in self.reflectors else 0

    @property
    def within(self) -> float:
        """The default time-out of ``eventually``, in seconds."""
        return self.constants.within(self.nodes)

    def tracker(self, subject: Subject, reads: frozenset[str], name: str) -> Tracker:
        """The tracker of a subject for a property that reads these kinds, up to date.

        Raises:
            UsageError: one of the kinds is not watched.
        """
        reads = checked_reads(reads, self.history.kinds, name)
        tracker = self._trackers.get((subject, reads))
        if tracker is None:
            tracker = Tracker(subject, reads, comparable=self.history.comparable)
            replay(self.history, tracker)
            self._trackers[subject, reads] = tracker
        return tracker

    def tracker_from_birth(self, subject: Subject, judges: Sequence[Judge]) -> Tracker:
        """A tracker of their own for judges that look at all that was seen of a subject, from its first moment on.

        Args:
            subject: whose.
            judges: at least one; their properties read the same kinds.

        Raises:
            UsageError: one of the kinds is not watched.
        """
        first = judges[0].property
        reads = checked_reads(first.reads, self.history.kinds, first.name)
        tracker = Tracker(subject, reads, comparable=self.history.comparable)
        for judge in judges:
            tracker.attach(judge)
        replay(self.history, tracker)
        self._whole.append(tracker)
        return tracker

    async def floor(self, tracker: Tracker) -> int:
        """The position in the merged order before which a state lacks something that the test wrote."""
        if self.history.comparable:
            return self.client.wrote
        await self.fence(tracker.cuts.reads)
        return tracker.cuts.position

    async def fence(self, kinds: Iterable[str] | None = None) -> int:
        """Wait until these kinds (all, by default) have been seen up to now.

        Returns:
            The version up to which all of them have been seen.

        Raises:
            Inconclusive: a watch does not catch up, or the cluster does not answer.
        """
        reflectors = [self.reflectors[kind] for kind in (self.reflectors if kinds is None else kinds)]
        present = await head(self.client, reflectors[0]) if self.history.comparable else None
        reached = await asyncio.gather(
            *(
                fence(
                    self.client,
                    one,
                    emit=self._record,
                    changed=self.changed,
                    constants=self.constants,
                    present=present,
                )
                for one in reflectors
            )
        )
        return min(reached)

    def changed(self) -> asyncio.Future[None]:
        """A future that is done when the next event or mark has been recorded."""
        return self._signal.wait()

    def wake(self) -> None:
        """Let everybody who waits for a change look again: somebody new is waiting for something."""
        self._signal.fire()

    def barrier_passed(self, since: int, note: str) -> None:
        """Record that the controller has run after everything up to a version, and tell every reaction."""
        highest = max(max(reflector.progress, reflector.fenced) for reflector in self.reflectors.values())
        self._record(Mark(What.BARRIER, "", highest, time.time(), note, since))

    @property
    def _following(self) -> tuple[Tracker, ...]:
        return (*self._trackers.values(), *self._whole)

    def _record(self, record: Record) -> None:
        self.history.append(record)
        for tracker in self._following:
            tracker.feed(record)
        self._signal.fire()

    def _reflecting(self, reflector: Reflector) -> Callable[[], Coroutine[object, object, None]]:
        async def reflect() -> None:
            try:
                await reflector.run()
            except asyncio.CancelledError:
                if self._stopping:
                    raise
                raise Inconclusive(
                    f"the watch of {reflector.resource.plural} was ended while somebody still relied on it"
                ) from None

        return reflect

    async def _pace(self) -> None:
        """Ask for a fence when a judge waits for a kind that is silent; woken by events, and never in a hurry."""
        delay = 0.0
        while True:
            lagging = self._lagging()
            if not lagging:
                await self.changed()
                continue
            prompt = any(self.reflectors[kind].prompt for kind in lagging)
            await asyncio.sleep(max(delay, _FIRST_FENCE if prompt else _GATHERING))
            still = self._lagging() & lagging
            if still:
                began = time.monotonic()
                try:
                    await self.fence(still)
                except Inconclusive as error:
                    # Not the last word: whoever waits has a time-out, and a watch that stays lost poisons by itself.
                    logging.getLogger(__name__).warning("%s", error)
                # At most a third of the time goes into fences, however busy the cluster is.
                delay = min(_SLOWEST_FENCE, 2 * (time.monotonic() - began))
            else:
                delay = 0.0

    def _lagging(self) -> frozenset[str]:
        return frozenset(kind for tracker in self._following for kind in tracker.cuts.lagging(tracker.wanted()))
