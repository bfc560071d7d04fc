"""Events on the set (rows EVT-01 to EVT-03): best effort, so at least one is asked for, and never a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import another_pod_on, counters
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.conformance.test_recovery import REFUSED
from pytest_daemonset.contract import one_pod_per_node, ready
from pytest_daemonset.errors import Violation
from pytest_daemonset.kube.resources import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest

Object = dict[str, Any]

WITHIN = 10.0
"""Seconds after which an event is missed: it is written behind the work, and only then is it waited for so long."""


def _expect_event(rig: Rig, agent: SetUnderTest, kind: str, reason: str, part: str = "") -> None:
    """Some event of this kind and reason comes to be on the set; watched, for events are written behind the work.

    Raises:
        Violation: none does.
    """
    __tracebackhide__ = True

    def mine(events: Iterable[Object]) -> list[Object]:
        return [one for one in events if (one.get("involvedObject") or {}).get("uid") == agent.uid]

    def told(events: Iterable[Object]) -> bool:
        return any(
            (one.get("type"), one.get("reason")) == (kind, reason) and part in one.get("message", "")
            for one in mine(events)
        )

    if not rig.comes_to(EVENTS, told, within=WITHIN):
        found = {f"{one.get('type')} {one.get('reason')}" for one in mine(rig.objects(EVENTS))}
        raise Violation(
            f"{agent.daemonset.subject} has no {kind} event {reason} that says {part!r} after {WITHIN:g} s; there are: "
            f"{', '.join(sorted(found)) or 'none'}"
        )


def test_EVT_01_pods_that_are_made_and_deleted_are_told_by_events(rig: Rig) -> None:
    """When the controller makes and deletes pods, then events on the set say so: SuccessfulCreate and SuccessfulDelete.

    Source: code. Catches: a silent controller. Trap: events are merged and rate limited.
    """
    node = rig.workers(2)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    _expect_event(rig, agent, "Normal", "SuccessfulCreate")
    node.taint("example.com/dedicated:NoExecute").wait()
    agent.eventually(one_pod_per_node)
    _expect_event(rig, agent, "Normal", "SuccessfulDelete")


def test_EVT_02_a_refused_pod_is_told_by_an_event_with_its_cause(rig: Rig) -> None:
    """When pods are refused, then a Warning FailedCreate on the set carries the cause.

    Source: code. Catches: failure that only the log tells. Trap: as for EVT-01.
    """
    agent = rig.apply(daemonset(**REFUSED))
    agent.eventually(counters(currentNumberScheduled=0))
    _expect_event(rig, agent, "Warning", "FailedCreate", REFUSED["priorityClassName"])


@pytest.mark.daemonset_requires("behave")
@pytest.mark.parametrize(
    ("end", "kind", "reason"), [("fail", "Warning", "FailedDaemonPod"), ("succeed", "Normal", "SucceededDaemonPod")]
)
def test_EVT_03_ended_pods_that_are_removed_are_told_by_events(rig: Rig, end: str, kind: str, reason: str) -> None:
    """When a failed or succeeded pod is removed, then an event on the set says so.

    Source: unit TestDaemonKillFailedPods. Catches: nothing is told. Trap: names are a convention of the built-in controller.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    victim = agent.pod_on(node)
    (rig.nodes.fail(victim) if end == "fail" else rig.nodes.succeed(victim)).wait()
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]))
    _expect_event(rig, agent, kind, reason)


MOST = 60
"""Events on one set within a few seconds: a filter as client-go's lets 25 through, and one every five minutes."""


@pytest.mark.daemonset_requires("audit", "virtual_nodes")
def test_EVT_04_under_permanent_failure_the_events_stay_few(rig: Rig) -> None:
    """Given many nodes and pods that are all refused, then the events that tell it stay few.

    Source: unit TestSimpleDaemonSetPodCreateErrors (indirectly); observed as 13 in 25 s on 20 nodes. Catches: one event for each node
    in each retry. Trap: events are read from the write log, merged or not; the rest of the run is too short for a slow trickle to
    count, so the bound is one on a burst.
    """
    rig.workers(30)
    agent = rig.apply(daemonset(**REFUSED))
    shortfall = counters(currentNumberScheduled=0)
    agent.eventually(shortfall)
    agent.stays(shortfall, for_=2.5)
    written = rig.writes.events(agent)
    rig.expect(len(written) <= MOST, f"{len(written)} events on one set within 3 s, because its pods are refused")
