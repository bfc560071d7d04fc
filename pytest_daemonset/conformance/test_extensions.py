"""What OpenKruise's kind, or another one with such fields, offers beyond a DaemonSet (rows KRU-01 to KRU-08)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import StateGoal, another_pod_on
from pytest_daemonset.conformance.rolling import (
    GUARD,
    all_at,
    by_version,
    exactly,
    made_at,
    reached,
    revisions_of,
    rolling,
    this_many_at,
    to,
    told,
)
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.contract.events import DAEMONSET, REVISION

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.contract import State

WAVE = "example.com/wave"


def _rolled(rig: Rig, nodes: int) -> SetUnderTest:
    """A set at version 1 on exactly so many nodes, at rest."""
    exactly(rig, nodes)
    agent = rig.apply(rolling(), guard=GUARD)
    agent.eventually(all_at("1") & status_matches)
    return agent


def _rolling(**fields: Any) -> dict[str, Any]:
    """The patch that changes fields of the rolling update."""
    return {"spec": {"updateStrategy": {"rollingUpdate": fields}}}


def _nodes_at(agent: SetUnderTest, version: str) -> set[str]:
    return {pod.target or "" for pod in by_version(agent).get(version, [])}


@pytest.mark.parametrize(("partition", "nodes", "kept"), [(3, 4, 3), ("50%", 5, 2)])
def test_KRU_01_a_partition_keeps_so_many_nodes_at_the_old_revision(
    rig: Rig, partition: int | str, nodes: int, kept: int
) -> None:
    """Given a partition p, then p nodes (per cent rounded down) stay at the old revision, chosen by name; lowered, it goes on.

    Source: kruise unit TestFilterDaemonPodsNodeToUpdate. Catches: nodes to update counted instead of nodes to keep. Trap:
    that it goes no further is negative, so a barrier; what follows the lowering is awaited without one.
    """
    agent = _rolled(rig, nodes)
    names = sorted(node.name for node in rig.nodes)
    agent.update(_rolling(partition=partition))
    agent.update(to("2"))
    agent.eventually(this_many_at("2", nodes - kept))
    agent.barrier()
    moved = _nodes_at(agent, "2")
    rig.expect(
        len(moved) == nodes - kept, f"partition {partition} of {nodes} nodes keeps {kept}; moved were {told(moved)}"
    )
    rig.expect(moved == set(names[kept:]), f"nodes are taken from the end of their names; moved were {told(moved)}")
    agent.update(_rolling(partition=kept - 1))
    agent.eventually(this_many_at("2", nodes - kept + 1))
    agent.barrier()
    rig.expect(moved < _nodes_at(agent, "2"), "nodes that had moved were not counted first")
    agent.update(_rolling(partition=0))
    agent.eventually(all_at("2"))


@pytest.mark.daemonset_requires("behave")
def test_KRU_02_a_pause_stops_rolling_replacement_only(rig: Rig) -> None:
    """Given a paused rollout, then no pod is replaced for it; failed pods and new nodes get theirs, at the new revision.

    Source: code of kruise. Catches: a pause that freezes everything. Trap: negative, so a barrier; liveness comes after it and
    has none.
    """
    agent = _rolled(rig, 3)
    before = agent.uids()
    agent.update(_rolling(paused=True))
    agent.update(to("2"))
    agent.barrier()
    rig.expect(agent.uids() == before, f"the rollout is paused, and pods {before} became {agent.uids()}")
    victim = rig.workers(1)[0]
    failed = agent.pod_on(victim)
    rig.nodes.fail(failed).wait()
    agent.eventually(another_pod_on(victim.name, failed["metadata"]["uid"]))
    late = rig.nodes.join().wait()
    agent.eventually(reached("2", victim.name, late.name))
    agent.barrier()
    now = agent.uids()
    moved = {node for node, uid in before.items() if node != victim.name and now.get(node) != uid}
    rig.expect(not moved, f"the rollout is paused, and pods on {told(moved)} were replaced")
    agent.update(_rolling(paused=False))
    agent.eventually(all_at("2"))


def test_KRU_03_an_update_selector_restricts_the_rollout_to_some_nodes(rig: Rig) -> None:
    """Given an update selector, then only nodes of these labels are rolled; labelled later, a node follows; unlabelled, it stays.

    Source: kruise unit TestNodeShouldUpdateBySelector, issue 1871. Catches: a selector that decides on placement. Trap: the label
    itself has to wake the set, so no nudge before what it brings; the rest is negative, so barriers.
    """
    agent = _rolled(rig, 3)
    first, second, third = rig.workers(3)
    before = agent.uids()
    first.label({WAVE: "1"}).wait()
    agent.update(_rolling(selector={"matchLabels": {WAVE: "1"}}))
    agent.update(to("2"))
    agent.eventually(reached("2", first.name) & one_pod_per_node & ready & status_matches)
    agent.barrier()
    now = agent.uids()
    rest = {node: before[node] for node in (second.name, third.name)}
    rig.expect({node: now.get(node) for node in rest} == rest, f"only {first} is selected; pods {before} became {now}")
    second.label({WAVE: "1"}).wait()
    agent.eventually(reached("2", second.name) & one_pod_per_node & ready)
    kept = agent.uids()
    first.label({WAVE: None}).wait()
    late = rig.nodes.join().wait()
    agent.eventually(reached("2", late.name))
    agent.barrier()
    now = agent.uids()
    rig.expect({node: now.get(node) for node in kept} == kept, f"pods {kept} became {now} when {first} lost its label")


def test_KRU_06_partitioned_scaling_limits_the_first_creation(rig: Rig) -> None:
    """Given partitioned scaling and a partition, then a new set is made on the other nodes only, in the order of their names.

    Source: kruise unit TestGetMaxCreateNum, TestCreatePodProgressively. Catches: made everywhere at first. Trap: negative, so a
    barrier.
    """
    names = sorted(node.name for node in exactly(rig, 4))
    manifest = rolling()
    manifest["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 2
    manifest["spec"]["scaleStrategy"] = {"partitionedScaling": True}
    agent = rig.apply(manifest, guard=GUARD)
    agent.eventually(reached("1", *names[:2]))
    agent.barrier()
    rig.expect(agent.made_for() == dict.fromkeys(names[:2], 1), f"pods were made for {agent.made_for()}")
    agent.update(_rolling(partition=0))
    agent.eventually(all_at("1"))


BURST = 2


@pytest.mark.daemonset_requires("audit")
def test_KRU_07_burst_replicas_cap_the_creations_of_a_sync(rig: Rig) -> None:
    """Given burstReplicas b, then no more than b pods are made between two statuses, and all nodes are served in the end.

    Source: kruise unit Test_getBurstReplicas. Catches: the field ignored. Trap: syncs cannot be seen, but each that has seen new
    pods ends with a status, which the write log has in one order with the creations; deletions are not told apart like
    that, for a terminating pod counts as before.
    """
    exactly(rig, 8)
    manifest = rolling()
    manifest["spec"]["burstReplicas"] = BURST
    agent = rig.apply(manifest, guard=GUARD)
    agent.eventually(one_pod_per_node & ready & status_matches)
    run, longest = 0, 0
    for entry in rig.writes.about(agent.namespace, agent.name):
        if (entry.resource, entry.verb) == ("pods", "create"):
            run += 1
        elif entry.resource == rig.sets.plural:
            run = 0
        longest = max(longest, run)
    rig.expect(longest <= BURST, f"{longest} pods were made between two statuses; burstReplicas is {BURST}")
    rig.expect(set(agent.made_for().values()) == {1}, f"pods were made for {agent.made_for()}: one a node is enough")


def test_KRU_08_the_status_names_the_current_revision(rig: Rig) -> None:
    """When the template changes, and when it changes back, then the status names the hash of the revision that is current.

    Source: kruise e2e, as a signal. Catches: a hash that is stale after a rollback. Trap: judged with the generation observed.
    """
    agent = _rolled(rig, 2)
    for version in ("2", "1"):
        agent.update(to(version))
        agent.eventually(all_at(version) & _named(rig))
    (hash_now,) = {pod.object["metadata"]["labels"].get(rig.shape.revision_label) for pod in by_version(agent)["1"]}
    current = revisions_of(agent)[-1].hash
    rig.expect(hash_now == current, f"pods carry {hash_now}, and the revision on top is {current}")
    rig.expect(len(made_at(agent, "2")) == 2, f"{len(made_at(agent, '2'))} pods of version 2 were made on 2 nodes")


def _named(rig: Rig) -> StateGoal:
    field = rig.shape.status_hash

    def complaint(state: State) -> str | None:
        if state.daemonset is None or not state.daemonset.observed:
            return "the generation is not observed"
        current = state.current_revision.hash if state.current_revision else None
        said = state.daemonset.status.get(field)
        return None if said == current else f"status.{field} is {said}, and the current revision is {current}"

    return StateGoal("status names the current revision", complaint, (DAEMONSET, REVISION))
