"""Nodes that are lost, come back, change often or do not matter (rows NCOND-03, NCOND-04, NODE-03 to NODE-06)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.goals import another_pod_on, counters, every_eligible_node_served, gone
from pytest_daemonset.conformance.manifests import NOBODY, daemonset
from pytest_daemonset.contract import one_pod_per_node, pod_on, ready, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

AGENT = {"app": "agent"}
FLIPS = 12


@pytest.mark.daemonset_requires("crash")
def test_NCOND_03_the_pod_of_a_lost_node_is_neither_deleted_nor_replaced(rig: Rig) -> None:
    """When a node becomes unreachable, then its pod stays and no other one is made; it merely stops being available.

    Source: unit TestUnreachableNodeDaemonLaunchesPod (start only); code. Catches: the lost pod made again elsewhere; a lost pod that
    counts as available for ever. Trap: the loop that turns pods of lost nodes not Ready is emulated; its taint alone would take the
    node out of the counters, so it is tolerated; counters come before the barrier, which would heal them; "neither" is negative,
    so a barrier.
    """
    node = rig.workers(2)[0]
    tainted = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoSchedule"}
    agent = rig.apply(daemonset(tolerations=[tainted]))
    agent.eventually(one_pod_per_node & ready & status_matches)
    made, lost, nodes = agent.made_for(), agent.pod_on(node), len(agent.uids())
    node.crash().wait()
    left = {"numberReady": nodes - 1, "numberAvailable": nodes - 1, "numberUnavailable": 1}
    agent.eventually(counters(desiredNumberScheduled=nodes, currentNumberScheduled=nodes, **left))
    agent.barrier()
    rig.expect(agent.survived(lost), f"the pod of {node} was deleted when the node was lost")
    rig.expect(agent.made_for() == made, f"pods were made when {node} was lost: {agent.made_for()} instead of {made}")


@pytest.mark.daemonset_requires("audit")
def test_NCOND_04_changes_of_a_node_that_cannot_matter_cause_no_write(rig: Rig) -> None:
    """When a node's annotations, addresses, allocatable resources or heartbeats change, then the controller writes nothing.

    Source: unit TestShouldIgnoreNodeUpdate. Catches: the status written at each heartbeat. Trap: negative, so a barrier, on
    another set, for one on this set would make it write.
    """
    node = rig.workers(1)[0]
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    for one in (other, agent):
        one.settles(one_pod_per_node & ready & status_matches)
    mark = rig.writes.mark()
    for number in range(5):
        node.annotate({"example.com/beat": str(number)}).wait()
        rig.patch_node(node, {"status": {"allocatable": {"cpu": str(8 + number)}}}, "status")
        address = {"type": "ExternalIP", "address": f"192.0.2.{number + 1}"}
        rig.patch_node(node, {"status": {"addresses": [address]}}, "status")
    other.barrier()
    written = rig.writes.about(agent.namespace, agent.name, mark)
    rig.expect_no_writes(written, f"nothing changed on {node} that matters to a set")


@pytest.mark.daemonset_requires("audit")
@pytest.mark.parametrize("its_pod", ["unbound", "bound"])
def test_NODE_03_the_controller_removes_the_unbound_pod_of_a_node_that_vanished(rig: Rig, its_pod: str) -> None:
    """When a node vanishes while its pod is unbound, then the controller deletes it; a bound one is left to pod GC.

    Source: unit TestDeleteUnscheduledPodForNotExistingNode, kruise issue 443; the built-in controller waits for another event
    (observed). Catches: a Pending pod for ever. Trap: who deleted is read from the write log; no nudge, so at rest before, and
    no bound pod beside the unbound ones, whose end would be one. The bound pod is Ready first, and has a finalizer, so that pod
    GC cannot take its object away.
    """
    node = rig.workers(2)[0]
    manifest = daemonset(schedulerName=NOBODY) if its_pod == "unbound" else daemonset()
    if its_pod == "bound":
        manifest["spec"]["template"]["metadata"]["finalizers"] = ["example.com/kept"]
    agent = rig.apply(manifest)
    rig.at_end(lambda: rig.strip_finalizers(agent.pods()))
    if its_pod == "unbound":
        agent.eventually(every_eligible_node_served, settle=rig.rested())
    else:
        agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    name, uid = victim["metadata"]["name"], victim["metadata"]["uid"]
    node.leave().wait()
    if its_pod == "unbound":
        agent.eventually(gone(uid))
    agent.barrier()
    deleted = any(entry.verb == "delete" for entry in rig.writes.to_pods(name, namespace=rig.namespace))
    if its_pod == "unbound":
        rig.expect(deleted, f"the unbound pod of {node} went, but not by the controller")
    else:
        rig.expect(not deleted, f"the controller deleted {name}, which was bound to {node}")


def test_NODE_04_a_node_that_comes_back_under_its_name_has_one_pod_in_the_end(rig: Rig) -> None:
    """When a node is deleted and made again under its name, then it has exactly one active pod in the end.

    Source: contract.md, no upstream test. Catches: the name remembered as served. Trap: the old pod may outlive the gap, so
    the end alone is judged, after a moment, for the goal may hold at first for the old pod; no nudge.
    """
    node = rig.workers(2)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    node.leave().wait()
    node.rejoin().wait()
    agent.eventually(one_pod_per_node & ready & pod_on(node), settle=0.5)
    node.leave().wait()
    agent.eventually(~pod_on(node))
    node.rejoin().wait()
    agent.eventually(one_pod_per_node & ready & pod_on(node))


@pytest.mark.parametrize("ends", ["with", "without"])
def test_NODE_05_when_labels_and_taints_flap_the_last_state_decides(rig: Rig, ends: str) -> None:
    """When a label and a taint of a node flap faster than anybody reacts, then the last state decides.

    Source: contract.md, no upstream test; observed. Catches: what an event says done, instead of what is. Trap: the end alone is
    judged, without a nudge, and once more after a barrier; the guards judge every moment.
    """
    labelled, tainted, _ = rig.workers(3)
    for node in rig.nodes:
        node.label({"example.com/zone": "a"}).wait()
    agent = rig.apply(daemonset(nodeSelector={"example.com/zone": "a"}))
    agent.eventually(one_pod_per_node)
    for number in range(FLIPS + (ends == "with")):
        labelled.label({"example.com/zone": "a" if number % 2 == 0 else "b"}).wait()
        if number % 2 == 0:
            tainted.untaint("example.com/flap").wait()
        else:
            tainted.taint("example.com/flap:NoExecute").wait()
    agent.eventually(one_pod_per_node & status_matches)
    agent.barrier()
    agent.eventually(one_pod_per_node & status_matches)


def test_NODE_06_a_pod_deleted_on_a_cordoned_node_comes_back(rig: Rig) -> None:
    """When the pod of a cordoned node is deleted, then another one comes there.

    Source: code of kubectl drain, which leaves daemon pods alone for this. Catches: cordoned nodes passed over. Trap: none.
    """
    node = rig.workers(2)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    node.cordon().wait()
    victim = agent.pod_on(node)
    rig.delete_pod(victim, grace=0)
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
