"""Sets that roll out: their manifests, told apart by a label of their pods, and what single rows wait for meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.conformance.goals import StateGoal
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import (
    at_most_one_pod_per_node,
    at_most_two_pods_per_node,
    never_done_early,
    observed_generation_sane,
    owned,
    status_consistent,
)
from pytest_daemonset.contract.events import ADDED, DAEMONSET, DELETED, NODE, POD, REVISION
from pytest_daemonset.contract.views import Pod, Revision
from pytest_daemonset.kube.client import STRATEGIC_PATCH
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.contract import Goal, State
    from pytest_daemonset.nodes.node import Node

Object = dict[str, Any]

_LONG_AGO: Final = "2020-01-01T00:00:00Z"

VERSION: Final = "example.com/version"
"""The label that tells the pods of one template from those of the next."""

GUARD: Final = (at_most_one_pod_per_node, owned, status_consistent, observed_generation_sane, never_done_early)
"""What stands guard over a set that rolls out without surge."""

SURGE_GUARD: Final = (at_most_two_pods_per_node, owned, status_consistent, observed_generation_sane, never_done_early)
"""The same with surge, where a node may have an old and a new pod at once."""


def rolling(
    name: str = "agent",
    *,
    version: str = "1",
    unavailable: int | str = 1,
    surge: int | str | None = None,
    strategy: str = "RollingUpdate",
    min_ready: int = 0,
    history: int | None = None,
    **spec: Any,
) -> Object:
    """A set that rolls out.

    Args:
        name: its name.
        version: of its pods.
        unavailable: maxUnavailable.
        surge: maxSurge, instead of maxUnavailable.
        strategy: or ``OnDelete``.
        min_ready: minReadySeconds.
        history: revisionHistoryLimit.
        spec: fields of the pods' spec.
    """
    manifest = daemonset(name, labels={VERSION: version}, strategy=strategy, **spec)
    if strategy == "RollingUpdate":
        manifest["spec"]["updateStrategy"]["rollingUpdate"] = limits(unavailable, surge)
    if min_ready:
        manifest["spec"]["minReadySeconds"] = min_ready
    if history is not None:
        manifest["spec"]["revisionHistoryLimit"] = history
    return manifest


def limits(unavailable: int | str = 1, surge: int | str | None = None) -> Object:
    """The parameters of a rolling update; maxSurge in those only that ask for it, as not every kind has such a field."""
    if surge is None:
        return {"maxUnavailable": unavailable}
    return {"maxUnavailable": 0, "maxSurge": surge}


def to(version: str, **spec: Any) -> Object:
    """The patch that brings a set to another version.

    Args:
        version: of its pods.
        spec: fields of the pods' spec that change with it.
    """
    template: Object = {"metadata": {"labels": {VERSION: version}}}
    return {"spec": {"template": {**template, **({"spec": spec} if spec else {})}}}


def version_of(pod: Pod) -> str | None:
    """The version of a pod."""
    return (pod.object["metadata"].get("labels") or {}).get(VERSION)


def all_at(version: str, *nodes: str) -> Goal:
    """Every eligible node has one active pod, of this version and Ready, and no other node has any.

    Args:
        version: of the pods.
        nodes: look at no others; all, when none is named.
    """

    def complaint(state: State) -> str | None:
        wrong = []
        for node in nodes or sorted(state.targets()):
            active = state.active_on(node)
            if node not in state.eligible:
                wrong += [f"{node} may have no pod, and has {pod.name}" for pod in active]
            elif len(active) != 1:
                wrong.append(f"{node} has {len(active)} active pods")
            elif version_of(active[0]) != version or not active[0].ready:
                ready = "Ready" if active[0].ready else "not Ready"
                wrong.append(f"{node} runs version {version_of(active[0])}, {ready}, instead of {version}")
        return "; ".join(wrong) or None

    return StateGoal(f"all_at({', '.join((version, *nodes))})", complaint, (NODE, POD, DAEMONSET))


def reached(version: str, *nodes: str) -> Goal:
    """These nodes have an active pod of this version, Ready or not.

    Args:
        version: of the pods.
        nodes: their names.
    """

    def complaint(state: State) -> str | None:
        missing = [n for n in nodes if all(version_of(pod) != version for pod in state.active_on(n))]
        return f"no pod of version {version} on {', '.join(missing)}" if missing else None

    return StateGoal(f"reached({version}, {', '.join(nodes)})", complaint)


def this_many_at(version: str, number: int) -> Goal:
    """So many nodes have an active pod of this version, and no fewer.

    Args:
        version: of the pods.
        number: of nodes.
    """

    def complaint(state: State) -> str | None:
        nodes = [n for n in state.targets() if any(version_of(pod) == version for pod in state.active_on(n))]
        return f"{len(nodes)} nodes have a pod of version {version}, not {number}" if len(nodes) < number else None

    return StateGoal(f"this_many_at({version}, {number})", complaint)


def ready_at(version: str, number: int) -> Goal:
    """So many nodes have an active pod of this version that is Ready, and no fewer.

    Args:
        version: of the pods.
        number: of nodes.
    """

    def complaint(state: State) -> str | None:
        nodes = [
            n for n in state.targets() if any(version_of(pod) == version and pod.ready for pod in state.active_on(n))
        ]
        few = len(nodes) < number
        return f"{len(nodes)} nodes have a Ready pod of version {version}, not {number}" if few else None

    return StateGoal(f"ready_at({version}, {number})", complaint)


def left(*uids: str) -> Goal:
    """None of these pods is active any more.

    Args:
        uids: of the pods.
    """

    def complaint(state: State) -> str | None:
        still = [state.pods[uid].name for uid in uids if uid in state.pods and state.pods[uid].active]
        return f"still active: {', '.join(still)}" if still else None

    return StateGoal("left", complaint)


def revisions(*numbers: int) -> Goal:
    """The set's revisions are as many as these numbers say, in this order: compared by rank, for numbers may skip.

    Args:
        numbers: such as ``3, 4``; only how many there are counts.
    """

    def complaint(state: State) -> str | None:
        mine = sorted(one.number for one in state.revisions.values() if one.owner == state.subject.uid)
        return None if len(mine) == len(numbers) else f"revisions are {mine}, expected {len(numbers)} of them"

    return StateGoal(f"{len(numbers)} revisions", complaint, (REVISION,))


# What is read of a set


def by_version(agent: SetUnderTest) -> dict[str | None, list[Pod]]:
    """Its active pods, by version."""
    found: dict[str | None, list[Pod]] = {}
    for one in map(Pod, agent.pods()):
        if one.active:
            found.setdefault(version_of(one), []).append(one)
    return found


def made_at(agent: SetUnderTest, version: str) -> list[Pod]:
    """The pods of this version that it ever made, in order."""
    return [pod for pod in map(Pod, agent.made()) if version_of(pod) == version]


def revisions_of(agent: SetUnderTest) -> list[Revision]:
    """Its revisions as they are now, by number."""
    found = [one for one in agent.state().revisions.values() if one.owner == agent.uid]
    return sorted(found, key=lambda one: one.number)


def first_seen(agent: SetUnderTest, uid: str) -> float:
    """When a pod was first seen, in unix seconds."""
    return next(
        one.at
        for one in agent.history().events
        if one.kind == POD and one.type == ADDED and one.object["metadata"]["uid"] == uid
    )


def asked_to_go(agent: SetUnderTest, uid: str) -> float | None:
    """When a pod was first seen terminating, or gone, in unix seconds; None if it never was."""
    for one in agent.history().events:
        metadata = one.object["metadata"]
        mine = one.kind == POD and metadata["uid"] == uid
        if mine and (one.type == DELETED or metadata.get("deletionTimestamp")):
            return one.at
    return None


# What is done to nodes and kubelets


def exactly(rig: Rig, count: int) -> list[Node]:
    """So many nodes and no more, which the row may change as it likes."""
    chosen = rig.workers(count)
    if surplus := rig.nodes[count:]:
        rig.nodes.leave(surplus).wait()
    return chosen


def hold(rig: Rig, *versions: str) -> None:
    """Let no pod of these versions start, on any node."""
    for version in versions:
        rig.nodes.behave({VERSION: version}, namespace=rig.namespace, start=False).wait()


def let_go(rig: Rig, *versions: str) -> None:
    """Undo `hold`."""
    for version in versions:
        rig.nodes.behave({VERSION: version}, namespace=rig.namespace, start=True).wait()


def bad(rig: Rig, *versions: str) -> None:
    """Let pods of these versions run without ever being Ready."""
    for version in versions:
        rig.nodes.behave({VERSION: version}, namespace=rig.namespace, ready=False).wait()


def aged(rig: Rig, agent: SetUnderTest) -> None:
    """Stamp the readiness of its pods as long past, where kubelets stand for that: minReadySeconds need not be waited for.

    Args:
        rig: the row's.
        agent: a set whose pods are all Ready.
    """
    if rig.has("behave"):
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": _LONG_AGO}
        for pod in agent.pods():
            name, patch = pod["metadata"]["name"], {"status": {"conditions": [ready]}}
            rig.patch(PODS, name, patch, subresource="status", kind=STRATEGIC_PATCH)


def told(nodes: Iterable[str]) -> str:
    """Nodes, for a message."""
    return ", ".join(sorted(nodes)) or "none"
