"""Taints and tolerations in detail (rows TAINT-03 to TAINT-13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import counters, every_eligible_node_served, going_or_gone
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import expected_tolerations, one_pod_per_node, pod_on, ready, status_matches
from pytest_daemonset.kube.client import STRATEGIC_PATCH
from pytest_daemonset.kube.resources import CONTROLLER_REVISIONS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

KEY = "example.com/dedicated"
NODE_KEY = "node.kubernetes.io/"


def _toleration(operator: str = "", value: str = "", effect: str = "", key: str = KEY) -> Object:
    row = {"key": key, "operator": operator, "value": value, "effect": effect}
    return {field: text for field, text in row.items() if text}


@pytest.mark.parametrize(
    "toleration",
    [
        pytest.param(_toleration("Exists", key=""), id="empty key and Exists: everything"),
        pytest.param(_toleration("Exists"), id="key and Exists"),
        pytest.param(_toleration("Exists", effect="NoExecute"), id="another effect"),
        pytest.param(_toleration("Exists", effect="NoSchedule"), id="the effect"),
        pytest.param(_toleration(value="db"), id="no operator compares values, equal"),
        pytest.param(_toleration(value="web"), id="no operator compares values, unequal"),
        pytest.param(_toleration("Equal"), id="Equal to the empty value"),
        pytest.param(_toleration("Equal", "db", "NoExecute"), id="equal, of another effect"),
    ],
)
def test_TAINT_03_a_toleration_matches_by_key_operator_value_and_effect(rig: Rig, toleration: Object) -> None:
    """Given one taint and one toleration, then the node is eligible exactly where the rules of matching say so.

    Source: code (component-helpers). Catches: keys compared only. Trap: the expected nodes come from the oracle; "no pod" is
    negative, so a barrier.
    """
    rig.workers(2)[0].taint(f"{KEY}=db:NoSchedule").wait()
    agent = rig.apply(daemonset(tolerations=[toleration]))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()


def test_TAINT_07_a_tainted_node_that_keeps_its_pod_is_misscheduled_and_gets_no_other(rig: Rig) -> None:
    """When a NoSchedule taint comes, then the node counts as misscheduled; once its pod is gone it gets no other one.

    Source: code; for the built-in controller the taint alone wakes nobody (observed). Catches: a pod made again because it ran
    here before. Trap: counters without a nudge, so at rest before; "no other one" is negative, so a barrier.
    """
    node, rest = rig.workers(2)[0], rig.rested()
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready & status_matches, settle=rest)
    made = agent.made_for()
    node.taint(f"{KEY}:NoSchedule").wait()
    agent.eventually(counters(numberMisscheduled=1) & status_matches)
    victim = agent.pod_on(node)
    rig.delete_pod(victim, grace=0)
    agent.eventually(going_or_gone(victim["metadata"]["uid"]) & counters(numberMisscheduled=0))
    agent.barrier()
    rig.expect(
        agent.made_for() == made, f"pods made were {made}; {node} was tainted, and they became {agent.made_for()}"
    )
    node.untaint(KEY).wait()
    agent.eventually(pod_on(node))


@pytest.mark.parametrize("host_network", [False, True], ids=["pod network", "host network"])
def test_TAINT_09_a_node_without_network_is_for_the_host_network_only(rig: Rig, host_network: bool) -> None:
    """Given a node whose network is unavailable, then a pod of the host network is made there, and no other is.

    Source: integration TestUnschedulableNodeDaemonDoesLaunchPod. Catches: the toleration on every pod, so that ordinary ones
    start before there is a network. Trap: the taint is set outright, for no node lifecycle loop need run; where one does, it would take
    the taint away again but for the condition.
    """
    node = rig.nodes.join().wait()
    condition = {"type": "NetworkUnavailable", "status": "True", "reason": "Conformance"}
    rig.patch_node(node, {"status": {"conditions": [condition]}}, "status", STRATEGIC_PATCH)
    node.taint(f"{NODE_KEY}network-unavailable:NoSchedule").wait()
    agent = rig.apply(daemonset(hostNetwork=host_network))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()
    made = node.name in agent.made_for()
    rig.expect(
        made == host_network, f"a pod {'was' if made else 'was not'} made on {node}, whose network is unavailable"
    )
    for pod in agent.made():
        keys = {one.get("key") for one in pod["spec"].get("tolerations") or ()}
        carries = f"{NODE_KEY}network-unavailable" in keys
        rig.expect(carries == host_network, f"pod {pod['metadata']['name']} tolerates {sorted(map(str, keys))}")


def test_TAINT_10_a_time_limit_on_a_standard_toleration_is_lifted(rig: Rig) -> None:
    """Given tolerations of the template, then pods keep each once, and one that equals a standard one has no time limit.

    Source: contract.md section (a); observed. Catches: duplicates; a limit of five seconds left in force. Trap: admission may
    add tolerations of its own, so only those of the contract are asked for; two equal ones in a template are kept twice by
    the built-in controller, so there are none here.
    """
    own = {"key": "example.com/own", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 7}
    short = {"key": f"{NODE_KEY}not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    manifest = daemonset(tolerations=[own, short])
    agent = rig.apply(manifest)
    agent.eventually(every_eligible_node_served)
    rig.expect(bool(agent.made()), "no pod was made")
    wanted = expected_tolerations(manifest["spec"]["template"])
    for pod in agent.made():
        there = pod["spec"].get("tolerations") or []
        name = pod["metadata"]["name"]
        wrong = [one for one in wanted if there.count(one) != 1]
        rig.expect(not wrong, f"pod {name} should carry each of these once: {wrong}; it carries {there}")
        limited = [one for one in there if one["key"] == short["key"] and "tolerationSeconds" in one]
        rig.expect(not limited, f"pod {name} has a time limit where the contract has none: {limited}")


def test_TAINT_11_what_is_added_to_pods_is_in_no_template_and_no_revision(rig: Rig) -> None:
    """Given a set at work, then its stored template and its revisions have the author's tolerations only.

    Source: code; observed. Catches: the cached template edited in place, so that generations grow for ever or a rollout starts.
    Trap: compared after several syncs, each proven by a barrier.
    """
    own = [{"key": "example.com/own", "operator": "Exists"}]
    agent = rig.apply(daemonset(tolerations=own))
    agent.eventually(one_pod_per_node & ready)
    before = agent.uids()
    template = agent.get()["spec"]["template"]
    for _ in range(2):
        agent.barrier()
    stored = agent.get()["spec"]["template"]
    rig.expect(stored == template, f"the stored template became {stored}")
    mine = [one for one in rig.objects(CONTROLLER_REVISIONS) if one["metadata"]["name"].startswith(f"{agent.name}-")]
    for one in mine:
        kept = rig.shape.template_of(one.get("data") or {}).get("spec", {}).get("tolerations")
        rig.expect(kept in (None, own), f"revision {one['metadata']['name']} has tolerations {kept} instead of {own}")
    rig.expect(len(mine) <= 1, f"one template made {len(mine)} revisions")
    rig.expect(agent.uids() == before, "pods were replaced although nothing had changed")


@pytest.mark.parametrize("key", ["not-ready", "unreachable"])
def test_TAINT_13_the_no_schedule_forms_of_unready_are_not_tolerated(rig: Rig, key: str) -> None:
    """Given a NoSchedule taint of an unready node, then no new pod is made there, and an old one stays.

    Source: code. Catches: tolerated by key, whatever the effect. Trap: real clusters give every new node this taint, so no
    exact counts; negative, so barriers.
    """
    first, second = rig.workers(2)
    first.taint(f"{NODE_KEY}{key}:NoSchedule").wait()
    agent = rig.apply(daemonset())
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()
    agent.eventually(ready)
    kept = agent.pod_on(second)
    second.taint(f"{NODE_KEY}{key}:NoSchedule").wait()
    second.taint(f"{NODE_KEY}{key}:NoExecute").wait()
    agent.barrier()
    rig.expect(agent.survived(kept), f"the pod of {second} did not outlive the taints of an unready node")
    first.untaint(f"{NODE_KEY}{key}").wait()
    agent.eventually(pod_on(first))
