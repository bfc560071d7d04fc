"""What one sync wants to create and delete, node by node: section (b) of the contract. Pure: views in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.views import PodView

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

Pods = list[PodView]


@dataclass
class Plan:
    """Names of nodes that need a pod, pods to delete, and what to come back for."""

    create: list[str] = field(default_factory=list)
    delete: Pods = field(default_factory=list)
    ended: dict[str, Pods] = field(default_factory=dict)
    """Terminal pods among `delete`, by node: each is told by an event, a failure advances the node's back-off."""
    again: float | None = None
    """Seconds after which a wait ends that no event will announce."""

    def __bool__(self) -> bool:
        return bool(self.create or self.delete)

    def wait(self, delay: float) -> None:
        """Come back after `delay` seconds at the latest."""
        self.again = delay if self.again is None else min(self.again, delay)


@dataclass(frozen=True)
class Rules:
    """How one set's pods are handled during one sync.

    Args:
        surge: whether a node may hold an old and a new pod at once.
        revision: the hash of the current revision.
        available: whether a pod has been Ready long enough.
        failure_wait: seconds until a failed pod on a node may be removed; 0 for now.
        creation_wait: seconds until a node may be given a pod; 0 for now.
        admitted: the nodes that a rollout may reach; None for all.
    """

    surge: bool
    revision: str
    available: Callable[[PodView], bool]
    failure_wait: Callable[[str], float]
    creation_wait: Callable[[str], float]
    admitted: Collection[str] | None = None


def by_node(pods: Iterable[PodView]) -> dict[str, Pods]:
    """The pods that count for each node: a terminal one that is also terminating counts no more (AMO-08)."""
    grouped: dict[str, Pods] = {}
    for pod in pods:
        if pod.node is not None and not (pod.terminal and pod.terminating):
            grouped.setdefault(pod.node, []).append(pod)
    return grouped


def plan(decisions: Mapping[str, Decision], pods: Mapping[str, Pods], rules: Rules) -> Plan:
    """What placement asks for, of all nodes that exist and all nodes that pods name.

    Args:
        decisions: what each existing node is to the set.
        pods: the owned pods by target node.
        rules: how this set's pods are handled.
    """
    result = Plan()
    for node, decision in decisions.items():
        if decision is Decision.START and node not in pods:
            create(node, result, rules)
    for node, there in pods.items():
        where = decisions.get(node)
        if where is None:
            # Bound ones are pod GC's business; nobody else would ever collect an unbound one (NODE-03).
            result.delete += [pod for pod in there if not pod.bound and not pod.terminating]
        elif where is Decision.LEAVE:
            result.delete += [pod for pod in there if not pod.terminating]
        else:
            keep(node, there, where, result, rules)
    return result


def create(node: str, result: Plan, rules: Rules) -> None:
    """Give the node a pod, unless pods made for it were no use a moment ago (ROB-15)."""
    delay = rules.creation_wait(node)
    if delay > 0:
        result.wait(delay)
    else:
        result.create.append(node)


def keep(node: str, there: Pods, decision: Decision, result: Plan, rules: Rules) -> None:
    """Tidy a node that has pods and may keep one: terminal ones go, the others are pruned."""
    active = [pod for pod in there if pod.active]
    waiting = remove_ended(node, [pod for pod in there if pod.terminal], result, rules)
    active.sort(key=PodView.seniority)
    if not rules.surge:
        result.delete += active[1:]
    elif len(active) > 1:
        result.delete += surplus(active, rules)
    elif not active and not waiting and decision is Decision.START:
        # With surge nothing on its way out is waited for (AMO-07), but a corpse in back-off holds its place (FAIL-10).
        create(node, result, rules)


def remove_ended(node: str, ended: Pods, result: Plan, rules: Rules) -> bool:
    """Delete the node's terminal pods; failed ones wait out the node's back-off. Returns whether any still waits."""
    gone = [pod for pod in ended if pod.phase == "Succeeded"]
    failed = [pod for pod in ended if pod.phase == "Failed"]
    delay = rules.failure_wait(node) if failed else 0.0
    if delay > 0:
        result.wait(delay)
    else:
        gone += failed
    if gone:
        result.delete += gone
        result.ended[node] = gone
    return delay > 0


def surplus(active: Pods, rules: Rules) -> Pods:
    """With surge: all but the most senior new and the most senior old one; and that old one once it has done its duty.

    Of old ones a Ready one counts as senior: stamps have whole seconds, so an update that replaces a failed one at once would
    otherwise have the names decide whether the pod that serves is the one to go (UPD-17).
    """
    new = [pod for pod in active if pod.revision == rules.revision]
    old = [pod for pod in active if pod.revision != rules.revision]
    old.sort(key=lambda pod: pod.ready_since is None)
    extra = new[1:] + old[1:]
    if new and old and (old[0].ready_since is None or rules.available(new[0])):
        extra.append(old[0])
    return extra
