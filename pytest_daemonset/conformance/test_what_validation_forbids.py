"""Sets that validation forbids, for a kind whose definition lets them pass (rows OWN-09, UPD-22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.manifests import daemonset, pod
from pytest_daemonset.conformance.rolling import all_at, exactly, rolling, to
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import DAEMONSETS, PODS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig


def _admitted(rig: Rig, manifest: dict[str, Any], what: str) -> None:
    """Skip the row where the API server refuses such a set, as it does a DaemonSet."""
    try:
        rig.dry_run(DAEMONSETS, manifest)
    except ApiError as error:
        if error.status != 422:
            raise
        pytest.skip(f"the API server refuses a set with {what}, so no controller ever sees one")


@pytest.mark.daemonset_requires("audit")
def test_OWN_09_a_set_with_an_empty_selector_is_refused_and_takes_nothing(rig: Rig) -> None:
    """Given a set whose selector is empty, then nothing is adopted, made or deleted for it.

    Source: unit TestPodIsNotDeletedByDaemonsetWithEmptyLabelSelector. Catches: a selector that matches every pod of the
    namespace. Trap: negative, so a barrier on another set, which comes later in the same queue; events may be written.
    """
    exactly(rig, 2)
    manifest = daemonset("empty")
    manifest["spec"]["selector"] = {}
    _admitted(rig, manifest, "an empty selector")
    bystander = rig.plant(pod("bystander", labels={"app": "somebody-else"}, bound_to=rig.nodes[0].name))
    mark = rig.writes.mark()
    rig.create(DAEMONSETS, manifest)
    other = rig.apply(daemonset("other"))
    other.eventually(one_pod_per_node & ready)
    other.barrier()
    told = [one for one in rig.writes.about(rig.namespace, "empty", mark) if one.resource == "pods"]
    rig.expect_no_writes(told, "a set with an empty selector is to be left alone")
    rig.expect_no_writes(
        rig.writes.to_pods("bystander", namespace=rig.namespace, since=mark), "an empty selector selects nothing"
    )
    there = rig.get(PODS, "bystander")
    same = there is not None and there["metadata"]["uid"] == bystander["metadata"]["uid"]
    rig.expect(same, "the pod of somebody else is gone")


def test_UPD_22_where_both_limits_are_zero_one_unavailable_node_is_allowed(rig: Rig) -> None:
    """Given maxUnavailable and maxSurge of zero, when the template changes, then the rollout goes on, a node at a time, and ends.

    Source: unit TestGetUnavailableNumbers. Catches: a rollout that never begins. Trap: liveness, so no barrier.
    """
    exactly(rig, 2)
    manifest = rolling(unavailable=0)
    _admitted(rig, manifest, "both limits zero")
    agent = rig.apply(manifest)
    agent.eventually(all_at("1") & status_matches)
    agent.update(to("2"))
    agent.eventually(all_at("2") & status_matches)
