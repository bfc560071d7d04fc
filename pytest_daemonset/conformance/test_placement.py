"""Placement: which nodes get a pod (rows PLACE-01 to PLACE-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.conformance.goals import StateGoal, counters
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import no_pod_for_an_ineligible_node, one_pod_per_node, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.contract import State


def test_PLACE_01_every_node_gets_exactly_one_pod(rig: Rig) -> None:
    """Given nodes without constraints, when a set is created, then each gets one pod and no other pod exists.

    Source: e2e "should run and stop simple daemon". Catches: a number of nodes taken for a number of replicas.
    Trap: the expected nodes are those of each moment, so the oracle computes them anew for every state; the state must
    then stay for a while. No barrier: it would heal a lost wake-up.
    """
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & StateGoal("no_other_pod", _other_pods), settle=0.5)


def _other_pods(state: State) -> str | None:
    others = sorted(pod.name for uid, pod in state.pods.items() if uid not in state.owned)
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
    agent.barrier()
    agent.throughout(no_pod_for_an_ineligible_node)
    agent.eventually(one_pod_per_node)
    rig.expect(agent.made_for() == {both.name: 1}, f"expected one pod for {both}, made were {agent.made_for()}")
