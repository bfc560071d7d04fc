"""Runs the installed suite against a broken controller, as a user would, and reads what came of each row."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pytest_daemonset.conformance.broken import BROKEN
from pytest_daemonset.conformance.suite import row_of
from pytest_daemonset.daemonsets.kinds import KindUnderTest

TIMEOUT = 600
VIOLATION = "pytest_daemonset.errors.Violation"


@dataclass(frozen=True)
class Outcome:
    """What a run said: its exit code, for each row how its tests came out, and its output."""

    code: int
    rows: dict[str, set[str]]
    output: str


def verify(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m pytest_daemonset verify …`."""
    command = [sys.executable, "-m", "pytest_daemonset", "verify", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, env=env, check=False)


def broken_by(name: str, profile: str = "") -> tuple[str, ...]:
    """How `verify` is told of a broken controller, and of the profile whose kind it serves."""
    known = ("--profile", profile) if profile else ()
    kind = " ".join(KindUnderTest.load(profile).words()) if profile else ""
    command = (
        f"command: {sys.executable} -m pytest_daemonset.reference --kubeconfig {{kubeconfig}} --broken {name} {kind}"
    )
    return ("--controller", command.rstrip(), "--controller-ready", r'log: "ready": true', *known)


def judged(name: str, folder: Path) -> Outcome:
    """The rows that must catch a broken controller, and those that it must leave green."""
    one = BROKEN[name]
    report = folder / f"{name}.xml"
    rows = ",".join((*one.caught_by, *one.spares))
    run = verify("--rows", rows, "--junit", str(report), *broken_by(name, one.profile), cwd=folder)
    return Outcome(run.returncode, outcomes(report) if report.exists() else {}, run.stdout + run.stderr)


def outcomes(report: Path) -> dict[str, set[str]]:
    """By row: ``passed``, ``violation``, or what else became of its tests."""
    found: dict[str, set[str]] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (our own file)
        row = row_of(case.get("name", ""))
        assert row is not None
        told = [(child.tag, child.get("message", "")) for child in case if child.tag in ("failure", "error", "skipped")]
        words = {
            "violation" if tag == "failure" and text.startswith(VIOLATION) else f"{tag}: {text[:200]}"
            for tag, text in told
        }
        found.setdefault(row, set()).update(words or {"passed"})
    return found


class Matrix:
    """Runs several controllers side by side: most of a run is waiting for what a broken controller never does."""

    def __init__(self, folder: Path, names: list[str], abreast: int) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(abreast)
        self._runs: dict[str, Future[Outcome]] = {name: self._begin(name) for name in names}

    def __getitem__(self, name: str) -> Outcome:
        if name not in self._runs:
            self._runs[name] = self._begin(name)
        return self._runs[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, name: str) -> Future[Outcome]:
        return self._pool.submit(judged, name, self._folder)
