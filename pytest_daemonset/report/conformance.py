"""What a run of the suite found, as data: the model of the conformance report, and its JSON form."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA: Final = 1
"""The version of the JSON form; a change that breaks its readers makes another one."""

OUTCOMES: Final = (
    "failed",
    "inconclusive",
    "not reached",
    "expected to fail",
    "not observable here",
    "declared unsupported",
    "passed",
    "not yet checked",
)
"""What can become of a row, the one that weighs most first: a row is as its worst test."""

UNKEPT: Final = ("failed", "inconclusive", "not reached")
"""The outcomes with which nobody can say that a controller keeps what it was asked for."""


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
class ContractText:
    """What the contract says, as one test of a row checks it.

    Args:
        test: the test's name, without its cases.
        promise: given, when, then.
        source: where in Kubernetes, or from what observation, that is known.
        catches: the mistake that it is there to catch.
        trap: how it could pass or fail for the wrong reason, and what the test does about that.
    """

    test: str
    promise: str
    source: str
    catches: str
    trap: str


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
        contract: what the contract says of it; empty for a row that is not checked yet.
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
    contract: tuple[ContractText, ...] = ()


@dataclass(frozen=True)
class Report:
    """One run of the suite.

    Args:
        suite: the version of pytest-daemonset.
        setting: cluster and controller, in one line.
        cluster: kind and Kubernetes version of the cluster.
        controller: how the controller was named.
        controller_version: its own version, as far as that is known.
        profile: the profile's name and title.
        began: when, as RFC 3339.
        seconds: how long it took.
        rows: what became of each row, in the contract's order.
        notes: what else has to be told, such as requests that the cluster did not imitate.
        causes: what many rows were broken by, the commonest first.
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
    controller_version: str = ""
    causes: tuple[str, ...] = ()

    @property
    def summary(self) -> dict[str, int]:
        """How many rows came out how, by outcome."""
        return {name: sum(row.outcome == name for row in self.rows) for name in OUTCOMES}

    @property
    def kept(self) -> bool:
        """Whether every row that was judged is kept, or expected not to be."""
        return not any(row.outcome in UNKEPT for row in self.rows)

    @property
    def headline(self) -> str:
        """How many rows are kept, of those that could be: not of those for what the controller does not offer."""
        summary = self.summary
        return f"{kept_of(self.rows)} rows kept" + (
            f", {summary['declared unsupported']} declared unsupported" if summary["declared unsupported"] else ""
        )

    def times(self) -> dict[str, float]:
        """Seconds that the tests of the rows took, by level: those of core rows, and all."""
        core = sum(row.seconds for row in self.rows if row.level == "core")
        return {"core": round(core, 1), "all": round(sum(row.seconds for row in self.rows), 1)}

    def slowest(self, count: int) -> list[RowResult]:
        """The rows that took longest, the slowest first."""
        return sorted((row for row in self.rows if row.tests), key=lambda row: -row.seconds)[:count]

    def sections(self) -> dict[str, list[RowResult]]:
        """The rows by section."""
        found: dict[str, list[RowResult]] = {}
        for row in self.rows:
            found.setdefault(row.section, []).append(row)
        return found

    def as_json(self) -> str:
        """The report as JSON; docs/report.md says what is in it."""
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "kept": self.kept,
            "summary": self.summary,
            "times": self.times(),
            **asdict(self),
        }
        told["rows"] = {row.pop("id"): row for row in told["rows"]}
        return json.dumps(told, indent=1, sort_keys=False) + "\n"


def worst(outcomes: list[str]) -> str:
    """The outcome that weighs most; for none, "not yet checked"."""
    return min(outcomes, key=OUTCOMES.index, default="not yet checked")


def kept_of(rows: Sequence[RowResult]) -> str:
    """How many of these rows are kept, of those that could be, as "3 of 4"; "none" where none could be."""
    asked = sum(row.outcome not in ("not yet checked", "declared unsupported") for row in rows)
    if not asked:
        return "none"
    return f"{sum(row.outcome == 'passed' for row in rows)} of {asked}"
