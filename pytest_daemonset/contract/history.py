"""Revisions and what a rollout says of itself: labels that lead to a revision, and a "done" that is never early."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.creation import created
from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, REVISION, Event
from pytest_daemonset.contract.judging import Finding, FindingsJudgement, LatchedJudgement
from pytest_daemonset.contract.properties import Reaction
from pytest_daemonset.contract.verdicts import BROKEN, Reason
from pytest_daemonset.contract.views import DaemonSet, Pod
from pytest_daemonset.contract.wording import describe, listed, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        self._adopted: set[str] = set()
        self.begin()

    def keys(self) -> Iterable[str]:
        return tuple(self.state.owned)

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        if event.kind != POD:
            return (*self.keys(), *self._findings)
        before, after = change.before, change.after
        if isinstance(before, Pod) and isinstance(after, Pod) and before.owner != after.owner:
            self._adopted.add(after.uid)
        view = after or before
        return (view.uid,) if isinstance(view, Pod) else ()

    def judge(self, key: str) -> Finding | None:
        pod, daemonset = self.state.owned.get(key), self.state.daemonset
        if pod is None or not pod.active or key in self._adopted or daemonset is None or daemonset.terminating:
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
        faults = _differences(template, pod.object)
        if faults:
            text = f"{describe(pod)} is not as its revision {revision.name} says: {'; '.join(faults)}"
            yield Reason(text, pod.target, (pod.name,), event.at)


def _differences(template: Mapping[str, Any], pod: Mapping[str, Any]) -> list[str]:
    wanted, seen = template.get("metadata") or {}, pod["metadata"]
    faults = [
        f"{field[:-1]} {key} is {(seen.get(field) or {}).get(key)!r} instead of {value!r}"
        for field in ("labels", "annotations")
        for key, value in (wanted.get(field) or {}).items()
        if (seen.get(field) or {}).get(key) != value
    ]
    images = {one["name"]: one.get("image") for one in pod["spec"].get("containers") or ()}
    return faults + [
        f"container {one['name']} runs {images.get(one['name'])} instead of {one.get('image')}"
        for one in (template.get("spec") or {}).get("containers") or ()
        if images.get(one["name"]) != one.get("image")
    ]


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
        self._served: dict[str | None, dict[str, float]] = {}
        for pod in state.owned.values():
            self._serve(pod)

    def _serve(self, pod: Pod) -> None:
        """Remember since when a node has first had a Ready pod of a revision."""
        if pod.ready and pod.target:
            served = self._served.setdefault(pod.revision, {})
            served[pod.target] = min(served.get(pod.target, inf), pod.ready_since or 0.0)

    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        after = change.after
        if isinstance(after, Pod) and after.owner == self.state.subject.uid:
            self._serve(after)
            return
        if not isinstance(after, DaemonSet) or not after.observed or self.state.current_revision is None:
            return
        self.judged += 1
        self.relevant += 1
        desired = after.counter("desiredNumberScheduled")
        if min(after.counter("updatedNumberScheduled"), after.counter("numberAvailable")) < desired:
            return
        current = self.state.current_revision.hash
        said = f"the status of {self.state.subject} says that generation {after.generation} is rolled out"
        old = [
            pod
            for node in self.state.eligible
            for pod in self.state.active_on(node)
            if pod.revision != current and len(self.state.active_on(node)) == 1
        ]
        if old:
            yield Reason(f"{said} while {listed(old)} runs of another revision", pods=names(old), since=event.at)
        since = self._served.get(current, {}).values()
        ripe = sum(stamp + after.min_ready_seconds <= event.at + 1 for stamp in since)
        if ripe < desired:
            text = f"{said} on {desired} nodes, but only {ripe} have had an available pod of revision {current}"
            yield Reason(text, since=event.at)


labelled_with_a_revision: Final = LabelledWithARevision()
made_as_its_revision_says: Final = MadeAsItsRevisionSays()
never_done_early: Final = NeverDoneEarly()
