"""Pods that fail, end or are deleted, and how they are deleted (rows FAIL-01 to FAIL-07, TERM-02)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.goals import (
    StateGoal,
    another_pod_on,
    every_eligible_node_served,
    going_or_gone,
    running_on,
)
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import one_pod_per_node, ready
from pytest_daemonset.contract.events import POD
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.contract import State

AGENT = {"app": "agent"}
OWN_GRACE = 40


@pytest.mark.parametrize("grace", [None, 0], ids=["gracefully", "by force"])
def test_FAIL_01_a_deleted_pod_comes_back_on_its_node_as_another_pod(rig: Rig, grace: int | None) -> None:
    """When somebody deletes a pod, gracefully or by force, then another one comes on the same node.

    Source: e2e "should run and stop simple daemon". Catches: a controller that watches its own object only.
    Trap: a name proves nothing, and the old pod may look fine for a while; UIDs are compared. No barrier, no nudge.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    rig.delete_pod(victim, grace=grace)
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    agent.eventually(one_pod_per_node & ready)


@pytest.mark.daemonset_requires("behave")
def test_FAIL_02_a_failed_pod_is_deleted_and_replaced_on_its_node(rig: Rig) -> None:
    """When a pod's phase becomes Failed, then it is deleted, and another one comes on the same node.

    Source: e2e "should retry creating failed daemon pods", integration TestSimpleDaemonSetRestartsPodsOnTerminalPhase.
    Catches: waiting for a deletion that never comes. Trap: a real kubelet may write the phase again; a virtual one not.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    rig.nodes.fail(victim).wait()
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    agent.eventually(one_pod_per_node & ready)


@pytest.mark.daemonset_requires("behave")
def test_FAIL_03_a_succeeded_pod_is_deleted_and_replaced_on_its_node(rig: Rig) -> None:
    """When a pod's phase becomes Succeeded, as when a node shuts down, then it is deleted and replaced.

    Source: integration TestSimpleDaemonSetRestartsPodsOnTerminalPhase, issue 117018. Catches: only Failed is handled.
    Trap: as for FAIL-02.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    rig.nodes.succeed(victim).wait()
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    agent.eventually(one_pod_per_node & ready)


@pytest.mark.daemonset_requires("behave")
def test_FAIL_07_an_unready_pending_or_unknown_pod_is_never_deleted(rig: Rig) -> None:
    """Given pods that are unready, Pending or of unknown phase, then none of them is deleted.

    Source: code of the built-in controller. Catches: "unhealthy" pods deleted to heal them. Trap: negative, so a barrier;
    nobody else deletes pods here, so that each is still the same pod says who did what.
    """
    unready, pending, unknown = rig.workers(3)
    unready.behave(AGENT, namespace=rig.namespace, ready=False).wait()
    pending.behave(AGENT, namespace=rig.namespace, start=False).wait()
    agent = rig.apply(daemonset())
    agent.eventually(every_eligible_node_served)
    agent.eventually(running_on(unready.name) & running_on(unknown.name))
    before = {node.name: agent.pod_on(node) for node in (unready, pending, unknown)}
    rig.patch(PODS, before[unknown.name]["metadata"]["name"], {"status": {"phase": "Unknown"}}, subresource="status")
    agent.barrier()
    deleted = [node for node, one in before.items() if not agent.survived(one)]
    rig.expect(not deleted, f"pods were deleted that only were not well, on {', '.join(deleted)}")


@pytest.mark.daemonset_requires("behave")
def test_TERM_02_a_deletion_keeps_the_pod_s_own_grace_period(rig: Rig) -> None:
    """When the controller deletes a pod, then the pod gets the grace period of its own spec.

    Source: code of the built-in controller. Catches: grace zero "to be quick", and so two daemons at once.
    Trap: a pod with grace zero is gone at once; the kubelet holds the termination, so that a pod that is let go in peace
    can be looked at.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset(terminationGracePeriodSeconds=OWN_GRACE))
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)["metadata"]["uid"]
    node.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    node.taint("example.com/dedicated:NoExecute").wait()
    agent.eventually(going_or_gone(victim))
    graces = [
        event.object["metadata"].get("deletionGracePeriodSeconds")
        for event in agent.history().events
        if event.kind == POD
        and event.object["metadata"]["uid"] == victim
        and event.object["metadata"].get("deletionTimestamp")
    ]
    rig.expect(graces[:1] == [OWN_GRACE], f"a pod with a grace period of {OWN_GRACE} s was deleted with {graces} s")


@pytest.mark.daemonset_requires("behave")
@pytest.mark.parametrize("case", ["rejected", "evicted"])
def test_FAIL_09_pods_that_the_kubelet_rejects_or_evicts_are_replaced(rig: Rig, case: str) -> None:
    """When the kubelet rejects a pod at admission, or evicts it, then it is deleted and replaced on its node.

    Source: code; emulated: a virtual kubelet writes what a real one does. Catches: a rejection taken for progress, so that the
    node waits for ever. Trap: the reason of the kubelet is on the pod, unlike in FAIL-02; no barrier.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    if case == "evicted":
        rig.nodes.fail(victim, reason="Evicted", message="The node was low on resource: memory.").wait()
    else:
        node.behave(AGENT, namespace=rig.namespace, reject="NodeAffinity").wait()
        rig.delete_pod(victim, grace=0)
        agent.eventually(_rejected(node.name))
        node.behave(AGENT, namespace=rig.namespace, reject=None).wait()
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    agent.eventually(one_pod_per_node & ready, after=4 * rig.timings.back_off)


def _rejected(node: str) -> StateGoal:
    seen: set[str] = set()

    def complaint(state: State) -> str | None:
        seen.update(pod.uid for pod in state.owned_on(node) if pod.terminal)
        return None if seen else f"no pod on {node} has been rejected"

    return StateGoal(f"a pod was rejected on {node}", complaint)
