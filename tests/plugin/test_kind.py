"""A kind of somebody's own as the one under test: `--daemonset-kind`."""

from __future__ import annotations

import pytest

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "nodeagents.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "nodeagents", "singular": "nodeagent", "kind": "NodeAgent"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}

TEST = f"""
import pytest
from pytest_daemonset import Violation, one_pod_per_node

CRD = {CRD!r}

def pod(name, node, owner):
    reference = {{"apiVersion": "example.com/v1", "kind": "NodeAgent", "controller": True, **owner}}
    spec = {{"nodeName": node, "containers": [{{"name": "c", "image": "i"}}]}}
    metadata = {{"name": name, "ownerReferences": [reference]}}
    return {{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}}


def test_a_set_of_this_kind_is_watched_and_judged(cluster, namespace, nodes, request):
    cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD).wait()
    daemonsets = request.getfixturevalue("daemonsets")
    labels = {{"app": "agent"}}
    template = {{"metadata": {{"labels": labels}}, "spec": {{"containers": [{{"name": "c", "image": "i"}}]}}}}
    spec = {{"selector": {{"matchLabels": labels}}, "template": template}}
    manifest = {{"apiVersion": "example.com/v1", "kind": "NodeAgent", "metadata": {{"name": "agent"}}, "spec": spec}}
    agent = daemonsets.apply(manifest).wait()
    assert agent.subject.kind == "NodeAgent"
    pods = f"/api/v1/namespaces/{{namespace}}/pods"
    for number, node in enumerate(nodes):
        with pytest.raises(Violation, match=str(node)):
            agent.eventually(one_pod_per_node, within=0.2).wait()
        cluster.request("POST", pods, pod(f"agent-{{number}}", str(node), {{"name": "agent", "uid": agent.uid}})).wait()
    status = {{"status": {{"observedGeneration": 1, "desiredNumberScheduled": len(nodes)}}}}
    path = f"/apis/example.com/v1/namespaces/{{namespace}}/nodeagents/agent/status"
    cluster.request("PATCH", path, status).wait()
    agent.eventually(one_pod_per_node).wait()
"""


def test_a_kind_of_one_s_own_is_applied_watched_and_judged(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    words = ("--daemonset-kind=nodeagents.v1.example.com", "--daemonset-controller=none", "--daemonset-nodes=2")
    result = pytester.runpytest_subprocess(*words, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_a_kind_that_is_not_served_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(daemonsets):\n    pass\n")
    result = pytester.runpytest_subprocess("--daemonset-kind=nodeagents.v1.example.com", "--daemonset-controller=none")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the cluster does not serve nodeagents.v1.example.com*"])
