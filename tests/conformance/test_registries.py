"""That rows, their tests and the broken controllers that prove them belong together, none without the others."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_daemonset.conformance
from pytest_daemonset.conformance.broken import BROKEN, UNPROVEN
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.conformance.suite import row_of

SUITE = Path(pytest_daemonset.conformance.__file__).parent
GUARDED_EVERYWHERE = "no-block-owner-deletion"
TESTS = [
    node
    for path in sorted(SUITE.glob("test_*.py"))
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
]


@pytest.fixture(scope="module")
def switches() -> dict[str, set[str]]:
    """What the reference program can be told to do wrong, and the rows of the contract that it says must see that."""
    command = [sys.executable, "-m", "pytest_daemonset.reference", "--list-broken"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    return {one["name"]: set(one["caught_by"]) for one in told}


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    assert {row_of(test.name) for test in TESTS} == set(ROWS)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_every_test_says_what_it_checks_whence_it_comes_what_it_catches_and_which_trap_it_avoids(
    test: ast.FunctionDef,
) -> None:
    text = ast.get_docstring(test) or ""
    assert all(word in text for word in ("Source:", "Catches:", "Trap:"))


def test_every_row_catches_a_broken_controller_or_says_why_not() -> None:
    caught = {row for one in BROKEN.values() for row in one.caught_by}
    assert caught | set(UNPROVEN) == set(ROWS)
    assert not caught & set(UNPROVEN)
    assert all(UNPROVEN.values())


def test_every_broken_controller_is_caught_by_a_row_and_leaves_another_one_green() -> None:
    for one in BROKEN.values():
        assert one.caught_by, one.name
        assert one.spares or one.name == GUARDED_EVERYWHERE, one.name
        assert not set(one.caught_by) & set(one.spares), one.name
        assert set(one.caught_by) | set(one.spares) <= set(ROWS), one.name


def test_every_registered_controller_can_be_run(switches: dict[str, set[str]]) -> None:
    assert set(BROKEN) <= set(switches)


def test_no_way_to_be_wrong_that_the_suite_should_catch_is_left_out(switches: dict[str, set[str]]) -> None:
    claimed = {name: rows & set(ROWS) for name, rows in switches.items()}
    left_out = {name: rows - set(BROKEN[name].caught_by if name in BROKEN else ()) for name, rows in claimed.items()}
    assert {name: rows for name, rows in left_out.items() if rows} == {}
