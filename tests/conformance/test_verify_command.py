"""`python -m pytest_daemonset verify`: its exit codes, and that it is complete or fails."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from matrix import broken_by, outcomes, verify

ROW = """
def test_{row}_something():
    pass
"""


def test_a_controller_that_keeps_its_promises_ends_with_0(tmp_path: Path) -> None:
    run = verify("--rows", "PLACE-01,STAT-01", "--junit", "report.xml", cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    assert "2 of 2 rows kept" in run.stdout
    assert "reference controller, not Kubernetes" in run.stdout
    assert outcomes(tmp_path / "report.xml") == {"PLACE-01": {"passed"}, "STAT-01": {"passed"}}


def test_a_controller_that_breaks_one_ends_with_1(tmp_path: Path) -> None:
    run = verify("--rows", "PLACE-03", *broken_by("any-label"), "--history", "seen", cwd=tmp_path)
    assert run.returncode == 1, run.stdout
    assert "broken    PLACE-03" in run.stdout
    assert "0 of 1 rows kept" in run.stdout
    assert list((tmp_path / "seen").glob("*.jsonl"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rows", "PLACE-99"), "no such row"),
        (("--rows", "place-01,nonsense"), "no such row"),
        (("--cluster", "nowhere"), "no such cluster"),
        (("--controller", "command: ./nope"), "nope: no such file"),
        (("--controller-timeout", "soon"), "expected a number of seconds"),
        (("--controller-timeout", "nan"), "and an end"),
        (("--report", "/dev/null/told"), "expected a folder, found a file"),
        (("--junit", "/dev/null/told.xml"), "expected a folder, found a file"),
        (("--history", "/dev/null"), "expected a folder, found a file"),
        (("--controller", "./manager"), "no such kind of controller"),
        (("--controller", "builtin: x"), "takes nothing after it"),
        (("--controller", "command: x", "--controller-ready", "soon"), "expected 'log: REGEX'"),
        (("--k3s", "image=x"), "only with --cluster k3s"),
        (("--cluster", "k3s", "--k3s", "imag=x"), "with a NAME of image, version"),
        (("--cluster", "k3s", "--k3s", "image"), "expected NAME=VALUE"),
        (("--nodes", "-1"), "no fewer than 0"),
        (("--nodes", "many"), "invalid int value"),
        (("--no-such-option",), "unrecognized arguments"),
    ],
)
def test_a_command_that_cannot_be_carried_out_ends_with_2(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    run = verify(*words, cwd=tmp_path)
    assert run.returncode == 2
    assert told in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "the controller ended before it had written anything to the cluster"),
        (("--controller-ready", "log: never"), "what they need did not start"),
    ],
)
def test_a_controller_that_ends_at_once_ends_the_run_and_no_row_after_row_fails(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    run = verify("--rows", "PLACE-01,PLACE-02,STAT-01", "--controller", "command: true", *words, cwd=tmp_path)
    assert run.returncode == 1
    assert f"no row can be judged: {told}" in run.stdout
    assert "not reached: PLACE-02, STAT-01" in run.stdout
    assert "Error: the controller under test (command: true) died" in run.stdout


def test_nobody_else_s_settings_change_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise RuntimeError('this conftest was read')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -k nothing\n")
    env = {**os.environ, "PYTEST_ADDOPTS": "-k nothing", "PYTEST_PLUGINS": "no_such_plugin"}
    run = verify("--rows", "PLACE-01", cwd=tmp_path, env=env)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 of 1 rows kept" in run.stdout


def test_rows_can_be_spread_over_processes(tmp_path: Path) -> None:
    run = verify("--rows", "PLACE-01,PLACE-02,TAINT-06", "-n", "2", cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    assert "3 of 3 rows kept" in run.stdout


def test_a_row_without_a_test_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ROW.format(row="PLACE_01"))
    run = _suite(pytester, "--rows=PLACE-01,PLACE-02")
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines("*the suite is incomplete: no test was collected for PLACE-02*")


def test_a_run_that_is_broken_off_names_the_rows_that_it_did_not_reach(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_a="def test_PLACE_01_x():\n    raise SystemError", test_b=ROW.format(row="PLACE_02"))
    run = _suite(pytester, "--rows=PLACE-01,PLACE-02", "-x")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(["*unsure*PLACE-01*", "*not reached: PLACE-02*", "*0 of 2 rows kept*"])


def test_a_run_that_judged_less_than_it_was_asked_for_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ROW.format(row="PLACE_01") + ROW.format(row="PLACE_02"))
    pytester.makeconftest("def pytest_runtest_protocol(item):\n    return True if 'PLACE_02' in item.name else None\n")
    run = _suite(pytester, "--rows=PLACE-01,PLACE-02")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines("*not reached: PLACE-02*")


TWICE = "\n\ndef test_PLACE_01_again():\n    {what}\n"


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("raise KeyboardInterrupt", ()),
        ("assert False", ("--maxfail=1", "--deselect", "test_row.py::test_PLACE_01_something")),
        ("pass", ("-k", "again")),
        ("import os; os._exit(3)", ("-n", "2", "--max-worker-restart=0")),
    ],
    ids=["interrupted", "deselected", "by keyword", "worker that dies"],
)
def test_a_row_of_which_one_test_did_not_end_is_not_kept_and_the_report_says_so(
    pytester: pytest.Pytester, what: str, words: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_row=ROW.format(row="PLACE_01") + TWICE.format(what=what) + ROW.format(row="PLACE_02"))
    run = _suite(pytester, "--rows=PLACE-01,PLACE-02", "--report=told", *words)
    assert run.ret != pytest.ExitCode.OK
    told = json.loads((pytester.path / "told" / "report.json").read_text())
    assert told["kept"] is False
    assert told["rows"]["PLACE-01"]["outcome"] in ("not reached", "inconclusive")
    assert {one["outcome"] for one in told["rows"].values()} & {"not reached", "inconclusive"}


def test_what_cannot_be_seen_on_a_cluster_is_not_kept(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n\ndef test_PLACE_01_x():\n    pytest.skip('the cluster has none of that')\n")
    run = _suite(pytester, "--rows=PLACE-01")
    run.stdout.fnmatch_lines(["*not seen*PLACE-01*", "*0 of 1 rows kept*"])


def _suite(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "pytest_daemonset.conformance.suite", *words)
