"""The pytest face: options, markers, and what the terminal says. Imports nothing that costs time."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset import fixtures
from pytest_daemonset.errors import DaemonSetTestError
from pytest_daemonset.fixtures import FAILED, RUN, SCOPE, Run, skip_what_cannot_be
from pytest_daemonset.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

    from _pytest.terminal import TerminalReporter

_CLOSING = "daemonset_closing"


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option and one ini setting per idea, of the same name."""
    group = parser.getgroup("daemonset", "verify a DaemonSet controller")
    for name, (default, text) in OPTIONS.items():
        group.addoption(
            f"--daemonset-{name.replace('_', '-')}",
            dest=f"daemonset_{name}",
            metavar=name.upper(),
            help=f"{text} (default: {default or 'none'})",
        )
        parser.addini(f"daemonset_{name}", text, default=default)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options once, so that a wrong one is told before anything runs."""
    config.addinivalue_line(
        "markers", "daemonset_requires(*capabilities): skip the test where the cluster lacks one of them"
    )
    config.stash[RUN] = run = Run.configured({name: _option(config, name) for name in OPTIONS})
    if run.cluster_config.kind == "k3s":
        run.cap(config.option, _option(config, "k3s_clusters"))
    config.pluginmanager.register(fixtures, "daemonset-fixtures")


def _option(config: pytest.Config, name: str) -> str:
    value = config.getoption(f"daemonset_{name}")
    return str(config.getini(f"daemonset_{name}") if value is None else value)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The setting, whether or not a test uses it."""
    run = config.stash[RUN]
    return [f"daemonset: {run.setting}", *(f"daemonset: {line}" for line in run.remarks)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What a test asks for belongs to it: its scope ends when its last fixture has ended."""
    run = item.config.stash[RUN]
    run.item = item
    try:
        return (yield)
    finally:
        run.item = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that forgot a handle, or whose guard broke after its last line, fails as a test, not as an error beside it."""
    __tracebackhide__ = True
    skip_what_cannot_be(item)
    try:
        result = yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        item.config.stash[RUN].interrupted |= interrupted
        if SCOPE in item.stash and interrupted:
            item.stash[SCOPE].abandon()
        elif SCOPE in item.stash:
            item.stash[SCOPE].verify_beside(error)
        raise
    if SCOPE in item.stash:
        item.stash[SCOPE].verify()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """While a fixture that outlives the test is made, no nodes are to be had: the next test would find them undone."""
    run = request.config.stash[RUN]
    outer, run.lasting = run.lasting, run.lasting or fixturedef.scope != "function"
    try:
        return (yield)
    finally:
        run.lasting = outer


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report ends in the user's own line, and says how to reach the cluster and what the controller said last."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, DaemonSetTestError) and not item.config.option.fulltrace:
        call.excinfo = _at_the_users_line(error)
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        report.sections.extend(item.config.stash[RUN].sections(item))
    return report


def _at_the_users_line(error: BaseException) -> pytest.ExceptionInfo[BaseException]:
    """An error without the lines of this package in its traceback; where no line of the user's is left, without any.

    What it came from is told only where a line of the user's is in it: its text says the rest.
    """
    came_from = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if came_from is not None and not _has_users_line(came_from):
        error.__cause__ = None  # and so without its context
    lines = [line for line in _lines(error) if _owner(line.tb_frame) not in ("house", "python")]
    kept = None
    for line in reversed(lines):
        kept = TracebackType(kept, line.tb_frame, line.tb_lasti, line.tb_lineno)
    excinfo = pytest.ExceptionInfo.from_exception(error.with_traceback(kept))
    if not _has_users_line(error):
        excinfo.traceback = type(excinfo.traceback)([])
    return excinfo


def _has_users_line(error: BaseException) -> bool:
    return any(_owner(line.tb_frame) == "user" for line in _lines(error))


def _lines(error: BaseException) -> Iterator[TracebackType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


_PYTHONS_OWN = Path(
    contextlib.__file__
).parent  # contextlib, asyncio, concurrent.futures: they stand between us and ourselves


def _owner(frame: FrameType) -> str:
    module = str(frame.f_globals.get("__name__", ""))
    if module.startswith(("_pytest.", "pluggy.")):
        return "pytest"
    file = Path(frame.f_code.co_filename)
    if _PYTHONS_OWN in file.parents and "site-packages" not in file.parts:
        return "python"
    ours = module.startswith("pytest_daemonset.") and not module.startswith("pytest_daemonset.conformance.test_")
    return "house" if ours else "user"


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Whoever debugs wants to look at the cluster with kubectl."""
    where = config.stash[RUN].whereabouts()
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    if where and terminal is not None:
        terminal.write_line(where)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist has no terminal: the main process says what it has to say."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_CLOSING] = session.config.stash[RUN].closing


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker wants told, such as how to reach and to remove the cluster that it kept."""
    said = getattr(node, "workeroutput", {}).get(_CLOSING, ())
    node.config.stash[RUN].closing += [f"[{node.gateway.id}] {line}" for line in said]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """What the cluster was asked for and did not imitate: no verdict that touched it is worth much."""
    for line in config.stash[RUN].closing:
        terminalreporter.write_line(line)
