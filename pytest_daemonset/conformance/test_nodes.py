"""Nodes that join and leave (rows NODE-01 and NODE-02)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import one_pod_per_node, pod_on, ready, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig


def test_NODE_01_a_node_that_joins_gets_its_pod_and_nobody_else_s_changes(rig: Rig) -> None:
    """When an eligible node joins, then it gets a pod, and it alone.

    Source: unit TestAddNode; nodes join after the set in nearly all integration tests. Catches: nodes listed once per
    change of the set. Trap: a new node's taints move for a while, so only its end is awaited; the barrier comes after the
    liveness half.
    """
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    before = agent.uids()
    late = rig.nodes.join().wait()
    agent.eventually(pod_on(late))
    agent.eventually(one_pod_per_node & ready & status_matches)
    agent.barrier()
    after = agent.uids()
    changed = sorted(node for node, uid in before.items() if after.get(node) != uid)
    rig.expect(not changed, f"{late} joined, and the pods of {', '.join(changed)} changed")
    rig.expect(agent.made_for()[late.name] == 1, f"{agent.made_for()[late.name]} pods were made for {late}, not one")


def test_NODE_02_nothing_is_made_for_a_node_that_left_and_the_counters_follow(rig: Rig) -> None:
    """When a node leaves, then nothing is made for it any more, and once its pod is gone the counters drop.

    Source: issue 22545. Catches: a pending pod for a vanished node, made again and again. Trap: pod GC removes the pod
    that is left, and until then the counters may stand; nothing nudges the set while they are awaited.
    """
    late = rig.nodes.join().wait()
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    made = agent.made_for()
    late.leave().wait()
    agent.eventually(~pod_on(late))
    agent.eventually(one_pod_per_node & status_matches)
    agent.barrier()
    rig.expect(agent.made_for() == made, f"pods made were {made}; {late} left, and they became {agent.made_for()}")
    agent.eventually(~pod_on(late))
    agent.eventually(one_pod_per_node & status_matches)
