"""The plugin that makes a run of the suite complete, or fail; workers of pytest-xdist load it too."""

from __future__ import annotations

import inspect
import re
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.levels import LEVELS, chosen, level_of, section_of
from pytest_daemonset.conformance.outcomes import Outcomes, mark, tell
from pytest_daemonset.conformance.profiles import Profile
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.fixtures import RUN
from pytest_daemonset.report.badge import badge
from pytest_daemonset.report.conformance import Report
from pytest_daemonset.report.markdown import markdown
from pytest_daemonset.report.page import page

if TYPE_CHECKING:
    from collections.abc import Generator

PROFILE = pytest.StashKey[Profile]()
_ROW = re.compile(r"test_([A-Z]+)_(\d+)(?:_|$)")


def row_of(name: str) -> str | None:
    """The row that a test checks, read from its name: ``test_AMO_01_…`` checks AMO-01."""
    match = _ROW.match(name)
    return f"{match[1]}-{match[2]}" if match else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run; two of them may leave rows out."""
    parser.addoption("--rows", default="", help="the rows to check, separated by commas; a prefix will do")
    parser.addoption("--level", default="all", choices=LEVELS, help="core: only what every controller has to keep")
    parser.addoption("--controller-version", default="", help="the controller's own version, for the report")
    parser.addoption("--report", default="", help="a folder for the report")


@pytest.hookimpl(trylast=True)  # the plugin reads the name of the profile first
def pytest_configure(config: pytest.Config) -> None:
    """Register this run's book-keeping."""
    try:
        rows = chosen(config.getoption("--rows"), config.getoption("--level"))
        name = config.stash[RUN].profile
        profile = Profile.load(name) if name else Profile("none")
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    config.addinivalue_line(
        "markers",
        "feature(name): this test, or this case of it, is for controllers that offer the feature; see levels.FEATURES",
    )
    folder = config.getoption("--report")
    config.stash[PROFILE] = profile
    config.pluginmanager.register(
        Completeness(rows, profile, Path(folder) if folder else None), "daemonset-completeness"
    )


class Completeness:
    """Holds the rows that were chosen against those that were collected and judged.

    Args:
        rows: the ids that this run must check.
        profile: what is known of the controller.
        folder: where the report goes; None for nowhere.
    """

    def __init__(self, rows: frozenset[str], profile: Profile | None = None, folder: Path | None = None) -> None:
        self.rows = rows
        self.outcomes = Outcomes(rows, profile or Profile("none"))
        self.folder = folder
        self.version = ""

    @property
    def unjudged(self) -> list[str]:
        """The rows that were asked for and have no outcome."""
        return self.outcomes.unjudged

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of the chosen rows; a row without a test is a promise that nobody checks: an error, never a pass."""
        kept = [item for item in items if row_of(item.name) in self.rows]
        if len(kept) < len(items):
            config.hook.pytest_deselected(items=[item for item in items if row_of(item.name) not in self.rows])
        items[:] = kept
        rows = {item.nodeid: row for item in kept if (row := row_of(item.name)) is not None}
        if missing := sorted(self.rows - set(rows.values())):
            raise pytest.UsageError(
                f"the suite is incomplete: no test was collected for {', '.join(missing)}; reinstall pytest-daemonset"
            )
        mark(kept, rows, self.outcomes.profile)
        for item in kept:
            row = rows[item.nodeid]
            self.outcomes.expect(row, item.nodeid.rpartition("::")[2])
            promise = " ".join((inspect.getdoc(getattr(item, "function", None)) or "").split())
            item.user_properties += [
                ("row", row),
                ("level", level_of(row)),
                ("section", section_of(row)),
                ("contract", promise),
            ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:  # noqa: ARG002
        """Where workers run the tests, this process collects none: they tell it which there are."""
        for name in (one.rpartition("::")[2] for one in ids):
            if (row := row_of(name)) is not None:
                self.outcomes.expect(row, name)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what the outcome means for the row, and whose cluster it was."""
        report = yield
        tell(report, call)
        running = item.config.stash[RUN].running
        if running is not None:
            report._daemonset_version = running.cluster.version  # type: ignore[attr-defined]
        if report.failed and call.excinfo is not None and isinstance(call.excinfo.value, ClusterError):
            if item.session.shouldfail:
                pass  # the first reason is the one to tell: what follows is tearing down
            elif running is None:
                item.session.shouldfail = "no row can be judged: what they need did not start"
            # One that died has been started again for the next test, and may not have died again yet.
            elif (running.controller.died or not running.controller.running) and running.silence():
                item.session.shouldfail = (
                    "no row can be judged: the controller ended before it had written anything to the cluster"
                )
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of each test of each row."""
        name = report.nodeid.rpartition("::")[2]
        row = row_of(name)
        self.version = getattr(report, "_daemonset_version", self.version)
        if row is not None:
            self.outcomes.add(row, name, report)

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

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
    ) -> None:
        """Say whose promise was judged, and how it came out; name the rows that are not kept; write the report."""
        if exitstatus == pytest.ExitCode.USAGE_ERROR:
            return  # nothing was judged, and the one line that says why is all that there is to say
        terminalreporter.section("conformance")
        terminalreporter.write_line(config.stash[RUN].setting)
        came = {row: self.outcomes.of(row) for row in sorted(self.rows)}
        for outcome, (word, colour) in _WORDS.items():
            for row in (row for row, found in came.items() if found == outcome):
                terminalreporter.write_line(f"  {word:<9} {row:<9} {ROWS[row].sentence}", **{colour: True})
        if self.unjudged:
            few = len(self.unjudged) <= _NAMED
            which = ", ".join(self.unjudged) if few else f"{len(self.unjudged)} rows"
            terminalreporter.write_line(f"  not reached: {which}", red=True)
        told = self._report(config)
        terminalreporter.write_line(told.headline, bold=True)
        for cause in told.causes:
            terminalreporter.write_line(f"  {cause}", red=True)
        times = told.times()
        slowest = ", ".join(f"{row.id} {row.seconds:.1f} s" for row in told.slowest(_SLOWEST))
        terminalreporter.write_line(
            f"time: {told.seconds:.1f} s; tests of core rows {times['core']:.1f} s, of all {times['all']:.1f} s,"
            f" added up; slowest: {slowest or 'none'}"
        )
        if self.folder is not None:
            written = write(told, self.folder)
            terminalreporter.write_line(f"report: {', '.join(map(str, written))}")

    def _built_in(self, spec: str) -> str:
        """The version of a controller that comes with the suite or with the cluster; nobody tells that of another one."""
        if spec != "builtin" or not self.version:
            return ""
        return self.version if "k3s" in self.version else f"of pytest-daemonset {version('pytest-daemonset')}"

    def _report(self, config: pytest.Config) -> Report:
        run, outcomes = config.stash[RUN], self.outcomes
        seconds = (datetime.now(timezone.utc) - outcomes.began).total_seconds()
        return Report(
            suite=version("pytest-daemonset"),
            setting=run.setting,
            cluster={"cluster": run.cluster_config.kind, "Kubernetes": self.version},
            controller=run.controller_config.spec,
            controller_version=config.getoption("--controller-version") or self._built_in(run.controller_config.spec),
            profile={"name": outcomes.profile.name, "title": outcomes.profile.title},
            began=outcomes.began.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=round(seconds, 1),
            rows=outcomes.results(),
            notes=tuple(run.closing),
            causes=outcomes.causes(),
        )


_SLOWEST = 5
_NAMED = 20  # more rows that were not reached are a number: the report names them

_WORDS = {
    "failed": ("broken", "red"),
    "inconclusive": ("unsure", "red"),
    "expected to fail": ("expected", "yellow"),
    "not observable here": ("not seen", "yellow"),
    "declared unsupported": ("no such", "yellow"),
}
"""How the terminal calls the outcomes that are not simply good."""


def write(report: Report, folder: Path) -> list[Path]:
    """Write a report in its forms.

    Args:
        report: the report.
        folder: where to; made if it is not there.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forms = {
        "report.json": report.as_json(),
        "report.md": markdown(report),
        "report.html": page(report),
        "badge.svg": badge(report),
    }
    for name, text in forms.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in forms]
