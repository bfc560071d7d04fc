"""What goes into the objects: nodes and their taints, pods and their conditions, rules of behaviour."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_daemonset.kubelets import machines, pods
from pytest_daemonset.kubelets.behaviour import Rule, Switches, matches, parse_change, switches

OLD = "2020-01-01T00:00:00Z"


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "x"}},
        "spec": {"nodeName": "n", "containers": [{"name": "main", "image": "agent:1"}]},
        "status": status,
    }


def after(patch: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    status = {**before["status"], **patch["status"]}
    return {**before, "status": status}


def rows(patch: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["type"]: row for row in patch["status"]["conditions"]}


def test_given_labels_win_over_those_of_the_kubelet() -> None:
    node = machines.node_object({"name": "n", "labels": {"kubernetes.io/arch": "s390x", "a": "b"}}, "172.16.0.1")
    labels = node["metadata"]["labels"]
    assert labels["kubernetes.io/arch"] == "s390x"
    assert labels["kubernetes.io/hostname"] == "n"
    assert labels["a"] == "b"


@pytest.mark.parametrize(
    ("ready", "evicting", "expected"),
    [
        ("True", True, ["mine:NoSchedule"]),
        ("False", False, ["mine:NoSchedule", f"{machines.NOT_READY}:NoSchedule"]),
        ("False", True, ["mine:NoSchedule", f"{machines.NOT_READY}:NoSchedule", f"{machines.NOT_READY}:NoExecute"]),
        ("Unknown", False, ["mine:NoSchedule", f"{machines.UNREACHABLE}:NoSchedule"]),
        (
            "Unknown",
            True,
            ["mine:NoSchedule", f"{machines.UNREACHABLE}:NoSchedule", f"{machines.UNREACHABLE}:NoExecute"],
        ),
    ],
)
def test_the_taints_of_the_lifecycle_loop_replace_each_other_and_no_others(
    ready: str, evicting: bool, expected: list[str]
) -> None:
    before = [
        {"key": machines.NOT_READY, "effect": "NoSchedule"},
        {"key": "mine", "effect": "NoSchedule"},
        {"key": machines.UNREACHABLE, "effect": "NoExecute"},
    ]
    result = machines.lifecycle_taints(before, ready, evicting=evicting)
    assert [f"{row['key']}:{row['effect']}" for row in result] == expected


def test_a_start_is_one_patch_with_everything_in_it() -> None:
    patch = pods.running(pod(), ready=True, host_ip="172.16.0.1", pod_ip="10.0.0.1")
    assert patch["metadata"] == {"uid": "u"}
    assert patch["status"]["phase"] == "Running"
    assert {kind: row["status"] for kind, row in rows(patch).items()} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "ContainersReady": "True",
        "Ready": "True",
    }


def test_transition_times_move_only_with_the_status() -> None:
    first = pods.running(pod(), ready=True, host_ip="h", pod_ip="p")
    for row in first["status"]["conditions"]:
        row["lastTransitionTime"] = OLD
    started = after(first, pod())
    unready = rows(pods.readiness(started, ready=False))
    assert unready["Initialized"]["lastTransitionTime"] == OLD
    assert unready["Ready"]["lastTransitionTime"] != OLD
    assert unready["Ready"]["reason"] == "ContainersNotReady"
    assert unready["Ready"]["message"] == "containers with unready status: [main]"
    same = rows(pods.readiness(started, ready=True))
    assert same["Ready"]["lastTransitionTime"] == OLD
    assert same["Ready"]["reason"] is None


def test_a_restart_counts_and_moves_the_transition_time_of_readiness() -> None:
    first = pods.running(pod(), ready=True, host_ip="h", pod_ip="p")
    for row in first["status"]["conditions"]:
        row["lastTransitionTime"] = OLD
    again = pods.running(after(first, pod()), ready=True, host_ip="h", pod_ip="p", restarted=True)
    assert again["status"]["containerStatuses"][0]["restartCount"] == 1
    assert rows(again)["Ready"]["lastTransitionTime"] != OLD
    assert again["status"]["startTime"] == first["status"]["startTime"]


def test_an_image_that_was_changed_in_place_is_noticed() -> None:
    running = after(pods.running(pod(), ready=True, host_ip="h", pod_ip="p"), pod())
    assert not pods.images_differ(running)
    running["spec"]["containers"][0]["image"] = "agent:2"
    assert pods.images_differ(running)


def test_the_end_keeps_start_time_and_restart_count() -> None:
    running = after(pods.running(pod(), ready=True, host_ip="h", pod_ip="p"), pod())
    running["status"]["containerStatuses"][0]["restartCount"] = 3
    running["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = OLD
    patch = pods.ended(running, "Failed", reason="Evicted", code=137)
    (row,) = patch["status"]["containerStatuses"]
    assert row["restartCount"] == 3
    assert row["state"]["terminated"]["startedAt"] == OLD
    assert row["state"]["terminated"]["exitCode"] == 137
    assert rows(patch)["Ready"]["reason"] == "PodFailed"
    assert patch["status"]["reason"] == "Evicted"


def test_the_later_rule_wins_switch_by_switch() -> None:
    rules = [
        Rule(None, None, {}, {"ready": False, "hold": True}),
        Rule("n", None, {"matchLabels": {"app": "x"}}, {"ready": True}),
        Rule("other", None, {}, {"start": False}),
        Rule(None, "elsewhere", {}, {"start": False}),
        Rule(None, None, {"matchLabels": {"app": "y"}}, {"start": False}),
    ]
    assert switches(rules, "n", pod()) == Switches(start=True, ready=True, hold=True)


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["x", "z"], True),
        ("In", ["z"], False),
        ("NotIn", ["z"], True),
        ("NotIn", ["x"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions_select_as_in_the_api(operator: str, values: list[str], expected: bool) -> None:
    row = {"key": "app", "operator": operator, "values": values}
    assert matches({"matchExpressions": [row]}, {"app": "x"}) is expected


@pytest.mark.parametrize("change", [{"speed": 1}, {"start": "yes"}, {"terminal": "Running"}])
def test_switches_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown switches|true or false|Succeeded, Failed"):
        parse_change(change)
