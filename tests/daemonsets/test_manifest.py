"""What `read` accepts, and the one clear error for what it does not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pytest_daemonset.daemonsets.manifest import Kind, read
from pytest_daemonset.errors import UsageError

AGENT = """\
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: agent
spec:
  selector:
    matchLabels:
      app: agent
  template:
    metadata:
      labels:
        app: agent
    spec:
      containers:
      - name: agent
        image: agent:1
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config\n"


def complaint(source: object) -> str:
    with pytest.raises(UsageError) as caught:
        read(source)
    return str(caught.value)


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(AGENT)
    assert read(path).daemonsets[0].content["metadata"]["name"] == "agent"
    assert read(str(path)).daemonsets[0].origin == str(path)


def test_text_and_dicts_are_read() -> None:
    (document,) = read(AGENT).daemonsets
    assert read(document.content).daemonsets[0].content == document.content


def test_companions_are_kept_in_order() -> None:
    manifest = read(f"{CONFIG}---\n{AGENT}---\n{CONFIG.replace('config', 'second')}")
    assert [d.content["metadata"]["name"] for d in manifest.companions] == ["config", "second"]
    assert len(manifest.daemonsets) == 1


def test_a_list_is_unpacked() -> None:
    inner = textwrap.indent(AGENT, "  ")
    manifest = read("apiVersion: v1\nkind: List\nmetadata: {name: all}\nitems:\n- " + inner.lstrip())
    assert len(manifest.daemonsets) == 1
    assert not manifest.companions


def test_a_list_of_one_kind_is_unpacked_and_its_items_are_of_that_kind() -> None:
    (document,) = read(AGENT).daemonsets
    bare = {key: value for key, value in document.content.items() if key not in ("apiVersion", "kind")}
    listed = {"apiVersion": "apps/v1", "kind": "DaemonSetList", "metadata": {"resourceVersion": "7"}, "items": [bare]}
    assert read(listed).daemonsets[0].content == document.content


def test_an_object_whose_kind_ends_like_a_list_is_none() -> None:
    allowed = "apiVersion: example.com/v1\nkind: AllowList\nmetadata:\n  name: a\n"
    assert [d.content["kind"] for d in read(f"{allowed}---\n{AGENT}").companions] == ["AllowList"]


@pytest.mark.parametrize("items", ["[]", "null", "~"])
def test_a_list_of_nothing_is_an_empty_manifest(items: str) -> None:
    assert "the manifest is empty" in complaint(f"apiVersion: v1\nkind: List\nitems: {items}\n")


def test_a_typed_object_of_kubernetes_asyncio_is_read() -> None:
    client = pytest.importorskip("kubernetes_asyncio.client")
    typed = client.V1DaemonSet(
        api_version="apps/v1",
        kind="DaemonSet",
        metadata=client.V1ObjectMeta(name="agent"),
        spec=client.V1DaemonSetSpec(
            selector=client.V1LabelSelector(match_labels={"app": "agent"}),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels={"app": "agent"}),
                spec=client.V1PodSpec(containers=[client.V1Container(name="agent", image="agent:1")]),
            ),
        ),
    )
    assert read(typed).daemonsets[0].content == read(AGENT).daemonsets[0].content


def test_no_yaml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("kind: DaemonSet\n  bad: [indent\n")
    assert complaint(path).startswith(f"{path}:2: this is no YAML")


def test_a_missing_file_is_told_with_the_folder_that_was_searched() -> None:
    assert "no such file" in complaint("nowhere.yaml")
    assert str(Path.cwd()) in complaint("nowhere.yaml")


def test_a_scalar_is_no_object() -> None:
    assert "expected a Kubernetes object" in complaint("just text\nand more\n")


def test_a_deployment_is_refused_where_a_daemonset_belongs() -> None:
    text = complaint(AGENT.replace("kind: DaemonSet", "kind: Deployment"))
    assert text == "<YAML text>:2: kind: expected a DaemonSet (apps/v1), found Deployment agent"


def test_a_daemonset_of_another_group_is_refused() -> None:
    assert "expected a DaemonSet" in complaint(AGENT.replace("apps/v1", "apps.kruise.io/v1beta1"))
    assert read(AGENT.replace("apps/v1", "apps.kruise.io/v1beta1"), Kind("apps.kruise.io/v1beta1", "DaemonSet"))


@pytest.mark.parametrize(
    ("field", "removed"),
    [
        ("apiVersion", "apiVersion: apps/v1\n"),
        ("kind", "kind: DaemonSet\n"),
        ("metadata", "metadata:\n  name: agent\n"),
        ("metadata.name", "  name: agent\n"),
        ("spec.selector", "  selector:\n    matchLabels:\n      app: agent\n"),
        ("spec.template.spec", "    spec:\n      containers:\n      - name: agent\n        image: agent:1\n"),
        ("spec.template.spec.containers", "      containers:\n      - name: agent\n        image: agent:1\n"),
    ],
)
def test_a_missing_field_is_named_with_its_line(field: str, removed: str) -> None:
    broken = AGENT.replace(removed, "", 1)
    if field == "metadata.name":
        broken = broken.replace("metadata:\n", "metadata: {}\n", 1)
    if field == "spec.template.spec.containers":
        broken = broken.replace("    spec:\n", "    spec: {hostNetwork: true}\n")
    text = complaint(broken)
    assert f"{field}: is missing" in text
    assert text.startswith("<YAML text>:")


def test_a_missing_spec_is_named() -> None:
    assert "spec: is missing" in complaint(AGENT[: AGENT.index("spec:")])


def test_an_empty_manifest_is_refused() -> None:
    assert "the manifest is empty" in complaint("---\n---\n")


def test_a_selector_that_misses_its_template_is_refused_with_its_line() -> None:
    text = complaint(AGENT.replace("      app: agent\n  template", "      app: other\n  template"))
    assert text.startswith("<YAML text>:8: spec.selector.matchLabels.app: the selector wants app=other")
    assert "has app=agent" in text


def test_an_expression_that_misses_its_template_is_refused() -> None:
    selector = "    matchExpressions:\n    - {key: tier, operator: Exists}\n"
    text = complaint(AGENT.replace("    matchLabels:\n      app: agent\n", selector, 1))
    assert "the selector wants tier Exists" in text
    assert text.startswith("<YAML text>:8:")


def test_an_empty_selector_is_refused() -> None:
    text = complaint(AGENT.replace("    matchLabels:\n      app: agent\n", "    matchLabels: {}\n", 1))
    assert "would match every pod" in text


@pytest.mark.parametrize(
    ("written", "instead", "told"),
    [
        (
            "    matchLabels:\n      app: agent\n",
            "    matchLabels: [app]\n",
            "7: spec.selector.matchLabels: must be a mapping",
        ),
        (
            "    matchLabels:\n      app: agent\n",
            "    matchExpressions: app\n",
            "7: spec.selector.matchExpressions: must be a list",
        ),
        (
            "    matchLabels:\n      app: agent\n",
            "    matchExpressions: [app]\n",
            "matchExpressions.0: must be a mapping of key",
        ),
        (
            "      labels:\n        app: agent\n",
            "      labels: [app]\n",
            "11: spec.template.metadata.labels: must be a mapping",
        ),
    ],
)
def test_a_field_of_another_type_is_named_with_its_line(written: str, instead: str, told: str) -> None:
    assert told in complaint(AGENT.replace(written, instead, 1))


def test_a_list_of_what_is_no_object_is_refused() -> None:
    assert "<YAML text>:3: items: must be a list" in complaint("apiVersion: v1\nkind: List\nitems: [1]\n")


def test_an_item_of_a_list_keeps_its_lines() -> None:
    inner = textwrap.indent(AGENT.replace("      app: agent\n  template", "      app: other\n  template"), "  ")
    text = complaint("apiVersion: v1\nkind: List\nitems:\n- " + inner.lstrip())
    assert text.startswith("<YAML text>:11: spec.selector.matchLabels.app")


def test_a_daemonset_of_another_group_is_told_with_its_group() -> None:
    assert "found extensions/v1beta1 DaemonSet agent" in complaint(AGENT.replace("apps/v1", "extensions/v1beta1"))


def test_a_folder_and_nothing_at_all_are_no_manifest(tmp_path: Path) -> None:
    assert "is a folder" in complaint(tmp_path)
    assert "found an empty string" in complaint("")
