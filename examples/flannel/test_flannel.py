"""Flannel is what makes nodes Ready, so its pods must reach nodes that are not: joined, and still without a network."""

from pathlib import Path

import pytest

from pytest_daemonset import at_most_one_pod_per_node, garbage_collected, one_pod_per_node, pod_on

MANIFEST = Path(__file__).with_name("kube-flannel.yml")
ARCH = "beta.kubernetes.io/arch"


@pytest.fixture
def flannel(daemonsets):
    """The five sets of the manifest by architecture, with the service account and the ConfigMap that they need."""
    return {ds.name.rpartition("-")[2]: ds for ds in daemonsets.apply_all(MANIFEST).wait()}


def test_each_architecture_is_served_by_its_own_set(flannel, nodes):
    arm = nodes.join(labels={ARCH: "arm64"}).wait()
    flannel["amd64"].eventually(one_pod_per_node).wait()
    flannel["arm64"].eventually(one_pod_per_node & pod_on(arm)).wait()
    flannel["amd64"].eventually(~pod_on(arm)).wait()


def test_a_node_without_a_network_gets_its_flannel(flannel, nodes):
    with flannel["amd64"].always(at_most_one_pod_per_node):
        bare = nodes.join(ready=False, taints=["node.kubernetes.io/network-unavailable:NoSchedule"]).wait()
        flannel["amd64"].eventually(pod_on(bare)).wait()


def test_flannel_follows_a_node_that_leaves(flannel, nodes):
    late = nodes.join().wait()
    flannel["amd64"].eventually(pod_on(late)).wait()
    late.leave().wait()
    flannel["amd64"].eventually(~pod_on(late)).wait()


def test_a_deleted_flannel_leaves_nothing(flannel):
    flannel["amd64"].eventually(one_pod_per_node).wait()
    flannel["amd64"].delete().wait()
    flannel["amd64"].eventually(garbage_collected).wait()
