"""That the reference controller serves kinds of another shape, and reads the fields that a DaemonSet does not have."""

from __future__ import annotations

import asyncio

import pytest
from reference_objects import NOW, START, node, view

from pytest_daemonset.reference import extensions
from pytest_daemonset.reference.client import ApiError, Client
from pytest_daemonset.reference.kinds import Kind, KindClient
from pytest_daemonset.reference.placement import by_node
from pytest_daemonset.reference.rollout import with_surge, without_surge
from pytest_daemonset.reference.views import NodeView

KIND = Kind("podsets.v1alpha2.example.com", "spec.work.podTemplate", "spec.podSelector", "example.com/revision")


def rolling(**fields):
    return {"spec": {"updateStrategy": {"rollingUpdate": fields}}}


def nodes(*names, **labels):
    return {name: NodeView.of(node(name, labels=labels.get(name, {}))) for name in names}


@pytest.mark.parametrize(("value", "whole", "number"), [(None, 9, 0), (3, 9, 3), ("50%", 5, 2), ("100%", 3, 3)])
def test_a_partition_is_a_number_or_a_percentage_rounded_down(value, whole, number):
    assert extensions.partition(rolling(partition=value), whole) == number


def test_a_partition_is_never_more_than_all_nor_less_than_none():
    assert extensions.partition(rolling(partition=9), 4) == 4
    assert extensions.partition(rolling(partition=-1), 4) == 0


def test_a_rollout_with_a_partition_reaches_updated_nodes_first_then_the_others_from_the_end_of_their_names():
    pods = by_node([view("p", "a"), view("q", "b", hash="old"), view("r", "c", hash="old"), view("s", "d", hash="old")])
    there = everywhere = nodes("a", "b", "c", "d")
    reached = extensions.admitted(rolling(partition=2), pods, there, everywhere.__contains__, "new")
    assert reached == {"a", "d"}


def test_a_rollout_with_a_selector_reaches_nodes_of_these_labels():
    pods = by_node([view("p", "a", hash="old"), view("q", "b", hash="old")])
    there = everywhere = nodes("a", "b", b={"wave": "1"})
    selector = {"matchLabels": {"wave": "1"}}
    assert extensions.admitted(rolling(selector=selector), pods, there, everywhere.__contains__, "new") == {"b"}


def test_nodes_that_are_not_admitted_keep_their_pods_and_count_for_the_budget():
    pods = by_node([view("p", "a", hash="old", ready=None), view("q", "b", hash="old")])
    available = lambda pod: pod.available(0, NOW)  # noqa: E731
    decisions = {"a": START, "b": START}
    assert not without_surge(decisions, pods, "new", 1, available, {"b"}).delete
    assert [pod.name for pod in without_surge(decisions, pods, "new", 2, available, {"b"}).delete] == ["q"]
    assert with_surge(decisions, pods, "new", 2, available, {"b"}).create == ["b"]


def test_partitioned_scaling_holds_back_as_many_as_the_partition():
    held = {"spec": {**rolling(partition=2)["spec"], "scaleStrategy": {"partitionedScaling": True}}}
    assert extensions.held_back(held, 4, 0, ["d", "b", "a", "c"]) == ["a", "b"]
    assert extensions.held_back(held, 4, 2, ["d", "c"]) == []
    assert extensions.held_back(rolling(partition=2), 4, 0, ["d", "b"]) == ["d", "b"]


def test_a_burst_is_a_number_or_a_percentage():
    assert extensions.burst({"spec": {}}, 9) == 250
    assert extensions.burst({"spec": {"burstReplicas": "50%"}}, 9) == 4


class Wire(KindClient):
    """What would be sent, and a canned answer."""

    def __init__(self, answer):
        self._kind, self._name, self._answer, self.sent = KIND, "PodSet", answer, []


@pytest.fixture
def ask(monkeypatch):
    """Sends one request through a client whose wire is a list; returns what went out and what came back."""

    def run(method, path, body=None, answer=None):
        wire = Wire(answer)

        async def request(self, method, path, body=None, query=None, content="application/json"):
            self.sent.append((method, path, body, content))
            return self._answer

        monkeypatch.setattr(Client, "request", request)
        return asyncio.run(wire.request(method, path, body)), wire.sent[0]

    return run


def test_a_set_is_read_as_a_daemonset(ask):
    stored = {"kind": "PodSet", "metadata": {}, "spec": {"work": {"podTemplate": {"x": 1}}, "podSelector": {"y": 2}}}
    read, sent = ask("GET", "/apis/apps/v1/namespaces/n/daemonsets/a", answer=stored)
    assert sent[1] == "/apis/example.com/v1alpha2/namespaces/n/podsets/a"
    assert (read["kind"], read["apiVersion"]) == ("DaemonSet", "apps/v1")
    assert read["spec"] == {"template": {"x": 1}, "selector": {"y": 2}}


def test_a_status_is_written_to_the_set_as_the_kind_has_it(ask):
    body = {"kind": "DaemonSet", "metadata": {}, "spec": {"template": {}, "selector": {}}, "status": {"numberReady": 1}}
    _, sent = ask("PUT", "/apis/apps/v1/namespaces/n/daemonsets/a/status", body, answer={})
    assert sent[1] == "/apis/example.com/v1alpha2/namespaces/n/podsets/a/status"
    assert sent[2]["kind"] == "PodSet"
    assert sent[2]["spec"] == {"work": {"podTemplate": {}}, "podSelector": {}}


def test_a_pod_carries_the_kind_s_label_and_names_its_kind_as_owner(ask):
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "a", "uid": "1"}
    pod = {
        "kind": "Pod",
        "metadata": {"labels": {"controller-revision-hash": "h", "x": "y"}, "ownerReferences": [owner]},
    }
    made, sent = ask("POST", "/api/v1/namespaces/n/pods", pod, answer=pod)
    assert sent[2]["metadata"]["labels"] == {"example.com/revision": "h", "x": "y"}
    assert sent[2]["metadata"]["ownerReferences"][0]["kind"] == "PodSet"
    assert made == pod


def test_a_revision_records_the_template_where_the_kind_has_it(ask):
    data = {"spec": {"template": {"$patch": "replace"}}}
    revision = {"kind": "ControllerRevision", "metadata": {"labels": {}}, "data": data, "revision": 1}
    stored = {**revision, "data": {"spec": {"work": {"podTemplate": {"$patch": "replace"}}}}}
    read, sent = ask("POST", "/apis/apps/v1/namespaces/n/controllerrevisions", revision, answer=stored)
    assert sent[2]["data"] == stored["data"]
    assert read["data"] == {"spec": {"template": {"$patch": "replace"}}}


def test_a_kind_that_is_not_served_is_told(monkeypatch):
    async def request(self, *words, **more):
        raise ApiError(404, "NotFound", "404 page not found")

    monkeypatch.setattr(Client, "request", request)
    with pytest.raises(ApiError, match=r"does not serve podsets\.v1alpha2\.example\.com"):
        asyncio.run(Wire(None).look_up())
