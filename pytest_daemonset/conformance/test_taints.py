"""Taints, tolerations and node conditions (rows TAINT-01 to TAINT-12, NCOND-01 and NCOND-02)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_daemonset.conformance.goals import another_pod_on, every_eligible_node_served
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import expected_tolerations, one_pod_per_node, pod_on, ready, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

TAINT: Final = "example.com/dedicated=db"


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_TAINT_01_no_pod_is_made_on_a_node_with_an_untolerated_taint(rig: Rig, effect: str) -> None:
    """Given an untolerated taint, then no pod is made on its node, and the node does not count as desired.

    Source: unit TestTaintedNodeDaemonDoesNotLaunchIntolerantPod, integration TestTaintedNode. Catches: taints ignored, or
    left to the scheduler. Trap: "no pod" is negative: a barrier, then all that was seen since before the set existed.
    """
    rig.workers(2)[0].taint(f"{TAINT}:{effect}").wait()
    agent = rig.apply(daemonset(tolerations=[_tolerating(value="web"), _tolerating(key="example.com/other")]))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()
    agent.eventually(status_matches)


def _tolerating(
    key: str = "example.com/dedicated", operator: str = "Equal", value: str = "db", effect: str = ""
) -> Object:
    row = {"key": key, "operator": operator, "value": "" if operator == "Exists" else value, "effect": effect}
    return {field: text for field, text in row.items() if text}


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_TAINT_02_a_matching_toleration_admits_the_pod(rig: Rig, effect: str) -> None:
    """Given a toleration that matches, then the pod is made; spare tolerations harm nothing on clean nodes.

    Source: unit TestTaintedNodeDaemonLaunchesToleratePod, TestNodeDaemonLaunchesToleratePod. Catches: taint and toleration
    compared for equality. Trap: none; no barrier, for it would heal a lost wake-up.
    """
    tainted = rig.workers(2)[0]
    tainted.taint(f"{TAINT}:{effect}").wait()
    spare = [_tolerating(key="example.com/spare"), _tolerating(effect="NoSchedule"), _tolerating(effect="NoExecute")]
    ways = {
        "by-value": [_tolerating()],
        "by-default": [_tolerating(operator="")],
        "by-key": [_tolerating(operator="Exists")],
        "everything": [{"operator": "Exists"}],
        "by-effect": spare,
    }
    sets = [rig.apply(daemonset(name, tolerations=tolerations)) for name, tolerations in ways.items()]
    for one in sets:
        one.eventually(pod_on(tainted))
        one.eventually(one_pod_per_node)


def test_TAINT_04_a_no_schedule_taint_leaves_the_running_pod_where_it_is(rig: Rig) -> None:
    """When an untolerated NoSchedule taint appears, then the running pod stays: the same object, not asked to go.

    Source: unit TestNoScheduleTaintedDoesntEvicitRunningIntolerantPod. Catches: one predicate for "may start" and "may
    stay". Trap: negative, so a barrier with a sentinel on the same node stream.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    before = agent.pod_on(node)
    node.taint(f"{TAINT}:NoSchedule").wait()
    agent.barrier()
    rig.expect(agent.survived(before), f"the pod of {node} did not outlive a NoSchedule taint")


@pytest.mark.daemonset_requires("audit")
def test_TAINT_05_a_no_execute_taint_makes_the_controller_delete_the_pod(rig: Rig) -> None:
    """When an untolerated NoExecute taint appears, then the controller itself deletes the pod.

    Source: unit TestNoExecuteTaintedDoesEvicitRunningIntolerantPod. Catches: it is left to the taint eviction loop.
    Trap: that loop deletes the pod too, so the write log says who did it.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node)
    before = agent.pod_on(node)["metadata"]["name"]
    node.taint(f"{TAINT}:NoExecute").wait()
    agent.eventually(~pod_on(node))
    deleted = [one for one in rig.writes.to_pods(before, namespace=rig.namespace) if one.verb == "delete"]
    rig.expect(bool(deleted), f"{before} is gone from {node}, but it was not the controller who deleted it")
    agent.eventually(one_pod_per_node)


def test_TAINT_06_a_taint_that_goes_brings_the_pod(rig: Rig) -> None:
    """When the taint is removed, then the pod appears.

    Source: integration TestTaintedNode, unit TestUpdateNode. Catches: labels are the only change of a node that counts.
    Trap: no barrier and no nudge, so the set is at rest before the taint goes: else its other pods wake the controller.
    """
    node = rig.workers(2)[0]
    node.taint(f"{TAINT}:NoSchedule").wait()
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready & status_matches, settle=0.3)
    node.untaint("example.com/dedicated").wait()
    agent.eventually(pod_on(node))
    agent.eventually(one_pod_per_node)


def test_TAINT_06_a_toleration_that_comes_brings_the_pod(rig: Rig) -> None:
    """When the template gains a toleration, then the pod appears.

    Source: issue 42398. Catches: eligibility that is never computed again. Trap: under OnDelete, so that no roll-out
    makes the pod for another reason.
    """
    node = rig.workers(2)[0]
    node.taint(f"{TAINT}:NoSchedule").wait()
    agent = rig.apply(daemonset(strategy="OnDelete"))
    agent.eventually(one_pod_per_node)
    agent.update({"spec": {"template": {"spec": {"tolerations": [_tolerating()]}}}})
    agent.eventually(pod_on(node))


@pytest.mark.parametrize("host", [False, True], ids=["pod network", "host network"])
def test_TAINT_08_every_pod_carries_the_standard_tolerations(rig: Rig, host: bool) -> None:
    """Given a created pod, then it carries the standard tolerations, none of them with a time limit.

    Source: contract.md section (a). Catches: not-ready and unreachable forgotten, which admission then adds for 300 s.
    Trap: admission adds others, so the pod must have these, and nothing with a time limit for their keys.
    """
    manifest = daemonset(hostNetwork=host)
    agent = rig.apply(manifest)
    agent.barrier()
    made = agent.made()
    rig.expect(bool(made), "no pod was made")
    wanted = expected_tolerations(manifest["spec"]["template"])
    for pod in made:
        carried = pod["spec"].get("tolerations") or []
        missing = [one for one in wanted if one not in carried]
        limited = [
            one
            for one in carried
            if one.get("tolerationSeconds") is not None
            and any((one.get("key"), one.get("effect")) == (other["key"], other["effect"]) for other in wanted)
        ]
        name = pod["metadata"]["name"]
        rig.expect(not missing, f"pod {name} lacks the tolerations {missing}")
        rig.expect(not limited, f"pod {name} has tolerations with a time limit: {limited}")


def test_TAINT_12_cordoned_pressured_and_unready_nodes_are_eligible(rig: Rig) -> None:
    """Given nodes with the taints that the standard tolerations match, then they get pods like all others.

    Source: unit TestNodeShouldRunDaemonPod, integration TestUnschedulableNodeDaemonDoesLaunchPod. Catches: eligibility
    judged by the bare template. Trap: the taints are set by hand; no loop need derive them from conditions.
    """
    cordoned, troubled = rig.workers(2)
    cordoned.cordon().wait()
    for taint in (
        "memory-pressure:NoSchedule",
        "disk-pressure:NoSchedule",
        "pid-pressure:NoSchedule",
        "not-ready:NoExecute",
        "unreachable:NoExecute",
    ):
        troubled.taint(f"node.kubernetes.io/{taint}").wait()
    agent = rig.apply(daemonset())
    agent.eventually(pod_on(cordoned))
    agent.eventually(pod_on(troubled))
    agent.eventually(one_pod_per_node)


@pytest.mark.daemonset_requires("virtual_nodes")
@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_NCOND_01_conditions_without_taints_decide_nothing(rig: Rig, ready: str) -> None:
    """Given a node that is not Ready, without network and under pressure, but untainted, then it keeps and gets pods.

    Source: unit TestNotReadyNodeDaemonDoesLaunchPod, TestNetworkUnavailableNodeDaemonLaunchesPod. Catches: NotReady nodes
    skipped or drained. Trap: a node lifecycle loop would add taints, so the row needs a cluster without one; "keeps" is
    negative, so a barrier.
    """
    node = rig.nodes.join().wait()
    agent = rig.apply(daemonset())
    agent.eventually(pod_on(node))
    before = agent.pod_on(node)
    bad = {"Ready": ready, "NetworkUnavailable": "True", "MemoryPressure": "True", "DiskPressure": "True"}
    conditions = [{"type": kind, "status": status, "reason": "Conformance"} for kind, status in bad.items()]
    rig.patch_node(node, {"status": {"conditions": conditions}}, "status")
    agent.barrier()
    rig.expect(agent.survived(before), f"the pod of {node} did not outlive its Ready condition being {ready}")
    later = rig.apply(daemonset("later"))
    later.eventually(pod_on(node))
    later.eventually(one_pod_per_node)


def test_NCOND_02_the_unschedulable_flag_alone_is_ignored(rig: Rig) -> None:
    """When a node is marked unschedulable, then its pod stays; deleted, it comes back.

    Source: unit TestNodeShouldRunDaemonPod. Catches: a filter on the flag. Trap: a barrier for the first half only; the
    second half is liveness, and what wakes the controller then is the deletion.
    """
    node = rig.nodes.join().wait()
    agent = rig.apply(daemonset())
    agent.eventually(pod_on(node))
    before = agent.pod_on(node)
    rig.patch_node(node, {"spec": {"unschedulable": True}})
    agent.barrier()
    rig.expect(agent.survived(before), f"the pod of {node} did not outlive the unschedulable flag")
    rig.delete_pod(before, grace=0)
    agent.eventually(another_pod_on(node.name, before["metadata"]["uid"]))
