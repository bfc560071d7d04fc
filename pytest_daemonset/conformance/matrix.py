"""``matrix``: every broken controller against the rows that must catch it, or against a project's own tests."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_daemonset.conformance.broken import BROKEN, SAMPLE, UNPROVEN
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.controllers.replica import ELECTION
from pytest_daemonset.daemonsets.kinds import KindUnderTest
from pytest_daemonset.errors import UsageError
from pytest_daemonset.report.matrix import Matrix, Trial

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from pytest_daemonset.conformance.broken import BrokenController

TIMEOUT: Final = 900
"""Seconds for one broken controller: most of them are waiting for what it never does."""

VIOLATION: Final = "pytest_daemonset.errors.Violation"
CORRECT: Final = "the correct controller"


def controlled_by(name: str, profile: str = "", replicas: int = 1) -> tuple[str, ...]:
    """How `verify` is told of a broken controller, and of the profile whose kind it serves.

    Args:
        name: the controller's; empty for the correct one.
        profile: a shipped profile; empty for a DaemonSet.
        replicas: how many of it run.
    """
    words = [sys.executable, "-m", "pytest_daemonset.reference", "--kubeconfig", "{kubeconfig}"]
    words += [*(KindUnderTest.load(profile).words() if profile else ()), *(("--broken", name) if name else ())]
    words += ELECTION if replicas > 1 else ()
    known = ("--profile", profile) if profile else ()
    several = ("--controller-replicas", str(replicas)) if replicas > 1 else ()
    return (
        "--controller",
        f"command: {' '.join(words)}",
        "--controller-ready",
        r'log: "ready": true',
        *several,
        *known,
    )


def on_rows(one: BrokenController, folder: Path, *, every_row: bool = False) -> Trial:
    """Run the suite against one broken controller, as a user would.

    Args:
        one: which.
        folder: where its report goes.
        every_row: all rows instead of those that must catch it and those that it must leave alone.
    """
    rows = "" if every_row else ",".join((*one.caught_by, *one.spares))
    report = folder / one.name
    command = [sys.executable, "-m", "pytest_daemonset", "verify", "--rows", rows, "--report", str(report)]
    began = time.monotonic()
    output = _run([*command, *controlled_by(one.name, one.profile, one.replicas)], folder)
    found: dict[str, str] = {}
    if (report / "report.json").exists():
        told = json.loads((report / "report.json").read_text(encoding="utf-8"))["rows"]
        found = {row: _outcome([test["outcome"] for test in one["tests"]]) for row, one in told.items() if one["tests"]}
    seconds = round(time.monotonic() - began, 1)
    return Trial(one.name, one.does, found, one.caught_by, one.spares, seconds, output)


def _outcome(tests: Sequence[str]) -> str:
    """What a row said: ``failed`` only where nothing but promises was broken."""
    if "failed" in tests and set(tests) <= {"failed", "passed"}:
        return "failed"
    return next((outcome for outcome in tests if outcome not in ("failed", "passed")), "passed")


def on_tests(name: str, does: str, paths: Sequence[Path], folder: Path) -> Trial:
    """Run a project's own tests against one broken controller.

    Args:
        name: the controller's; empty for the correct one.
        does: what it does wrong.
        paths: files or folders, as for pytest; its settings are the project's own.
        folder: where the report goes.
    """
    report = folder / f"{name or 'correct'}.xml"
    words = controlled_by(name, replicas=BROKEN[name].replicas if name else 1)
    told = dict(zip(*[iter(words)] * 2, strict=True))
    command = [sys.executable, "-m", "pytest", "-q", *map(str, paths), f"--junit-xml={report}"]
    command += [
        f"--daemonset-controller={told['--controller']}",
        f"--daemonset-controller-ready={told['--controller-ready']}",
        f"--daemonset-controller-replicas={told.get('--controller-replicas', '1')}",
    ]
    began = time.monotonic()
    output = _run(command, Path.cwd())
    found = _cases(report) if report.exists() else {}
    return Trial(name or CORRECT, does, found, seconds=round(time.monotonic() - began, 1), output=output)


def _cases(report: Path) -> dict[str, str]:
    """By test, what came of it: ``failed`` is a violation, and nothing else."""
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        told = [(child.tag, child.get("message", "")) for child in case if child.tag in ("failure", "error", "skipped")]
        outcomes = ["failed" if tag == "failure" and text.startswith(VIOLATION) else tag for tag, text in told]
        found[f"{case.get('classname', '')}::{case.get('name', '')}"] = (outcomes or ["passed"])[0]
    return found


def _run(command: Sequence[str], cwd: Path) -> str:
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, check=False)
    except subprocess.TimeoutExpired:
        return f"not ended after {TIMEOUT} s"
    return run.stdout + run.stderr


def matrix(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: the command line's ``matrix`` options.

    Returns:
        0 when every broken controller is failed by whom it must be, 1 when not; with ``--tests``, 1 only if the tests do not pass
        against the correct controller.

    Raises:
        UsageError: a name or a path that there is not.
    """
    names = options.names or (SAMPLE if options.sample else tuple(BROKEN))
    if unknown := [name for name in names if name not in BROKEN]:
        raise UsageError(f"{unknown[0]}: no such broken controller; known are {', '.join(sorted(BROKEN))}")
    if missing := [path for path in options.tests if not path.exists()]:
        raise UsageError(f"--tests {missing[0]}: no such file or folder")
    if options.abreast < 1:
        raise UsageError(f"-n {options.abreast}: expected 1 or more")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pytest-daemonset-matrix-") as made:
        folder = Path(made)
        checks, excused = {row.id: row.sentence for row in ROWS.values()}, dict(UNPROVEN)
        if options.tests:
            correct = on_tests("", "nothing", options.tests, folder)
            if not correct.outcomes or set(correct.outcomes.values()) - {"passed", "skipped"}:
                print(correct.output)
                print(
                    "error: these tests do not pass against the correct controller, so they cannot tell who is broken"
                )
                return 1
            # Rows of kinds that these tests do not know of could not be broken before their eyes.
            names = [name for name in names if not BROKEN[name].profile]
            checks, excused = {check: check.rpartition("::")[2] for check in correct.outcomes}, {}
        one = _trial_of(options, folder)
        trials = _abreast(names, one, options.abreast)
    whole = set(names) == set(BROKEN) and not options.tests
    found = Matrix(version("pytest-daemonset"), trials, checks, excused, whole, round(time.monotonic() - began, 1))
    return _tell(found, options)


def _trial_of(options: argparse.Namespace, folder: Path) -> Callable[[str], Trial]:
    if options.tests:
        return lambda name: on_tests(name, BROKEN[name].does, options.tests, folder)
    return lambda name: on_rows(BROKEN[name], folder, every_row=options.every_row)


def _abreast(names: Sequence[str], trial: Callable[[str], Trial], abreast: int) -> tuple[Trial, ...]:
    """Try several at once, tell each as it ends, and return them in order."""
    found: dict[str, Trial] = {}
    with ThreadPoolExecutor(abreast) as pool:
        running = {pool.submit(trial, name): name for name in names}
        try:
            for count, done in enumerate(as_completed(running), start=1):
                one = found[running[done]] = done.result()
                caught = ", ".join(one.failed_by[:6]) or "nobody"
                wrong = f"  BUT {'; '.join(one.wrong)}" if one.wrong and one.must_fail else ""
                print(f"[{count}/{len(names)}] {one.name}: failed by {caught} ({one.seconds:.0f} s){wrong}", flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return tuple(found[name] for name in names)


def _tell(found: Matrix, options: argparse.Namespace) -> int:
    if options.tests:
        caught = len(found.trials) - len(found.survivors)
        print(f"{caught} of {len(found.trials)} broken controllers are caught by these tests")
        for one in found.trials:
            if not one.failed_by:
                print(
                    f"  survives: {one.name} ({one.does}); the suite catches it by {', '.join(BROKEN[one.name].caught_by)}"
                )
    else:
        print(found.summary)
        for one in found.trials:
            for wrong in one.wrong:
                print(f"  {one.name}: {wrong}\n{one.output}")
        for check in found.hollow:
            print(f"  {check} fails no broken controller")
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        for name, text in (("matrix.json", found.as_json()), ("matrix.md", found.as_markdown())):
            (options.report / name).write_text(text, encoding="utf-8")
        print(f"report: {options.report / 'matrix.json'}, {options.report / 'matrix.md'}")
    return 0 if found.good or options.tests else 1
