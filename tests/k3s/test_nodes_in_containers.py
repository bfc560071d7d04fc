"""The verbs on nodes that are containers: what Docker has afterwards, and what the API says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker_here
import pytest

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import LEASES, NODES, PODS, SECRETS
from pytest_daemonset.nodes import agent
from pytest_daemonset.nodes.containers import ContainerNodes

if TYPE_CHECKING:
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.nodes import Nodes
    from pytest_daemonset.running import Running

pytestmark = pytest.mark.docker


def get(running: Running, resource: Resource, name: object, namespace: str | None = None) -> dict[str, Any] | None:
    try:
        return running.portal.call(lambda: running.cluster.client.get(resource, str(name), namespace))
    except ApiError as error:
        if error.status != 404:
            raise
        return None


def everyone(running: Running) -> list[dict[str, Any]]:
    listed = running.portal.call(lambda: running.cluster.client.list(NODES))
    return list(listed["items"])


def identity(running: Running, name: object) -> dict[str, Any] | None:
    return get(running, SECRETS, f"{name}.node-password.k3s", "kube-system")


def named(running: Running, node: object) -> str:
    return f"{running.cluster.nodes.provider._settings.prefix}-{node}"


def container(running: Running, node: object) -> str:
    wanted = f"name=^/{named(running, node)}$"
    return docker_here.docker("ps", "-a", "--filter", wanted, "--format", "{{.State}}").strip()


def started(running: Running, node: object) -> str:
    return docker_here.docker("inspect", "-f", "{{.State.StartedAt}}", named(running, node)).strip()


def test_a_node_joins_as_it_was_asked_for(running: Running, nodes: Nodes) -> None:
    wanted = {"zone": "b", "topology.kubernetes.io/zone": "z1"}
    node = nodes.join(
        name="late", labels=wanted, annotations={"a": "1"}, taints=["dedicated=db:NoSchedule"], unschedulable=True
    ).wait()
    found = get(running, NODES, node)
    assert found is not None
    assert found["metadata"]["uid"] == node.uid
    assert wanted.items() <= found["metadata"]["labels"].items()
    assert found["metadata"]["annotations"]["a"] == "1"
    assert {"key": "dedicated", "value": "db", "effect": "NoSchedule"} in found["spec"]["taints"]
    assert found["spec"]["unschedulable"] is True
    assert found["status"]["nodeInfo"]["kubeletVersion"].endswith("stand-in")
    assert container(running, node) == "running"


def test_a_node_joins_with_settings_of_its_own(running: Running, nodes: Nodes) -> None:
    own = {"node-label": ["by=flag"], "kubelet-arg": ["max-pods=20"]}
    node = nodes.join(labels={"zone": "b"}, settings=own).wait()
    found = get(running, NODES, node)
    assert found is not None
    assert {"zone": "b", "by": "flag"}.items() <= found["metadata"]["labels"].items()
    written = json.loads(docker_here.docker("exec", named(running, node), "cat", agent.CONFIG))
    assert written["kubelet-arg"][-1] == "max-pods=20"
    assert len(written["kubelet-arg"]) > 1, "what all agents have is there too"
    with pytest.raises(UsageError, match="use name="):
        nodes.join(settings={"node-name": "other"}).wait()


def test_a_node_that_leaves_takes_its_container_its_node_and_its_identity_with_it(
    running: Running, nodes: Nodes
) -> None:
    node = nodes.join().wait()
    assert identity(running, node) is not None
    bind(running, "bound", node)
    node.leave().wait()
    assert container(running, node) == ""
    assert get(running, NODES, node) is None
    assert identity(running, node) is None
    assert get(running, LEASES, node, "kube-node-lease") is None
    pod = get(running, PODS, "bound", "default")
    assert pod is None or pod["metadata"].get("deletionTimestamp") is None or pod["status"]["phase"] == "Failed", (
        "leave deletes no pod: only garbage collection does"
    )


def test_a_crash_is_awaited_until_the_cluster_has_noticed_and_a_restart_until_the_lease_is_fresh(
    running: Running, nodes: Nodes
) -> None:
    node = nodes[0]
    before = identity(running, node)
    node.crash().wait()
    assert container(running, node) == "exited"
    assert agent.is_lost(get(running, NODES, node), everyone(running))
    node.restart().wait()
    assert agent.is_ready(get(running, NODES, node))
    assert identity(running, node) == before
    assert get(running, NODES, node)["metadata"]["uid"] == node.uid  # type: ignore[index]


def test_a_running_node_restarts(running: Running, nodes: Nodes) -> None:
    before = started(running, nodes[0])
    nodes[0].restart().wait()
    assert started(running, nodes[0]) > before
    assert agent.is_ready(get(running, NODES, nodes[0]))


def test_a_paused_node_is_frozen_and_goes_on(running: Running, nodes: Nodes) -> None:
    nodes[0].pause().wait()
    assert container(running, nodes[0]) == "paused"
    bind(running, "made-in-a-pause", nodes[0])
    nodes[0].resume().wait()
    assert container(running, nodes[0]) == "running"
    assert agent.is_ready(get(running, NODES, nodes[0]))


def test_a_partitioned_node_runs_on_unseen_and_comes_back(running: Running, nodes: Nodes) -> None:
    nodes[0].partition().wait()
    assert container(running, nodes[0]) == "running"
    assert agent.is_lost(get(running, NODES, nodes[0]), everyone(running))
    nodes[0].heal().wait()
    assert agent.is_ready(get(running, NODES, nodes[0]))
    nodes[0].restart().wait()
    nodes[0].pause().wait()
    nodes[0].resume().wait()


@pytest.mark.parametrize("same", [False, True])
def test_a_node_comes_back_under_its_name(running: Running, nodes: Nodes, same: bool) -> None:
    node = nodes.join().wait()
    uid, before = node.uid, identity(running, node)
    node.leave().wait()
    node.rejoin(same_identity=same).wait()
    after = identity(running, node)
    assert before is not None
    assert after is not None
    assert node.uid != uid
    assert (after["data"] == before["data"]) is same


def test_a_machine_with_another_identity_is_refused_and_told_with_its_last_lines(
    running: Running, nodes: Nodes
) -> None:
    # The Node of the crashed one is still there: its name is taken, though no container of it runs.
    node = nodes.join().wait()
    node.crash().wait()
    spec, ours = running.cluster.nodes.records[node.name].spec, running.cluster.nodes.provider
    other = ContainerNodes(replace(ours._settings, prefix=f"{ours._settings.prefix}-other"), ours._engine)
    other.client = running.cluster.client
    with pytest.raises(ClusterError, match="there is a Node of that name"):
        running.portal.call(lambda: other.join([spec]))
    assert get(running, NODES, node) is not None, "a name that is taken is left to whom it belongs"
    running.portal.call(lambda: other.prepare([spec]))
    with pytest.raises(ClusterError, match=r"(?s)knows another node of that name.*Node password rejected"):
        running.portal.call(lambda: other.join([spec]))


def test_an_orphan_identity_does_not_bar_its_name(running: Running, nodes: Nodes) -> None:
    body = {"metadata": {"name": "haunted.node-password.k3s"}, "stringData": {"hash": "of somebody else"}}
    running.portal.call(lambda: running.cluster.client.create(SECRETS, body, "kube-system"))
    assert agent.is_ready(nodes.join(name="haunted").wait().get().wait())


def test_an_agent_that_never_joins_is_told_with_its_last_lines_and_nothing_of_it_stays(
    running: Running, nodes: Nodes
) -> None:
    provider = running.cluster.nodes.provider
    good = provider._settings
    provider._settings = replace(good, token="wrong")
    try:
        with pytest.raises(ClusterError, match=r"(?s)its token is not the server's.*401 Unauthorized"):
            nodes.join(name="stranger").wait()
    finally:
        provider._settings = good
    assert container(running, "stranger") == ""
    assert identity(running, "stranger") is None


def test_what_no_container_can_be_is_refused(nodes: Nodes) -> None:
    with pytest.raises(UsageError, match="not linux/riscv64"):
        nodes.join(arch="riscv64").wait()
    with pytest.raises(UsageError, match="virtual nodes"):
        nodes.join(allocatable={"cpu": "64"}).wait()
    with pytest.raises(UsageError, match="no capability 'behave'"):
        nodes[0].behave(start=False)
    with pytest.raises(UsageError, match="no capability 'join_not_ready'"):
        nodes.join(ready=False)


def test_four_nodes_join_and_leave_at_once(running: Running, nodes: Nodes) -> None:
    four = nodes.join(4).wait()
    nodes.leave(four).wait()
    assert [container(running, node) for node in four] == [""] * 4


def bind(running: Running, name: str, node: object) -> None:
    body = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": str(node), "containers": [{"name": "main", "image": "agent:1"}]},
    }
    running.portal.call(lambda: running.cluster.client.create(PODS, body, "default"))
