"""Status: the counters, and the observed generation (rows STAT-01 to STAT-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import counters
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import (
    observed_generation_sane,
    one_pod_per_node,
    ready,
    status_consistent,
    status_matches,
)
from pytest_daemonset.contract.events import ADDED, DAEMONSET, POD
from pytest_daemonset.contract.views import DaemonSet, Pod
from pytest_daemonset.errors import Inconclusive

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest

AGENT = {"app": "agent"}


def test_STAT_01_desired_current_and_misscheduled_count_nodes(rig: Rig) -> None:
    """Given a node that keeps a pod which it may not start any more, then it counts as misscheduled and no more.

    Source: unit TestSimpleDaemonSetUpdatesStatusAfterLaunchingPods. Catches: pods counted instead of nodes. Trap: zero is
    zero before the first sync, so the goal waits for the observed generation; the node becomes ineligible by a change of
    the template, for a taint alone wakes nobody (the built-in controller's gap TAINT-07).
    """
    agent = _with_a_misscheduled_pod(rig)
    agent.settles(counters(numberMisscheduled=1) & status_matches)


def _with_a_misscheduled_pod(rig: Rig) -> SetUnderTest:
    rig.workers(2)[0].taint("example.com/dedicated:NoSchedule").wait()
    agent = rig.apply(daemonset(strategy="OnDelete", tolerations=[{"operator": "Exists"}]))
    agent.eventually(one_pod_per_node & ready & status_matches)
    agent.update({"spec": {"template": {"spec": {"tolerations": None}}}})
    return agent


@pytest.mark.daemonset_requires("behave")
def test_STAT_02_ready_and_available_count_nodes_by_their_pod(rig: Rig) -> None:
    """Given a pod that runs and is not ready, then it counts neither as ready nor as available, until it is.

    Source: unit TestNumberReadyStatus, integration validateDaemonSetStatus. Catches: phase Running counted as ready.
    Trap: compared only after the numbers have settled.
    """
    node = rig.workers(2)[0]
    node.behave(AGENT, namespace=rig.namespace, ready=False).wait()
    agent = rig.apply(daemonset())
    agent.settles(counters(numberUnavailable=1) & status_matches & one_pod_per_node)
    node.behave(AGENT, namespace=rig.namespace, ready=True).wait()
    agent.settles(counters(numberUnavailable=0) & status_matches & ready)
    node.behave(AGENT, namespace=rig.namespace, ready=False).wait()
    agent.settles(counters(numberUnavailable=1) & status_matches)


def test_STAT_04_every_status_is_consistent_in_itself(rig: Rig) -> None:
    """In every status: 0 <= available <= ready <= current <= desired, updated <= current, the rest is unavailable.

    Source: contract.md, no upstream test. Catches: counters of two moments mixed in one status. Trap: every status that
    was ever written is judged, while nodes come and go and pods are misscheduled; the row writes none itself.
    """
    agent = _with_a_misscheduled_pod(rig)
    agent.eventually(status_matches)
    late = rig.nodes.join().wait()
    agent.eventually(one_pod_per_node & status_matches)
    for victim in agent.pods():
        rig.delete_pod(victim, grace=0)
    agent.eventually(one_pod_per_node & status_matches)
    late.leave().wait()
    agent.eventually(one_pod_per_node)
    agent.barrier()
    agent.throughout(status_consistent)


def test_STAT_05_the_observed_generation_never_lies(rig: Rig) -> None:
    """When the spec changes, then the observed generation catches up, after the work; it never exceeds the generation, and never falls.

    Source: unit TestObservedGeneration. Catches: it is set first, so that waiters see "done" too soon. Trap: "after the
    work" means after the needed writes were tried, so the versions of pods and status are compared, not their end.
    """
    chosen, _ = rig.workers(2)
    chosen.label({"example.com/zone": "a"}).wait()
    agent = rig.apply(daemonset(strategy="OnDelete", nodeSelector={"example.com/zone": "a"}))
    agent.eventually(one_pod_per_node & counters())
    widened = agent.updated({"spec": {"template": {"spec": {"nodeSelector": None}}}})
    agent.eventually(one_pod_per_node & counters())
    early = _observed_before_made(agent, widened["metadata"]["generation"])
    rig.expect(not early, f"the new generation was reported as observed before pods were made for {', '.join(early)}")
    for limit in (11, 12, 13):
        agent.update(rig.nudge(limit))
    agent.eventually(counters())
    agent.throughout(observed_generation_sane)


def _observed_before_made(agent: SetUnderTest, generation: int) -> list[str]:
    """The eligible nodes for which no pod had been made when the generation was first reported as observed."""
    history = agent.history()
    if not history.comparable:
        raise Inconclusive("the versions of pods and sets cannot be compared here, so their order is not known")
    observed: int | None = None
    made: dict[str, int] = {}
    for event in history.events:
        mine: Any = event.object["metadata"]["uid"] == agent.uid
        if event.kind == DAEMONSET and mine and observed is None:
            observed = event.rv if DaemonSet(event.object).observed_generation >= generation else None
        if event.kind == POD and event.type == ADDED and (view := Pod(event.object)).owner == agent.uid:
            made.setdefault(view.target or "", event.rv)
    if observed is None:
        return []
    return sorted(node for node in agent.state().eligible if made.get(node, observed) >= observed)
