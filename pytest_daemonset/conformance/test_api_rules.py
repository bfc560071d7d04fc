"""The API of the set in detail, host ports and resources, and whom the controller writes to (rows API-*, RES-*, ROB-01, ROB-13)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import counters, every_eligible_node_served
from pytest_daemonset.conformance.manifests import daemonset, pod
from pytest_daemonset.conformance.rolling import SURGE_GUARD, VERSION, rolling, this_many_at, to
from pytest_daemonset.conformance.writes import UNCOUNTED, told
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.contract.views import Pod
from pytest_daemonset.kube.audit import WRITES
from pytest_daemonset.kube.resources import DAEMONSETS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

LONG = "a-name-that-is-as-long-as-a-dns-subdomain-may-be." + "x" * 63 + "." + "y" * 63
"""Longer than a pod's name with a suffix may be, and legal."""


def test_API_01_what_is_left_out_has_its_default(rig: Rig) -> None:
    """Given a set that says little, then it rolls, one node at a time, without surge, and keeps ten revisions.

    Source: unit TestSetDefaultDaemonSetSpec. Catches: other defaults. Trap: a dry run, so that no controller takes part.
    """
    plain = daemonset()
    del plain["spec"]["updateStrategy"]
    spec = rig.dry_run(DAEMONSETS, plain)["spec"]
    wanted = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    rig.expect(spec.get("updateStrategy") == wanted, f"the strategy defaults to {spec.get('updateStrategy')}")
    rig.expect(
        spec.get("revisionHistoryLimit") == 10, f"the history limit defaults to {spec.get('revisionHistoryLimit')}"
    )
    on_delete = rig.dry_run(DAEMONSETS, daemonset(strategy="OnDelete"))["spec"]["updateStrategy"]
    rig.expect(on_delete == {"type": "OnDelete"}, f"OnDelete was given parameters: {on_delete}")


def _without_selector(manifest: Object) -> None:
    del manifest["spec"]["selector"]


def _set(*path: str, value: Any) -> Any:
    def change(manifest: Object) -> None:
        *parents, last = path
        where = manifest["spec"]
        for step in parents:
            where = where.setdefault(step, {})
        where[last] = value

    return change


ROLLING = ("updateStrategy", "rollingUpdate")


def _refused(rig: Rig, change: Any) -> None:
    __tracebackhide__ = True
    manifest = daemonset()
    change(manifest)
    status, answer = rig.ask("POST", rig.sets.path(rig.namespace), rig.own(manifest), query={"dryRun": "All"})
    rig.expect(status in (400, 422), f"a set that should be refused was answered with {status}: {answer}")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_without_selector, id="no selector"),
        pytest.param(_set("selector", value={}), id="an empty selector"),
        pytest.param(
            _set("selector", value={"matchLabels": {"app": "other"}}), id="a selector that misses the template"
        ),
    ],
)
def test_API_02_the_selector_is_needed_and_has_to_match_the_template(rig: Rig, change: Any) -> None:
    """Given no selector, an empty one, or one that misses the template, then the set is refused.

    Source: unit TestValidateDaemonSet. Catches: a set that matches everything, or nothing of its own. Trap: none.
    """
    _refused(rig, change)


def test_API_02_the_selector_cannot_change(rig: Rig) -> None:
    """When the selector of a set is changed, then that is refused.

    Source: unit TestSelectorImmutability. Catches: pods left behind by a selector that moved on. Trap: the controller writes the
    status meanwhile, and a conflict is no refusal; so no version is sent.
    """
    made = rig.create(DAEMONSETS, daemonset(labels={"tier": "node"}, nodeSelector={"example.com/nobody": "x"}))
    changed = copy.deepcopy(made)
    del changed["metadata"]["resourceVersion"]
    changed["spec"]["selector"] = {"matchLabels": {"tier": "node"}}
    status, _ = rig.ask("PUT", rig.sets.path(rig.namespace, "agent"), rig.own(changed))
    rig.expect(status in (400, 422), f"a changed selector was answered with {status}")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_set("template", "spec", "restartPolicy", value="OnFailure"), id="a restart policy"),
        pytest.param(_set("template", "spec", "activeDeadlineSeconds", value=5), id="a deadline"),
    ],
)
def test_API_03_pods_of_a_set_restart_always_and_have_no_deadline(rig: Rig, change: Any) -> None:
    """Given another restart policy than Always, or an active deadline, then the set is refused.

    Source: unit TestValidateDaemonSet. Catches: daemons that end by themselves. Trap: none.
    """
    _refused(rig, change)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_set("updateStrategy", value={"type": "Sometimes"}), id="a strategy that there is not"),
        pytest.param(_set(*ROLLING, value={"maxUnavailable": -1}), id="negative maxUnavailable"),
        pytest.param(_set(*ROLLING, value={"maxUnavailable": 0, "maxSurge": -1}), id="negative maxSurge"),
        pytest.param(_set(*ROLLING, value={"maxUnavailable": "101%"}), id="more than all"),
        pytest.param(_set(*ROLLING, value={"maxUnavailable": 0, "maxSurge": 0}), id="both zero"),
        pytest.param(_set(*ROLLING, value={"maxUnavailable": 1, "maxSurge": 1}), id="both set"),
        pytest.param(_set("minReadySeconds", value=-1), id="negative minReadySeconds"),
        pytest.param(_set("revisionHistoryLimit", value=-1), id="negative history limit"),
    ],
)
def test_API_04_impossible_strategies_and_limits_are_refused(rig: Rig, change: Any) -> None:
    """Given a strategy or a limit that makes no sense, then the set is refused.

    Source: unit TestDaemonSetUpdateMaxSurge, TestValidateDaemonSetUpdate. Catches: both limits zero, a rollout that never
    starts. Trap: none.
    """
    _refused(rig, change)


def test_API_06_every_verb_works_on_sets(rig: Rig) -> None:
    """When sets are created, read, listed, replaced, patched or deleted by collection, or their status is, then the API does so.

    Source: e2e "should list and delete a collection of DaemonSets". Catches: a verb that is not served. Trap: the list is that
    of the namespace, for others run beside.
    """
    manifest = daemonset(nodeSelector={"example.com/nobody": "has-this"})
    manifest["metadata"]["labels"] = {"row": "api-06"}
    agent = rig.apply(manifest)
    agent.eventually(counters())
    path = rig.sets.path(rig.namespace, agent.name)
    agent.update(
        lambda stored: stored["metadata"].setdefault("annotations", {}).update({"example.com/replaced": "yes"})
    )
    agent.update({"spec": {"minReadySeconds": 3}})
    status, read = rig.ask("GET", f"{path}/status")
    rig.expect(status == 200, f"the status was answered with {status}")
    rig.expect((read.get("spec") or {}).get("minReadySeconds") == 3, f"the spec was patched, and is {read.get('spec')}")
    replaced = (read["metadata"].get("annotations") or {}).get("example.com/replaced")
    rig.expect(replaced == "yes", "the set was replaced with an annotation more, and has none")
    listed = [one["metadata"]["name"] for one in rig.objects(DAEMONSETS)]
    rig.expect(listed == [agent.name], f"the list has {listed}")
    status, _ = rig.ask("DELETE", rig.sets.path(rig.namespace), None, query={"labelSelector": "row=api-06"})
    rig.expect(status == 200, f"the deletion of the collection was answered with {status}")
    left = [one["metadata"]["name"] for one in rig.objects(DAEMONSETS)]
    rig.expect(not left, f"the collection was deleted, and the list has {left}")


def test_API_07_there_is_no_scale_of_a_set(rig: Rig) -> None:
    """When the scale of a set is asked for, then there is none, so no autoscaler applies to it.

    Source: code. Catches: a number of replicas where the nodes decide. Trap: none.
    """
    rig.create(DAEMONSETS, daemonset(nodeSelector={"example.com/nobody": "has-this"}))
    status, _ = rig.ask("GET", rig.sets.path(rig.namespace, "agent") + "/scale")
    rig.expect(status in (404, 405), f"the scale of a set was answered with {status}")


def test_API_08_a_long_name_works(rig: Rig) -> None:
    """Given a set whose name is a long DNS subdomain, then its pods come, and a rollout of it ends.

    Source: code. Catches: a name that is too long with its suffix, so that creations fail for ever. Trap: none.
    """
    manifest = daemonset("agent")
    manifest["metadata"]["name"] = LONG
    agent = rig.apply(manifest)
    agent.eventually(one_pod_per_node & ready & status_matches)


def test_RES_01_short_resources_are_no_reason_to_skip_a_node_or_to_delete_a_pod(rig: Rig) -> None:
    """Given requests that no node can satisfy, then each node is desired and has its pod, which is never deleted for it.

    Source: integration TestInsufficientCapacityNode, issue 48362. Catches: full nodes skipped. Trap: a scheduler leaves such pods
    Pending, so only that they exist and are pinned is asked for.
    """
    manifest = daemonset()
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "9000"}}
    agent = rig.apply(manifest)
    agent.eventually(every_eligible_node_served & counters(desiredNumberScheduled=len(agent.state().eligible)))
    before = agent.uids()
    agent.barrier()
    rig.expect(agent.uids() == before, "pods were deleted for want of resources")
    rig.expect(all(Pod(one).target for one in agent.pods()), "a pod names no node")


def _with_a_host_port(manifest: Object) -> Object:
    manifest["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 9100, "hostPort": 9100}]
    return manifest


def test_RES_02_own_host_ports_are_no_reason_to_delete_a_pod(rig: Rig) -> None:
    """Given a host port, then the set never deletes its own pods for it.

    Source: unit TestPortConflictWithSameDaemonPodDoesNotDeletePod, issue 106417. Catches: a pod that conflicts with itself.
    Trap: negative, so a barrier.
    """
    agent = rig.apply(_with_a_host_port(rolling()))
    agent.eventually(one_pod_per_node & ready)
    before = agent.uids()
    agent.barrier()
    rig.expect(agent.uids() == before, "pods were deleted for their own host port")


@pytest.mark.daemonset_requires("behave")
@pytest.mark.feature("surge")
def test_RES_02_with_surge_old_pods_serve_while_new_ones_wait_for_the_port(rig: Rig) -> None:
    """Given a host port and surge, then old pods go on serving while new ones wait for it.

    Source: as above. Catches: the old pod deleted to make room. Trap: the new pods are kept from starting, as a scheduler would
    for the port; negative, so a barrier.
    """
    agent = rig.apply(_with_a_host_port(rolling(surge=1)), guard=SURGE_GUARD)
    agent.eventually(one_pod_per_node & ready)
    before = agent.uids()
    rig.nodes.behave({VERSION: "2"}, namespace=rig.namespace, start=False).wait()
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 1))
    agent.barrier()
    serving = {pod.uid for pod in map(Pod, agent.pods()) if pod.ready and pod.active}
    rig.expect(serving == set(before.values()), "old pods did not go on serving while new ones waited for their port")


@pytest.mark.daemonset_requires("audit")
def test_RES_03_pods_of_nobody_s_set_make_the_controller_do_nothing(rig: Rig) -> None:
    """When pods that belong to no set come and go, then the controller writes nothing.

    Source: unit TestDeleteNoDaemonPod. Catches: every set looked at, and written, for every pod of the cluster. Trap: negative,
    so a barrier on another set.
    """
    node = rig.workers(1)[0]
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    for one in (other, agent):
        one.settles(one_pod_per_node & ready & status_matches)
    mark = rig.writes.mark()
    for number in range(4):
        rig.delete_pod(rig.plant(pod(f"web-{number}", labels={"app": "web"}, bound_to=node.name)), grace=0)
    other.barrier()
    rig.expect_no_writes(rig.writes.about(agent.namespace, agent.name, mark), "only pods of nobody's set came and went")


MANY = 270
"""More nodes than one sync of the built-in controller serves."""


@pytest.mark.daemonset_requires("virtual_nodes")
def test_ROB_01_what_one_burst_leaves_over_follows_without_help(rig: Rig) -> None:
    """Given more nodes than one sync makes pods for, then all of them are served without outside help.

    Source: code; observed: 250, a pause, the rest. Catches: the rest forgotten. Trap: syncs cannot be seen, so only the end is
    judged; no nudge.
    """
    rig.workers(MANY)
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node)
    agent.update({"spec": {"template": {"spec": {"nodeSelector": {"example.com/nobody": "has-this"}}}}})
    agent.eventually(one_pod_per_node & counters(desiredNumberScheduled=0, numberMisscheduled=0))


MAY_WRITE = {
    ("pods", ""): {"create", "delete", "patch", "update"},
    ("controllerrevisions", ""): {"create", "delete", "patch", "update"},
}
"""What a controller needs to write, by resource and subresource; and only what is its own."""


@pytest.mark.daemonset_requires("audit")
def test_ROB_13_the_controller_writes_to_nothing_but_what_is_its_own(rig: Rig) -> None:
    """Given a set that lives through changes, then the controller writes pods, revisions and statuses, and nothing else.

    Source: the policy of the built-in role. Catches: annotated nodes, changed specs. Trap: everything that it ever wrote on this
    cluster is read, events and leases aside; a kind of its own may be added by a profile.
    """
    agent = rig.apply(rolling())
    agent.eventually(one_pod_per_node & ready)
    rig.delete_pod(agent.pod_on(rig.workers(1)[0]), grace=0)
    agent.update(to("2"))
    agent.eventually(one_pod_per_node & ready & status_matches)
    may_write = {**MAY_WRITE, (rig.sets.plural, "status"): {"update", "patch"}}
    written = rig.writes.audit.entries(user=rig.writes.user, verbs=WRITES)
    foreign = [
        entry
        for entry in written
        if entry.resource not in UNCOUNTED and entry.verb not in may_write.get((entry.resource, entry.subresource), ())
    ]
    rig.expect(bool(written), "the write log has nothing of the controller")
    rig.expect(not foreign, f"the controller wrote what is not its own:\n{told(foreign)}")
