"""Options, ini settings and the header: a wrong one is told before anything runs."""

from __future__ import annotations

import pytest

EMPTY = "def test_nothing():\n    pass\n"


def here(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run in this process, without the plugin that would warn about settings which these projects do not have."""
    return pytester.runpytest_inprocess("-p", "no:asyncio", *options)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--daemonset-cluster=moon", "no such cluster"),
        ("--daemonset-nodes=many", "expected a whole number"),
        ("--daemonset-nodes=-1", "no fewer than 0"),
        ("--daemonset-controller=./bin/manager", "no such kind of controller"),
        ("--daemonset-controller=command:", "says nothing after command:"),
        ("--daemonset-controller=python: not-a-module", "expected python: package.module:function"),
        ("--daemonset-controller=builtin: 2", "takes nothing after it"),
        ("--daemonset-keep=yes", "the embedded cluster ends with its session*--pdb*serve*k3s"),
    ],
)
def test_a_wrong_option_ends_the_run_with_one_line(pytester: pytest.Pytester, option: str, words: str) -> None:
    pytester.makepyfile(EMPTY)
    result = here(pytester, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])


def test_the_header_says_whose_controller_is_verified(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(EMPTY)
    result = here(pytester)
    result.stdout.fnmatch_lines(
        ["daemonset: embedded cluster, 3 nodes, controller builtin (reference controller, not Kubernetes)"]
    )


def test_ini_settings_are_read(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ndaemonset_nodes = 7\ndaemonset_controller = none\n")
    pytester.makepyfile(EMPTY)
    result = here(pytester)
    result.stdout.fnmatch_lines(["daemonset: embedded cluster, 7 nodes, controller none"])


def test_the_command_line_wins_over_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ndaemonset_nodes = 7\n")
    pytester.makepyfile(EMPTY)
    result = here(pytester, "--daemonset-nodes=2")
    result.stdout.fnmatch_lines(["*2 nodes*"])


def test_the_markers_and_fixtures_are_documented(pytester: pytest.Pytester) -> None:
    result = here(pytester, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.daemonset_requires(*"])
    result = here(pytester, "--fixtures")
    result.stdout.fnmatch_lines(["nodes -- *", "*join*"])


def test_an_unused_plugin_imports_nothing_heavy_and_starts_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys, threading

        def test_light():
            heavy = {"aiohttp", "orjson", "yaml", "trustme", "kubernetes_asyncio", "docker", "testcontainers", "asyncio"}
            ours = {name for name in sys.modules if name.startswith("pytest_daemonset.")}
            assert not heavy & set(sys.modules)
            assert not {name for name in ours if name.split(".")[1] in ("observe", "kube", "contract", "processes", "keeper")}
            assert threading.active_count() == 1
        """
    )
    result = pytester.runpytest_subprocess(
        "-p", "no:asyncio", "-p", "no:xdist", "-p", "no:hypothesispytest", "-p", "no:anyio"
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        ("log: (", "no regular expression"),
        ("log:", "expected 'log: REGEX'"),
        ("http://127.0.0.1:1/readyz", "expected a whole URL"),
        ("http: readyz", "expected a whole URL"),
        ("soon", "expected 'log: REGEX'"),
    ],
)
def test_a_readiness_that_could_never_show_is_refused(pytester: pytest.Pytester, ready: str, words: str) -> None:
    pytester.makepyfile(EMPTY)
    result = here(pytester, "--daemonset-controller=command: x", f"--daemonset-controller-ready={ready}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])


def test_a_readiness_of_the_builtin_controller_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(EMPTY)
    result = here(pytester, "--daemonset-controller-ready=log: started")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*for command:, python: and manifest: only*"])


def test_a_file_in_the_place_of_the_history_folder_is_refused(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile(EMPTY)
    result = here(pytester, f"--daemonset-history={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*expected a folder, found a file*"])
