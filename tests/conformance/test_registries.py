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
from pytest_daemonset.conformance.levels import LATER, LATER_ROWS
from pytest_daemonset.conformance.outcomes import Outcomes, tell
from pytest_daemonset.conformance.profiles import Profile
from pytest_daemonset.conformance.rig import RECORDED, SAFETY
from pytest_daemonset.conformance.rolling import GUARD, SURGE_GUARD
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.conformance.suite import row_of
from pytest_daemonset.conformance.texts import contract_texts
from pytest_daemonset.errors import Violation

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


def test_every_row_is_told_with_what_the_contract_says() -> None:
    texts = contract_texts()
    assert set(texts) == set(ROWS)
    for text in (one for those in texts.values() for one in those):
        assert all((text.promise, text.source, text.catches, text.trap)), text.test
    assert set(LATER) == set(LATER_ROWS)
    assert not set(LATER) & set(ROWS)


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


# Which rows may use a barrier, and which need none. "Nothing happens" is shown by a barrier; a liveness row has none before what it
# waits for, since a barrier is a nudge, and heals the very wake-up that it looks for.

BARRIER_IN_LIVENESS = {
    "AMO-04": "after the pruning: that the end state stays is negative",
    "NODE-05": "after the last state: that it stays is negative",
    "OWN-01": "after the adoption: that no second pod comes is negative",
    "OWN-02": "after the adoption: that the older pod stays is negative",
    "PLACE-02": "after the counters: that no pod was made is negative",
    "REV-07": "clean-up comes with the next sync, which nothing else brings",
    "REV-10": "a revision that is planted wakes nobody",
    "ROB-06": "after the replacement: a pod for a node that has gone goes with the next sync, which nothing else brings",
    "STAT-09": "for one case the row is about the second half, so the first one is helped along",
}

WITHOUT_BARRIER = {
    **dict.fromkeys(("API-01", "API-02", "API-03", "API-04", "API-05", "API-07"), "the API answers at once"),
    **dict.fromkeys(("UPD-04", "UPD-16", "UPD-17"), "every event of a whole rollout is judged, to its end"),
    **dict.fromkeys(
        ("UPD-12", "UPD-13", "FAIL-05"),
        "order and times of what happened; a barrier would nudge, or reset the back-off",
    ),
    **dict.fromkeys(("UPD-10", "REV-04", "REV-09", "KRU-08"), "what was made on the way to the end is counted"),
    **dict.fromkeys(("ROB-09", "OWN-06"), "a rest is watched for as long as it takes"),
    **dict.fromkeys(
        ("FAIL-08", "FAIL-10", "ROB-02", "ROB-15", "EVT-04"),
        "a bound while the fault lasts; a new generation resets the back-off",
    ),
    **dict.fromkeys(("REV-01", "ROB-13", "KRU-07"), "the write log of a whole life is read"),
    **dict.fromkeys(
        ("FAIL-04", "TERM-02", "PLACE-10", "TAINT-10"), "how something was done is read, once it has been done"
    ),
    "AMO-09": "the end state is waited for, and every event up to it is judged",
    **dict.fromkeys(
        ("AMO-10", "ROB-14"), "a barrier waits for events that are held; sentinels that need none stand in for it"
    ),
    "STAT-05": "every status of the row is judged",
    "UPD-05": "one of its cases is liveness: the limit follows the nodes",
}


def _has_barrier(test: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("barrier", "only_on_eligible_nodes")
        for node in ast.walk(test)
    )


def _rows_where(kinds: tuple[str, ...], *, barrier: bool) -> set[str]:
    found = [(row_of(test.name) or "", _has_barrier(test)) for test in TESTS]
    return {row for row, has in found if ROWS[row].kind in kinds and has is barrier}


def test_no_liveness_row_has_a_barrier_but_for_its_negative_half() -> None:
    assert _rows_where(("L",), barrier=True) == set(BARRIER_IN_LIVENESS)


def test_every_negative_row_has_a_barrier_or_says_what_stands_in_its_place() -> None:
    assert _rows_where(("S", "SL"), barrier=False) == set(WITHOUT_BARRIER)


def test_every_set_that_a_row_applies_is_guarded_in_every_state() -> None:
    bare = [
        test.name
        for test in TESTS
        for call in ast.walk(test)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "apply"
        for word in call.keywords
        if word.arg == "guard" and isinstance(word.value, ast.Tuple)
    ]
    assert bare == []


def test_what_stands_guard_is_of_rows_that_are_checked() -> None:
    rows = {row for one in (*SAFETY, *RECORDED, *GUARD, *SURGE_GUARD) for row in one.rows}
    assert {"AMO-01", "AMO-06", "GC-06", "STAT-04", "STAT-05", "STAT-11", "REV-03"} <= rows <= set(ROWS)


def test_a_guard_that_breaks_fails_its_own_row_too() -> None:
    outcomes = Outcomes(frozenset(("PLACE-12", "AMO-01")), Profile("none"))
    report = pytest.TestReport("t", ("t", 1, "t"), {}, "failed", None, "call", duration=1.0)
    broken = Violation("DaemonSet a/b: at_most_one_pod_per_node was broken [AMO-01]: two pods")
    tell(report, _Call(broken))  # type: ignore[arg-type]
    outcomes.add("PLACE-12", "test_PLACE_12_x", report)
    assert outcomes.of("PLACE-12") == outcomes.of("AMO-01") == "failed"
    assert outcomes.unjudged == ["AMO-01"]


class _Call:
    def __init__(self, error: BaseException) -> None:
        self.excinfo = pytest.ExceptionInfo.from_exc_info((type(error), error, None))  # type: ignore[arg-type]
