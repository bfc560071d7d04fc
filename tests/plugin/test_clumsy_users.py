"""What a clumsy user does, and the one clear error for it, at the user's own line."""

from __future__ import annotations

import sys
import textwrap

import pytest

HEAD = "import pytest\nfrom pytest_daemonset import *\n"
GOOD = 'daemonsets.apply("agent.yaml").wait().eventually(one_pod_per_node).wait()'


def run(project: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    project.makepyfile(HEAD + textwrap.dedent(text))
    return project.runpytest_subprocess("-p", "no:asyncio", *options)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('daemonsets.apply("a: b: c\\n")', "this is no YAML"),
        ("nodes[99]", "join more first"),
        ('nodes.join(labels={"a b": "c"})', "cannot be a key"),
        ('daemonsets.apply("agent.yaml").wait().always(one_pod_per_node)', "is a goal"),
        ('daemonsets.apply("agent.yaml").wait().update("spec").wait()', "expected a merge patch"),
        ('cluster.request("GET", "api/v1/nodes").wait()', "a path such as"),
    ],
)
def test_a_mistake_is_shown_at_the_users_own_line_and_nowhere_else(
    project: pytest.Pytester, line: str, words: str
) -> None:
    result = run(project, f"def test_it(daemonsets, nodes, cluster):\n    {line}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">*{line.replace('[', '[[]')}", f"E *UsageError: *{words}*"])
    result.stdout.no_fnmatch_line("*pytest_daemonset/*.py:*")
    result.stdout.no_fnmatch_line("*pytest_daemonset\\*.py:*")


def test_the_whole_traceback_is_there_for_who_asks(project: pytest.Pytester) -> None:
    result = run(project, "def test_it(nodes):\n    nodes[99]\n", "--full-trace")
    result.stdout.fnmatch_lines(["*nodes.py:*UsageError*"])


def test_what_cannot_be_started_is_told_without_a_traceback_of_ours(project: pytest.Pytester) -> None:
    result = run(
        project,
        "def test_it(daemonsets):\n    pass\n",
        "--daemonset-controller=command: false",
        "--daemonset-controller-ready=log: started",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ClusterError: *died before it was ready*", "*waited for: log: started*"])
    result.stdout.no_fnmatch_line("*.py:*: *Error")  # no line of ours, of contextlib, of asyncio


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--daemonset-controller=command: ./bin/manager",), "*bin/manager: no such file; expected a program*"),
        (("--daemonset-controller=command: no-such-manager",), "*no program 'no-such-manager' on the PATH*"),
        (("--daemonset-controller=command: ./agent.yaml",), "*agent.yaml is not executable; try `chmod +x*"),
        (("--daemonset-controller=command: ../",), "*a folder; expected a program*"),
        (
            ("--daemonset-controller=python: nowhere.to_be_found:main",),
            "*no module 'nowhere' in *is it installed there*",
        ),
        (("--daemonset-controller-manifests=nope.yaml",), "*nope.yaml: no such file*"),
    ],
)
def test_a_controller_that_is_not_there_ends_the_run_with_one_line_before_anything_starts(
    project: pytest.Pytester, options: tuple[str, ...], words: str
) -> None:
    result = run(project, "def test_it(daemonsets):\n    pass\n\n\ndef test_too(daemonsets):\n    pass\n", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in result.outlines if "Exit: daemonset: " in line]) == 1
    result.stdout.fnmatch_lines([words])
    result.stdout.no_fnmatch_line("*ready after*")


def test_two_sets_can_be_applied_at_once(project: pytest.Pytester) -> None:
    text = """
    import asyncio

    def test_it(daemonsets):
        async def both():
            other = open("agent.yaml").read().replace("agent", "other")
            sets = await asyncio.gather(daemonsets.apply("agent.yaml"), daemonsets.apply(other))
            await asyncio.gather(*(one.eventually(one_pod_per_node) for one in sets))

        asyncio.run(both())
        assert len(daemonsets.observations) == 1
    """
    run(project, text).assert_outcomes(passed=1)


def test_an_apply_that_is_broken_off_leaves_no_watch_behind(project: pytest.Pytester) -> None:
    text = """
    import asyncio

    def test_it(daemonsets):
        async def hasty():
            await asyncio.wait_for(daemonsets.apply("agent.yaml"), 0.001)

        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(hasty())
    """
    run(project, text).assert_outcomes(passed=1)


def test_an_error_in_the_users_own_function_keeps_its_line(project: pytest.Pytester) -> None:
    text = """
    def change(manifest):
        manifest["nowhere"]["x"] = 1

    def test_it(daemonsets):
        daemonsets.apply("agent.yaml").wait().update(change).wait()
    """
    result = run(project, text)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*manifest?"nowhere"??"x"? = 1', "*UsageError: *the function raised KeyError*"])


def test_a_function_that_edits_a_copy_is_told(project: pytest.Pytester) -> None:
    result = run(
        project,
        'def test_it(daemonsets):\n    daemonsets.apply("agent.yaml").wait().update(lambda old: {**old, "x": 1}).wait()\n',
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError: *edit the object in place*"])


@pytest.mark.parametrize(
    ("controller", "words"),
    [
        ("command: true", "it wrote nothing"),
        ("python: pytest_daemonset.nowhere:main", "no module 'pytest_daemonset.nowhere'"),
    ],
)
def test_a_controller_that_ends_at_once_is_an_error_and_no_violation(
    project: pytest.Pytester, controller: str, words: str
) -> None:
    text = f"""
    @pytest.mark.xfail(raises=Violation, strict=True)
    def test_it(daemonsets):
        {GOOD}
    """
    result = run(project, text, f"--daemonset-controller={controller}")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*ClusterError: *died unasked*", f"*{words}*"])
    result.stdout.no_fnmatch_line("*Violation: *")


@pytest.mark.parametrize(("name", "words"), [("nope", "has no function 'nope'"), ("three", "expected a function")])
def test_a_controller_function_that_is_none_is_told(project: pytest.Pytester, name: str, words: str) -> None:
    project.makepyfile(mine="three = 3\n")
    result = run(project, f"def test_it(daemonsets):\n    {GOOD}\n", f"--daemonset-controller=python: mine:{name}")
    result.stdout.fnmatch_lines([f"*{words}*"])


def test_a_controller_that_dies_while_nobody_waits_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        mine="""
        import os, time

        def main(kubeconfig):
            while not os.path.exists("die"):
                time.sleep(0.01)
            os._exit(3)
        """
    )
    text = """
    import pathlib, threading

    def test_it(controller):
        pathlib.Path("die").touch()
        while controller.running:
            threading.Event().wait(0.01)
    """
    result = run(project, text, "--daemonset-controller=python: mine:main")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*ClusterError: *died unasked, exit code 3*"])


@pytest.mark.parametrize(("asked", "words"), [("'real_kublet'", "no cluster has 'real_kublet'"), ("", "names nothing")])
def test_a_capability_that_no_cluster_has_is_no_reason_to_skip(
    project: pytest.Pytester, asked: str, words: str
) -> None:
    result = run(
        project, f"@pytest.mark.daemonset_requires({asked})\ndef test_it(daemonsets):\n    raise AssertionError\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*UsageError: *{words}*"])


def test_a_missing_capability_skips_a_test_that_uses_the_cluster_alone(project: pytest.Pytester) -> None:
    result = run(
        project,
        "@pytest.mark.daemonset_requires('real_kubelet')\ndef test_it(daemonset_cluster):\n    raise AssertionError\n",
    )
    result.assert_outcomes(skipped=1)


def test_a_session_fixture_can_ask_the_api_but_not_the_nodes(project: pytest.Pytester) -> None:
    text = """
    @pytest.fixture(scope="session")
    def version(daemonset_cluster):
        return daemonset_cluster.request("GET", "/version").wait()

    @pytest.fixture(scope="session")
    def more(daemonset_cluster):
        return daemonset_cluster.nodes.join(2).wait()

    def test_version(version):
        assert version["gitVersion"]

    def test_nodes(more):
        pass
    """
    result = run(project, text)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*UsageError: nodes belong to a test*--daemonset-nodes*"])


@pytest.mark.parametrize(("arguments", "silent"), [("--help; sleep 60", True), ("", False)])
def test_a_controller_that_never_reaches_the_cluster_is_told_of_its_kubeconfig(
    project: pytest.Pytester, arguments: str, silent: bool
) -> None:
    program = f'{sys.executable} -m pytest_daemonset.reference --kubeconfig "$KUBECONFIG" {arguments}'
    # Ready either way as soon as it runs; what fails is the test's own last line.
    body = "daemonsets.apply('agent.yaml').wait().barrier().wait()" if not silent else "pass"
    result = run(
        project,
        f"def test_it(daemonsets):\n    {body}\n    raise AssertionError\n",
        f"--daemonset-controller=command: sh -c '{program}'",
    )
    result.assert_outcomes(failed=1)
    said = "the cluster has not had one write from the controller" in result.stdout.str()
    assert said is silent
