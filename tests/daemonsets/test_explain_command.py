"""``explain``: the table, and what is no dump of nodes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_manifest import AGENT

from pytest_daemonset.daemonsets.explain import explain
from pytest_daemonset.errors import UsageError


def node(name: str, *taints: str) -> dict[str, Any]:
    rows = [dict(zip(("key", "effect"), taint.split(":"), strict=True)) for taint in taints]
    return {"kind": "Node", "metadata": {"name": name}, "spec": {"taints": rows}}


def told(folder: Path, nodes: object) -> str:
    (folder / "ds.yaml").write_text(AGENT)
    (folder / "nodes.json").write_text(json.dumps(nodes))
    out = io.StringIO()
    assert explain(str(folder / "ds.yaml"), str(folder / "nodes.json"), as_json=False, out=out) == 0
    return out.getvalue()


def test_a_line_a_node_says_whether_it_gets_a_pod_and_why(tmp_path: Path) -> None:
    table = told(tmp_path, {"items": [node("free"), node("taken", "a:NoSchedule"), node("shut", "a:NoExecute")]})
    assert table.splitlines() == [
        "DaemonSet agent: a pod on 1 of 3 nodes",
        "  free   pod         no untolerated taint",
        "  taken  no new pod  no toleration matches its taint a:NoSchedule",
        "  shut   no pod      no toleration matches its taint a:NoExecute",
    ]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"items": [{"kind": "Pod", "metadata": {"name": "a"}}]}, "expected Nodes, found Pod"),
        ({"items": [1]}, "kubectl get nodes -o json"),
        ({"items": [{"metadata": "x"}]}, "kubectl get nodes -o json"),
        ({"items": [{"metadata": {"name": "a", "labels": ["x"]}}]}, "metadata.labels: must be a mapping"),
        ({"items": [{"metadata": {"name": "a"}, "spec": {"taints": "x"}}]}, "spec.taints: must be a list"),
        ([], "kubectl get nodes -o json"),
    ],
)
def test_what_is_no_dump_of_nodes_is_refused(tmp_path: Path, nodes: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        told(tmp_path, nodes)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    told(tmp_path, {"items": [node("a")]})
    command = [sys.executable, "-m", "pytest_daemonset", "explain", "ds.yaml", "nodes.json"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert done.stderr == b""
