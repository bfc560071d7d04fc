"""Never two at once (rows AMO-01 to AMO-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.goals import (
    NeverWithoutAPod,
    adopted,
    another_pod_on,
    every_eligible_node_served,
    gone,
    one_left_on,
    only_pod_on,
)
from pytest_daemonset.conformance.manifests import NOBODY, daemonset, pod
from pytest_daemonset.contract import (
    at_most_one_pod_per_node,
    never_replaced_early,
    observed_generation_sane,
    one_pod_per_node,
    owned,
    ready,
    status_consistent,
)

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

BESIDE_PLANTED = (owned, status_consistent, observed_generation_sane)
"""What stands guard in a row that plants a second pod on a node."""

AGENT = {"app": "agent"}


@pytest.mark.parametrize("scheduler", ["default-scheduler", NOBODY], ids=["bound", "unbound"])
def test_AMO_01_never_two_active_pods_of_one_set_on_one_node(rig: Rig, scheduler: str) -> None:
    """Given pods that are removed, a controller that is restarted and a set that is looked at often, then never two.

    Source: unit TestDealsWithExistingPods, issue 54096. Catches: a pod made again before the first one was seen.
    Trap: looking now and then misses it, so every event is judged, by owner UID; here also after the fact, from before
    the set existed.
    """
    agent = rig.apply(daemonset(schedulerName=scheduler))
    agent.eventually(every_eligible_node_served)
    for _ in range(3):
        agent.wake()
    for victim in agent.pods():
        rig.delete_pod(victim, grace=0)
    agent.eventually(every_eligible_node_served)
    rig.stop()
    for victim in agent.pods():
        rig.delete_pod(victim, grace=0)
    rig.start()
    agent.eventually(every_eligible_node_served)
    agent.barrier()
    agent.throughout(at_most_one_pod_per_node)


@pytest.mark.daemonset_requires("behave")
def test_AMO_02_no_pod_is_made_while_the_old_one_is_still_going(rig: Rig) -> None:
    """While a pod is terminating, no other one is made for its node; when it has ended, one is.

    Source: unit TestDaemonSetRespectsTermination, issue 51464. Catches: a terminating pod taken for one that is gone.
    Trap: the termination is held by the kubelet, with a barrier; a kubelet makes a pod terminal before it removes it, and
    from then on a replacement is right, so the moment that counts is the terminal one.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)  # a pod that is not bound yet is gone as soon as it is deleted
    rig.nodes.behave(AGENT, namespace=rig.namespace, hold_termination=True).wait()
    victim = agent.pod_on(node)
    rig.delete_pod(victim)
    agent.barrier()
    rig.expect(
        agent.made_for()[node.name] == 1, f"a pod was made for {node} while {victim['metadata']['name']} was going"
    )
    rig.nodes.release(victim).wait()
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    agent.throughout(never_replaced_early)


def test_AMO_03_a_pod_that_is_not_bound_yet_counts_for_the_node_it_names(rig: Rig) -> None:
    """While no scheduler binds the pods, then there is one for each node all the same, and no more.

    Source: unit TestGetTargetNodeName, issue 14528. Catches: bound pods counted only, and so thousands of others made.
    Trap: many syncs, each proven by a barrier.
    """
    agent = rig.apply(daemonset(schedulerName=NOBODY))
    agent.eventually(every_eligible_node_served)
    for _ in range(3):
        agent.barrier()
    rig.nodes.join().wait()
    agent.eventually(every_eligible_node_served)
    agent.barrier()
    made = agent.made_for()
    rig.expect(set(made.values()) == {1}, f"expected one pod for each node, made were {made}")


def test_AMO_04_a_crowded_node_is_pruned_to_the_bound_then_the_oldest_pod(rig: Rig) -> None:
    """Given two pods on a node, then the bound one outlives the unbound one, and of two bound ones the older one.

    Source: unit TestDealsWithExistingPods. Catches: all deleted, to start over. Trap: creation stamps have whole seconds,
    so more than one passes between the two; names are chosen so that going by name alone would keep the wrong one. The nodes
    are tainted NoSchedule, so no pod of the set's own takes part; OnDelete, for planted pods carry no revision.
    """
    by_age, by_binding = rig.workers(2)
    for node in (by_age, by_binding):
        node.taint("example.com/dedicated:NoSchedule").wait()
    agent = rig.apply(daemonset(strategy="OnDelete"), guard=BESIDE_PLANTED, recorded=False)
    first = [
        rig.plant(pod("z-older", labels=AGENT, bound_to=by_age.name)),
        rig.plant(pod("a-unbound", labels=AGENT, pinned_to=by_binding.name)),
    ]
    both_adopted = adopted(*(one["metadata"]["uid"] for one in first))
    agent.eventually(both_adopted)
    agent.stays(both_adopted, for_=1.1)
    younger = rig.plant(pod("a-younger", labels=AGENT, bound_to=by_age.name))
    rig.plant(pod("z-bound", labels=AGENT, bound_to=by_binding.name))
    agent.eventually(gone(younger["metadata"]["uid"]) & gone(first[1]["metadata"]["uid"]))
    agent.barrier()
    agent.eventually(only_pod_on(by_age.name, "z-older") & only_pod_on(by_binding.name, "z-bound"))


def test_AMO_05_pruning_never_empties_a_node(rig: Rig) -> None:
    """Given four pods on a node, then they become one without ever becoming none.

    Source: unit TestDealsWithExistingPods. Catches: two decisions at once that each spare another pod.
    Trap: every event is judged. The node is tainted NoSchedule, so that nobody fills a gap again.
    """
    node = rig.workers(1)[0]
    node.taint("example.com/dedicated:NoSchedule").wait()
    for letter in "abcd":
        rig.plant(pod(f"planted-{letter}", labels=AGENT, bound_to=node.name))
    agent = rig.apply(daemonset(strategy="OnDelete"), guard=BESIDE_PLANTED, recorded=False)
    agent.eventually(one_left_on(node.name))
    agent.barrier()
    agent.throughout(NeverWithoutAPod(node.name))
    agent.eventually(one_left_on(node.name))
