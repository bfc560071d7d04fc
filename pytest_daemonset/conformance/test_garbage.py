"""Deletion of the set (rows GC-01 to GC-08)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.goals import counters
from pytest_daemonset.conformance.manifests import daemonset, pod
from pytest_daemonset.contract import garbage_collected, one_pod_per_node, owned, ready, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

AGENT = {"app": "agent"}


def test_GC_01_the_deleted_set_goes_with_its_pods_and_nothing_is_made_again(rig: Rig) -> None:
    """When a set is deleted in the background, then it goes, its pods and revisions follow, and nothing comes back.

    Source: clean-up of every e2e test. Catches: a finalizer of the controller's own, pods made again. Trap: collecting
    takes its time; "nothing comes back" is negative, so a barrier, on another set of the same controller.
    """
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    agent.delete()
    agent.eventually(garbage_collected)
    other.barrier()
    agent.eventually(garbage_collected)


@pytest.mark.daemonset_requires("behave")
def test_GC_02_a_set_deleted_in_the_foreground_stays_until_its_pods_are_gone(rig: Rig) -> None:
    """When a set is deleted in the foreground, then it stays until its pods are gone, and none is made meanwhile.

    Source: code of the built-in controller and of the garbage collector. Catches: pods made again as they are collected,
    so that the deletion never ends. Trap: one pod's termination is held to widen the window; a barrier on another set.
    """
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    held = rig.workers(1)[0]
    made = len(agent.made())
    held.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    agent.delete("Foreground")
    other.barrier()
    rig.expect(len(agent.made()) == made, f"{len(agent.made()) - made} pods were made for a set that is being deleted")
    there = agent.state().daemonset
    rig.expect(there is not None and there.terminating, f"{agent.daemonset} went although a pod of it is still there")
    held.behave(AGENT, namespace=rig.namespace, hold_termination=False).wait()
    agent.eventually(garbage_collected)
    rig.expect(len(agent.made()) == made, f"{len(agent.made()) - made} pods were made for a set that is being deleted")


@pytest.mark.daemonset_requires("audit")
def test_GC_04_for_a_set_that_is_being_deleted_the_controller_writes_nothing(rig: Rig) -> None:
    """While a set is being deleted, then whatever happens to its pods, the controller writes nothing for it.

    Source: unit TestDontDoAnythingIfBeingDeleted. Catches: "one last sync". Trap: a finalizer keeps the set, so that the
    window is as wide as needed; a barrier on another set before pods go, for they are watched apart from sets, one after, and
    the write log.
    """
    other = rig.apply(daemonset("other"), recorded=False)
    agent = rig.apply(daemonset(strategy="OnDelete"), recorded=False)
    agent.eventually(one_pod_per_node & ready & status_matches)
    node = rig.workers(1)[0]
    agent.hold_by_finalizer()
    agent.barrier()
    mark = rig.writes.mark()
    agent.delete()
    other.barrier()
    rig.delete_pod(agent.pod_on(node), grace=0)
    rig.plant(pod("agent-orphan", labels=AGENT, bound_to=node.name))
    rig.nodes.join().wait()
    other.barrier()
    written = rig.writes.about(agent.namespace, agent.name, mark)
    rig.expect_no_writes(written, f"{agent.daemonset} is being deleted, so nothing is to be written for it")


def test_GC_06_each_pod_and_revision_has_exactly_one_complete_owner_reference(rig: Rig) -> None:
    """Given the pods and revisions of a set, then each has one owner reference, complete, from its first moment.

    Source: integration validateDaemonSetPodsAndMarkReady. Catches: blockOwnerDeletion left out, so that a foreground
    deletion comes back early. Trap: none; every event since before the set existed is judged.
    """
    agent = rig.apply(daemonset(strategy="OnDelete"))
    agent.eventually(one_pod_per_node)
    agent.update({"spec": {"template": {"metadata": {"annotations": {"example.com/version": "2"}}}}})
    rig.delete_pod(agent.pod_on(rig.workers(1)[0]), grace=0)
    agent.barrier()
    agent.throughout(owned)


@pytest.mark.daemonset_requires("behave")
def test_GC_07_a_set_deleted_and_made_again_under_its_name_gets_its_own_pods(rig: Rig) -> None:
    """When a set is deleted and made again at once, then the new one gets all its pods, and the old ones go.

    Source: unit TestExpectationsOnRecreate. Catches: waiting for events of pods of the dead one. Trap: two pods on a
    node, one of each, are right until the old ones are collected: everything goes by owner UID. The kubelet holds the old
    ones, so the new ones cannot have waited for their end.
    """
    old = rig.apply(daemonset())
    old.eventually(one_pod_per_node & ready)
    rig.nodes.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    old.delete()
    new = rig.apply(daemonset())
    rig.expect(new.uid != old.uid, "the set was not made again")
    new.eventually(one_pod_per_node & ready)
    rig.nodes.behave(AGENT, namespace=rig.namespace, hold_termination=False).wait()
    old.eventually(garbage_collected)
    new.eventually(one_pod_per_node & ready)


@pytest.mark.daemonset_requires("held_loops", "audit")
def test_GC_08_in_a_namespace_that_is_being_deleted_nothing_is_tried_again_and_again(rig: Rig) -> None:
    """Given a namespace that is being deleted, when a pod goes, then its replacement is tried once or twice, and told by no event.

    Source: code; observed as one attempt, and no event. Catches: a hot loop of refused creations until the namespace has gone.
    Trap: the loop that empties namespaces is held back, so that the set lives on; negative, so a barrier, on another set.
    """
    other = rig.apply(daemonset("other"))
    ending = rig.another_namespace()
    rig.hold("namespaces", ending)
    manifest = daemonset()
    manifest["metadata"]["namespace"] = ending
    agent = rig.apply(manifest, recorded=False)
    agent.eventually(one_pod_per_node & ready & status_matches)
    nodes, mark = len(agent.state().eligible), rig.writes.mark()
    rig.end_namespace(ending)
    for victim in agent.pods():
        rig.delete_pod(victim, grace=0)
    agent.eventually(counters(currentNumberScheduled=0))
    agent.stays(counters(currentNumberScheduled=0), for_=1.0)
    other.barrier()
    tried = [entry for entry in rig.writes.about(ending, agent.name, mark) if entry.resource == "pods"]
    rig.expect(
        len(tried) <= 2 * nodes, f"{len(tried)} pods were tried on {nodes} nodes of a namespace that is being deleted"
    )
    told = [entry for entry in rig.writes.events(agent, mark) if "FailedCreate" in str(entry.request)]
    rig.expect(len(told) == 0, f"{len(told)} events were tried in a namespace that is being deleted")
