"""PodDisruptionBudgets hold back evictions, ResourceQuotas hold back pods; dry runs hold back everything."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from embedded_server import ALICE, config_map, make_api, pod

from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.calls import Call
from pytest_daemonset.embedded.loops import budgets
from pytest_daemonset.embedded.statuses import StatusError

Object = dict[str, Any]

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def running(api: Api, name: str, ready: bool = True) -> None:
    api.create(ALICE, "pods", "here", pod(name, "n", labels={"app": "a"}))
    status = READY if ready else {"phase": "Running"}
    api.patch(ALICE, "pods", "here", name, {"status": status}, subresource="status")


def budget(api: Api, **spec: Any) -> None:
    said = {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "a"}}, **spec}}
    api.create(ALICE, "poddisruptionbudgets.policy", "here", said)


def evict(api: Api, name: str, **options: Any) -> Object:
    body = {"metadata": {"name": name}, "deleteOptions": options}
    return api.create(ALICE, "pods", "here", body, name, "eviction")


@pytest.mark.parametrize("spec", [{"minAvailable": 2}, {"maxUnavailable": 1}, {"minAvailable": "60%"}])
def test_the_eviction_that_would_break_the_budget_is_refused(spec: Object) -> None:
    api = make_api()
    for name in ("p1", "p2", "p3"):
        running(api, name)
    budget(api, **spec)
    assert evict(api, "p1")["status"] == "Success"
    with pytest.raises(StatusError) as refused:
        evict(api, "p2")
    assert (refused.value.code, refused.value.reason) == (429, "TooManyRequests")
    assert refused.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget b needs 2 healthy pods and has 2 currently",
    }
    assert refused.value.details == {"causes": [cause]}
    api.delete(ALICE, "pods", "here", "p2")  # who deletes asks no budget


def test_pods_that_are_not_ready_follow_their_own_policy() -> None:
    api = make_api()
    running(api, "good")
    running(api, "bad", ready=False)
    budget(api, minAvailable=2)
    with pytest.raises(StatusError, match="disruption budget"):
        evict(api, "bad")
    api.patch(
        ALICE, "poddisruptionbudgets.policy", "here", "b", {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}
    )
    assert evict(api, "bad")["status"] == "Success"


def test_two_budgets_for_one_pod_are_an_error_as_in_kubernetes() -> None:
    api = make_api()
    running(api, "p")
    budget(api, minAvailable=0)
    api.create(ALICE, "poddisruptionbudgets.policy", "here", {"metadata": {"name": "all"}, "spec": {"selector": {}}})
    with pytest.raises(StatusError, match="more than one PodDisruptionBudget"):
        evict(api, "p")


def test_budgets_and_quotas_say_how_things_stand() -> None:
    api = make_api()
    running(api, "p1")
    running(api, "p2", ready=False)
    budget(api, minAvailable=1)
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "3", "requests.cpu": "1"}}}
    api.create(ALICE, "resourcequotas", "here", quota)
    budgets.count(api, "here")
    told = api.get("poddisruptionbudgets.policy", "here", "b")
    assert told is not None
    numbers = {
        "observedGeneration": 1,
        "disruptionsAllowed": 0,
        "currentHealthy": 1,
        "desiredHealthy": 1,
        "expectedPods": 2,
    }
    assert told["status"] == numbers
    counted = api.get("resourcequotas", "here", "q")
    assert counted is not None
    assert counted["status"] == {"hard": {"pods": "3"}, "used": {"pods": "2"}}
    before = api.store.rv
    budgets.count(api, "here")
    assert api.store.rv == before


def test_the_pod_too_many_is_refused_as_kubernetes_words_it() -> None:
    api = make_api()
    api.create(ALICE, "resourcequotas", "here", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}})
    for name in ("p1", "p2"):
        running(api, name)
    with pytest.raises(StatusError) as refused:
        api.create(ALICE, "pods", "here", pod("p3"))
    assert refused.value.code == 403
    assert refused.value.message == (
        'pods "p3" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    )
    # what has ended counts no more
    api.patch(ALICE, "pods", "here", "p1", {"status": {"phase": "Failed"}}, subresource="status")
    api.create(ALICE, "pods", "here", pod("p3"))


APPLIED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"z": "1"}}
WRITES = [
    ("create", "configmaps", "", "", config_map("new"), "application/json"),
    ("create", "pods", "p", "eviction", {"metadata": {"name": "p"}}, "application/json"),
    ("create", "pods", "free", "binding", {"metadata": {"name": "free"}, "target": {"name": "n"}}, "application/json"),
    ("update", "configmaps", "a", "", {"metadata": {"name": "a"}, "data": {"z": "1"}}, "application/json"),
    ("update", "namespaces", "here", "finalize", {"metadata": {"name": "here"}, "spec": {}}, "application/json"),
    ("patch", "configmaps", "a", "", {"data": {"z": "1"}}, "application/merge-patch+json"),
    ("patch", "configmaps", "a", "", [{"op": "remove", "path": "/data"}], "application/json-patch+json"),
    ("patch", "configmaps", "a", "", {"data": {"z": "1"}}, "application/strategic-merge-patch+json"),
    ("patch", "configmaps", "a", "", APPLIED, "application/apply-patch+yaml"),
    ("patch", "pods", "p", "status", {"status": {"phase": "Failed"}}, "application/merge-patch+json"),
    ("delete", "configmaps", "a", "", None, "application/json"),
    ("delete", "pods", "p", "", {"gracePeriodSeconds": 0}, "application/json"),
    ("deletecollection", "configmaps", "", "", None, "application/json"),
]


@pytest.mark.parametrize(("verb", "resource", "name", "part", "body", "content_type"), WRITES)
def test_a_dry_run_changes_nothing(
    verb: str, resource: str, name: str, part: str, body: Any, content_type: str
) -> None:
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.create(ALICE, "pods", "here", pod("p", "n"))
    api.create(ALICE, "pods", "here", pod("free"))
    before, objects = (
        api.store.rv,
        {key: entry.raw for table in api.store.tables.values() for key, entry in table.entries.items()},
    )
    query = {"dryRun": "All", "fieldManager": "m"}
    namespace = "" if resource == "namespaces" else "here"
    data = b"" if body is None else orjson.dumps(body)
    answer = api.write(Call(ALICE, verb, api.served[resource], namespace, name, part, data, content_type, query))
    assert answer.code in {200, 201}
    assert api.store.rv == before
    assert not answer.changes
    assert objects == {key: entry.raw for table in api.store.tables.values() for key, entry in table.entries.items()}
