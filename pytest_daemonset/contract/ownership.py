"""Ownership: what belongs to the set says so properly, and goes when the set has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.events import DAEMONSET, POD, REVISION, Event
from pytest_daemonset.contract.judging import Finding, FindingsJudgement
from pytest_daemonset.contract.properties import Goal, Invariant
from pytest_daemonset.contract.verdicts import BROKEN, UNKNOWN
from pytest_daemonset.contract.views import Pod, Revision
from pytest_daemonset.contract.wording import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.state import Change, State


class Owned(Invariant):
    """Every pod and revision that names the set's UID as owner has one owner reference, complete and right (GC-06).

    Right means: API version, kind, name and UID of the set, `controller` and `blockOwnerDeletion` true.
    """

    name = "owned"
    rows = ("GC-06",)
    reads = frozenset((POD, REVISION))

    def judging(self, state: State) -> Judgement:
        return _OwnedJudgement(state, self.reads)


class _OwnedJudgement(FindingsJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def keys(self) -> Iterable[str]:
        return (*self.state.pods, *self.state.revisions)

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        return () if change.before is None and change.after is None else (event.object["metadata"]["uid"],)

    def judge(self, key: str) -> Finding | None:
        dependent = self.state.pods.get(key) or self.state.revisions.get(key)
        subject = self.state.subject
        if dependent is None or not dependent.references(subject.uid):
            return None
        self.relevant += 1
        expected = {
            "apiVersion": subject.shape.owner_api_version or subject.api_version,
            "kind": subject.shape.owner_kind or subject.kind,
            "name": subject.name,
            "uid": subject.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        references = dependent.owner_references
        what, node = f"revision {dependent.name}", None
        pods: tuple[str, ...] = ()
        if isinstance(dependent, Pod):
            what, node, pods = f"pod {dependent.name}", dependent.target, (dependent.name,)
        if len(references) != 1:
            others = ", ".join(f"{reference.get('kind')} {reference.get('name')}" for reference in references)
            text = f"{what} has {len(references)} owner references ({others}) instead of one"
            return Finding(BROKEN, "several", text, node, pods)
        faults = _differences(expected, references[0])
        text = f"the owner reference of {what} {'; '.join(faults)}"
        return Finding(BROKEN, "wrong", text, node, pods) if faults else None


def _differences(expected: Mapping[str, Any], reference: Mapping[str, Any]) -> list[str]:
    faults = []
    for field, value in expected.items():
        seen = reference.get(field)
        if seen != value:
            told = f"says {_shown(seen)}" if field in reference else "lacks it"
            faults.append(f"should say {field} {_shown(value)} and {told}")
    return faults


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class GarbageCollected(Goal):
    """The set's object is gone, and with it every pod and revision that its UID controlled (GC-01).

    Orphans are not its any more. Unknown as long as neither the set nor its deletion was ever seen.
    """

    name = "garbage_collected"
    rows = ("GC-01", "GC-02", "GC-07")
    reads = frozenset((DAEMONSET, POD, REVISION))

    def judging(self, state: State) -> Judgement:
        return _GarbageCollectedJudgement(state, self.reads)


class _GarbageCollectedJudgement(FindingsJudgement):
    def __init__(self, state: State, reads: frozenset[str]) -> None:
        super().__init__(state, reads)
        self.begin()

    def keys(self) -> Iterable[str]:
        return (*self.state.pods, *self.state.revisions, self.state.subject.uid)

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        return () if change.before is None and change.after is None else (event.object["metadata"]["uid"],)

    def gate(self) -> Finding | None:
        if self.state.seen:
            return None
        return Finding(UNKNOWN, "unseen", f"{self.state.subject} was never seen, nor its deletion")

    def judge(self, key: str) -> Finding | None:
        subject = self.state.subject
        if key == subject.uid:
            return self._set()
        if key in self.state.owned:
            self.relevant += 1
            pod = self.state.owned[key]
            text = f"pod {describe(pod)} on {pod.target or 'no node'} is still there, owned by {subject}"
            return Finding(BROKEN, "left", text, pod.target, (pod.name,))
        revision = self.state.revisions.get(key)
        if isinstance(revision, Revision) and revision.owner == subject.uid:
            self.relevant += 1
            return Finding(BROKEN, "left", f"revision {revision.name} is still there, owned by {subject}")
        return None

    def _set(self) -> Finding | None:
        daemonset = self.state.daemonset
        if daemonset is None:
            return None
        self.relevant += 1
        if not daemonset.terminating:
            return Finding(BROKEN, "not deleted", f"{self.state.subject} is there and was not deleted")
        metadata = daemonset.object["metadata"]
        held = ", ".join(metadata.get("finalizers") or ()) or "nothing"
        text = f"{self.state.subject} is being deleted since {metadata['deletionTimestamp']}, held back by {held}"
        return Finding(BROKEN, "terminating", text)


owned: Final = Owned()
garbage_collected: Final = GarbageCollected()
