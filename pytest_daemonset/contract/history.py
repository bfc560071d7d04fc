"""Revisions and what a rollout says of itself: labels that lead to a revision, and a "done" that is never early."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.agreement import differences
from pytest_daemonset.contract.creation import created
from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, REVISION, Event
from pytest_daemonset.contract.judging import Finding, FindingsJudgement, LatchedJudgement
from pytest_daemonset.contract.properties import Reaction
from pytest_daemonset.contract.verdicts import BROKEN, Reason
from pytest_daemonset.contract.views import DaemonSet, Pod
from pytest_daemonset.contract.wording import describe, listed, names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.state import Change, State


class LabelledWithARevision(Reaction):
    """Every active pod that the set made carries the hash of a revision that the set owns (REV-03, REV-08).

    Terminating pods are not asked, nor adopted ones, nor anything once the set is being deleted: the garbage collector
    takes pods and revisions in no order.
    """

    name = "labelled_with_a_revision"
    rows = ("REV-03", "REV-08")
    reads = frozenset((POD, DAEMONSET, REVISION))

    def judging(self, state: State) -> Judgement:
        return _LabelledJudgement(state, self.reads)


class _LabelledJudgement(FindingsJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def keys(self) -> Iterable[str]:
        return tuple(self.state.owned)

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        if event.kind != POD:
            return (*self.keys(), *self._findings)
        view = change.after or change.before
        return (view.uid,) if isinstance(view, Pod) else ()

    def judge(self, key: str) -> Finding | None:
        pod, daemonset = self.state.owned.get(key), self.state.daemonset
        if pod is None or not pod.active or key in self.state.adopted or daemonset is None or daemonset.terminating:
            return None
        self.relevant += 1
        known = {one.hash for one in self.state.revisions.values() if one.owner == self.state.subject.uid}
        if pod.revision in known:
            return None
        there = ", ".join(sorted(filter(None, known))) or "none"
        text = f"{describe(pod)} on {pod.target} carries revision {pod.revision}; revisions of the set are {there}"
        return Finding(BROKEN, "no revision", text, pod.target, (pod.name,))


class MadeAsItsRevisionSays(Reaction):
    """A pod agrees, when it is made, with the template of the revision that it names (REV-03).

    Labels, annotations and images are compared, with the revision whose stored data has a template where the set has its own.
    """

    name = "made_as_its_revision_says"
    rows = ("REV-03",)
    reads = frozenset((POD, DAEMONSET, REVISION))

    def judging(self, state: State) -> Judgement:
        return _AgreementJudgement(state, self.reads)


class _AgreementJudgement(LatchedJudgement):
    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        pod = created(event, change, self.state.subject)
        if pod is None:
            return
        self.judged += 1
        mine = [one for one in self.state.revisions.values() if one.owner == self.state.subject.uid]
        revision = next((one for one in mine if one.hash == pod.revision and one.hash is not None), None)
        template = revision.template if revision is not None else None
        if revision is None or not template:
            return
        self.relevant += 1
        faults = differences(template, pod.object)
        if faults:
            text = f"{describe(pod)} is not as its revision {revision.name} says: {'; '.join(faults)}"
            yield Reason(text, pod.target, (pod.name,), event.at)


class NeverDoneEarly(Reaction):
    """No status says "rolled out" while old pods run, or before enough pods of the current revision were available (STAT-11).

    A status says so with its generation observed and with as many updated and available nodes as are desired. What it says is
    compared with what has happened up to then, and not with what is: a pod may go again while the status is written.
    """

    name = "never_done_early"
    rows = ("STAT-11",)
    reads = frozenset((NODE, POD, DAEMONSET, REVISION))

    def judging(self, state: State) -> Judgement:
        return _DoneJudgement(state, self.reads)


class _DoneJudgement(LatchedJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._ready: dict[str, tuple[Pod, float]] = {}
        for pod in state.owned.values():
            self._remember(pod)

    def _remember(self, pod: Pod) -> None:
        """Keep each pod that was ever Ready, as it was seen last, and since when it first was."""
        known = self._ready.get(pod.uid)
        if pod.target and (pod.ready or known is not None):
            since = (pod.ready_since or 0.0) if pod.ready else inf
            self._ready[pod.uid] = (pod, min(since, known[1] if known is not None else inf))

    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        after = change.after
        if isinstance(after, Pod) and after.owner == self.state.subject.uid:
            self._remember(after)
            return
        if not isinstance(after, DaemonSet) or not after.observed or not self.state.knows_current:
            return
        self.judged += 1
        self.relevant += 1
        desired = after.counter("desiredNumberScheduled")
        if min(after.counter("updatedNumberScheduled"), after.counter("numberAvailable")) < desired:
            return
        said = f"the status of {self.state.subject} says that generation {after.generation} is rolled out"
        old = [
            pod
            for node in self.state.eligible
            for pod in self.state.active_on(node)
            if len(self.state.active_on(node)) == 1 and not self.state.is_current(pod)
        ]
        if old:
            yield Reason(f"{said} while {listed(old)} runs of another revision", pods=names(old), since=event.at)
        served: dict[str | None, float] = {}
        for pod, since in self._ready.values():
            if self.state.is_current(pod):
                served[pod.target] = min(since, served.get(pod.target, inf))
        ripe = sum(stamp + after.min_ready_seconds <= event.at + 1 for stamp in served.values())
        if ripe < desired:
            revision = self.state.current_revision
            of = f" of revision {revision.hash}" if revision is not None else " of its template"
            yield Reason(f"{said} on {desired} nodes, but only {ripe} have had an available pod{of}", since=event.at)


labelled_with_a_revision: Final = LabelledWithARevision()
made_as_its_revision_says: Final = MadeAsItsRevisionSays()
never_done_early: Final = NeverDoneEarly()
