"""PodDisruptionBudgets hold back evictions, ResourceQuotas hold back pods; dry runs hold back everything."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from embedded_server import ALICE, config_map, make_api, pod

from pytest_daemonset.embedded import priorities
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
    assert counted["status"] == {
        "hard": {"pods": "3", "requests.cpu": "1"},
        "used": {"pods": "2", "requests.cpu": "0"},
    }
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


def quota(api: Api, name: str = "q", **spec: Any) -> None:
    api.create(ALICE, "resourcequotas", "here", {"metadata": {"name": name}, "spec": spec})


def asking(name: str, requests: Object | None = None, limits: Object | None = None, **spec: Any) -> Object:
    """A pod whose container asks for so much."""
    made = pod(name)
    resources = {"requests": requests, "limits": limits}
    made["spec"]["containers"][0]["resources"] = {what: said for what, said in resources.items() if said}
    made["spec"].update(spec)
    return made


def refusal(api: Api, resource: str, body: Object) -> str:
    with pytest.raises(StatusError) as refused:
        api.create(ALICE, resource, "here", body)
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    return refused.value.message.partition(" is forbidden: ")[2]


def test_amounts_are_counted_and_named_as_by_kubernetes() -> None:
    api = make_api()
    quota(api, hard={"requests.cpu": "1", "limits.memory": "1Gi", "pods": "10"})
    assert refusal(api, "pods", pod("a")) == "failed quota: q: must specify limits.memory for: c; requests.cpu for: c"
    api.create(ALICE, "pods", "here", asking("b", {"cpu": "600m"}, {"memory": "100Mi"}))
    assert refusal(api, "pods", asking("c", {"cpu": "600m"}, {"memory": "100Mi"})) == (
        "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"
    )
    assert refusal(api, "pods", asking("d", limits={"cpu": "1", "memory": "2Gi"})) == (
        "exceeded quota: q, requested: limits.memory=2Gi,requests.cpu=1, used: limits.memory=100Mi,requests.cpu=600m, "
        "limited: limits.memory=1Gi,requests.cpu=1"
    )
    budgets.count(api, "here")
    told = api.get("resourcequotas", "here", "q")
    assert told is not None
    assert told["status"]["used"] == {"limits.memory": "100Mi", "pods": "1", "requests.cpu": "600m"}


def test_what_init_containers_need_counts_where_it_is_more_and_sidecars_count_always() -> None:
    api = make_api()
    quota(api, hard={"requests.cpu": "1"})
    init = [
        {"name": "side", "image": "i", "restartPolicy": "Always", "resources": {"requests": {"cpu": "200m"}}},
        {"name": "once", "image": "i", "resources": {"requests": {"cpu": "900m"}}},
    ]
    assert "requested: requests.cpu=1100m" in refusal(api, "pods", asking("a", {"cpu": "1m"}, initContainers=init))
    init[1]["resources"] = {"requests": {"cpu": "700m"}}
    api.create(ALICE, "pods", "here", asking("a", {"cpu": "750m"}, initContainers=init))


def test_objects_of_any_kind_are_counted() -> None:
    api = make_api()
    quota(api, hard={"count/configmaps": "1", "secrets": "1", "count/daemonsets.apps": "0"})
    api.create(ALICE, "configmaps", "here", config_map("a"))
    assert refusal(api, "configmaps", config_map("b")) == (
        "exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, limited: count/configmaps=1"
    )
    api.create(ALICE, "secrets", "here", {"metadata": {"name": "a"}})
    assert "secrets=1" in refusal(api, "secrets", {"metadata": {"name": "b"}})


@pytest.mark.parametrize(
    ("scopes", "inside", "outside"),
    [
        ({"scopes": ["BestEffort"]}, asking("p"), asking("p", {"cpu": "1"})),
        ({"scopes": ["NotBestEffort"]}, asking("p", {"cpu": "1"}), asking("p")),
        ({"scopes": ["Terminating"]}, asking("p", activeDeadlineSeconds=9), asking("p")),
        ({"scopes": ["NotTerminating"]}, asking("p"), asking("p", activeDeadlineSeconds=9)),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [
                        {"scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"]}
                    ]
                }
            },
            asking("p", priorityClassName="system-node-critical"),
            asking("p"),
        ),
    ],
)
def test_a_quota_with_scopes_is_about_the_pods_in_them(scopes: Object, inside: Object, outside: Object) -> None:
    api = make_api()
    priorities.provide(api, ALICE)
    quota(api, hard={"pods": "0"}, **scopes)
    assert refusal(api, "pods", inside) == "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"
    api.create(ALICE, "pods", "here", outside)


def test_a_deadline_brings_a_pod_into_the_scope_of_another_quota() -> None:
    api = make_api()
    quota(api, hard={"pods": "1"}, scopes=["Terminating"])
    api.create(ALICE, "pods", "here", asking("ends", activeDeadlineSeconds=9))
    api.create(ALICE, "pods", "here", asking("stays"))
    shorter = {"spec": {"activeDeadlineSeconds": 5}}
    api.patch(ALICE, "pods", "here", "ends", shorter)
    with pytest.raises(StatusError) as refused:
        api.patch(ALICE, "pods", "here", "stays", shorter)
    assert (refused.value.code, "exceeded quota: q" in refused.value.message) == (403, True)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"hard": {"nope": "1"}}, "must be a standard resource for quota"),
        ({"hard": {"pods": "1500m"}}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        ({"hard": {"requests.cpu": "1"}, "scopes": ["BestEffort"]}, "unsupported scope applied to resource"),
        ({"hard": {"pods": "1"}, "scopes": ["Nope"]}, "unsupported scope"),
        ({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotBestEffort"]}, "conflicting scopes"),
    ],
)
def test_a_quota_that_makes_no_sense_is_refused(spec: Object, wrong: str) -> None:
    api = make_api()
    with pytest.raises(StatusError) as refused:
        quota(api, **spec)
    assert refused.value.code == 422
    assert wrong in refused.value.message


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
    ("delete", "pods", "p", "", {"gracePeriodSeconds": 0, "dryRun": ["All"]}, "application/json"),
    ("deletecollection", "configmaps", "", "", None, "application/json"),
]


def test_the_options_of_a_deletion_are_those_of_its_body_alone_where_it_has_one() -> None:
    """A dry run that is asked for in the query then is none: kubernetes/apiserver, pkg/endpoints/handlers/delete.go."""
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    query = {"dryRun": "All", "propagationPolicy": "Nope"}
    api.write(Call(ALICE, "delete", api.served["configmaps"], "here", "a", "", b"{}", "application/json", query))
    assert api.get("configmaps", "here", "a") is None


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
