"""Placement: which nodes get a pod, and what the pod looks like (rows PLACE-01 to PLACE-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import StateGoal, counters, every_eligible_node_served
from pytest_daemonset.conformance.manifests import daemonset, expressions, required
from pytest_daemonset.contract import (
    one_pod_per_node,
    pod_on,
    ready,
    status_matches,
)
from pytest_daemonset.contract.views import Pod
from pytest_daemonset.kube.resources import PODS
from pytest_daemonset.observe.barrier import LABEL as SENTINEL

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.contract import State

Object = dict[str, Any]


def test_PLACE_01_every_node_gets_exactly_one_pod(rig: Rig) -> None:
    """Given nodes without constraints, when a set is created, then each gets one pod and no other pod exists.

    Source: e2e "should run and stop simple daemon". Catches: a number of nodes taken for a number of replicas.
    Trap: the expected nodes are those of each moment, so the oracle computes them anew for every state; the state must
    then last beyond a barrier, which comes after it and so heals no lost wake-up. The barrier's own pods are none of the row's.
    """
    agent = rig.apply(daemonset())
    agent.settles(one_pod_per_node & StateGoal("no_other_pod", _other_pods))


def _other_pods(state: State) -> str | None:
    others = sorted(
        pod.name
        for uid, pod in state.pods.items()
        if uid not in state.owned and SENTINEL not in (pod.object["metadata"].get("labels") or {})
    )
    return f"nobody owns {', '.join(others)}" if others else None


def test_PLACE_02_no_eligible_node_no_pod_and_the_generation_is_observed(rig: Rig) -> None:
    """Given no eligible node, then no pod is made, all counters are zero, and observedGeneration catches up.

    Source: unit TestNoNodesDoesNothing, TestBadSelectorDaemonDoesNothing. Catches: no status write for an empty plan.
    Trap: all-zero is also the status before the first sync; the goal waits for the observed generation first.
    """
    agent = rig.apply(daemonset(nodeSelector={"example.com/nobody": "has-this"}))
    agent.eventually(counters(desiredNumberScheduled=0, currentNumberScheduled=0, numberReady=0) & status_matches)
    agent.barrier()
    rig.expect(not agent.made(), f"no node is eligible, and pods were made for {agent.made_for()}")


def test_PLACE_03_a_node_selector_admits_only_nodes_with_all_its_labels(rig: Rig) -> None:
    """Given a nodeSelector of two labels, then only nodes that carry both get a pod.

    Source: e2e "should run and stop complex daemon". Catches: any label taken for all.
    Trap: "no pod elsewhere" is negative: everything seen since before the set existed is judged, after a barrier.
    """
    both, first, second = rig.workers(3)
    both.label({"example.com/disk": "ssd", "example.com/zone": "a"}).wait()
    first.label({"example.com/disk": "ssd", "example.com/zone": "b"}).wait()
    second.label({"example.com/zone": "a"}).wait()
    agent = rig.apply(daemonset(nodeSelector={"example.com/disk": "ssd", "example.com/zone": "a"}))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()
    rig.expect(agent.made_for() == {both.name: 1}, f"expected one pod, for {both}; made were {agent.made_for()}")


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param(
            [expressions(("zone", "In", ["b"])), expressions(("disk", "In", ["ssd"]))], id="terms are alternatives"
        ),
        pytest.param([expressions(("zone", "In", ["a"]), ("disk", "Exists", []))], id="requirements add up"),
        pytest.param([expressions(("zone", "NotIn", ["a"]))], id="NotIn"),
        pytest.param([expressions(("disk", "DoesNotExist", []))], id="DoesNotExist"),
        pytest.param([expressions(("cores", "Gt", ["4"]))], id="Gt"),
        pytest.param([expressions(("cores", "Lt", ["8"]))], id="Lt"),
        pytest.param([{}], id="an empty term matches nothing"),
        pytest.param([{}, expressions(("zone", "In", ["b"]))], id="an empty term beside another"),
    ],
)
def test_PLACE_04_required_affinity_decides_by_terms_and_requirements(rig: Rig, terms: list[Object]) -> None:
    """Given required node affinity, then terms are alternatives, requirements add up, an empty term matches nothing.

    Source: e2e "... complex daemon with node affinity", unit TestNodeShouldRunDaemonPod. Catches: terms that are all
    wanted, an empty term that matches all. Trap: none beyond the barrier; the expected nodes come from the oracle.
    """
    for node, labels in zip(
        rig.workers(3),
        ({"zone": "a", "disk": "ssd", "cores": "8"}, {"zone": "b", "disk": "hdd", "cores": "4"}, {"zone": "a"}),
        strict=True,
    ):
        node.label(labels).wait()
    agent = rig.apply(daemonset(affinity=required(*terms)))
    agent.eventually(every_eligible_node_served)
    agent.only_on_eligible_nodes()


def test_PLACE_08_preferences_and_the_scheduler_s_business_choose_no_node(rig: Rig) -> None:
    """Given preferences, soft taints, pod affinity, spread, huge requests and host ports, then every node is desired.

    Source: unit TestNodeShouldRunDaemonPod, TestNoPortConflictNodeDaemonLaunchesPod. Catches: full scheduler logic in
    place of the contract's rules. Trap: a real scheduler leaves such pods Pending, so only their existence is asked for.
    """
    labels = {"app": "agent"}
    rig.workers(3)[0].taint("example.com/rather-not:PreferNoSchedule").wait()
    apart = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/os"}
    weighted = {"weight": 1, "preference": expressions(("example.com/nobody", "Exists", []))}
    manifest = daemonset(
        affinity={
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighted]},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]},
        },
        topologySpreadConstraints=[
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/os",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": labels},
            }
        ],
    )
    manifest["spec"]["template"]["spec"]["containers"][0] |= {
        "ports": [{"containerPort": 9100, "hostPort": 9100}],
        "resources": {"requests": {"cpu": "100000", "memory": "100000Gi"}},
    }
    blocker = daemonset("blocker")
    blocker["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 9100, "hostPort": 9100}]
    rig.apply(blocker).eventually(one_pod_per_node)
    agent = rig.apply(manifest)
    agent.eventually(one_pod_per_node & counters())
    agent.barrier()
    desired, nodes = agent.get()["status"]["desiredNumberScheduled"], len(agent.state().eligible)
    rig.expect(desired == nodes, f"desiredNumberScheduled is {desired} on {nodes} eligible nodes")


def test_PLACE_09_every_pod_names_its_node_from_its_first_moment(rig: Rig) -> None:
    """Given a created pod, then it is pinned to one node by required affinity on the node's name, or bound directly.

    Source: unit TestReplaceDaemonSetPodNodeNameNodeAffinity, TestGetTargetNodeName. Catches: pods without a pin, which
    count on the scheduler to spread them. Trap: the binder fills the node in later, so first events are read.
    """
    zone = expressions(("kubernetes.io/os", "In", ["linux"]))
    for name, affinity in (("plain", {}), ("choosy", required(zone, zone))):
        agent = rig.apply(daemonset(name, affinity=affinity))
        agent.barrier()
        made = agent.made()
        rig.expect(bool(made), f"{name}: no pod was made")
        adrift = [pod["metadata"]["name"] for pod in made if Pod(pod).target is None]
        rig.expect(not adrift, f"{name}: pods that name no node in their first moment: {', '.join(adrift)}")
        how = rig.under_test.placement
        wrong = [pod["metadata"]["name"] for pod in made if how != "either" and Pod(pod).bound != (how == "bind")]
        rig.expect(
            not wrong, f"{name}: the profile says {how}, and in their first moment these are not: {', '.join(wrong)}"
        )
        agent.eventually(one_pod_per_node)


def test_PLACE_11_a_pod_is_its_template_and_no_more(rig: Rig) -> None:
    """Given a created pod, then it is the template plus revision label, tolerations, pin and owner reference.

    Source: unit TestCreatePodTemplate. Catches: dropped annotations or finalizers, a scheduler of its own choice.
    Trap: admission alters pods, so the pod is compared with a dry-run pod made of the same template.
    """
    manifest = daemonset(
        labels={"tier": "node"},
        annotations={"example.com/note": "kept", "example.com/other": ""},
        schedulerName="nobody.example.com",
        terminationGracePeriodSeconds=7,
        tolerations=[{"key": "example.com/own", "operator": "Exists", "effect": "NoSchedule"}],
        nodeSelector={"kubernetes.io/os": "linux"},
        affinity={
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 3, "preference": expressions(("zone", "In", ["a"]))}
                ]
            }
        },
    )
    template = manifest["spec"]["template"]
    template["metadata"]["finalizers"] = ["example.com/kept"]
    agent = rig.apply(manifest)
    rig.at_end(lambda: rig.strip_finalizers(agent.pods()))
    agent.barrier()
    model = rig.dry_run(PODS, {"apiVersion": "v1", "kind": "Pod", **template, "metadata": _named(template["metadata"])})
    made = agent.made()
    rig.expect(bool(made), "no pod was made")
    for pod in made:
        differences = _differences(model, pod, rig.shape.revision_label)
        rig.expect(not differences, f"pod {pod['metadata']['name']} is not its template: {'; '.join(differences)}")


def _named(metadata: Object) -> Object:
    return {**metadata, "name": "model"}


def _differences(model: Object, pod: Object, revision_label: str) -> list[str]:
    """In which fields a pod is neither what its template makes of it nor what a controller may add."""
    found = []
    said, wanted = pod["metadata"], model["metadata"]
    labels = dict(said.get("labels") or {})
    for key, value in wanted["labels"].items():
        if labels.pop(key, None) != value:
            found.append(f"label {key}={value} is missing")
    # The revision's hash is in the contract; the generation label is an old habit of the built-in controller.
    if more := set(labels) - {revision_label, "pod-template-generation"}:
        found.append(f"labels that the template lacks: {', '.join(sorted(more))}")
    found += [
        f"{field} are {said.get(field)} instead of {wanted.get(field)}"
        for field in ("annotations", "finalizers")
        if (said.get(field) or None) != (wanted.get(field) or None)
    ]
    ours, theirs = _placeless(pod["spec"]), _placeless(model["spec"])
    found += [
        f"spec.{field} is {ours.get(field)} instead of {theirs.get(field)}"
        for field in sorted(set(ours) | set(theirs))
        if ours.get(field) != theirs.get(field)
    ]
    own = [t for t in model["spec"].get("tolerations") or () if not t["key"].startswith("node.kubernetes.io/")]
    lost = [t for t in own if t not in (pod["spec"].get("tolerations") or ())]
    return found + [f"toleration {one} is missing" for one in lost]


def _placeless(spec: Object) -> Object:
    """A pod's spec without what places it: the pin replaces the required node affinity; rows TAINT-08 to -10 have the rest."""
    affinity = {key: dict(value) for key, value in (spec.get("affinity") or {}).items()}
    node = affinity.get("nodeAffinity", {})
    node.pop("requiredDuringSchedulingIgnoredDuringExecution", None)
    kept = {key: value for key, value in affinity.items() if value}
    left = {key: value for key, value in spec.items() if key not in ("tolerations", "nodeName", "affinity", "volumes")}
    # The service account's token is mounted by admission, under another name for every pod.
    left["containers"] = [{**one, "volumeMounts": None} for one in spec["containers"]]
    return {**left, **({"affinity": kept} if kept else {})}


def test_PLACE_12_a_label_that_begins_or_ceases_to_match_moves_that_node_s_pod_alone(rig: Rig) -> None:
    """When a node begins (or ceases) to match, then it gets (or loses) its pod; others keep theirs; counters follow.

    Source: e2e "should run and stop complex daemon", unit TestUpdateNode. Catches: labels judged only when a node joins.
    Trap: nodes have other writers, so labels are patched. No nudge before what a label brings, for it has
    to wake the set itself; a barrier at the end, for that others keep theirs is negative.
    """
    first, second = rig.workers(2)
    first.label({"example.com/zone": "a"}).wait()
    agent = rig.apply(daemonset(nodeSelector={"example.com/zone": "a"}))
    agent.eventually(one_pod_per_node & status_matches)
    before = agent.pod_on(first)
    second.label({"example.com/zone": "a"}).wait()
    agent.eventually(pod_on(second))
    rig.expect(agent.survived(before), f"the pod of {first} did not outlive a label of {second}")
    after = agent.pod_on(second)
    first.label({"example.com/zone": None}).wait()
    agent.eventually(~pod_on(first))
    agent.eventually(one_pod_per_node & status_matches)
    agent.barrier()
    rig.expect(agent.survived(after), f"the pod of {second} did not outlive a label of {first}")


@pytest.mark.daemonset_requires("audit")
def test_PLACE_16_several_sets_do_not_touch_each_other_s_pods(rig: Rig) -> None:
    """Given several sets on the same nodes, then each behaves as if alone, even if a selector matches another's pods.

    Source: unit TestAddPod, TestUpdatePod, TestDeletePod. Catches: an index of pods by node or label instead of owner.
    Trap: "does not touch" is negative: barriers, then the write log.
    """
    agent = rig.apply(daemonset("agent"))
    other = rig.apply(daemonset("other", labels={"app": "agent", "tier": "b"}, selector={"matchLabels": {"tier": "b"}}))
    twin = daemonset("agent")
    twin["metadata"]["namespace"] = rig.another_namespace()
    elsewhere = rig.apply(twin)
    sets = (agent, other, elsewhere)
    for one in sets:
        one.eventually(one_pod_per_node)
    for one in sets:
        one.barrier()
        rig.expect(
            set(one.made_for().values()) <= {1}, f"{one.daemonset} made {one.made_for()}: one pod a node is enough"
        )
        touched = rig.writes.to_pods(*(pod["metadata"]["name"] for pod in one.pods()), namespace=one.namespace)
        rig.expect_no_writes(touched, f"nothing happened to the pods of {one.daemonset}")
    kept = {one.uid: one.uids() for one in (other, elsewhere)}
    node = rig.workers(1)[0]
    victim = agent.pod_on(node)
    rig.delete_pod(victim, grace=0)
    agent.eventually(one_pod_per_node & ready)
    for one in (other, elsewhere):
        one.barrier()
        rig.expect(
            one.uids() == kept[one.uid], f"the pods of {one.daemonset} changed when one of {agent.daemonset} went"
        )
