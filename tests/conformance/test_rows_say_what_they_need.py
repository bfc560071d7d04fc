"""A row that a cluster cannot show is skipped with the reason before it begins, and does not end as an error in the middle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_daemonset.conformance

SUITE = Path(pytest_daemonset.conformance.__file__).parent
COMMANDS = {"behave", "bad", "hold", "let_go"}
"""What of the suite's own helpers tells kubelets how to behave; `Rig.hold` is another thing."""


def called(function: ast.FunctionDef) -> set[str]:
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = {one.id for one in calls if isinstance(one, ast.Name)}
    return names | {one.attr for one in calls if isinstance(one, ast.Attribute) and one.attr == "behave"}


@pytest.mark.parametrize("path", sorted(SUITE.glob("test_*.py")), ids=lambda path: path.stem)
def test_whoever_commands_kubelets_needs_a_cluster_whose_kubelets_obey(path: Path) -> None:
    for function in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        if called(function) & COMMANDS:
            marks = " ".join(map(ast.unparse, function.decorator_list))
            assert "'behave'" in marks, function.name
