"""What kubelets do with pods, and what a test can make them do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from small_cluster import Cluster

    from pytest_daemonset.nodes import Nodes

Pod = dict[str, Any]


def conditions(pod: Pod | None) -> dict[str, str]:
    return {row["type"]: row["status"] for row in (pod or {}).get("status", {}).get("conditions") or []}


def is_ready(pod: Pod | None) -> bool:
    return conditions(pod).get("Ready") == "True"


def phase(wanted: str) -> Any:
    return lambda pod: pod is not None and pod["status"]["phase"] == wanted


def gone(pod: Pod | None) -> bool:
    return pod is None


def test_a_bound_pod_runs_and_its_status_is_whole(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    cluster.bind("whole", node, initContainers=[{"name": "init", "image": "init:1"}])
    pod = cluster.until("whole", phase("Running"))
    assert pod is not None
    status = pod["status"]
    assert conditions(pod).items() >= {
        "PodReadyToStartContainers": "True", "Initialized": "True", "ContainersReady": "True", "Ready": "True",
    }.items()  # fmt: skip
    assert status["podIP"].startswith("10.")
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    assert status["hostIP"].startswith("172.")
    assert status["startTime"]
    (main,) = status["containerStatuses"]
    assert main["ready"]
    assert main["image"] == "agent:1"
    assert main["state"]["running"]["startedAt"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


def test_a_pod_on_the_hosts_network_has_its_address(nodes: Nodes, cluster: Cluster) -> None:
    cluster.bind("host", nodes.join().wait(), hostNetwork=True)
    pod = cluster.until("host", is_ready)
    assert pod is not None
    assert pod["status"]["podIP"] == pod["status"]["hostIP"]


def test_a_deleted_pod_becomes_terminal_before_it_goes(nodes: Nodes, cluster: Cluster) -> None:
    cluster.bind("ends", nodes.join().wait())
    cluster.until("ends", is_ready)
    cluster.delete("ends")
    phases: list[str] = []

    def look(pod: Pod | None) -> bool:
        if pod is not None:
            phases.append(pod["status"]["phase"])
        return pod is None

    cluster.until("ends", look)
    assert phases[-1:] in (["Succeeded"], [])
    cluster.until("ends", gone)


def test_termination_is_held_until_it_is_released(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    node.behave({"app": "x"}, hold_termination=True).wait()
    for name in ("held", "also-held"):
        cluster.bind(name, node)
        cluster.until(name, is_ready)
        cluster.delete(name)
    cluster.bind("free", node, labels={"app": "y"})
    cluster.until("free", is_ready)
    cluster.delete("free")
    cluster.until("free", gone)
    held = cluster.pod("held")
    assert held is not None
    assert held["metadata"]["deletionTimestamp"]
    assert held["status"]["phase"] == "Running"
    nodes.release("default/held").wait()
    assert cluster.pod("held") is None
    assert cluster.pod("also-held") is not None
    node.behave(hold_termination=False).wait()
    assert cluster.pod("also-held") is None


def test_the_terminal_phase_can_be_chosen(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    node.behave(terminal="Failed", hold_termination=True).wait()
    cluster.bind("dirty", node)
    cluster.until("dirty", is_ready)
    seen: list[str] = []

    def look(pod: Pod | None) -> bool:
        seen.append("gone" if pod is None else pod["status"]["phase"])
        return pod is None or pod["status"]["phase"] == "Failed"

    cluster.delete("dirty")
    released = nodes.release("default/dirty")
    released.wait()
    cluster.until("dirty", look)
    assert seen[-1] in ("Failed", "gone")


def test_pods_stay_pending_where_they_must_not_start(nodes: Nodes, cluster: Cluster) -> None:
    slow, quick = nodes.join(2).wait()
    slow.behave(start=False).wait()
    cluster.bind("slow", slow)
    cluster.bind("quick", quick)
    cluster.until("quick", is_ready)
    pod = cluster.pod("slow")
    assert pod is not None
    assert pod["status"]["phase"] == "Pending"
    slow.behave(start=True).wait()
    cluster.until("slow", is_ready)


def test_readiness_follows_the_switch_and_moves_its_transition_time(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    nodes.behave(ready=False).wait()
    cluster.bind("unready", node)
    pod = cluster.until("unready", phase("Running"))
    assert pod is not None
    assert conditions(pod)["Ready"] == "False"
    assert not pod["status"]["containerStatuses"][0]["ready"]
    assert conditions(pod)["Initialized"] == "True"
    nodes.behave(ready=True).wait()
    assert is_ready(cluster.pod("unready"))
    nodes.set_ready("default/unready", False).wait()
    assert not is_ready(cluster.pod("unready"))
    nodes.set_ready("default/unready").wait()
    assert is_ready(cluster.pod("unready"))


def test_a_rejected_pod_fails_at_once_with_its_reason(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    node.behave(reject=("OutOfcpu", "no cpu left")).wait()
    cluster.bind("refused", node)
    pod = cluster.until("refused", phase("Failed"))
    assert pod is not None
    assert pod["status"]["reason"] == "OutOfcpu"
    assert pod["status"]["message"] == "no cpu left"
    assert "containerStatuses" not in pod["status"]
    cluster.delete("refused")
    cluster.until("refused", gone)


def test_one_pod_can_be_made_to_fail_or_to_succeed(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    for name in ("fails", "succeeds"):
        cluster.bind(name, node)
        cluster.until(name, is_ready)
    nodes.fail("default/fails", reason="Evicted", message="low on memory", exit_code=137).wait()
    pod = cluster.pod("fails")
    assert pod is not None
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    assert int(pod["metadata"]["resourceVersion"]) <= cluster.client.wrote
    nodes.succeed(cluster.pod("succeeds") or {}).wait()
    done = cluster.pod("succeeds")
    assert done is not None
    assert done["status"]["phase"] == "Succeeded"
    assert conditions(done)["Ready"] == "False"


def test_a_readiness_gate_keeps_a_pod_unready_until_it_opens(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    cluster.bind("gated", node, readinessGates=[{"conditionType": "example.com/open"}])
    pod = cluster.until("gated", phase("Running"))
    assert conditions(pod)["ContainersReady"] == "True"
    assert conditions(pod)["Ready"] == "False"
    assert pod is not None
    rows = [*pod["status"]["conditions"], {"type": "example.com/open", "status": "True"}]
    cluster.portal.call(
        lambda: cluster.client.patch(PODS, "gated", {"status": {"conditions": rows}}, "default", subresource="status")
    )
    cluster.until("gated", is_ready)


def test_a_verb_on_a_pod_that_no_kubelet_can_see_to_is_an_error(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    cluster.bind("dark", node)
    cluster.until("dark", is_ready)
    node.crash().wait()
    with pytest.raises(ClusterError, match="is crashed: its kubelet does nothing"):
        nodes.fail("default/dark").wait()
    with pytest.raises(ClusterError, match="404"):
        nodes.fail("default/nobody").wait()


def test_a_behaviour_that_cannot_be_is_told_when_it_is_asked_for(nodes: Nodes) -> None:
    with pytest.raises(UsageError, match="give at least one of"):
        nodes.behave({"app": "x"})
    with pytest.raises(UsageError, match="ready is True or False"):
        nodes.behave(ready="no")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="terminal is"):
        nodes.behave(terminal="Running")
    with pytest.raises(UsageError, match="label selector knows"):
        nodes.behave({"matchExpressions": [{"key": "a", "operator": "Like"}]}, ready=False)
    with pytest.raises(UsageError, match="a pod is 'namespace/name'"):
        nodes.fail("lonely")
