"""Runs the installed suite as a user would, and reads what came of each row."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from pytest_daemonset.conformance.matrix import VIOLATION, controlled_by
from pytest_daemonset.conformance.suite import row_of

TIMEOUT = 600
broken_by = controlled_by


def verify(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m pytest_daemonset verify …`."""
    command = [sys.executable, "-m", "pytest_daemonset", "verify", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=cwd, env=env, check=False)


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
