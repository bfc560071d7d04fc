"""Writes that go wrong on their way, by a webhook that hears of them first (rows AMO-09, STAT-07, ROB-04, ROB-10)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_daemonset.conformance.goals import another_pod_on, counters
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.conformance.rolling import all_at, exactly, rolling, to
from pytest_daemonset.conformance.webhooks import Webhook, refuse, remove_first
from pytest_daemonset.conformance.writes import told
from pytest_daemonset.contract import one_pod_per_node, pod_on, ready, status_matches
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.client import MERGE_PATCH

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

AGENT: Final = {"app": "agent"}
CODES: Final = (500, 429, 503)
"""Broken, throttled, unavailable: what an API server answers that is in trouble."""

PATIENCE: Final = 10.0
"""Seconds that a controller may let pass over three failures in a row."""


NTH: Final = 3
"""The pod over which the controller is killed: some are stored by then, others not yet asked for."""


def test_AMO_09_a_controller_that_crashes_while_it_makes_pods_makes_no_second_one(rig: Rig) -> None:
    """When a controller is killed while a create of its own is under way, then after its start no node has two pods, and each has one.

    Source: issue 54096; observed on v1.36.2: of 61 creates without an answer 12 were stored, and none was made twice. Catches: what was
    made already known to the process alone. Trap: the webhook kills the controller before the API server stores the pod, so
    the answer reaches nobody; whether it is stored all the same is the server's affair.
    """
    exactly(rig, 5)
    seen: list[str] = []
    dead = asyncio.Event()

    async def hear(request: Object) -> int | None:
        seen.append(request["uid"])
        if len(seen) == NTH:
            await rig.kill()
            dead.set()
        return None

    Webhook(rig, (("CREATE", "pods"),), hear)
    agent = rig.apply(daemonset())
    rig.await_event(dead, f"pod {NTH} to be asked for")
    rig.start()
    agent.eventually(one_pod_per_node & ready & status_matches)


def test_STAT_07_a_status_write_that_conflicts_is_tried_again_and_loses_nothing_of_others(rig: Rig) -> None:
    """When somebody writes a condition between the controller's read and its write of the status, then both are there in the end.

    Source: unit TestStoreDaemonSetStatus, TestSimpleDaemonSetUpdatesStatusError. Catches: a status written from the cache without a
    version check. Trap: the webhook writes the condition while the controller's own write is under way, so it conflicts each
    time; it is a counter change that brings that write about.
    """
    node = exactly(rig, 3)[0]
    agent = rig.apply(daemonset())
    agent.settles(one_pod_per_node & ready & status_matches)
    condition = {"type": "example.com/Told", "status": "True"}
    planted: list[str] = []

    async def hear(request: Object) -> int | None:
        if not planted:
            planted.append(request["uid"])
            patch = {"status": {"conditions": [condition]}}
            await rig.client.patch(rig.sets, agent.name, patch, rig.namespace, kind=MERGE_PATCH, subresource="status")
        return None

    Webhook(rig, (("UPDATE", f"{rig.sets.plural}/status"),), hear)
    node.taint("example.com/dedicated:NoExecute").wait()
    agent.eventually(~pod_on(node) & one_pod_per_node & status_matches)
    rig.expect(bool(planted), "the controller wrote no status, although the counters changed")
    there = agent.get()["status"].get("conditions") or []
    kept = [one for one in there if one.get("type") == condition["type"]]
    rig.expect(bool(kept), f"the condition that somebody wrote meanwhile is lost; there are: {there}")


@pytest.mark.daemonset_requires("audit")
def test_ROB_04_a_delete_that_is_answered_not_found_counts_as_done(rig: Rig) -> None:
    """When every pod that the controller deletes is gone by itself just before, then the rollout goes on at once and ends.

    Source: issues 75836, 95432. Catches: the end of a pod that is waited for after it has come. Trap: the webhook removes the pod while
    the controller's delete is under way; the time-out is far below the five minutes after which such a wait is given up.
    """
    exactly(rig, 2)
    agent = rig.apply(rolling())
    agent.eventually(one_pod_per_node & ready)
    gone = remove_first(rig)
    agent.update(to("2"))
    agent.eventually(all_at("2") & ready & status_matches)
    deletes = [one for one in rig.writes.to_pods(*gone, namespace=rig.namespace) if one.verb == "delete"]
    if not deletes or any(one.code != 404 for one in deletes):
        raise Inconclusive(
            f"deletes should have been answered with 404, so nothing was shown; there were:\n{told(deletes)}"
        )


def test_ROB_10_a_create_that_fails_is_tried_again(rig: Rig) -> None:
    """When the API server fails three creates in a row, then the pod comes without anything else that would bring it.

    Source: unit TestSimpleDaemonSetPodCreateErrors; contract.md. Catches: an error that is swallowed. Trap: one node lacks its pod and
    nothing else changes, so that no other event brings the retry; errors of reads are not shown here.
    """
    node = exactly(rig, 2)[0]
    agent = rig.apply(daemonset())
    agent.settles(one_pod_per_node & ready & status_matches)
    left = refuse(rig, "CREATE", "pods", CODES)
    victim = agent.pod_on(node)
    rig.delete_pod(victim, grace=0)
    agent.eventually(another_pod_on(node.name, victim["metadata"]["uid"]) & ready & status_matches, after=PATIENCE)
    rig.expect(not left, f"the pod came although the API server had still to fail with {left}")


def test_ROB_10_a_delete_that_fails_is_tried_again(rig: Rig) -> None:
    """When the API server fails three deletes in a row, then the pod goes without anything else that would make it go.

    Source: contract.md. Catches: an error that is swallowed. Trap: as for the creates.
    """
    node = exactly(rig, 2)[0]
    agent = rig.apply(daemonset())
    agent.settles(one_pod_per_node & ready & status_matches)
    left = refuse(rig, "DELETE", "pods", CODES)
    node.taint("example.com/dedicated:NoExecute").wait()
    agent.eventually(~pod_on(node) & status_matches, after=PATIENCE)
    rig.expect(not left, f"the pod went although the API server had still to fail with {left}")


@pytest.mark.daemonset_requires("behave")
def test_ROB_10_a_status_write_that_fails_is_tried_again(rig: Rig) -> None:
    """When the API server fails three writes of the status in a row, then the counters are right all the same.

    Source: unit TestSimpleDaemonSetUpdatesStatusError. Catches: an error that is swallowed. Trap: the one pod turns unready and stays so,
    so that no other event brings the retry.
    """
    node = exactly(rig, 1)[0]
    agent = rig.apply(daemonset())
    agent.settles(one_pod_per_node & ready & status_matches)
    left = refuse(rig, "UPDATE", f"{rig.sets.plural}/status", CODES)
    node.behave(AGENT, namespace=rig.namespace, ready=False).wait()
    agent.eventually(counters(numberReady=0), after=PATIENCE)
    rig.expect(not left, f"the status came although the API server had still to fail with {left}")


@pytest.mark.feature("history")
def test_ROB_10_a_revision_that_cannot_be_made_is_tried_again(rig: Rig) -> None:
    """When the API server fails three creates of a revision in a row, then the rollout begins and ends all the same.

    Source: contract.md. Catches: an error that is swallowed. Trap: nothing but the template changes.
    """
    exactly(rig, 2)
    agent = rig.apply(rolling())
    agent.settles(one_pod_per_node & ready & status_matches)
    left = refuse(rig, "CREATE", "controllerrevisions", CODES)
    agent.update(to("2"))
    agent.eventually(all_at("2") & ready & status_matches, after=PATIENCE)
    rig.expect(not left, f"the rollout ended although the API server had still to fail with {left}")
