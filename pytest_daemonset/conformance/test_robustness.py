"""The controller's own robustness: starts, restarts and rest (rows ROB-07 to ROB-09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_daemonset.conformance.goals import another_pod_on
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import one_pod_per_node, pod_on, ready, status_matches

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

REST: Final = 2.0
"""Seconds of rest that are watched: here time itself is what the row is about."""


@pytest.mark.daemonset_requires("behave")
def test_ROB_07_what_changed_while_the_controller_was_down_is_handled_at_its_start(rig: Rig) -> None:
    """Given a controller that is down while pods go, fail, and nodes change, then it sets all right once it starts.

    Source: contract.md, no upstream test. Catches: events only are acted upon, never what is there at the start.
    Trap: none; no barrier and no nudge: the start itself has to do it.
    """
    gone, failed, unlabelled, tainted = rig.workers(4)
    for node in rig.nodes:
        node.label({"example.com/zone": "a"}).wait()
    agent = rig.apply(daemonset(nodeSelector={"example.com/zone": "a"}))
    agent.eventually(one_pod_per_node & ready & status_matches)
    rig.stop()
    old = {node: agent.pod_on(node) for node in (gone, failed)}
    rig.delete_pod(old[gone], grace=0)
    rig.nodes.fail(old[failed]).wait()
    unlabelled.label({"example.com/zone": None}).wait()
    tainted.taint("example.com/dedicated:NoExecute").wait()
    late = rig.nodes.join(labels={"example.com/zone": "a"}).wait()
    rig.start()
    for node in (gone, failed):
        agent.eventually(another_pod_on(node.name, old[node]["metadata"]["uid"]))
    agent.eventually(pod_on(late) & ~pod_on(unlabelled) & ~pod_on(tainted))
    agent.eventually(one_pod_per_node & ready & status_matches)


@pytest.mark.daemonset_requires("audit")
def test_ROB_08_an_idle_restart_writes_nothing(rig: Rig) -> None:
    """When the controller restarts and nothing is to be done, then it writes nothing.

    Source: contract.md, no upstream test. Catches: status, revisions or pods written anew at each start. Trap: negative, so
    barriers, first on another set: it proves that the controller runs without touching the one that is judged. What
    answers the second barrier does not count, nor do leases and events.
    """
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    for one in (other, agent):
        one.settles(one_pod_per_node & ready & status_matches)
    pods = agent.uids()
    mark = rig.writes.mark()
    rig.restart()
    other.barrier()
    agent.barrier()
    written = rig.writes.unasked(agent.namespace, agent.name, mark)
    rig.expect_no_writes(written, "nothing was to be done when the controller restarted")
    rig.expect(agent.uids() == pods, "pods changed when the controller restarted")


@pytest.mark.daemonset_requires("audit")
def test_ROB_09_at_rest_the_controller_writes_nothing(rig: Rig) -> None:
    """When nothing is to be done, then the controller writes nothing.

    Source: unit TestExpectationsOnRecreate (its queue goes quiet). Catches: a loop that wakes itself. Trap: a rest has to
    be watched for as long as it takes, longer than the profile's resync period; nothing in it is measured.
    """
    agent = rig.apply(daemonset())
    at_rest = one_pod_per_node & ready & status_matches
    agent.settles(at_rest)
    mark = rig.writes.mark()
    rest = rig.rest(REST)
    agent.stays(at_rest, for_=rest)
    written = rig.writes.about(agent.namespace, agent.name, mark)
    rig.expect_no_writes(written, f"nothing was to be done for {rest:g} s")
