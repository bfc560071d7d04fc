"""Twins: one test, unchanged, on virtual nodes and on nodes in containers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.docker

REAL = "DAEMONSET_TEST_K3S_IMAGE"

AGENT = """\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: agent
spec:
  selector:
    matchLabels: {app: agent}
  template:
    metadata:
      labels: {app: agent}
    spec:
      containers:
      - {name: agent, image: "agent:1"}
"""
IMPORTS = """
import pytest
from pytest_daemonset import (
    at_most_one_pod_per_node, garbage_collected, no_pod_for_an_ineligible_node, one_pod_per_node, owned, pod_on, ready,
)
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


@pytest.mark.skipif(not os.environ.get(REAL), reason=f"{REAL} names no image of k3s, which would have to be pulled")
def test_every_twin_passes_on_a_real_k3s(pytester: pytest.Pytester) -> None:
    words = [
        "--daemonset-cluster=k3s",
        f"--daemonset-k3s-image={os.environ[REAL]}",
        "--daemonset-k3s-fast-not-ready=yes",
    ]
    assert run(pytester, [*words, "--daemonset-k3s-tiny-images=agent:1"], timeout=1500) == 10


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
    assert run(pytester) == run(pytester, containers) == 10
