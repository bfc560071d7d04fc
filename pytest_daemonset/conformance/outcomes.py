"""What became of each row: collected test by test, by what was raised and by what the profile says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_daemonset.conformance.levels import (
    FEATURES,
    LATER,
    LATER_ROWS,
    SECTIONS,
    feature_of,
    level_of,
    offered,
    section_of,
)
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.conformance.texts import contract_texts
from pytest_daemonset.errors import Violation
from pytest_daemonset.report.conformance import Case, RowResult, worst

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.conformance.profiles import Profile

UNSUPPORTED: Final = "declared unsupported"
_ON_GUARD: Final = " (on guard)"
"""Ends the name of a test of another row, where this row's invariant stood guard and was broken."""

_GUARD: Final = re.compile(r"(\w+) was broken \[([A-Z]+-\d+(?:, [A-Z]+-\d+)*)\]")
_MANY: Final = 3
"""Rows: from so many on a cause is common."""

_TOLD: Final = "_daemonset_told"
"""The attribute of a report that carries outcome and reason, also from a worker of pytest-xdist."""


def mark(items: Iterable[pytest.Item], row_of: dict[str, str], profile: Profile) -> None:
    """Say of each test what the profile says of its row: that it is not supported, or expected to fail.

    Args:
        items: the tests.
        row_of: their rows, by node id.
        profile: what is known of the controller.
    """
    for item in items:
        row = row_of[item.nodeid]
        wanted = (mark.args[0] for mark in item.iter_markers("feature"))
        lacking = (name for name in wanted if not offered(name, profile.features))
        feature = feature_of(row, profile.features) or next(lacking, None)
        known = profile.expected.get(row)
        if feature is not None:
            item.add_marker(pytest.mark.skip(reason=f"{UNSUPPORTED}: {_by_whom(profile, feature)}"))
        elif known is not None and known.concerns(item.name):
            item.add_marker(pytest.mark.xfail(raises=Violation, strict=True, reason=known.why))


def _by_whom(profile: Profile, feature: str) -> str:
    if feature in profile.features:
        return f"the profile {profile.name} says that there is no {feature}"
    return f"no DaemonSet has {feature}, and no profile says that this controller does"


def tell(report: pytest.TestReport, call: pytest.CallInfo[Any]) -> None:
    """Note on a test's report what its outcome means for its row."""
    raised = call.excinfo.value if call.excinfo is not None else None
    if hasattr(report, "wasxfail"):
        told = ("expected to fail" if report.skipped else "passed", report.wasxfail or str(raised or ""))
        if report.skipped and raised is not None:
            told = ("expected to fail", str(raised))
    elif report.failed and raised is None:
        told = ("failed", "kept, although the profile expects that it is not: mended? then take it out of the profile")
    elif report.failed:
        # Whatever is no violation says nothing of the controller: we could not see, or something else broke.
        outcome = "failed" if isinstance(raised, Violation) else "inconclusive"
        name = "" if isinstance(raised, Violation) else f"{type(raised).__name__}: "
        told = (outcome, name + str(raised) + _notes(raised))
    elif report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        told = (UNSUPPORTED if reason.startswith(UNSUPPORTED) else "not observable here", reason)
    else:
        told = ("passed", "")
    if told[0] == "failed" and raised is not None:
        setattr(report, _TOLD, [*told, *_broken_guards(told[1])])
        return
    setattr(report, _TOLD, list(told))


def _left_out(ids: str) -> str:
    """How a controller says that it does not offer what a guard watches, where that can be."""
    rows = set(ids.split(", "))
    feature = next((name for name, its in FEATURES.items() if its & rows), None)
    return f", or say `{feature} = false` under [features] in a profile, if it offers none" if feature else ""


def _broken_guards(told: str) -> list[str]:
    """The rows of the invariants that stood guard and were broken, as a violation and its notes name them."""
    return sorted({row for _, found in _GUARD.findall(told) for row in found.split(", ")})


def _notes(raised: BaseException | None) -> str:
    notes = getattr(raised, "__notes__", None) or ()
    return "".join(f"\n{note}" for note in notes)


@dataclass
class _Running:
    outcomes: list[str] = field(default_factory=list)
    told: str = ""
    seconds: float = 0.0


class Outcomes:
    """The outcomes of a run.

    Args:
        rows: the ids of those that it must judge.
        profile: what is known of the controller.
    """

    def __init__(self, rows: frozenset[str], profile: Profile) -> None:
        self.rows = rows
        self.profile = profile
        self.began = datetime.now(timezone.utc)
        self._tests: dict[str, dict[str, _Running]] = {}
        self._wanted: dict[str, set[str]] = {}

    def expect(self, row: str, name: str) -> None:
        """There is such a test of this row: without its outcome, the row is not judged."""
        self._wanted.setdefault(row, set()).add(name)

    def add(self, row: str, name: str, report: pytest.TestReport) -> None:
        """Take one report of one test.

        Args:
            row: the test's.
            name: the test's.
            report: of its set-up, its call or its clean-up.
        """
        known = self._tests.setdefault(row, {}).setdefault(name, _Running())
        known.seconds += report.duration
        outcome, told, *guarded = getattr(report, _TOLD, None) or ("passed", "")
        if not hasattr(report, _TOLD) and not report.passed:  # pytest-xdist's own words, when a worker dies
            outcome, told = "inconclusive", str(report.longrepr)
        for other in self.rows.intersection(guarded) - {row}:
            # Its promise was broken before everybody's eyes, whatever its own scenarios say.
            found = "expected to fail" if other in self.profile.expected else "failed"
            self._tests.setdefault(other, {})[f"{name}{_ON_GUARD}"] = _Running([found], told)
        if report.when == "call" or not report.passed:
            if told and worst([*known.outcomes, outcome]) == outcome:
                known.told = told
            known.outcomes.append(outcome)

    @property
    def unjudged(self) -> list[str]:
        """The rows that were asked for and have no outcome."""
        return sorted(row for row in self.rows if self.unreached(row))

    def unreached(self, row: str) -> list[str]:
        """The tests of a row that have no outcome; of a row whose own tests are not known, that.

        What stood guard over it in other rows' tests is no test of it.
        """
        tests = {name: one for name, one in self._tests.get(row, {}).items() if not name.endswith(_ON_GUARD)}
        wanted = self._wanted.get(row, set()) | set(tests)
        return sorted(name for name in wanted if name not in tests or not tests[name].outcomes) or (
            [] if wanted else ["none of its tests ran"]
        )

    def of(self, row: str) -> str:
        """What became of a row; one of which a test has no outcome was at best not reached.

        A case for a feature that is not offered says nothing of a row that has others.
        """
        told = [worst(one.outcomes) for one in self._tests.get(row, {}).values() if one.outcomes]
        told = [outcome for outcome in told if outcome != UNSUPPORTED] or told
        return worst([*told, *(["not reached"] if self.unreached(row) else [])])

    def causes(self) -> tuple[str, ...]:
        """What stood guard in rows of others and was broken there, so that many rows have one cause; the commonest first."""
        found: dict[tuple[str, str], set[str]] = {}
        for row, tests in self._tests.items():
            for name, one in tests.items():
                guard = _GUARD.search(one.told.partition("\n")[0])
                if (
                    guard
                    and "failed" in one.outcomes
                    and not name.endswith(_ON_GUARD)
                    and row not in guard[2].split(", ")
                ):
                    found.setdefault((guard[1], guard[2]), set()).add(row)
        many = sorted((item for item in found.items() if len(item[1]) >= _MANY), key=lambda item: -len(item[1]))
        broken = sum(self.of(row) == "failed" for row in self.rows)
        return tuple(
            f"{len(rows)} of the {broken} broken rows ended because {guard} [{ids}], which every row is watched for, was broken: mend "
            f"that first{_left_out(ids)}"
            for (guard, ids), rows in many
        )

    def results(self) -> tuple[RowResult, ...]:
        """All rows of the contract, those that are not checked yet too, section by section."""
        order = {family: index for index, family in enumerate(SECTIONS)}
        ids = sorted([*self.rows, *LATER], key=lambda row: (order[row.rpartition("-")[0]], row))
        return tuple(self._result(row) for row in ids)

    def _result(self, row: str) -> RowResult:
        if row not in ROWS:
            return RowResult(
                row, LATER_ROWS[row], section_of(row), level_of(row), "", "not yet checked", told=LATER[row]
            )
        tests = tuple(
            Case(name, worst(one.outcomes or ["not reached"]), round(one.seconds, 3), one.told)
            for name, one in self._tests.get(row, {}).items()
        )
        outcome = self.of(row)
        known = self.profile.expected.get(row)
        told = next((test.told for test in tests if test.outcome == outcome and test.told), "")
        if outcome == "not reached":
            told = f"the run ended before its tests had: {', '.join(self.unreached(row))}"
        expected = known is not None and outcome == "expected to fail"
        return RowResult(
            row,
            ROWS[row].sentence,
            section_of(row),
            level_of(row),
            ROWS[row].priority,
            outcome,
            round(sum(test.seconds for test in tests), 3),
            known.why if expected and known is not None else told,
            known.workaround if expected and known is not None else "",
            tests,
            contract_texts()[row],
        )
