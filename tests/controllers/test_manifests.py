"""Manifests of controllers that run in the cluster: what cannot be is told before anything starts."""

from __future__ import annotations

import pytest

from pytest_daemonset import ClusterConfig, ControllerConfig, UsageError
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.controllers.manifest import Manifest

K3S = ClusterConfig(kind="k3s")
MANAGER = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager, namespace: fleet}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: manager, namespace: fleet}
spec:
  selector: {matchLabels: {app: manager}}
  template:
    metadata: {labels: {app: manager}}
    spec:
      serviceAccountName: manager
      containers:
      - {name: manager, image: "manager:1"}
"""


def read(tmp_path, text, cluster=K3S, *, loop=False):
    path = tmp_path / "deploy.yaml"
    path.write_text(text)
    return Manifest.read(ControllerConfig(f"manifest: {path}"), cluster, daemonset_loop=loop)


def test_what_runs_is_told_from_what_belongs_to_it(tmp_path):
    manifest = read(tmp_path, MANAGER)
    assert [one.content["kind"] for one in manifest.workloads] == ["Deployment"]
    assert len(manifest.documents) == 2
    assert manifest.account == "fleet/manager"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", r"deploy\.yaml:\d+: this is no YAML"),
        (MANAGER.partition("---")[0], "nothing in it runs a controller: expected a .*Pod, found ServiceAccount"),
        ("---\n", "found nothing"),
        (
            MANAGER.replace("kind: Deployment", "kind: DaemonSet"),
            r"deploy\.yaml:6: kind: a controller of DaemonSets cannot come as a DaemonSet",
        ),
        (
            MANAGER.replace("{name: manager, namespace: fleet}\nspec", "{generateName: x}\nspec"),
            "must be found by its name",
        ),
    ],
    ids=["no YAML", "no workload", "empty", "a DaemonSet", "no name"],
)
def test_a_bad_manifest_is_one_clear_error(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read(tmp_path, text)


def test_a_daemonset_is_fine_where_the_clusters_own_loop_runs(tmp_path):
    manifest = read(tmp_path, MANAGER.replace("kind: Deployment", "kind: DaemonSet"), loop=True)
    assert [one.content["kind"] for one in manifest.workloads] == ["DaemonSet"]


def test_where_nothing_runs_containers_the_error_says_what_to_use(tmp_path, run, pytester):
    for cluster in (ClusterConfig(), ClusterConfig(kind="k3s", k3s=K3sConfig(virtual=True))):
        with pytest.raises(UsageError, match=r"nothing runs containers on .*'command: …'"):
            read(tmp_path, MANAGER, cluster)
    pytester.makefile(".yaml", deploy=MANAGER)
    result = run("def test_it(daemonsets): ...\n", controller="manifest: deploy.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        ["*nothing runs containers on the embedded cluster; start the controller beside it with*"]
    )


def test_a_file_that_is_not_there_is_told_before_a_cluster_starts(run):
    result = run("def test_it(daemonsets): ...\n", cluster="k3s", controller="manifest: nowhere.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["*nowhere.yaml: no such file*"])


@pytest.mark.parametrize(
    ("spec", "more", "words"),
    [
        ("manifest:", {}, "says nothing after manifest:"),
        ("manifest: a.yaml", {"env": {"A": "b"}}, "the manifest says it"),
        ("manifest: a.yaml", {"replicas": 2}, "the manifest says it"),
        ("manifest: a.yaml", {"service_account": "a/b"}, "has its own"),
        ("manifest: a.yaml", {"ready": "http: http://127.0.0.1:80/"}, "readinessProbe"),
        ("builtin", {"images": ("a:1",)}, "runs in no container"),
    ],
)
def test_settings_that_a_manifest_has_no_use_for_are_refused(spec, more, words):
    with pytest.raises(UsageError, match=words):
        ControllerConfig(spec, **more)
