"""Placement: field terms, named nodes, rules that change (rows PLACE-05 to PLACE-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import counters, every_eligible_node_served, gone
from pytest_daemonset.conformance.manifests import NOBODY, daemonset, expressions, required
from pytest_daemonset.conformance.rolling import VERSION, rolling, to, version_of
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.contract.views import Pod

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

ZONE = "example.com/zone"


def _named(*nodes: str, operator: str = "In") -> Object:
    """A field term on the names of nodes; the API takes one name a requirement."""
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [node]} for node in nodes]}


@pytest.mark.parametrize("case", ["named", "named or labelled", "named and labelled", "all but one"])
def test_PLACE_05_terms_on_the_node_s_name_are_honoured(rig: Rig, case: str) -> None:
    """Given required affinity on the node's name, then it decides as a label does, alone and beside labels.

    Source: integration TestDaemonSetWithNodeSelectorLaunchesPods. Catches: field terms ignored, so that the named node gets
    nothing, or all do. Trap: none beyond the barrier.
    """
    first, second, _ = rig.workers(3)
    second.label({ZONE: "b"}).wait()
    in_b = expressions((ZONE, "In", ["b"]))
    terms = {
        "named": [_named(first.name)],
        "named or labelled": [_named(first.name), in_b],
        "named and labelled": [{**_named(first.name), **in_b}],
        "all but one": [_named(first.name, operator="NotIn")],
    }[case]
    agent = rig.apply(daemonset(affinity=required(*terms)))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()


def test_PLACE_06_a_node_must_satisfy_selector_and_affinity_both(rig: Rig) -> None:
    """Given nodeSelector and required affinity, then only nodes that satisfy both get a pod.

    Source: code of the built-in controller. Catches: "or". Trap: everything seen since before the set existed is judged.
    """
    both, first, second = rig.workers(3)
    both.label({ZONE: "a", "example.com/disk": "ssd"}).wait()
    first.label({ZONE: "a"}).wait()
    second.label({"example.com/disk": "ssd"}).wait()
    wanted = required(expressions(("example.com/disk", "In", ["ssd"])))
    agent = rig.apply(daemonset(nodeSelector={ZONE: "a"}, affinity=wanted))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()
    rig.expect(agent.made_for() == {both.name: 1}, f"expected one pod, for {both}; made were {agent.made_for()}")


@pytest.mark.parametrize("case", ["a node", "an unknown node", "a node that the selector admits not"])
def test_PLACE_07_a_template_that_names_a_node_is_for_that_node_only(rig: Rig, case: str) -> None:
    """Given a template with a node's name, then only that node gets a pod; an unknown or unfit one, then none does.

    Source: unit TestNameDaemonSetLaunchesPods, TestInconsistentNameSelectorDaemonSetDoesNothing. Catches: the name replaced by
    each node's in turn. Trap: the empty cases are negative, so a barrier.
    """
    node = rig.workers(2)[0]
    manifest = {
        "a node": daemonset(nodeName=node.name),
        "an unknown node": daemonset(nodeName="no-such-node"),
        "a node that the selector admits not": daemonset(nodeName=node.name, nodeSelector={ZONE: "nowhere"}),
    }[case]
    agent = rig.apply(manifest)
    expected = {node.name: 1} if case == "a node" else {}
    agent.eventually(counters(desiredNumberScheduled=len(expected), currentNumberScheduled=len(expected)))
    agent.barrier()
    rig.expect(agent.made_for() == expected, f"{case}: expected pods for {expected}, made were {agent.made_for()}")


def test_PLACE_10_the_pin_replaces_the_required_node_terms_alone(rig: Rig) -> None:
    """Given a created pod, then nodeSelector, preferred terms and pod affinity of the template are on it.

    Source: unit TestReplaceDaemonSetPodNodeNameNodeAffinity, issue 89476. Catches: the whole affinity replaced, so that
    anti-affinity is lost. Trap: none; the first moment of every pod is read.
    """
    preferred = [{"weight": 3, "preference": expressions((ZONE, "In", ["a"]))}]
    apart = {"labelSelector": {"matchLabels": {"app": "other"}}, "topologyKey": "kubernetes.io/hostname"}
    anti = {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}
    affinity = required(expressions(("kubernetes.io/os", "In", ["linux"])))
    affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    selector = {"kubernetes.io/os": "linux"}
    agent = rig.apply(daemonset(affinity={**affinity, "podAntiAffinity": anti}, nodeSelector=selector))
    agent.eventually(every_eligible_node_served)
    rig.expect(bool(agent.made()), "no pod was made")
    for pod in agent.made():
        spec = pod["spec"]
        kept = spec.get("affinity") or {}
        left = {
            "nodeSelector": spec.get("nodeSelector") == selector,
            "preferred terms": (kept.get("nodeAffinity") or {}).get("preferredDuringSchedulingIgnoredDuringExecution")
            == preferred,
            "podAntiAffinity": kept.get("podAntiAffinity") == anti,
        }
        lost = [what for what, there in left.items() if not there]
        rig.expect(not lost, f"pod {pod['metadata']['name']} lost {', '.join(lost)} of its template")


def test_PLACE_13_under_on_delete_too_the_new_rules_decide_where_pods_are(rig: Rig) -> None:
    """Given OnDelete, when the template's node selector changes, then dropped nodes lose their pods, new ones get theirs.

    Source: e2e "... complex daemon"; observed. Catches: each pod judged by the template that it was made from. Trap: survivors
    are compared by UID, and have the old version; no nudge, and a
    barrier before survivors are looked at.
    """
    first, second, third = rig.workers(3)
    first.label({ZONE: "a"}).wait()
    second.label({ZONE: "b"}).wait()
    third.label({ZONE: "b"}).wait()
    agent = rig.apply(rolling(strategy="OnDelete", nodeSelector={ZONE: "a"}))
    agent.eventually(one_pod_per_node & ready)
    agent.update(to("2", nodeSelector={ZONE: "b"}))
    agent.eventually(one_pod_per_node & ready & status_matches)
    there = {Pod(one).target: version_of(Pod(one)) for one in agent.pods() if Pod(one).active}
    rig.expect(there == {second.name: "2", third.name: "2"}, f"pods by node and {VERSION} are {there}")
    survivors = agent.uids()
    agent.update(to("3", nodeSelector={ZONE: None}))
    agent.eventually(one_pod_per_node & ready & status_matches)
    agent.barrier()
    moved = [node for node, uid in survivors.items() if agent.uids().get(node) != uid]
    rig.expect(
        not moved, f"pods on {', '.join(moved)} were replaced under OnDelete, though their nodes stayed eligible"
    )


def test_PLACE_14_an_unbound_pod_goes_when_its_node_stops_being_eligible(rig: Rig) -> None:
    """Given a pod that is not bound yet, when its node stops being eligible, then the pod is removed.

    Source: code; the built-in controller waits for another event (observed). Catches: pods looked up by the node that they are
    bound to. Trap: no nudge, so at rest before, and all other nodes are kept still, for a change of theirs would be one.
    """
    node, rest = rig.workers(2)[0], rig.rested()
    node.label({ZONE: "a"}).wait()
    agent = rig.apply(daemonset(schedulerName=NOBODY, nodeSelector={ZONE: "a"}))
    agent.eventually(every_eligible_node_served & counters(currentNumberScheduled=1), settle=rest)
    victim = agent.pod_on(node)["metadata"]["uid"]
    node.label({ZONE: None}).wait()
    agent.eventually(gone(victim))
