"""Nodes join, leave, crash and come back, on the embedded server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.resources import NODES
from pytest_daemonset.nodes import Baseline, Nodes

if TYPE_CHECKING:
    from small_cluster import Cluster

    from pytest_daemonset.observe.scope import Scope


def taints(node: dict[str, Any] | None) -> list[str]:
    assert node is not None
    return sorted(f"{row['key']}={row.get('value', '')}:{row['effect']}" for row in node["spec"].get("taints") or [])


def ready(node: dict[str, Any] | None) -> str:
    assert node is not None
    return next(str(row["status"]) for row in node["status"]["conditions"] if row["type"] == "Ready")


def test_a_node_joins_as_a_kubelet_registers_it(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join(
        labels={"zone": "b"}, annotations={"a": "1 2"}, taints=["dedicated=db:NoSchedule"], arch="arm64",
        allocatable={"cpu": "2"},
    ).wait()  # fmt: skip
    seen = cluster.node(node)
    assert seen is not None
    assert seen["metadata"]["uid"] == node.uid
    assert seen["metadata"]["annotations"]["a"] == "1 2"
    assert seen["metadata"]["labels"] == {
        "zone": "b",
        "beta.kubernetes.io/arch": "arm64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "arm64",
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
    }
    assert taints(seen) == ["dedicated=db:NoSchedule"]
    assert ready(seen) == "True"
    assert seen["status"]["allocatable"]["cpu"] == "2"
    assert int(seen["metadata"]["resourceVersion"]) <= cluster.client.wrote


def test_many_nodes_join_at_once_under_names_of_their_own(nodes: Nodes, cluster: Cluster) -> None:
    several = nodes.join(count=30).wait()
    assert len({node.name for node in several}) == 30
    assert list(nodes) == several
    assert len(nodes) == 30
    assert [node.name for node in nodes.join(2, name="edge").wait()] == ["edge-1", "edge-2"]
    assert nodes["edge-2"] in nodes
    assert nodes[-1].name == "edge-2"
    assert len(cluster.portal.call(lambda: cluster.client.list(NODES))["items"]) == 32


def test_a_node_without_network_is_not_ready_until_it_has_one(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join(ready=False).wait()
    assert ready(cluster.node(node)) == "False"
    assert taints(cluster.node(node)) == [
        "node.kubernetes.io/not-ready=:NoExecute",
        "node.kubernetes.io/not-ready=:NoSchedule",
    ]
    cluster.bind("waits", node)
    cluster.bind("cni", node, hostNetwork=True)
    cluster.until("cni", lambda pod: pod is not None and pod["status"]["phase"] == "Running")
    waits = cluster.pod("waits")
    assert waits is not None
    assert waits["status"]["phase"] == "Pending"
    node.set_ready().wait()
    assert ready(cluster.node(node)) == "True"
    assert taints(cluster.node(node)) == []
    cluster.until("waits", lambda pod: pod is not None and pod["status"]["phase"] == "Running")


def test_settings_of_a_k3s_agent_are_refused(nodes: Nodes) -> None:
    with pytest.raises(UsageError, match="virtual nodes have no capability 'settings'"):
        nodes.join(settings={"kubelet-arg": ["max-pods=20"]})
    assert len(nodes) == 0


def test_leaving_takes_the_node_and_leaves_its_pods(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    cluster.bind("stays", node)
    cluster.until("stays", lambda pod: pod is not None and pod["status"]["phase"] == "Running")
    before = cluster.client.wrote
    node.leave().wait()
    assert cluster.client.wrote > before
    assert cluster.node(node) is None
    stays = cluster.pod("stays")
    assert stays is not None
    assert "deletionTimestamp" not in stays["metadata"]
    assert node not in nodes
    assert node.state == "left"


def test_one_that_left_comes_back_under_its_name_with_another_uid(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join(labels={"zone": "b"}).wait()
    uid = node.uid
    cluster.bind("old", node)
    node.leave().wait()
    node.rejoin().wait()
    seen = cluster.node(node)
    assert seen is not None
    assert seen["metadata"]["uid"] == node.uid != uid
    assert seen["metadata"]["labels"]["zone"] == "b"
    cluster.delete("old")
    assert cluster.until("old", lambda pod: pod is None) is None


@pytest.mark.parametrize(("away", "back"), [("crash", "restart"), ("partition", "heal")])
def test_one_that_is_lost_turns_unknown_and_comes_back(nodes: Nodes, cluster: Cluster, away: str, back: str) -> None:
    node = nodes.join(taints=["mine:NoSchedule"]).wait()
    cluster.bind("lost", node)
    was = cluster.until("lost", lambda pod: pod is not None and pod["status"]["phase"] == "Running")
    getattr(node, away)().wait()
    assert ready(cluster.node(node)) == "Unknown"
    assert taints(cluster.node(node)) == [
        "mine=:NoSchedule",
        "node.kubernetes.io/unreachable=:NoExecute",
        "node.kubernetes.io/unreachable=:NoSchedule",
    ]
    lost = cluster.pod("lost")
    assert lost is not None
    assert was is not None
    assert lost["status"]["phase"] == "Running"
    rows = {row["type"]: row["status"] for row in lost["status"]["conditions"]}
    assert rows["Ready"] == "False"
    cluster.delete("lost")
    stuck = cluster.pod("lost")
    assert stuck is not None, "nobody is there to end it"
    getattr(node, back)().wait()
    assert ready(cluster.node(node)) == "True"
    assert taints(cluster.node(node)) == ["mine=:NoSchedule"]
    assert cluster.until("lost", lambda pod: pod is None) is None


def test_containers_restart_with_their_machine_and_not_after_a_partition(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    cluster.bind("kept", node)
    cluster.until("kept", lambda pod: pod is not None and pod["status"]["phase"] == "Running")
    node.partition().wait()
    node.heal().wait()
    healed = cluster.until("kept", is_ready)
    assert healed is not None
    assert healed["status"]["containerStatuses"][0]["restartCount"] == 0
    node.crash().wait()
    node.restart().wait()
    back = cluster.until("kept", is_ready)
    assert back is not None
    assert back["status"]["containerStatuses"][0]["restartCount"] == 1
    assert back["metadata"]["uid"] == healed["metadata"]["uid"]
    assert back["status"]["podIP"] == healed["status"]["podIP"]


def is_ready(pod: dict[str, Any] | None) -> bool:
    rows = (pod or {}).get("status", {}).get("conditions") or []
    return any(row["type"] == "Ready" and row["status"] == "True" for row in rows)


def test_a_paused_kubelet_starts_nothing_until_it_is_resumed(nodes: Nodes, cluster: Cluster) -> None:
    node, other = nodes.join(2).wait()
    node.pause().wait()
    cluster.bind("late", node)
    cluster.bind("witness", other)
    cluster.until("witness", is_ready)
    late = cluster.pod("late")
    assert late is not None
    assert late["status"]["phase"] == "Pending"
    assert ready(cluster.node(node)) == "True", "so short that nobody notices"
    node.resume().wait()
    cluster.until("late", is_ready)


def test_many_can_be_lost_and_leave_at_once(nodes: Nodes, cluster: Cluster) -> None:
    several = nodes.join(10).wait()
    nodes.crash(several[:5]).wait()
    assert [ready(cluster.node(node)) for node in several] == ["Unknown"] * 5 + ["True"] * 5
    nodes.restart(several[:5]).wait()
    nodes.leave(several[2:]).wait()
    assert list(nodes) == several[:2]


def test_cordon_taint_label_and_annotate_change_the_node_object(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join(labels={"old": "1"}).wait()
    node.cordon().wait()
    node.taint("dedicated=db:NoExecute").wait()
    node.taint({"key": "soft", "effect": "PreferNoSchedule"}).wait()
    node.taint("dedicated=cache:NoExecute").wait()
    node.label({"example.com/zone": "b", "old": None}, plain="yes").wait()
    node.annotate({"note": "any text: at all"}).wait()
    seen = node.get().wait()
    assert seen["spec"]["unschedulable"] is True
    assert taints(seen) == [
        "dedicated=cache:NoExecute",
        "node.kubernetes.io/unschedulable=:NoSchedule",
        "soft=:PreferNoSchedule",
    ]
    assert seen["metadata"]["labels"]["example.com/zone"] == "b"
    assert seen["metadata"]["labels"]["plain"] == "yes"
    assert "old" not in seen["metadata"]["labels"]
    assert seen["metadata"]["annotations"]["note"] == "any text: at all"
    node.uncordon().wait()
    node.untaint("dedicated").wait()
    node.untaint("soft:PreferNoSchedule").wait()
    seen = node.get().wait()
    assert taints(seen) == []
    assert "unschedulable" not in seen["spec"]


def test_a_join_that_fails_leaves_no_node(nodes: Nodes, cluster: Cluster) -> None:
    taken = {"metadata": {"name": "worker-2"}}
    cluster.portal.call(lambda: cluster.client.create(NODES, taken))
    with pytest.raises(ClusterError, match=r"1 of 3 nodes could not join, first of them worker-2: 409"):
        nodes.join(3, name="worker").wait()
    assert len(nodes) == 0
    assert cluster.node("worker-1") is None
    nodes.join(name="worker-1").wait()


def test_what_a_test_did_to_the_nodes_is_undone(nodes: Nodes, cluster: Cluster) -> None:
    plain, away, lost, dark = nodes.join(4, name="base", labels={"zone": "a"}).wait()
    plain.taint("kept:NoSchedule").wait()
    baseline = cluster.portal.call(lambda: Baseline.take(cluster.pool))
    before = {node.name: node.get().wait() for node in nodes}
    uid = away.uid

    nodes.join(2).wait()
    plain.label(zone="b", more="1").wait()
    plain.annotate(note="x").wait()
    plain.taint("new:NoSchedule").wait()
    plain.untaint("kept").wait()
    plain.cordon().wait()
    away.leave().wait()
    lost.crash().wait()
    dark.set_ready(False).wait()
    nodes.behave(start=False).wait()
    cluster.portal.call(lambda: cluster.client.create(NODES, {"metadata": {"name": "strange"}}))
    cluster.portal.call(baseline.restore)

    assert [node.name for node in nodes] == ["base-1", "base-2", "base-3", "base-4"]
    for node in nodes:
        now = node.get().wait()
        assert now["metadata"]["labels"] == before[node.name]["metadata"]["labels"]
        assert "note" not in (now["metadata"].get("annotations") or {})
        assert now["spec"] == before[node.name]["spec"]
        assert ready(now) == "True"
    assert away.uid != uid
    assert cluster.node("strange") is None
    cluster.bind("starts-again", plain, tolerations=[{"operator": "Exists"}])
    cluster.until("starts-again", is_ready)
    versions = [node.get().wait()["metadata"]["resourceVersion"] for node in nodes]
    cluster.portal.call(baseline.restore)
    again = [node.get().wait()["metadata"]["resourceVersion"] for node in nodes]
    assert again == versions, "there was nothing to undo"


def test_a_join_that_was_cancelled_half_way_is_undone_too(nodes: Nodes, cluster: Cluster, scope: Scope) -> None:
    baseline = cluster.portal.call(lambda: Baseline.take(cluster.pool))

    version = cluster.portal.call(lambda: cluster.client.list(NODES))["metadata"]["resourceVersion"]

    async def the_first() -> None:
        async with contextlib.aclosing(cluster.client.watch(NODES, resource_version=version)) as stream:
            async for kind, _ in stream:
                if kind == "ADDED":
                    return

    async def begin_and_cancel() -> None:
        async def join() -> None:
            await nodes.join(200)

        task = asyncio.ensure_future(join())
        await scope.handle(the_first, "the first of them")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):  # on a busy machine all may have joined by now
            await task

    asyncio.run(begin_and_cancel())
    cluster.portal.call(baseline.restore)
    assert cluster.portal.call(lambda: cluster.client.list(NODES))["items"] == []
    nodes.join().wait()


def test_a_node_object_that_was_deleted_by_hand_is_brought_back(nodes: Nodes, cluster: Cluster) -> None:
    node = nodes.join().wait()
    baseline = cluster.portal.call(lambda: Baseline.take(cluster.pool))
    cluster.portal.call(lambda: cluster.client.delete(NODES, node.name))
    cluster.portal.call(baseline.restore)
    assert ready(cluster.node(node)) == "True"


def test_wrong_use_is_told_when_it_is_called(nodes: Nodes) -> None:
    node = nodes.join().wait()
    with pytest.raises(UsageError, match="no node 'nobody' here; there are: node-"):
        nodes["nobody"]
    with pytest.raises(UsageError, match="there are 1 nodes now"):
        nodes[7]
    with pytest.raises(UsageError, match="is there already"):
        nodes.join(name=node.name)
    with pytest.raises(UsageError, match="cannot be the name of a node"):
        nodes.join(name="Not_A_Name")
    with pytest.raises(UsageError, match="at least 1"):
        nodes.join(0)
    with pytest.raises(UsageError, match="heal needs one that is partitioned"):
        node.heal()
    with pytest.raises(UsageError, match="rejoin needs one that is left"):
        node.rejoin()
    node.leave().wait()
    with pytest.raises(UsageError, match=f"no node '{node.name}' here"):
        node.leave()
    with pytest.raises(UsageError, match=f"no node '{node.name}' here"):
        node.cordon()


def test_leaving_twice_is_wrong_even_before_the_first_has_happened(nodes: Nodes) -> None:
    node = nodes.join().wait()
    first = node.leave()
    with pytest.raises(UsageError, match="no node"):
        node.leave()
    first.wait()
