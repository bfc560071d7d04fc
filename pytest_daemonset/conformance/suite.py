"""The plugin that makes a run of the suite complete, or fail; workers of pytest-xdist load it too."""

from __future__ import annotations

import re

import pytest

from pytest_daemonset.conformance.rows import ROWS, selected
from pytest_daemonset.errors import UsageError
from pytest_daemonset.fixtures import RUN

_ROW = re.compile(r"test_([A-Z]+)_(\d+)(?:_|$)")
_WORST_LAST = ("passed", "skipped", "failed")


def row_of(name: str) -> str | None:
    """The row that a test checks, read from its name: ``test_AMO_01_…`` checks AMO-01."""
    match = _ROW.match(name)
    return f"{match[1]}-{match[2]}" if match else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one option that may leave rows out."""
    parser.addoption("--rows", default="", help="the rows to check, separated by commas; a prefix will do")


def pytest_configure(config: pytest.Config) -> None:
    """Register this run's book-keeping."""
    try:
        rows = selected(config.getoption("--rows"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(Completeness(rows), "daemonset-completeness")


class Completeness:
    """Holds the rows that were chosen against those that were collected and judged.

    Args:
        rows: the ids that this run must check.
    """

    def __init__(self, rows: frozenset[str]) -> None:
        self.rows = rows
        self.outcomes: dict[str, str] = {}

    @property
    def unjudged(self) -> list[str]:
        """The rows that were asked for and have no outcome."""
        return sorted(self.rows - set(self.outcomes))

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of the chosen rows; a row without a test is a promise that nobody checks: an error, never a pass."""
        kept = [item for item in items if row_of(item.name) in self.rows]
        if len(kept) < len(items):
            config.hook.pytest_deselected(items=[item for item in items if row_of(item.name) not in self.rows])
        items[:] = kept
        collected = {row_of(item.name) for item in kept}
        if missing := sorted(self.rows - collected):
            raise pytest.UsageError(
                f"the suite is incomplete: no test was collected for {', '.join(missing)}; reinstall pytest-daemonset"
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of each row."""
        row = row_of(report.nodeid.rpartition("::")[2])
        if row is not None and (report.when == "call" or not report.passed):
            self.outcomes[row] = max(self.outcomes.get(row, "passed"), report.outcome, key=_WORST_LAST.index)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A run that ended well and judged fewer rows than it was asked for did not end well."""
        is_worker = hasattr(session.config, "workerinput")
        if (
            exitstatus == pytest.ExitCode.OK
            and self.unjudged
            and not is_worker
            and not session.config.option.collectonly
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Say whose promise was judged, and how it came out; name the rows that are not kept."""
        by_outcome = {
            name: sorted(row for row, outcome in self.outcomes.items() if outcome == name) for name in _WORST_LAST
        }
        terminalreporter.section("conformance")
        terminalreporter.write_line(config.stash[RUN].setting)
        for outcome, word, colour in (("failed", "broken", "red"), ("skipped", "not seen", "yellow")):
            for row in by_outcome[outcome]:
                terminalreporter.write_line(f"  {word:<9} {row:<9} {ROWS[row].sentence}", **{colour: True})
        if self.unjudged:
            terminalreporter.write_line(f"  not reached: {', '.join(self.unjudged)}", red=True)
        terminalreporter.write_line(f"{len(by_outcome['passed'])} of {len(self.rows)} rows kept", bold=True)
