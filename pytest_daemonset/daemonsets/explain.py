"""``explain``: which nodes get a pod of a DaemonSet, and why, from dumps alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from pytest_daemonset.contract import explain as decide
from pytest_daemonset.daemonsets.manifest import read
from pytest_daemonset.errors import UsageError


def explain(daemonset: str, nodes: str, *, as_json: bool, out: TextIO) -> int:
    """Print, for each node, whether it gets a pod and the rule that decides.

    Args:
        daemonset: a manifest's path; several DaemonSets in it are explained one after the other.
        nodes: the path of a ``kubectl get nodes -o json`` dump (a NodeList, or one Node; YAML too), or ``-`` for standard input.
        as_json: one JSON list instead of a table.
        out: where to print.

    Raises:
        UsageError: either file cannot be read for what it should be.

    Source: contract.md section (b).
    """
    dump = _nodes(nodes)
    answers = [
        {
            "daemonSet": document.content["metadata"].get("name", ""),
            "node": answer.node,
            "mayStart": answer.start.truth,
            "mayStay": answer.stay.truth,
            "reason": answer.start.because,
        }
        for document in read(daemonset).daemonsets
        for answer in decide(document.content, dump)
    ]
    if as_json:
        json.dump(answers, out, indent=2)
        out.write("\n")
        return 0
    width = max((len(answer["node"]) for answer in answers), default=0)
    name = None
    for answer in answers:
        if answer["daemonSet"] != name:
            name = answer["daemonSet"]
            mine = [other for other in answers if other["daemonSet"] == name]
            out.write(f"DaemonSet {name}: a pod on {sum(other['mayStart'] for other in mine)} of {len(mine)} nodes\n")
        verdict = "pod" if answer["mayStart"] else "no new pod" if answer["mayStay"] else "no pod"
        out.write(f"  {answer['node']:<{width}}  {verdict:<10}  {answer['reason']}\n")
    return 0


def _named(item: object) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


def _malformed(node: dict[str, Any]) -> str | None:
    """What contradicts the API's types in the fields that placement depends on."""
    spec, labels = node.get("spec") or {}, node["metadata"].get("labels") or {}
    if not isinstance(labels, dict):
        return f"metadata.labels: must be a mapping, found {labels!r}"
    if not isinstance(spec, dict):
        return f"spec: must be a mapping, found {spec!r}"
    taints = spec.get("taints") or []
    if not isinstance(taints, list) or not all(isinstance(taint, dict) for taint in taints):
        return f"spec.taints: must be a list of mappings, found {taints!r}"
    return None


def _nodes(source: str) -> list[dict[str, Any]]:
    import yaml

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: cannot be read: {error}") from None
    try:
        content = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{source}: neither JSON nor YAML: {error}") from None
    items = content.get("items") if isinstance(content, dict) and "items" in content else [content]
    if not isinstance(items, list) or not all(map(_named, items)):
        raise UsageError(
            f"{source}: expected what `kubectl get nodes -o json` prints: a list of Nodes under `items`, each with a name"
        )
    for item in items:
        if (field := _malformed(item)) is not None:
            raise UsageError(f"{source}: node {item['metadata']['name']}: {field}; is this what the API server told?")
    strangers = sorted({str(item.get("kind")) for item in items} - {"Node", "None"})
    if strangers:
        raise UsageError(f"{source}: expected Nodes, found {', '.join(strangers)}; try `kubectl get nodes -o json`")
    return items
