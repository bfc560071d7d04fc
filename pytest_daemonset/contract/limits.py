"""Limits of a rollout: how many nodes may lack a pod at once, how many may have one more, and when an old pod may go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, Event
from pytest_daemonset.contract.judging import Finding, LatchedJudgement, SignatureJudgement
from pytest_daemonset.contract.properties import Reaction
from pytest_daemonset.contract.state import NOWHERE, Change, State
from pytest_daemonset.contract.verdicts import BROKEN, Reason
from pytest_daemonset.contract.views import Pod
from pytest_daemonset.contract.wording import describe, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.contract.judging import Judgement

Limit = int | str

_KINDS: Final = frozenset((NODE, POD, DAEMONSET))


def _of(limit: Limit, desired: int) -> int:
    """A limit as a number of nodes: percentages are rounded up (UPD-05)."""
    return limit if isinstance(limit, int) else math.ceil(int(limit.rstrip("%")) * desired / 100)


class AtMostUnavailable(Reaction):
    """Never do more than so many eligible nodes lack an available pod that they once had (UPD-04, UPD-05).

    Nodes are counted and not pods: one whose pod is gone lacks it as much as one whose pod is not Ready. A node that never
    had an available pod is not counted, nor one that is no longer eligible. To be judged where nobody but the controller
    takes pods away and no kubelet lets one become unready: all that is then lost, the controller took.

    Args:
        limit: a number of nodes, or a percentage of the eligible ones such as ``"25%"``.
    """

    rows = ("UPD-04", "UPD-05")
    reads = _KINDS

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.name = f"at_most_unavailable({limit})"

    def judging(self, state: State) -> Judgement:
        return _UnavailableJudgement(state, self.reads, self.limit)


class _UnavailableJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str], limit: Limit) -> None:
        super().__init__(state, reads)
        self._limit = limit
        self._served: set[str] = set()
        self._lacking: set[str] = set()
        self.begin()

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        # A pod becomes available by the passing of time too, which no event tells.
        return {*super().touched(event, change), *self._lacking}

    def judge(self, key: str) -> Finding | None:
        self._lacking.discard(key)
        if key not in self.state.eligible:
            self._served.discard(key)
            return None
        seconds = self.state.daemonset.min_ready_seconds if self.state.daemonset else 0
        if any(pod.available(seconds, self.state.at) for pod in self.state.active_on(key)):
            self._served.add(key)
        elif key in self._served:
            self._lacking.add(key)
        self.relevant += key in self._served
        return None

    def gate(self) -> Finding | None:
        if self.state.daemonset is None or self.state.daemonset.terminating:
            return None
        allowed = _of(self._limit, len(self.state.eligible))
        if len(self._lacking) <= allowed:
            return None
        nodes = sorted(self._lacking)
        told = "; ".join(f"{node} has {listed(self.state.owned_on(node)) or 'no pod'}" for node in nodes)
        text = f"{len(nodes)} nodes lack an available pod where {allowed} may: {told}"
        return Finding(BROKEN, f"{len(nodes)} lack", text)


class AtMostSurging(Reaction):
    """Never do more than so many nodes have, beside an available pod, another one that is not available yet (UPD-16).

    Pods are told apart by availability and not by revision. A node whose new pod has become available is on its way to one
    pod again: the deletion of the old one and the next surge leave the controller together, in no order. Nodes whose old
    pod is unavailable are exempt, so readiness is to be the kubelet's alone.

    Args:
        limit: a number of nodes, or a percentage of the eligible ones.
    """

    rows = ("UPD-16",)
    reads = _KINDS

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.name = f"at_most_surging({limit})"

    def judging(self, state: State) -> Judgement:
        return _SurgingJudgement(state, self.reads, self.limit)


class _SurgingJudgement(SignatureJudgement):
    def __init__(self, state: State, reads: frozenset[str], limit: Limit) -> None:
        super().__init__(state, reads)
        self._limit = limit
        self._surging: set[str] = set()
        self.begin()

    def touched(self, event: Event, change: Change) -> Iterable[str]:
        return {*super().touched(event, change), *self._surging}

    def judge(self, key: str) -> Finding | None:
        self._surging.discard(key)
        active = self.state.active_on(key) if key != NOWHERE else ()
        self.relevant += bool(active)
        seconds = self.state.daemonset.min_ready_seconds if self.state.daemonset else 0
        available = [pod for pod in active if pod.available(seconds, self.state.at)]
        if available and len(available) < len(active):
            self._surging.add(key)
        return None

    def gate(self) -> Finding | None:
        allowed = _of(self._limit, len(self.state.eligible))
        if len(self._surging) <= allowed:
            return None
        nodes = sorted(self._surging)
        told = "; ".join(f"{node} has {listed(self.state.active_on(node))}" for node in nodes)
        return Finding(BROKEN, f"{len(nodes)} surge", f"{len(nodes)} nodes surge where {allowed} may: {told}")


class NeverRetiredEarly(Reaction):
    """With surge, an available pod is asked to go only once another available one is on its node (UPD-17).

    Nodes that may start no pod are exempt: nothing comes after the old pod there (UPD-19).

    Args:
        spared: pods that the test itself deletes, by UID.
    """

    name = "never_retired_early"
    rows = ("UPD-17",)
    reads = _KINDS

    def __init__(self, spared: frozenset[str] = frozenset()) -> None:
        self.spared = spared

    def sparing(self, *uids: str) -> NeverRetiredEarly:
        """The same, but for pods that the test itself deletes, by UID."""
        return NeverRetiredEarly(self.spared.union(uids))

    def judging(self, state: State) -> Judgement:
        return _RetiredJudgement(state, self.reads, self.spared)


class _RetiredJudgement(LatchedJudgement):
    def __init__(self, state: State, reads: frozenset[str], spared: frozenset[str]) -> None:
        super().__init__(state, reads)
        self._spared = spared

    def examine(self, event: Event, change: Change) -> Iterable[Reason]:
        before, after = change.before, change.after
        daemonset = self.state.daemonset
        if event.kind != POD or daemonset is None or daemonset.terminating or not isinstance(before, Pod):
            return
        if before.owner != self.state.subject.uid or before.target not in self.state.eligible:
            return
        self.judged += 1
        self.relevant += 1
        seconds = daemonset.min_ready_seconds
        asked = before.active and (after is None or (isinstance(after, Pod) and after.terminating))
        if not asked or before.uid in self._spared or not before.available(seconds, event.at):
            return
        others = self.state.active_on(before.target)
        if any(pod.available(seconds, event.at) for pod in others):
            return
        beside = f"beside it was {listed(others)}, not available" if others else "there was no other pod"
        text = f"available pod {describe(before)} was deleted on {before.target} while {beside}"
        yield Reason(text, before.target, (before.name, *(pod.name for pod in others)), event.at)


def at_most_unavailable(limit: Limit) -> AtMostUnavailable:
    """See `AtMostUnavailable`."""
    return AtMostUnavailable(limit)


def at_most_surging(limit: Limit) -> AtMostSurging:
    """See `AtMostSurging`."""
    return AtMostSurging(limit)


never_retired_early: Final = NeverRetiredEarly()
