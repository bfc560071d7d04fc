"""An API server whose policies refuse, or change, the pods that the controller asks for (rows FAIL-08, ROB-15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_daemonset.conformance.goals import StateGoal, counters
from pytest_daemonset.conformance.manifests import daemonset, pod
from pytest_daemonset.conformance.policies import refuse_pods, strip_label
from pytest_daemonset.conformance.rolling import exactly
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.contract import Goal, State

AGENT = {"app": "agent"}
SAYS: Final = "the conformance suite admits no such pod"

_TERMS: Final = "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
_PINNED: Final = (
    "has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity)"
    f" && has({_TERMS}) && {_TERMS}.nodeSelectorTerms.exists(term, has(term.matchFields)"
    " && term.matchFields.exists(field, field.values.exists(value, value in {nodes})))"
)
_BOUND: Final = "has(object.spec.nodeName) && object.spec.nodeName in {nodes}"


def test_FAIL_08_where_a_policy_refuses_all_pods_the_status_tells_it_and_they_come_when_it_is_lifted(rig: Rig) -> None:
    """When a policy refuses every pod, then the status tells the shortfall; when it is lifted, then every node gets its pod.

    Source: issue 100683; observed as one attempt in each sync, and retries that double. Catches: the first error ends the sync before the
    status is written; what was refused is never tried again. Trap: nothing but the policy changes, so that the retry has to come by
    itself; it may be as late again as the outage was long, so that is added to the time-out.
    """
    rig.workers(3)
    lift = refuse_pods(rig, "false", SAYS, pod("probe", labels=AGENT))
    agent = rig.apply(daemonset())
    nodes = len(rig.nodes)
    agent.eventually(counters(desiredNumberScheduled=nodes, currentNumberScheduled=0, numberUnavailable=nodes))
    rig.expect(not agent.made(), "pods were made that a policy refuses")
    lift()
    agent.eventually(one_pod_per_node & ready & status_matches, after=10)


def test_FAIL_08_where_a_policy_refuses_the_pods_of_two_nodes_the_others_are_made(rig: Rig) -> None:
    """When a policy refuses the pods of two nodes for good, then the other nodes get theirs, and so do the two when it is lifted.

    Source: observed: 19 of 20 nodes served within 0.55 s. Catches: a ramp that begins with the same node each time, is stopped by its
    refusal, and never comes to the others. Trap: the first and the last node are refused, since the order is not specified; a
    pod names its node by a pin or is bound to it.
    """
    nodes = sorted(exactly(rig, 4), key=str)
    refused = [nodes[0].name, nodes[-1].name]
    there = f"({_PINNED.format(nodes=refused)}) || ({_BOUND.format(nodes=refused)})"
    probe = pod("probe", labels=AGENT, pinned_to=refused[0])
    lift = refuse_pods(rig, f"!({there})", SAYS, probe)
    agent = rig.apply(daemonset())
    agent.eventually(counters(desiredNumberScheduled=4, currentNumberScheduled=2, numberUnavailable=2))
    served = sorted(agent.made_for())
    rig.expect(served == sorted(one.name for one in nodes[1:-1]), f"pods were made for {', '.join(served)}")
    lift()
    agent.eventually(one_pod_per_node & ready & status_matches, after=10)


MOST: Final = 12
"""Pods for one node within `WATCHED`: with the back-off of failed pods it would be three, without any about two hundred."""

WATCHED: Final = 4.0
"""Seconds: here time itself is what the row is about."""


def _at_most(number: int, seen: set[str]) -> Goal:
    """No more than so many pods were ever made in the namespace, counted as they are seen."""

    def complaint(state: State) -> str | None:
        seen.update(state.pods)
        return f"{len(seen)} pods were made for one node" if len(seen) > number else None

    return StateGoal(f"at most {number} pods", complaint)


def test_ROB_15_an_api_server_that_takes_labels_away_does_not_make_pods_without_end(rig: Rig) -> None:
    """When the API server takes the selector's label off every new pod, then the pods that are made in vain stay few.

    Source: contract.md; observed on v1.36.2 as 49 pods a second on one node. Catches: create, release, create, without any
    back-off. Trap: a bound on a burst, watched for as long as it takes; a slow machine makes fewer, never more. Such pods belong to
    nobody, so all of the namespace are counted.
    """
    exactly(rig, 1)
    strip_label(rig, "app")
    agent = rig.apply(daemonset(), recorded=False)
    agent.eventually(StateGoal("a first pod", lambda state: None if state.pods else "no pod was made yet"))
    agent.stays(_at_most(MOST, set()), for_=WATCHED)
