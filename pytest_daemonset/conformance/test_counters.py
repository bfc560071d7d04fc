"""The status over time: what is written, when, and whether it can be believed (rows STAT-03 to STAT-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import counters, every_eligible_node_served
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.conformance.rolling import (
    SURGE_GUARD,
    all_at,
    bad,
    exactly,
    hold,
    let_go,
    reached,
    rolling,
    this_many_at,
    to,
)
from pytest_daemonset.contract import never_done_early, one_pod_per_node, ready, status_matches
from pytest_daemonset.contract.events import DAEMONSET, POD
from pytest_daemonset.contract.views import DaemonSet, Pod
from pytest_daemonset.kube.resources import DAEMONSETS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest

Object = dict[str, Any]

QUIET = 0.5
MIN_READY = 2


def test_STAT_03_updated_counts_nodes_whose_pod_is_of_the_current_revision(rig: Rig) -> None:
    """Given OnDelete and a new template, then updated is the number of nodes that got the new version by hand.

    Source: integration validateUpdatedNumberScheduled. Catches: pods counted by image. Trap: settled before it is believed; an
    absent counter is zero.
    """
    first, second, _ = exactly(rig, 3)
    agent = rig.apply(rolling(strategy="OnDelete"))
    agent.eventually(all_at("1") & counters(updatedNumberScheduled=3))
    agent.update(to("2"))
    agent.settles(counters(updatedNumberScheduled=0, numberAvailable=3))
    for count, node in enumerate((first, second), start=1):
        rig.delete_pod(agent.pod_on(node), grace=0)
        agent.eventually(reached("2", node.name) & counters(updatedNumberScheduled=count, numberAvailable=3))
    agent.settles(status_matches)


@pytest.mark.daemonset_requires("audit")
def test_STAT_06_when_nothing_changes_the_status_is_not_written(rig: Rig) -> None:
    """When the set is looked at and nothing has changed, then its status is not written.

    Source: code; unit TestExpectationsOnRecreate. Catches: written at each look, so that it wakes itself for ever. Trap: the
    window holds wake-ups of several kinds, and a barrier on another set; the write log is read.
    """
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    for one in (other, agent):
        one.settles(one_pod_per_node & ready & status_matches)
    mark = rig.writes.mark()
    for _ in range(3):
        agent.wake()
    other.barrier()
    agent.stays(one_pod_per_node, for_=rig.rest(QUIET))
    rig.expect_no_writes(rig.writes.about(agent.namespace, agent.name, mark), "nothing had changed")


def test_STAT_08_conditions_of_others_survive_when_counters_change(rig: Rig) -> None:
    """Given a condition that somebody else wrote, when counters change, then it is still there, and there is no other one.

    Source: e2e "should verify changes to a daemon set status". Catches: the whole status replaced. Trap: the counters must
    change after the condition is there, or nothing is proven.
    """
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready & status_matches)
    condition = {"type": "ConformanceChecked", "status": "True", "reason": "Row", "message": "kept"}
    rig.patch(DAEMONSETS, agent.name, {"status": {"conditions": [condition]}}, subresource="status")
    before = agent.get()["status"]["desiredNumberScheduled"]
    rig.nodes.join().wait()
    agent.eventually(counters(desiredNumberScheduled=before + 1, numberAvailable=before + 1))
    agent.barrier()
    found = agent.get()["status"].get("conditions") or []
    kept = [{key: one.get(key) for key in condition} for one in found]
    rig.expect(kept == [condition], f"conditions are {found}; the one of others was {condition}")


@pytest.mark.parametrize("change", ["a taint comes", "a taint goes", "a node goes"])
def test_STAT_09_counters_follow_changes_of_nodes_alone(rig: Rig, change: str) -> None:
    """When only a node changes, and no pod does, then the counters follow.

    Source: unit TestUpdateNode, issue 132459; for the built-in controller some changes wake nobody (observed). Catches:
    counted anew on events of pods only. Trap: no nudge, so the set is at rest before each change: else its own last
    event is one. Pod GC touches the pod of the node that goes, which is a nudge if it came first: it is held back where that can be
    done, and comes later by far where not.
    """
    node, rest = exactly(rig, 3)[0], rig.rested()
    manifest = daemonset(tolerations=[{"key": "example.com/own", "operator": "Exists"}])
    if change == "a node goes":
        manifest["spec"]["template"]["metadata"]["finalizers"] = ["example.com/kept"]
        if rig.has("held_loops"):
            rig.hold("pod-gc")
    agent = rig.apply(manifest)
    rig.at_end(lambda: rig.strip_finalizers(agent.pods()))
    agent.eventually(one_pod_per_node & ready & counters(desiredNumberScheduled=3), settle=rest)
    if change == "a node goes":
        pod = agent.pod_on(node)
        node.leave().wait()
        agent.eventually(counters(desiredNumberScheduled=2, currentNumberScheduled=2, numberMisscheduled=0))
        rig.expect(
            _counted_before_touched(agent, 2, pod),
            f"the counters followed only after pod GC had touched the pod of {node}",
        )
        return
    node.taint("example.com/dedicated:NoSchedule").wait()
    if change == "a taint goes":
        # The row is about the second half, so that the first one is helped along.
        agent.barrier()
    agent.eventually(counters(desiredNumberScheduled=2, numberMisscheduled=1), settle=rest)
    if change == "a taint goes":
        node.untaint("example.com/dedicated").wait()
        agent.eventually(counters(desiredNumberScheduled=3, numberMisscheduled=0))


def _counted_before_touched(agent: SetUnderTest, desired: int, pod: Object) -> bool:
    """Whether the status had its new count of nodes before anything was written to this pod."""
    first: dict[str, int] = {}
    for event in agent.history().events:
        uid = event.object["metadata"]["uid"]
        if uid == agent.uid and DaemonSet(event.object).counter("desiredNumberScheduled") == desired:
            first.setdefault("counted", event.rv)
        elif uid == pod["metadata"]["uid"] and event.rv > int(pod["metadata"]["resourceVersion"]):
            first.setdefault("touched", event.rv)
    return "touched" not in first or first["counted"] < first["touched"]


def test_STAT_10_available_rises_by_itself_when_pods_have_been_ready_long_enough(rig: Rig) -> None:
    """Given minReadySeconds, when they have passed, then available rises, with no other event.

    Source: code; observed. Catches: an event that has nothing to do with it is needed. Trap: the cluster is silent; that it does
    not rise early is judged by the stamps that the controller reads too, half a second short for their whole seconds.
    """
    nodes = len(exactly(rig, 2))
    manifest = daemonset()
    manifest["spec"]["minReadySeconds"] = MIN_READY
    agent = rig.apply(manifest)
    agent.eventually(one_pod_per_node & ready & counters(numberReady=nodes))
    agent.eventually(counters(numberAvailable=nodes, numberUnavailable=0))
    since = [Pod(one).ready_since or 0.0 for one in agent.pods()]
    rose = next(
        one.at
        for one in agent.history().events
        if one.kind == DAEMONSET
        and one.object["metadata"]["uid"] == agent.uid
        and DaemonSet(one.object).counter("numberAvailable") == nodes
    )
    waited = rose - max(since)
    rig.expect(waited >= MIN_READY - 0.5, f"{nodes} pods counted as available {waited:.1f} s after the last was Ready")


@pytest.mark.daemonset_requires("behave")
@pytest.mark.parametrize(
    "surge",
    [pytest.param(None, id="without surge"), pytest.param(1, id="with surge", marks=pytest.mark.feature("surge"))],
)
def test_STAT_11_the_status_never_says_that_a_rollout_has_ended_before_it_has(rig: Rig, surge: int | None) -> None:
    """In every status: with the generation observed, and all desired nodes updated and available, the rollout has ended.

    Source: code of kubectl rollout status. Catches: "done" while old pods run. Trap: a status is compared with what had
    happened up to then, in the merged order of the kinds; pods that never become Ready come first, then a rollout that ends.
    """
    exactly(rig, 3)
    agent = rig.apply(rolling(surge=surge), guard=SURGE_GUARD)
    agent.eventually(all_at("1") & status_matches)
    bad(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 1))
    agent.barrier()
    hold(rig, "3")
    agent.update(to("3"))
    agent.eventually(this_many_at("3", 1))
    let_go(rig, "3")
    agent.eventually(all_at("3") & status_matches & every_eligible_node_served)
    agent.barrier()
    agent.throughout(never_done_early)
    seen = [one for one in agent.history().events if one.kind == POD]
    rig.expect(bool(seen), "no pod was ever seen")
