"""Ownership: whose pods are whose (rows OWN-01 to OWN-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.goals import adopted, every_eligible_node_served
from pytest_daemonset.conformance.manifests import daemonset, pod
from pytest_daemonset.contract import one_pod_per_node
from pytest_daemonset.kube.resources import CONFIG_MAPS, PODS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

AGENT = {"app": "agent"}


def test_OWN_01_a_matching_orphan_is_adopted_and_counts_for_its_node(rig: Rig) -> None:
    """Given a matching pod that nobody controls, then the set adopts it, and makes no other one for its node.

    Source: unit TestAddPodOrphan, TestGetNodesToDaemonPods. Catches: a second pod beside it. Trap: the orphan must have
    been seen before the set is, so it is planted first, with a barrier on another set; OnDelete, for it has no revision.
    """
    node = rig.workers(1)[0]
    other = rig.apply(daemonset("other"), recorded=False)
    orphan = rig.plant(pod("orphan", labels=AGENT, bound_to=node.name))
    other.barrier()
    agent = rig.apply(daemonset(strategy="OnDelete"), recorded=False)
    agent.eventually(adopted(orphan["metadata"]["uid"]))
    agent.eventually(one_pod_per_node)
    agent.barrier()
    rig.expect(agent.survived(orphan), "the orphan did not outlive its adoption")
    rig.expect(node.name not in agent.made_for(), f"a pod was made for {node} beside the orphan there")


@pytest.mark.daemonset_requires("audit", "behave")
def test_OWN_03_what_is_not_its_own_is_never_adopted_deleted_or_written_to(rig: Rig) -> None:
    """Given pods of others, of other labels, of other namespaces, and one that is terminating, then all are left alone.

    Source: unit TestGetNodesToDaemonPods, TestDeletePodOrphan. Catches: selection by label alone, which steals pods.
    Trap: negative, so a barrier, and the write log says who wrote.
    """
    node = rig.workers(1)[0].name
    elsewhere = rig.another_namespace()
    keeper = rig.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keeper"}})
    going = {**AGENT, "case": "terminating"}
    rig.nodes.behave(going, namespace=rig.namespace, hold_termination=True).wait()
    planted = [
        rig.plant(pod("foreign", labels=AGENT, bound_to=node, owner=keeper)),
        rig.plant(pod("unlike", labels={"app": "web"}, bound_to=node)),
        rig.plant(pod("elsewhere", labels=AGENT, bound_to=node), elsewhere),
        rig.plant(pod("terminating", labels=going, bound_to=node)),
    ]
    rig.delete_pod(planted[-1])
    agent = rig.apply(daemonset(strategy="OnDelete"), recorded=False)
    agent.eventually(every_eligible_node_served)
    agent.barrier()
    for one in planted:
        name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
        written = rig.writes.to_pods(name, namespace=namespace)
        rig.expect_no_writes(written, f"pod {name} is not {agent.daemonset}'s")
        now = rig.get(PODS, name, namespace)
        rig.expect(now is not None and now["metadata"]["uid"] == one["metadata"]["uid"], f"pod {name} is gone")
    rig.expect(agent.made_for().get(node) == 1, f"no pod was made for {node}, where others have theirs")


@pytest.mark.daemonset_requires("audit", "behave")
def test_OWN_05_ownership_is_decided_by_uid_not_by_name(rig: Rig) -> None:
    """Given a pod whose owner reference has the set's kind and name but another UID, then it is not the set's.

    Source: unit TestExpectationsOnRecreate; code. Catches: owners looked up by name, so that a recreated set takes its
    predecessor's pods for its own. Trap: the garbage collector deletes a pod whose owner does not exist: the kubelet
    holds it, and the write log tells the two apart.
    """
    node = rig.workers(1)[0].name
    rig.nodes.behave({"case": "imposter"}, namespace=rig.namespace, hold_termination=True).wait()
    uid = "00000000-0000-4000-8000-000000000000"
    late = {"apiVersion": rig.sets.api_version, "kind": rig.sets.kind, "metadata": {"name": "agent", "uid": uid}}
    rig.plant(pod("imposter", labels={**AGENT, "case": "imposter"}, bound_to=node, owner=late))
    agent = rig.apply(daemonset(strategy="OnDelete"), recorded=False)
    agent.barrier()
    rig.expect(agent.made_for().get(node) == 1, f"no pod was made for {node}: a namesake's pod was counted there")
    rig.expect_no_writes(
        rig.writes.to_pods("imposter", namespace=rig.namespace), "the pod of a namesake is not its own"
    )
    agent.eventually(one_pod_per_node)
