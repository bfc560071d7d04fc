"""The matrix of checks and broken controllers: which check fails which of them, and who survives."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = 1


@dataclass(frozen=True)
class Trial:
    """One broken controller, and what the checks said of it.

    Args:
        name: the controller's.
        does: what it does wrong.
        outcomes: by check, what came of it: ``failed``, ``passed``, or what else; a check that was not asked is missing.
        must_fail: the checks that must fail it; empty where nobody says.
        must_pass: the checks that must leave it alone.
        seconds: how long it took.
        output: what the run printed.
    """

    name: str
    does: str
    outcomes: Mapping[str, str]
    must_fail: tuple[str, ...] = ()
    must_pass: tuple[str, ...] = ()
    seconds: float = 0.0
    output: str = field(default="", repr=False)

    @property
    def failed_by(self) -> list[str]:
        """The checks that fail it."""
        return [check for check, outcome in self.outcomes.items() if outcome == "failed"]

    @property
    def wrong(self) -> list[str]:
        """What did not come out as it must, a sentence each."""
        found = [
            f"{check} does not catch it: {self.outcomes.get(check, 'not judged')}"
            for check in self.must_fail
            if self.outcomes.get(check) != "failed"
        ]
        found += [
            f"{check} has nothing to do with it: {self.outcomes.get(check, 'not judged')}"
            for check in self.must_pass
            if self.outcomes.get(check) != "passed"
        ]
        return found if self.failed_by or found else ["nothing catches it"]


@dataclass(frozen=True)
class Matrix:
    """All trials of a run.

    Args:
        suite: the version of pytest-daemonset.
        trials: one for each broken controller.
        checks: by check, its sentence.
        excused: checks that no broken controller needs to fail, and why.
        whole: whether every broken controller was tried, so that a check that failed none is hollow.
        seconds: how long it took.
    """

    suite: str
    trials: tuple[Trial, ...]
    checks: Mapping[str, str]
    excused: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    seconds: float = 0.0

    @property
    def survivors(self) -> list[str]:
        """The broken controllers that no check fails."""
        return [one.name for one in self.trials if not one.failed_by]

    @property
    def hollow(self) -> list[str]:
        """The checks that fail no broken controller; empty unless all were tried."""
        caught = {check for one in self.trials for check in one.failed_by}
        return (
            [check for check in self.checks if check not in caught and check not in self.excused] if self.whole else []
        )

    @property
    def good(self) -> bool:
        """Whether every controller was failed by whom it must be, and no check is hollow."""
        return not self.hollow and not any(one.wrong for one in self.trials)

    def failing(self, check: str) -> list[str]:
        """The broken controllers that a check fails."""
        return [one.name for one in self.trials if check in one.failed_by]

    @property
    def summary(self) -> str:
        """One line."""
        right = sum(not one.wrong for one in self.trials)
        proven = sum(bool(self.failing(check)) for check in self.checks)
        return (
            f"{right} of {len(self.trials)} broken controllers are failed by whom they must be; "
            f"{proven} of {len(self.checks)} checks fail at least one"
        )

    def as_json(self) -> str:
        """As JSON; docs/broken-controllers.md has its fields."""
        told: dict[str, Any] = {
            "schema": SCHEMA,
            "suite": self.suite,
            "good": self.good,
            "summary": self.summary,
            "seconds": self.seconds,
            "survivors": self.survivors,
            "hollow": self.hollow,
            "controllers": {
                one.name: {
                    "does": one.does,
                    "failed_by": one.failed_by,
                    "must_fail": list(one.must_fail),
                    "must_pass": list(one.must_pass),
                    "outcomes": dict(one.outcomes),
                    "wrong": one.wrong,
                    "seconds": one.seconds,
                }
                for one in self.trials
            },
            "checks": {
                check: {
                    "sentence": sentence,
                    "fails": self.failing(check),
                    **({"excused": self.excused[check]} if check in self.excused else {}),
                }
                for check, sentence in self.checks.items()
            },
        }
        return json.dumps(told, indent=1, ensure_ascii=False) + "\n"

    def as_markdown(self) -> str:
        """As a page: what is wrong first, then check by check, then controller by controller."""
        lines = [
            "# Broken controllers",
            "",
            f"pytest-daemonset {self.suite}, {self.seconds:.0f} s. **{self.summary}.**",
            "",
        ]
        bad = [f"- `{one.name}` ({one.does}): {'; '.join(one.wrong)}" for one in self.trials if one.wrong]
        bad += [f"- {check} fails no broken controller: {self.checks[check]}" for check in self.hollow]
        if bad:
            lines += ["## Not as it must be", "", *bad, ""]
        lines += ["## Check by check", "", "| check | what it says | fails |", "|---|---|---|"]
        for check, sentence in self.checks.items():
            names = ", ".join(f"`{name}`" for name in self.failing(check)) or self.excused.get(check, "none")
            lines.append(f"| {check} | {_cell(sentence)} | {_cell(names)} |")
        lines += [
            "",
            "## Controller by controller",
            "",
            "| controller | what it does | failed by | passed |",
            "|---|---|---|---|",
        ]
        for one in self.trials:
            left = ", ".join(check for check, outcome in one.outcomes.items() if outcome == "passed")
            lines.append(f"| `{one.name}` | {_cell(one.does)} | {', '.join(one.failed_by) or '**none**'} | {left} |")
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
