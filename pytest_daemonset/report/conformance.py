"""What a run of the suite found, as data: the model of the conformance report, and its JSON form."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

SCHEMA: Final = 1
"""The version of the JSON form; a change that breaks its readers makes another one."""

OUTCOMES: Final = (
    "failed",
    "inconclusive",
    "expected to fail",
    "not observable here",
    "declared unsupported",
    "passed",
    "not yet checked",
)
"""What can become of a row, the one that weighs most first: a row is as its worst test."""


@dataclass(frozen=True)
class Case:
    """One test of a row.

    Args:
        name: the test's, with its case in brackets.
        outcome: one of `OUTCOMES`.
        seconds: how long it took, with its set-up and its clean-up.
        told: why it failed, was skipped or is expected to fail; empty for one that passed.
    """

    name: str
    outcome: str
    seconds: float
    told: str = ""


@dataclass(frozen=True)
class RowResult:
    """What became of one row.

    Args:
        id: such as ``AMO-01``.
        sentence: the promise.
        section: of the contract.
        level: ``core`` or ``optional``.
        priority: ``P0`` to ``P2``; empty for a row that is not checked yet.
        outcome: one of `OUTCOMES`.
        seconds: of all its tests.
        told: for a row that did not pass: why, in one sentence.
        workaround: what users can do about an expected failure.
        tests: its tests.
    """

    id: str
    sentence: str
    section: str
    level: str
    priority: str
    outcome: str
    seconds: float = 0.0
    told: str = ""
    workaround: str = ""
    tests: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Report:
    """One run of the suite.

    Args:
        suite: the version of pytest-daemonset.
        setting: cluster and controller, in one line.
        cluster: kind and Kubernetes version of the cluster.
        controller: how the controller was named.
        profile: the profile's name and title.
        began: when, as RFC 3339.
        seconds: how long it took.
        rows: what became of each row, in the contract's order.
        notes: what else has to be told, such as requests that the cluster did not imitate.
    """

    suite: str
    setting: str
    cluster: dict[str, str]
    controller: str
    profile: dict[str, str]
    began: str
    seconds: float
    rows: tuple[RowResult, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def summary(self) -> dict[str, int]:
        """How many rows came out how, by outcome."""
        return {name: sum(row.outcome == name for row in self.rows) for name in OUTCOMES}

    @property
    def kept(self) -> bool:
        """Whether every row that was judged is kept, or expected not to be."""
        return not any(row.outcome in ("failed", "inconclusive") for row in self.rows)

    def sections(self) -> dict[str, list[RowResult]]:
        """The rows by section."""
        found: dict[str, list[RowResult]] = {}
        for row in self.rows:
            found.setdefault(row.section, []).append(row)
        return found

    def as_json(self) -> str:
        """The report as JSON; docs/report.md says what is in it."""
        told: dict[str, Any] = {"schema": SCHEMA, "kept": self.kept, "summary": self.summary, **asdict(self)}
        told["rows"] = {row.pop("id"): row for row in told["rows"]}
        return json.dumps(told, indent=1, sort_keys=False) + "\n"


def worst(outcomes: list[str]) -> str:
    """The outcome that weighs most; for none, "not yet checked"."""
    return min(outcomes, key=OUTCOMES.index, default="not yet checked")
