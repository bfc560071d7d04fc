"""Status: the counters that a set publishes, in themselves and against what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_daemonset.contract import gates
from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, REVISION, Event
from pytest_daemonset.contract.judging import Finding, FindingsJudgement, LatchedJudgement, SignatureJudgement
from pytest_daemonset.contract.properties import Goal, Invariant
from pytest_daemonset.contract.verdicts import BROKEN, UNKNOWN, Reason
from pytest_daemonset.contract.views import DaemonSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.state import Change, State
    from pytest_daemonset.contract.views import Pod


class StatusConsistent(Invariant):
    """In every status: 0 <= available <= ready <= current <= desired, updated <= current, unavailable = desired - available.

    Row STAT-04. Absent counters are zero. A status that the test wrote itself has to be kept out of the guarded time.
    """

    name = "status_consistent"
    rows = ("STAT-04",)
    reads = frozenset((DAEMONSET,))

    def judging(self, state: State) -> Judgement:
        return _StatusConsistentJudgement(state, self.reads)


class _StatusConsistentJudgement(FindingsJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def keys(self) -> Iterable[str]:
        return (self.state.subject.uid,)

    def touched(self, event: Event, change: Change) -> Iterable[str]:  # noqa: ARG002  (there is one object)
        return () if change.before is None and change.after is None else self.keys()

    def judge(self, key: str) -> Finding | None:  # noqa: ARG002  (there is one object)
        daemonset = self.state.daemonset
        if daemonset is None or not daemonset.has_status:
            return None
        self.relevant += daemonset.observed_generation > 0
        counters = _Published.by(daemonset)
        faults = counters.faults()
        text = f"the status of {self.state.subject} contradicts itself: {'; '.join(faults)}"
        return Finding(BROKEN, "inconsistent", text) if faults else None


class _Published(NamedTuple):
    desired: int
    current: int
    misscheduled: int
    ready: int
    updated: int
    available: int
    unavailable: int

    @classmethod
    def by(cls, daemonset: DaemonSet) -> _Published:
        return cls(*(daemonset.counter(field) for field in _FIELDS))

    def faults(self) -> list[str]:
        ascending = [
            ("0", 0, "numberAvailable", self.available),
            ("numberAvailable", self.available, "numberReady", self.ready),
            ("numberReady", self.ready, "currentNumberScheduled", self.current),
            ("currentNumberScheduled", self.current, "desiredNumberScheduled", self.desired),
            ("updatedNumberScheduled", self.updated, "currentNumberScheduled", self.current),
            ("0", 0, "updatedNumberScheduled", self.updated),
            ("0", 0, "numberMisscheduled", self.misscheduled),
        ]
        faults = [
            f"{small_name} ({small}) exceeds {large_name} ({large})"
            for small_name, small, large_name, large in ascending
            if small > large
        ]
        if self.unavailable != self.desired - self.available:
            faults.append(
                f"numberUnavailable ({self.unavailable}) is not desiredNumberScheduled ({self.desired}) less "
                f"numberAvailable ({self.available})"
            )
        return faults


_FIELDS: Final = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberMisscheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
)


class ObservedGenerationSane(Invariant):
    """observedGeneration never exceeds the generation and never falls (STAT-05).

    For controllers that run as one instance: with two leaders at once it may fall for a moment.
    """

    name = "observed_generation_sane"
    rows = ("STAT-05",)
    reads = frozenset((DAEMONSET,))

    def judging(self, state: State) -> Judgement:
        return _ObservedGenerationJudgement(state, self.reads)


class _ObservedGenerationJudgement(LatchedJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._highest = state.daemonset.observed_generation if state.daemonset is not None else 0

    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        daemonset = change.after
        if not isinstance(daemonset, DaemonSet):
            return
        self.judged += 1
        observed = daemonset.observed_generation
        self.relevant += observed > 0
        subject = self.state.subject
        if observed > daemonset.generation:
            text = f"{subject} says observedGeneration {observed} at generation {daemonset.generation}"
            yield Reason(text, since=event.at)
        if observed < self._highest:
            yield Reason(f"observedGeneration of {subject} fell from {self._highest} to {observed}", since=event.at)
        self._highest = max(self._highest, observed)


class StatusMatches(Goal):
    """The counters of the status are what nodes and pods say (STAT-01, STAT-02, STAT-03). To be judged at rest.

    desired: eligible nodes; current: those with a pod of the set; misscheduled: other nodes with one; ready: eligible
    nodes whose pod (bound before unbound, then the oldest) is Ready; updated: those whose pod is of the current revision,
    if the set has revisions; available: those that are Ready, for a set with minReadySeconds in the end only, so
    unknown until then. A terminating pod counts, one that is terminal and terminating does not.
    """

    name = "status_matches"
    rows = ("STAT-01", "STAT-02", "STAT-03")
    reads = frozenset((NODE, POD, DAEMONSET, REVISION))

    def judging(self, state: State) -> Judgement:
        return _StatusMatchesJudgement(state, self.reads)


class _Share(NamedTuple):
    """What one node adds to the counters."""

    desired: int = 0
    current: int = 0
    misscheduled: int = 0
    ready: int = 0
    updated: int = 0


class _StatusMatchesJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._shares: dict[str, _Share] = {}
        self._total = _Share()
        self.begin()

    def judge(self, key: str) -> Finding | None:
        old, new = self._shares.pop(key, _Share()), self._share(key)
        if any(new):
            self._shares[key] = new
        self._total = _Share(*(total - gone + come for total, gone, come in zip(self._total, old, new, strict=True)))
        return None

    def _share(self, key: str) -> _Share:
        start, current = self.state.may_start(key), self.state.current_revision
        if start is None:
            return _Share()
        self.relevant += 1
        pods = [pod for pod in self.state.owned_on(key) if not (pod.terminal and pod.terminating)]
        if not start.truth:
            return _Share(misscheduled=int(bool(pods)))
        if not pods:
            return _Share(desired=1)
        pod = min(pods, key=_precedence)
        updated = current is not None and pod.revision == current.hash
        return _Share(desired=1, current=1, ready=int(pod.ready), updated=int(updated))

    def gate(self) -> Finding | None:
        daemonset = self.state.daemonset
        if (finding := gates.observed(self.state)) is not None or daemonset is None:
            return finding
        published, total = _Published.by(daemonset), self._total
        compared = [
            ("desiredNumberScheduled", published.desired, total.desired),
            ("currentNumberScheduled", published.current, total.current),
            ("numberMisscheduled", published.misscheduled, total.misscheduled),
            ("numberReady", published.ready, total.ready),
            ("numberUnavailable", published.unavailable, max(0, total.desired - published.available)),
        ]
        if self.state.current_revision is not None:
            compared.append(("updatedNumberScheduled", published.updated, total.updated))
        waiting = daemonset.min_ready_seconds > 0 and published.available < total.ready
        if not waiting:
            compared.append(("numberAvailable", published.available, total.ready))
        wrong = [(field, seen, expected) for field, seen, expected in compared if seen != expected]
        if wrong:
            told = "; ".join(f"{field} is {seen} and should be {expected}" for field, seen, expected in wrong)
            fault = ",".join(field for field, _, _ in wrong)
            return Finding(BROKEN, fault, f"the status of {self.state.subject} is not what nodes and pods say: {told}")
        if waiting:
            text = (
                f"{published.available} of {total.ready} Ready pods of {self.state.subject} count as available so far"
            )
            return Finding(UNKNOWN, "waiting", f"{text}, with minReadySeconds {daemonset.min_ready_seconds}")
        return None


def _precedence(pod: Pod) -> tuple[bool, float, str]:
    return (not pod.bound, pod.created, pod.name)


status_consistent: Final = StatusConsistent()
observed_generation_sane: Final = ObservedGenerationSane()
status_matches: Final = StatusMatches()
