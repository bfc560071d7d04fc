"""Deletion: graceful for pods, held by finalizers, guarded by preconditions, remembered for the garbage collector."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from embedded_server import ALICE, config_map, make_api, pod

from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.statuses import StatusError


def _changes(api, resource: str = "pods") -> list[tuple[str, int]]:
    return [(change.type, change.rv) for change in api.served[resource].table.ring]


def test_a_bound_pod_ends_in_two_steps_when_it_is_killed():
    api = make_api()
    api.create(ALICE, "pods", "here", pod("p", "n1"))
    gone = api.delete(ALICE, "pods", "here", "p", {"gracePeriodSeconds": 0})
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 0
    assert [type_ for type_, _ in _changes(api)] == ["ADDED", "MODIFIED", "DELETED"]
    assert api.get("pods", "here", "p") is None


def test_the_deletion_timestamp_is_when_the_grace_ends():
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    api = Api(ALL_KINDS, now=lambda: moment)
    api.create(ALICE, "namespaces", "", {"metadata": {"name": "here"}})
    api.create(ALICE, "pods", "here", pod("p", "n1"))
    first = api.delete(ALICE, "pods", "here", "p", {"gracePeriodSeconds": 30})["metadata"]
    assert (first["deletionTimestamp"], first["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:30Z", 30)
    shorter = api.delete(ALICE, "pods", "here", "p", {"gracePeriodSeconds": 5})["metadata"]
    assert (shorter["deletionTimestamp"], shorter["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:05Z", 5)
    longer = api.delete(ALICE, "pods", "here", "p", {"gracePeriodSeconds": 60})["metadata"]
    assert longer == shorter


def test_a_pod_in_its_grace_survives_updates():
    api = make_api()
    api.create(ALICE, "pods", "here", pod("p", "n1"))
    api.delete(ALICE, "pods", "here", "p")
    api.patch(ALICE, "pods", "here", "p", {"metadata": {"labels": {"a": "b"}}})
    assert api.get("pods", "here", "p") is not None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_goes_at_once(phase):
    api = make_api()
    api.create(ALICE, "pods", "here", pod("p", "n1"))
    api.patch(ALICE, "pods", "here", "p", {"status": {"phase": phase}}, subresource="status")
    api.delete(ALICE, "pods", "here", "p")
    assert api.get("pods", "here", "p") is None


def test_a_finalizer_holds_an_object_until_it_is_taken_away():
    api = make_api()
    api.create(ALICE, "configmaps", "here", {"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})
    told = api.delete(ALICE, "configmaps", "here", "a")
    assert told["metadata"]["deletionGracePeriodSeconds"] == 0
    rv = api.store.rv
    api.delete(ALICE, "configmaps", "here", "a")
    assert api.store.rv == rv, "deleting again changes nothing"
    api.patch(ALICE, "configmaps", "here", "a", {"metadata": {"finalizers": None}})
    assert api.get("configmaps", "here", "a") is None


@pytest.mark.parametrize(
    ("policy", "finalizers"), [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None)]
)
def test_the_propagation_is_remembered_as_a_finalizer(policy, finalizers):
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.delete(ALICE, "configmaps", "here", "a", {"propagationPolicy": policy})
    left = api.get("configmaps", "here", "a")
    assert (left and left["metadata"]["finalizers"]) == finalizers


def test_another_policy_takes_the_place_of_the_first():
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.delete(ALICE, "configmaps", "here", "a", {"propagationPolicy": "Orphan"})
    api.delete(ALICE, "configmaps", "here", "a", {"propagationPolicy": "Background"})
    assert api.get("configmaps", "here", "a") is None


@pytest.mark.parametrize("preconditions", [{"uid": "another"}, {"resourceVersion": "1"}])
def test_a_precondition_that_does_not_hold_is_a_conflict(preconditions):
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    with pytest.raises(StatusError) as error:
        api.delete(ALICE, "configmaps", "here", "a", {"preconditions": preconditions})
    assert (error.value.code, error.value.reason) == (409, "Conflict")


def test_preconditions_that_hold_let_it_go():
    api = make_api()
    made = api.create(ALICE, "configmaps", "here", config_map("a"))["metadata"]
    api.delete(ALICE, "configmaps", "here", "a", {"preconditions": {k: made[k] for k in ("uid", "resourceVersion")}})
    assert api.get("configmaps", "here", "a") is None


def test_a_dry_run_deletes_nothing():
    api = make_api()
    api.create(ALICE, "pods", "here", pod("p", "n1"))
    rv = api.store.rv
    api.delete(ALICE, "pods", "here", "p", {"gracePeriodSeconds": 0, "dryRun": ["All"]})
    assert (api.store.rv, api.get("pods", "here", "p") is None) == (rv, False)


def test_a_namespace_waits_for_its_finalizer():
    api = make_api()
    told = api.delete(ALICE, "namespaces", "", "here")
    assert told["status"]["phase"] == "Terminating"
    with pytest.raises(StatusError) as error:
        api.create(ALICE, "configmaps", "here", config_map("late"))
    assert error.value.code == 403
    api.update(ALICE, "namespaces", "", "here", {**told, "spec": {}}, subresource="finalize")
    assert api.get("namespaces", "", "here") is None


def test_the_default_namespace_cannot_go():
    api = make_api()
    api.create(ALICE, "namespaces", "", {"metadata": {"name": "default"}})
    with pytest.raises(StatusError) as error:
        api.delete(ALICE, "namespaces", "", "default")
    assert error.value.code == 403


def test_an_eviction_marks_the_pod_and_deletes_it():
    api = make_api()
    api.create(ALICE, "pods", "here", pod("p", "n1"))
    api.create(ALICE, "pods", "here", {"metadata": {"name": "p"}}, name="p", subresource="eviction")
    left = api.get("pods", "here", "p")
    assert left is not None
    assert "deletionTimestamp" in left["metadata"]
    assert left["status"]["conditions"][0]["type"] == "DisruptionTarget"
