"""Twins: one test, unchanged, on virtual nodes and on nodes in containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import docker_here
import pytest
from agent_manifest import AGENT

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.docker

TESTS = 20

IMPORTS = """
import pytest
from pytest_daemonset import (
    ApiError, at_most_one_pod_per_node, at_most_unavailable, garbage_collected, never_replaced_early,
    no_pod_for_an_ineligible_node, one_pod_per_node, owned, pod_on, ready, rolled_out,
)

SECOND = {"spec": {"template": {"metadata": {"annotations": {"revision": "second"}}}}}
"""
TWINS = {
    "how it reads": """
def test_agent_follows_the_nodes(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(one_pod_per_node).wait()

        late = nodes.join(labels={"zone": "b"}).wait()
        agent.eventually(pod_on(late)).wait()

        late.leave().wait()
        agent.eventually(~pod_on(late)).wait()

        agent.delete().wait()
        agent.eventually(garbage_collected).wait()
""",
    "pods become ready": """
def test_ready(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    with agent.always(at_most_one_pod_per_node, owned, no_pod_for_an_ineligible_node):
        agent.eventually(ready).wait()
        assert len(nodes) == 2
""",
    "a crash keeps the pod, a restart too": """
def test_crash(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    with agent.always(at_most_one_pod_per_node):
        nodes[0].crash().wait()
        agent.eventually(pod_on(nodes[0])).wait()
        nodes[0].restart().wait()
        agent.eventually(ready).wait()
""",
    "a partition heals": """
def test_partition(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    with agent.always(at_most_one_pod_per_node):
        nodes[1].partition().wait()
        nodes[1].heal().wait()
        agent.eventually(ready & one_pod_per_node).wait()
""",
    "a frozen node": """
def test_pause(daemonsets, nodes):
    nodes[0].pause().wait()
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(one_pod_per_node).wait()
    nodes[0].resume().wait()
    agent.eventually(ready).wait()
""",
    "a name comes back": """
@pytest.mark.parametrize("same", [True, False])
def test_rejoin(daemonsets, nodes, same):
    agent = daemonsets.apply("agent.yaml").wait()
    node = nodes.join().wait()
    agent.eventually(pod_on(node)).wait()
    with agent.always(at_most_one_pod_per_node):
        node.leave().wait()
        node.rejoin(same_identity=same).wait()
        agent.eventually(ready & one_pod_per_node).wait()
""",
    "taints, labels, cordons": """
def test_nodes_change(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(one_pod_per_node).wait()
    nodes[0].taint("dedicated=db:NoExecute").wait()
    agent.eventually(~pod_on(nodes[0])).wait()
    nodes[0].untaint("dedicated").wait()
    agent.eventually(pod_on(nodes[0])).wait()
    nodes[1].cordon().wait()
    agent.eventually(one_pod_per_node).wait()
    nodes[1].uncordon().wait()

def test_the_next_test_finds_the_nodes_as_they_were(nodes):
    assert [node.name for node in nodes] == ["node-1", "node-2"]
    for node in nodes:
        assert not node.get().wait()["spec"].get("taints")
""",
    "labels choose the nodes": """
def test_labels(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(one_pod_per_node).wait()
    with agent.always(at_most_one_pod_per_node):
        agent.update({"spec": {"template": {"spec": {"nodeSelector": {"zone": "b"}}}}}).wait()
        agent.eventually(~pod_on(nodes[0]) & ~pod_on(nodes[1])).wait()
        nodes[1].label(zone="b").wait()
        agent.eventually(pod_on(nodes[1]) & rolled_out).wait()
        nodes[1].label(zone=None).wait()
        agent.eventually(~pod_on(nodes[1])).wait()
""",
    "a selector stays": """
def test_selector(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    labels = {"app": "other"}
    with pytest.raises(ApiError) as refused:
        agent.update({"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}).wait()
    assert refused.value.status == 422
    agent.eventually(one_pod_per_node).wait()
""",
    "nothing happens on a node that is taken": """
def test_barrier(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(one_pod_per_node).wait()
    taken = nodes.join(taints=["dedicated=database:NoSchedule"]).wait()
    with agent.never(pod_on(taken)), agent.always(no_pod_for_an_ineligible_node, at_most_one_pod_per_node):
        agent.barrier().wait()
""",
    "a rolling update": """
def test_update(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    with agent.always(at_most_one_pod_per_node, at_most_unavailable(1)):
        agent.update(SECOND).wait()
        agent.eventually(rolled_out).wait()
""",
    "an update reaches a node that was down": """
def test_update_of_a_node_that_was_down(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    nodes[0].crash().wait()
    with agent.always(at_most_one_pod_per_node):
        agent.update(SECOND).wait()
        agent.eventually(rolled_out).wait()  # on the other node: one that is down is not eligible
        nodes[0].restart().wait()
        agent.eventually(rolled_out).wait()
""",
    "what is deleted comes back, once": """
def test_deleted_pod(cluster, daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    (pod,) = (one for one in agent.pods().wait() if one["spec"]["nodeName"] == nodes[0].name)
    with agent.always(at_most_one_pod_per_node, never_replaced_early):
        cluster.request("DELETE", f"/api/v1/namespaces/{agent.namespace}/pods/{pod['metadata']['name']}").wait()
        agent.eventually(ready & one_pod_per_node).wait()
    assert pod["metadata"]["uid"] not in [one["metadata"]["uid"] for one in agent.pods().wait()]
""",
    "orphans are adopted": """
def test_orphans(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    before = {pod["metadata"]["uid"] for pod in agent.pods().wait()}
    agent.delete(propagation="Orphan").wait()
    agent.eventually(garbage_collected).wait()
    again = daemonsets.apply("agent.yaml").wait()
    with again.always(at_most_one_pod_per_node):
        again.eventually(ready & one_pod_per_node).wait()
    assert {pod["metadata"]["uid"] for pod in again.pods().wait()} == before
""",
    "a node leaves that was down, and its pod is collected": """
def test_leaving_while_down(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    late = nodes.join().wait()
    agent.eventually(ready).wait()
    with agent.always(at_most_one_pod_per_node):
        late.crash().wait()
        late.leave().wait()
        agent.eventually(~pod_on(late)).wait()
        agent.eventually(ready & one_pod_per_node).wait()
""",
    "a deletion waits for a node that is down": """
def test_deletion_while_down(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    nodes[1].crash().wait()
    agent.delete().wait()
    nodes[1].restart().wait()
    agent.eventually(garbage_collected).wait()
""",
    "two are cut off": """
def test_two_partitions(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    with agent.always(at_most_one_pod_per_node):
        nodes.partition(nodes[0:2]).wait()
        agent.update(SECOND).wait()
        nodes.heal(nodes[0:2]).wait()
        agent.eventually(rolled_out & one_pod_per_node).wait()
""",
    "three nodes at once": """
def test_many(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    three = nodes.join(3).wait()
    agent.eventually(one_pod_per_node).wait()
    nodes.leave(three).wait()
    for node in three:
        agent.eventually(~pod_on(node)).wait()
""",
}


def run(pytester: pytest.Pytester, more: Sequence[str] = (), timeout: float = 400) -> int:
    pytester.makefile(".yaml", agent=AGENT)
    pytester.makepyfile(**{f"test_{number}": IMPORTS + body for number, body in enumerate(TWINS.values())})
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    words = ["-p", "no:asyncio", "-p", "no:randomly", "--daemonset-nodes=2", "-v", "--durations=0", *more]
    result = pytester.runpytest_subprocess(*words, timeout=timeout)
    counts = result.parseoutcomes()
    assert result.ret == 0
    assert set(counts) <= {"passed"}
    return counts["passed"]


@docker_here.needs_k3s
def test_every_twin_passes_on_a_real_k3s(pytester: pytest.Pytester) -> None:
    words = [
        "--daemonset-cluster=k3s",
        f"--daemonset-k3s-image={docker_here.K3S}",
        "--daemonset-k3s-fast-not-ready=yes",
    ]
    assert run(pytester, [*words, "--daemonset-k3s-tiny-images=agent:1"], timeout=2400) == TESTS


def test_every_twin_passes_on_both(pytester: pytest.Pytester, image: str) -> None:
    settings = "K3S_STANDIN_POD_GC_PERIOD=1,K3S_STANDIN_POD_GC_QUARANTINE=1"
    containers = [
        "--daemonset-cluster=k3s",
        f"--daemonset-k3s-image={image}",
        "--daemonset-k3s-privileged=no",
        "--daemonset-k3s-fast-not-ready=yes",
        "--daemonset-k3s-tiny-images=agent:1",
        f"--daemonset-k3s-env={settings}",
    ]
    assert run(pytester) == run(pytester, containers, timeout=600) == TESTS
