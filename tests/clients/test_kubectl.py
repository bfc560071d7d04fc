"""kubectl, as people use it on DaemonSets and nodes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from client_objects import daemon_set


def applied(kubectl, namespace, name="agent", **spec):
    kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(daemon_set(name, **spec)))
    kubectl("rollout", "status", "-n", namespace, f"daemonset/{name}", "--timeout=50s")


def test_create_speaks_protobuf(kubectl, namespace):
    assert "configmap/x created" in kubectl("create", "configmap", "x", "--from-literal=a=b", "-n", namespace)
    assert kubectl("get", "configmap", "x", "-n", namespace, "-o", "jsonpath={.data.a}") == "b"
    kubectl("create", "secret", "generic", "s", "--from-literal=k=v", "-n", namespace)
    assert kubectl("get", "secret", "s", "-n", namespace, "-o", "jsonpath={.data.k}") == "dg=="
    kubectl("create", "serviceaccount", "robot", "-n", namespace)


def test_get_wide_shows_the_columns_of_kubernetes(kubectl, namespace):
    applied(kubectl, namespace)
    nodes = kubectl("get", "nodes", "-o", "wide").splitlines()
    assert nodes[0].split()[:6] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP"]
    assert len(nodes) == 4
    assert all(line.split()[1] == "Ready" for line in nodes[1:])
    pods = kubectl("get", "pods", "-n", namespace, "-o", "wide").splitlines()
    assert pods[0].split() == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
        "NODE",
        "NOMINATED",
        "NODE",
        "READINESS",
        "GATES",
    ]
    assert all(line.split()[1:3] == ["1/1", "Running"] for line in pods[1:])
    sets = kubectl("get", "daemonsets", "-n", namespace, "-o", "wide").splitlines()
    assert sets[0].split()[:7] == ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE"]
    assert sets[1].split()[:6] == ["agent", "3", "3", "3", "3", "3"]
    assert sets[1].split()[-3:] == ["main", "busybox:1.36", "app=agent"]
    named = kubectl("get", "pods", "-n", namespace, "-o", "name", "-l", "app=agent").split()
    assert len(named) == 3
    revisions = kubectl("get", "controllerrevisions", "-n", namespace).splitlines()
    assert revisions[1].split()[1:3] == ["daemonset.apps/agent", "1"]


@contextlib.contextmanager
def watching(kubeconfig, home, *words):
    """The lines that kubectl prints while it watches."""
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(home)}
    command = [Path(sys.executable).with_name("kubectl"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout.readline, "")
        finally:
            process.terminate()


def test_get_watch_tells_what_changes(kubectl, namespace, kubeconfig, tmp_path):
    words = ("get", "configmaps", "-n", namespace, "-w", "--no-headers")
    with watching(kubeconfig, tmp_path, *words) as lines:
        kubectl("create", "configmap", "seen", "--from-literal=a=b", "-n", namespace)
        assert any(line.split()[:2] == ["seen", "1"] for line in lines)


def test_events_are_watched_in_protobuf(kubectl, namespace, kubeconfig, tmp_path):
    with watching(kubeconfig, tmp_path, "events", "-n", namespace, "--watch", "--no-headers") as lines:
        applied(kubectl, namespace)
        assert any(line.split()[2:4] == ["SuccessfulCreate", "DaemonSet/agent"] for line in lines)


def test_describe_tells_of_events_and_pods(kubectl, namespace):
    applied(kubectl, namespace)
    told = kubectl("describe", "daemonset", "agent", "-n", namespace)
    assert "Desired Number of Nodes Scheduled: 3" in told
    assert "SuccessfulCreate" in told
    assert "Non-terminated Pods:" in kubectl("describe", "node", "node-1")
    assert "busybox:1.36" in kubectl("describe", "pods", "-n", namespace)


def test_apply_changes_what_the_manifest_changes(kubectl, namespace):
    applied(kubectl, namespace)
    told = kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(daemon_set("agent")))
    assert "daemonset.apps/agent unchanged" in told
    changed = json.dumps(daemon_set("agent", image="busybox:1.37"))
    difference = kubectl("diff", "-n", namespace, "-f", "-", stdin=changed, code=1)
    assert "busybox:1.37" in difference
    assert "daemonset.apps/agent configured" in kubectl("apply", "-n", namespace, "-f", "-", stdin=changed)
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "daemonset", "agent", "-n", namespace, "-o", image) == "busybox:1.37"
    told = kubectl("apply", "-n", namespace, "-f", "-", "--dry-run=server", stdin=json.dumps(daemon_set("other")))
    assert "created (server dry run)" in told
    assert "NotFound" in kubectl("get", "daemonset", "other", "-n", namespace, code=1)


def test_apply_on_the_server_knows_owners_of_fields(kubectl, namespace):
    mine = json.dumps(daemon_set("agent", minReadySeconds=1))
    told = kubectl("apply", "--server-side", "-n", namespace, "-f", "-", stdin=mine)
    assert "serverside-applied" in told
    theirs = json.dumps(daemon_set("agent", minReadySeconds=2))
    words = ("apply", "--server-side", "--field-manager=other", "-n", namespace, "-f", "-")
    assert "conflict" in kubectl(*words, stdin=theirs, code=1)
    assert "serverside-applied" in kubectl(*words, "--force-conflicts", stdin=theirs)


def test_the_server_checks_the_fields_of_a_manifest(kubectl, namespace):
    wrong = daemon_set("agent", bogus=1)
    words = ("apply", "-n", namespace, "-f", "-")
    assert 'unknown field "spec.bogus"' in kubectl(*words, stdin=json.dumps(wrong), code=1)
    told = kubectl(*words, "--validate=warn", stdin=json.dumps(wrong))
    assert 'Warning: unknown field "spec.bogus"' in told
    assert "created" in told
    no_selector = daemon_set("bare")
    no_selector["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    assert "is invalid" in kubectl(*words, stdin=json.dumps(no_selector), code=1)


def test_rollouts_are_told_undone_and_restarted(kubectl, namespace):
    applied(kubectl, namespace)
    about = ("-n", namespace, "daemonset/agent")
    kubectl("set", "image", *about, "main=busybox:1.37")
    kubectl("rollout", "status", *about, "--timeout=50s")
    assert [line.split()[0] for line in kubectl("rollout", "history", *about).splitlines()[2:] if line] == ["1", "2"]
    assert "busybox:1.36" in kubectl("rollout", "history", *about, "--revision=1")
    assert "rolled back" in kubectl("rollout", "undo", *about)
    kubectl("rollout", "status", *about, "--timeout=50s")
    image = "jsonpath={.items[*].spec.containers[0].image}"
    pods = kubectl(
        "get", "pods", "-n", namespace, "-l", "app=agent", "--field-selector=status.phase=Running", "-o", image
    )
    assert set(pods.split()) == {"busybox:1.36"}
    assert "restarted" in kubectl("rollout", "restart", *about)
    kubectl("rollout", "status", *about, "--timeout=50s")


def test_nodes_are_labelled_tainted_cordoned_and_drained(kubectl, namespace):
    applied(kubectl, namespace)
    node = "node-2"
    assert "labeled" in kubectl("label", "node", node, "zone=b")
    assert node in kubectl("get", "nodes", "-l", "zone=b", "-o", "name")
    kubectl("annotate", "node", node, "note=x")
    kubectl("label", "node", node, "zone-")
    assert "tainted" in kubectl("taint", "node", node, "k=v:NoSchedule")
    assert "untainted" in kubectl("taint", "node", node, "k=v:NoSchedule-")
    assert "cordoned" in kubectl("cordon", node)
    assert "SchedulingDisabled" in kubectl("get", "node", node)
    kubectl("run", "lonely", "-n", namespace, "--image=busybox:1.36", "--restart=Never")
    kubectl("wait", "-n", namespace, "pod/lonely", "--for=condition=Ready", "--timeout=50s")
    where = kubectl("get", "pod", "lonely", "-n", namespace, "-o", "jsonpath={.spec.nodeName}")
    told = kubectl("drain", where, "--ignore-daemonsets", "--force", "--timeout=50s")
    assert f"node/{where} drained" in told
    assert "NotFound" in kubectl("get", "pod", "lonely", "-n", namespace, code=1)
    for each in (where, node):
        assert "uncordoned" in kubectl("uncordon", each)


def test_delete_waits_until_it_is_gone(kubectl, namespace):
    applied(kubectl, namespace)
    assert "deleted" in kubectl(
        "delete", "daemonset", "agent", "-n", namespace, "--cascade=foreground", "--timeout=50s"
    )
    assert "No resources found" in kubectl("get", "pods", "-n", namespace)
    kubectl("create", "configmap", "x", "-n", namespace)
    kubectl("delete", "configmaps", "--all", "-n", namespace)
    assert "NotFound" in kubectl("get", "configmap", "x", "-n", namespace, code=1)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("daemonset.spec", "updateStrategy"),
        ("daemonset.spec.updateStrategy.rollingUpdate", "maxUnavailable"),
        ("pod.spec.tolerations", "tolerationSeconds"),
        ("node.status.conditions", "lastHeartbeatTime"),
    ],
)
def test_explain_knows_the_fields(kubectl, field, told):
    assert told in kubectl("explain", field)
    assert "does not exist" in kubectl("explain", f"{field}.bogus", code=1)


def test_what_client_side_apply_has_made_is_taken_over_by_the_server(kubectl, namespace):
    def said(**data):
        return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})

    kubectl("apply", "-n", namespace, "-f", "-", stdin=said(a="1", b="2"))
    kubectl("apply", "-n", namespace, "--server-side", "-f", "-", stdin=said(a="1"))
    assert json.loads(kubectl("get", "configmap", "m", "-n", namespace, "-o", "jsonpath={.data}")) == {"a": "1"}


def test_explain_reads_the_older_document_which_is_asked_for_in_protobuf_only(kubectl):
    told = kubectl("explain", "daemonset.spec", "--output=plaintext-openapiv2")
    assert "updateStrategy\t<Object>" in told
    assert "template\t<Object> -required-" in told


def test_who_may_do_what(kubectl):
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "[*]" in kubectl("auth", "can-i", "--list")
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    assert "bob" in kubectl("auth", "whoami", "--as=bob")


def test_what_the_server_has_can_be_asked(kubectl):
    assert "v1.36" in kubectl("version")
    resources = kubectl("api-resources", "--no-headers")
    assert {"daemonsets", "nodes", "pods"} <= {line.split()[0] for line in resources.splitlines()}
    assert "apps/v1" in kubectl("api-versions")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_custom_resources_are_defined_shown_and_explained(kubectl, namespace):
    group = f"{namespace}.example.com"
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer", "minimum": 1}}}
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
    }
    names = {"plural": "agents", "singular": "agent", "kind": "Agent"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"agents.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(definition))
    kubectl("wait", "--for=condition=Established", f"crd/agents.{group}", "--timeout=50s")
    agent = {"apiVersion": f"{group}/v1", "kind": "Agent", "metadata": {"name": "a"}, "spec": {"size": 3}}
    words = ("apply", "-n", namespace, "-f", "-")
    assert "created" in kubectl(*words, stdin=json.dumps(agent))
    assert "spec.size" in kubectl(*words, stdin=json.dumps({**agent, "spec": {"size": 0}}), code=1)
    shown = kubectl("get", f"agents.{group}", "-n", namespace).splitlines()
    assert [line.split() for line in shown] == [["NAME", "SIZE"], ["a", "3"]]
    assert "size" in kubectl("explain", "agents.spec", f"--api-version={group}/v1")
    kubectl("delete", f"crd/agents.{group}", "--timeout=50s")
    assert "doesn't have a resource type" in kubectl("get", f"agents.{group}", "-n", namespace, code=1)


def test_patches_of_all_kinds(kubectl, namespace):
    kubectl("create", "configmap", "x", "--from-literal=a=b", "-n", namespace)
    about = ("patch", "configmap", "x", "-n", namespace)
    kubectl(*about, "-p", '{"data":{"s":"1"}}')
    kubectl(*about, "--type=merge", "-p", '{"data":{"m":"1"}}')
    kubectl(*about, "--type=json", "-p", '[{"op":"remove","path":"/data/a"}]')
    assert kubectl("get", "configmap", "x", "-n", namespace, "-o", "jsonpath={.data}") == '{"m":"1","s":"1"}'


def test_a_daemon_set_is_not_scaled_nor_paused_nor_exposed(kubectl, namespace):
    applied(kubectl, namespace)
    about = ("daemonset/agent", "-n", namespace)
    assert "NotFound" in kubectl("scale", *about, "--replicas=2", code=1)
    assert "scale subresource" in kubectl("autoscale", *about, "--max=3", code=1)
    assert "pausing is not supported" in kubectl("rollout", "pause", *about, code=1)
    assert "cannot expose a DaemonSet" in kubectl("expose", *about, "--port=80", code=1)
    assert kubectl("get", *about, "-o", "jsonpath={.status.numberReady}") == "3"


def test_what_no_kubelet_is_there_for_is_refused_in_plain_words(kubectl, namespace):
    applied(kubectl, namespace)
    pod = kubectl("get", "pods", "-n", namespace, "-o", "name").split()[0]
    for words, what in (
        (("logs", pod), "pods/log"),
        (("exec", pod, "--", "ls"), "pods/exec"),
        (("attach", pod), "pods/attach"),
        (("port-forward", pod, "1234:80"), "pods/portforward"),
        (("debug", pod, "--image=busybox:1.36"), "pods/ephemeralcontainers"),
    ):
        told = kubectl(words[0], "-n", namespace, *words[1:], code=1)
        assert f"the embedded API server does not imitate {what}" in told
    for what in ("nodes", "pods"):
        assert "Metrics API not available" in kubectl("top", what, code=1)


def test_waits_end_with_what_they_wait_for(kubectl, namespace):
    applied(kubectl, namespace)
    about = ("wait", "-n", namespace)
    ready = "--for=jsonpath={.status.numberReady}=3"
    assert "condition met" in kubectl(*about, "daemonset/agent", ready, "--timeout=50s")
    told = kubectl(*about, "pods", "-l", "app=agent", "--for=condition=Ready", "--timeout=50s")
    assert told.count("condition met") == 3
    kubectl("delete", "daemonset", "agent", "-n", namespace, "--wait=false")
    kubectl(*about, "pods", "-l", "app=agent", "--for=delete", "--timeout=50s")
    assert "No resources found" in kubectl("get", "pods", "-n", namespace)
    assert "NotFound" in kubectl(*about, "daemonset/agent", ready, "--timeout=1s", code=1)


def test_objects_are_replaced_and_labels_written_over_on_purpose_only(kubectl, namespace):
    applied(kubectl, namespace)
    about = ("-n", namespace)
    assert "already has a value" in kubectl("label", "daemonset/agent", "a=1", *about) + kubectl(
        "label", "daemonset/agent", "a=2", *about, code=1
    )
    assert "labeled" in kubectl("label", "daemonset/agent", "a=2", "--overwrite", *about)
    assert "annotated" in kubectl("annotate", "daemonset/agent", "note=x", *about)
    whole = json.loads(kubectl("get", "daemonset", "agent", *about, "-o", "json"))
    assert (whole["metadata"]["labels"], whole["metadata"]["annotations"]["note"]) == ({"a": "2"}, "x")
    whole["metadata"]["labels"] = {"b": "1"}
    assert "replaced" in kubectl("replace", *about, "-f", "-", stdin=json.dumps(whole))
    assert "Conflict" in kubectl("replace", *about, "-f", "-", stdin=json.dumps(whole), code=1)
    assert kubectl("get", "daemonset", "agent", *about, "-o", "jsonpath={.metadata.labels}") == '{"b":"1"}'
    assert "kind: DaemonSet" in kubectl("get", "daemonset", "agent", *about, "-o", "yaml")


def test_a_drain_leaves_what_daemon_sets_own_and_says_so(kubectl, namespace):
    applied(kubectl, namespace)
    told = kubectl("drain", "node-3", "--timeout=50s", code=1)
    assert "cannot delete DaemonSet-managed Pods" in told
    before = kubectl("get", "pods", "-n", namespace, "-o", "name")
    assert "ignoring DaemonSet-managed Pods" in kubectl("drain", "node-3", "--ignore-daemonsets", "--timeout=50s")
    assert kubectl("get", "pods", "-n", namespace, "-o", "name") == before
    kubectl("uncordon", "node-3")


def test_whoever_has_a_role_is_told_what_it_lets_him_do(kubectl, namespace):
    kubectl("create", "serviceaccount", "robot", "-n", namespace)
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods", "-n", namespace)
    kubectl("create", "rolebinding", "robot", "--role=reader", f"--serviceaccount={namespace}:robot", "-n", namespace)
    assert kubectl("create", "token", "robot", "-n", namespace).count(".") == 2
    assert "reader" in kubectl("describe", "rolebinding", "robot", "-n", namespace)
    assert "pods" in kubectl("describe", "role", "reader", "-n", namespace)
