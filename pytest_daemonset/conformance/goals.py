"""Goals and invariants that single rows need, and that are of no use outside of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.events import DAEMONSET, NODE, POD, REVISION
from pytest_daemonset.contract.judging import Finding, FindingsJudgement
from pytest_daemonset.contract.properties import Goal, Invariant
from pytest_daemonset.contract.verdicts import BROKEN

if TYPE_CHECKING:
    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.judging import Judgement
    from pytest_daemonset.contract.state import Change, State

Complaint = Callable[["State"], str | None]

_ALL_OF_IT = "the set"


class StateGoal(Goal):
    """A goal that is read off the state as a whole.

    Args:
        name: what it says, for reports.
        complaint: what is still wrong in a state, a sentence; None once nothing is.
        reads: the kinds that it depends on.
    """

    def __init__(self, name: str, complaint: Complaint, reads: Iterable[str] = (POD,)) -> None:
        self.name = name
        self.complaint = complaint
        self.reads = frozenset(reads)

    def judging(self, state: State) -> Judgement:
        return _WholeJudgement(state, self.reads, self.complaint)


class StateInvariant(Invariant):
    """The same for what must hold in every state of one kind."""

    def __init__(self, name: str, complaint: Complaint, reads: Iterable[str] = (POD,)) -> None:
        self.name = name
        self.complaint = complaint
        self.reads = frozenset(reads)

    def judging(self, state: State) -> Judgement:
        return _WholeJudgement(state, self.reads, self.complaint)


class _WholeJudgement(FindingsJudgement):
    def __init__(self, state: State, reads: frozenset[str], complaint: Complaint) -> None:
        super().__init__(state, reads)
        self._complaint = complaint
        self.begin()

    def keys(self) -> Iterable[str]:
        return (_ALL_OF_IT,)

    def touched(self, event: Event, change: Change) -> Iterable[str]:  # noqa: ARG002  (it is judged as a whole)
        return self.keys()

    def judge(self, key: str) -> Finding | None:  # noqa: ARG002  (there is one key)
        self.relevant += 1
        wrong = self._complaint(self.state)
        return Finding(BROKEN, wrong, wrong) if wrong else None


def another_pod_on(node: str, *old: str) -> Goal:
    """An active pod of the set is on the node, none of these is, and none of these is left there in any form.

    Args:
        node: its name.
        old: UIDs.
    """

    def complaint(state: State) -> str | None:
        left = [pod.name for pod in state.owned_on(node) if pod.uid in old]
        if left:
            return f"{node} still has {', '.join(left)}"
        return None if state.active_on(node) else f"{node} has no active pod"

    return StateGoal(f"another_pod_on({node})", complaint)


def only_pod_on(node: str, name: str) -> Goal:
    """The pod of that name is the set's only one on the node, and active.

    Args:
        node: the node's name.
        name: the pod's.
    """

    def complaint(state: State) -> str | None:
        there = sorted(pod.name for pod in state.owned_on(node))
        active = [pod.name for pod in state.active_on(node)]
        return None if there == active == [name] else f"{node} has {', '.join(there) or 'no pod'} instead of {name}"

    return StateGoal(f"only_pod_on({node}, {name})", complaint)


def one_left_on(node: str) -> Goal:
    """The set has one pod on the node, and that one is active.

    Args:
        node: its name.
    """

    def complaint(state: State) -> str | None:
        there = sorted(pod.name for pod in state.owned_on(node))
        if len(there) == len(state.active_on(node)) == 1:
            return None
        return f"{node} has {', '.join(there) or 'no pod'} instead of one pod"

    return StateGoal(f"one_left_on({node})", complaint)


def going_or_gone(uid: str) -> Goal:
    """A pod of the set is terminating, or not there any more.

    Args:
        uid: the pod's.
    """

    def complaint(state: State) -> str | None:
        pod = state.pods.get(uid)
        return None if pod is None or pod.terminating else f"nobody has deleted {pod.name} on {pod.target}"

    return StateGoal("going_or_gone", complaint)


def gone(uid: str) -> Goal:
    """A pod, whoever's, is not there any more.

    Args:
        uid: the pod's.
    """

    def complaint(state: State) -> str | None:
        return f"{state.pods[uid].name} is still there" if uid in state.pods else None

    return StateGoal("gone", complaint)


def running_on(node: str) -> Goal:
    """The set's pod on the node is Running, whether Ready or not.

    Args:
        node: its name.
    """

    def complaint(state: State) -> str | None:
        phases = [pod.phase for pod in state.active_on(node)]
        return None if phases == ["Running"] else f"pods on {node} are {', '.join(phases) or 'not there'}, not Running"

    return StateGoal(f"running_on({node})", complaint)


def ready_on(node: str) -> Goal:
    """The set's active pod on the node is Ready.

    Args:
        node: its name.
    """

    def complaint(state: State) -> str | None:
        if any(pod.ready for pod in state.active_on(node)):
            return None
        return f"{node} has no Ready pod but {', '.join(pod.name for pod in state.owned_on(node)) or 'none'}"

    return StateGoal(f"ready_on({node})", complaint)


def adopted(*uids: str) -> Goal:
    """These pods are the set's.

    Args:
        uids: of the pods.
    """

    def complaint(state: State) -> str | None:
        missing = [uid for uid in uids if uid not in state.owned]
        names = ", ".join(state.pods[uid].name if uid in state.pods else uid for uid in missing)
        return f"not owned by {state.subject}: {names}" if missing else None

    return StateGoal("adopted", complaint)


def counters(**wanted: int) -> Goal:
    """The status speaks of the present generation and shows these numbers.

    Args:
        wanted: by field, such as ``numberReady=2``.
    """

    def complaint(state: State) -> str | None:
        daemonset = state.daemonset
        if daemonset is None:
            return f"{state.subject} is not there"
        if not daemonset.observed:
            return f"observedGeneration is {daemonset.observed_generation} of {daemonset.generation}"
        wrong = [
            f"{field} is {daemonset.counter(field)} and should be {number}"
            for field, number in wanted.items()
            if daemonset.counter(field) != number
        ]
        return "; ".join(wrong) or None

    told = ", ".join(f"{field}={number}" for field, number in wanted.items())
    return StateGoal(f"counters({told})" if told else "observed", complaint, (DAEMONSET,))


def _still_owned(state: State) -> str | None:
    if state.daemonset is not None:
        return "the set is still there"
    held = [one.name for one in state.pods.values() if one.owner == state.subject.uid]
    held += [one.name for one in state.revisions.values() if one.owner == state.subject.uid]
    return f"still owned: {', '.join(held)}" if held else None


orphaned: Final = StateGoal("orphaned", _still_owned, (DAEMONSET, POD, REVISION))
"""The set is gone, and nothing that is left is owned by it."""


class NeverWithoutAPod(Invariant):
    """Once the node had active pods of the set, it has at least one (AMO-05).

    Args:
        node: its name.
    """

    reads = frozenset((POD,))

    def __init__(self, node: str) -> None:
        self.node = node
        self.name = f"never_without_a_pod({node})"

    def judging(self, state: State) -> Judgement:
        served = False

        def complaint(state: State) -> str | None:
            nonlocal served
            there = bool(state.active_on(self.node))
            served = served or there
            return f"{self.node} had active pods, and has none any more" if served and not there else None

        return _WholeJudgement(state, self.reads, complaint)


def _unserved(state: State) -> str | None:
    missing = sorted(node for node in state.eligible if not state.active_on(node))
    return f"no active pod on {', '.join(missing)}" if missing else None


every_eligible_node_served: Final = StateGoal("every_eligible_node_served", _unserved, (NODE, POD, DAEMONSET))
"""Every eligible node has an active pod, whatever other nodes have: the liveness half of a row that has two."""
