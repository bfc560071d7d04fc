"""What is red, what is an error, and what both say."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

APPLY = 'agent = daemonsets.apply("agent.yaml").wait()'
IMPORTS = "from pytest_daemonset import *\nimport pytest\n"


def run(project: pytest.Pytester, body: str, *options: str, fixtures: str = "daemonsets, nodes") -> pytest.RunResult:
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    project.makepyfile(f"{IMPORTS}\ndef test_it({fixtures}):\n{lines}\n")
    return project.runpytest_subprocess("-p", "no:asyncio", *options)


def test_a_handle_that_is_never_awaited_fails_the_test(project: pytest.Pytester) -> None:
    result = run(project, f"{APPLY}\nagent.eventually(one_pod_per_node)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError*eventually(one_pod_per_node): never awaited*test_a_handle*.py:6*"])


def test_a_guard_that_is_never_entered_fails_the_test(project: pytest.Pytester) -> None:
    result = run(project, f"{APPLY}\nagent.always(at_most_one_pod_per_node)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError*never entered*"])


def test_a_guard_that_judged_nothing_fails_the_test(project: pytest.Pytester) -> None:
    body = f"""
{APPLY}
agent.delete().wait()
agent.eventually(garbage_collected).wait()
with agent.always(at_most_one_pod_per_node):
    pass
"""
    result = run(project, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*guarded nothing*"])


def test_always_refuses_a_goal_and_says_what_to_write(project: pytest.Pytester) -> None:
    result = run(project, f"{APPLY}\nwith agent.always(one_pod_per_node):\n    pass")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError*one_pod_per_node is a goal*eventually(one_pod_per_node)*"])


def test_two_pods_on_a_node_are_told_with_node_pods_since_and_author(project: pytest.Pytester, broken: str) -> None:
    body = f"{APPLY}\nwith agent.always(at_most_one_pod_per_node):\n    agent.eventually(one_pod_per_node).wait()"
    result = run(project, body, broken + "two-pods-per-node")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert re.search(r"Violation: DaemonSet test-it-\w+/agent: at_most_one_pod_per_node was broken \[AMO-01\]", text)
    assert re.search(r"- (node-\d) has two active pods: agent-\w{5} \(since [^)]*\), agent-\w{5} \(since [^)]*\)", text)
    assert re.search(r"since \d\d:\d\d:\d\d\.\d{3}Z \(\d+\.\d s before this verdict\)", text)
    assert re.search(r"create pods/agent-\w{5}  by system:serviceaccount:kube-system:daemon-set-controller", text)
    assert re.search(r"^> +agent.eventually\(one_pod_per_node\).wait\(\)$", text, re.MULTILINE), (
        "the user's own line is the last one shown"
    )
    assert "KUBECONFIG=" in text


def test_a_pod_on_a_tainted_node_is_told_with_the_taint(project: pytest.Pytester, broken: str) -> None:
    body = f"""
{APPLY}
with agent.always(no_pod_for_an_ineligible_node):
    agent.eventually(one_pod_per_node).wait()
    nodes.join(taints=["dedicated=db:NoSchedule"]).wait()
    agent.barrier().wait()
"""
    result = run(project, body, broken + "ignores-taints")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "no toleration matches its taint dedicated=db:NoSchedule" in text
    assert "was created for node-4, eligible at no moment since" in text
    assert re.search(r"create pods/agent-\w{5}  by system:serviceaccount:kube-system:daemon-set-controller", text)


def test_a_goal_that_is_not_reached_names_the_node_that_lacks_its_pod(project: pytest.Pytester) -> None:
    body = f"{APPLY}\nagent.eventually(one_pod_per_node, within=1).wait()"
    result = run(project, body, "--daemonset-controller=none")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Violation*one_pod_per_node*", "*node-1*"])


@pytest.mark.parametrize(
    ("verb", "said"), [("stop", "the controller does not run: it was stopped"), ("pause", "the controller is paused")]
)
def test_a_controller_that_the_test_took_away_is_told_instead_of_its_log(
    project: pytest.Pytester, verb: str, said: str
) -> None:
    body = f"""
agent = daemonsets.apply("agent.yaml").wait()
agent.eventually(one_pod_per_node).wait()
controller.{verb}().wait()
late = nodes.join().wait()
agent.eventually(pod_on(late), within=0.3).wait()
"""
    result = run(project, body, fixtures="daemonsets, nodes, controller")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert said in text
    assert "at its log" not in text
    assert re.search(r"node-\d has no pod of DaemonSet \S+, since \S+Z, when it (joined|became eligible) \(\d", text)


def test_the_bodys_own_failure_stays_first_and_the_violation_is_told_beside_it(
    project: pytest.Pytester, broken: str
) -> None:
    body = f"""
{APPLY}
with agent.always(at_most_one_pod_per_node):
    try:
        agent.eventually(one_pod_per_node).wait()
    except Violation:
        pass
    assert "mine" == "first"
"""
    result = run(project, body, broken + "two-pods-per-node")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: assert 'mine' == 'first'*"])
    result.stdout.fnmatch_lines(["*Also, always(at_most_one_pod_per_node): Violation: *"])


def test_an_expected_violation_is_an_expected_failure_and_nothing_else_is(
    project: pytest.Pytester, broken: str
) -> None:
    project.makepyfile(
        f"""
from pytest_daemonset import *
import pytest

@pytest.mark.xfail(raises=Violation, strict=True)
def test_known(daemonsets):
    {APPLY}
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(one_pod_per_node).wait()

@pytest.mark.xfail(raises=Violation, strict=True)
def test_forgotten(daemonsets):
    {APPLY}
    agent.eventually(one_pod_per_node)
"""
    )
    result = project.runpytest_subprocess("-p", "no:asyncio", broken + "two-pods-per-node")
    result.assert_outcomes(xfailed=1, failed=1)


def test_a_controller_that_dies_fails_the_waiting_test_with_its_last_lines(project: pytest.Pytester) -> None:
    project.makepyfile(
        short_lived="""
import os, sys
def main(kubeconfig):
    open("enough").close()  # waits until the test has opened it too
    print("I have seen enough", file=sys.stderr, flush=True)
    os._exit(3)
"""
    )
    os.mkfifo(project.path / "enough")
    body = f'{APPLY}\nopen("enough", "w").close()\nagent.eventually(one_pod_per_node).wait()'
    result = run(project, body, "--daemonset-controller=python: short_lived:main")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ClusterError*died unasked, exit code 3*", "*I have seen enough*"])


def test_a_controller_that_cannot_be_executed_is_told_without_a_line_that_is_not_the_users(
    project: pytest.Pytester,
) -> None:
    (project.path / "manager").write_bytes(b"\x7fELF and no more")
    (project.path / "manager").chmod(0o755)
    result = run(project, APPLY, "--daemonset-controller=command: ./manager")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ClusterError*could not be started*"])
    result.stdout.no_fnmatch_line("*.py:*: *Error")  # neither our lines nor those of subprocess and contextlib


def test_bad_input_is_told_at_the_users_own_line(project: pytest.Pytester) -> None:
    result = run(project, 'daemonsets.apply("agent.yaml\\nkind: [")')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError: <YAML text>:*no YAML*"])


def test_what_the_api_refuses_is_the_test_authors_mistake(project: pytest.Pytester) -> None:
    body = """
import yaml
manifest = yaml.safe_load(open("agent.yaml"))
manifest["spec"]["template"]["spec"]["restartPolicy"] = "Never"
daemonsets.apply(manifest).wait()
"""
    result = run(project, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError: <dict>: refused by the API server*restartPolicy*"])


@pytest.mark.parametrize("before", ["", "daemonsets.apply('agent.yaml').wait()\n"], ids=["created", "changed"])
@pytest.mark.parametrize(
    ("written", "instead", "told"),
    [
        ("image:", "imgae:", 'unknown field "spec.template.spec.containers*imgae"*'),
        ("{name: agent,", "{name: Agent_,", "spec.template.spec.containers*name*"),
    ],
    ids=["misspelt", "invalid"],
)
def test_what_the_api_refuses_is_told_with_its_line(
    project: pytest.Pytester, before: str, written: str, instead: str, told: str
) -> None:
    manifest = (project.path / "agent.yaml").read_text().replace(written, instead)
    (project.path / "wrong.yaml").write_text(manifest)
    line = next(number for number, text in enumerate(manifest.splitlines(), 1) if instead in text)
    result = run(project, before + "daemonsets.apply('wrong.yaml').wait()")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*UsageError: wrong.yaml:{line}: refused by the API server: *{told}"])


def test_a_capability_that_is_missing_skips_the_test_with_the_reason(project: pytest.Pytester) -> None:
    project.makepyfile(
        "import pytest\n@pytest.mark.daemonset_requires('real_kubelet')\ndef test_it(daemonsets):\n    raise AssertionError\n"
    )
    result = project.runpytest_subprocess("-p", "no:asyncio", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*embedded cluster has no real_kubelet*"])


def test_what_a_test_did_to_the_nodes_is_undone_before_the_next(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_one(nodes):
            nodes.join(2).wait()
            nodes[0].leave().wait()
            nodes[0].taint("a=b:NoExecute").wait()
            nodes[1].crash().wait()
            nodes[1:][0].label(zone="z").wait()

        def test_two(nodes, cluster):
            listed = cluster.request("GET", "/api/v1/nodes").wait()["items"]
            assert sorted(node["metadata"]["name"] for node in listed) == ["node-1", "node-2", "node-3"]
            assert not any(node["spec"].get("taints") for node in listed)
            assert not any("zone" in node["metadata"]["labels"] for node in listed)
            assert len(nodes) == 3
        """
    )
    result = project.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=2)


def test_the_controller_is_running_again_for_the_next_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        f"""
        from pytest_daemonset import *

        def test_one(controller):
            controller.kill().wait()
            assert not controller.running

        def test_two(controller):
            controller.pause().wait()

        def test_three(controller, daemonsets):
            assert controller.running
            {APPLY}
            agent.eventually(one_pod_per_node).wait()
        """
    )
    project.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=3)


def test_the_history_of_a_failed_test_is_kept_and_judged_alike_offline(project: pytest.Pytester, broken: str) -> None:
    body = f"{APPLY}\nwith agent.always(at_most_one_pod_per_node):\n    agent.eventually(one_pod_per_node).wait()"
    result = run(project, body, "--daemonset-history=kept", broken + "two-pods-per-node")
    result.assert_outcomes(failed=1)
    (path,) = Path(project.path, "kept").iterdir()
    from pytest_daemonset import at_most_one_pod_per_node
    from pytest_daemonset.contract import BROKEN, Subject
    from pytest_daemonset.observe.history import History
    from pytest_daemonset.observe.offline import judge

    history = History.load(path)
    added = next(e for e in history.events if e.kind == "DaemonSet")
    metadata = added.object["metadata"]
    subject = Subject("apps/v1", "DaemonSet", metadata["namespace"], metadata["name"], metadata["uid"])
    verdict = judge(history, subject, at_most_one_pod_per_node, mode="always")
    assert verdict.answer is BROKEN
    assert verdict.reasons[0].text in result.stdout.str()


def test_two_sets_of_one_file_must_be_asked_for_together(project: pytest.Pytester) -> None:
    text = Path(project.path, "agent.yaml").read_text(encoding="utf-8")
    project.makefile(".yaml", two=f"{text}\n---\n{text.replace('name: agent', 'name: second', 1)}")
    body = """
with pytest.raises(UsageError, match="expected one DaemonSet, found 2: agent, second; use apply_all"):
    daemonsets.apply("two.yaml")
for one in daemonsets.apply_all("two.yaml").wait():
    one.eventually(one_pod_per_node).wait()
"""
    run(project, body).assert_outcomes(passed=1)


def test_what_the_cluster_does_not_imitate_is_listed_at_the_end(project: pytest.Pytester) -> None:
    body = """
with pytest.raises(Exception, match="501|not implemented|NotImplemented"):
    cluster.request("POST", "/api/v1/namespaces/default/pods/x/exec", {}).wait()
"""
    result = run(project, body, fixtures="cluster")
    result.stdout.fnmatch_lines(["daemonset: not imitated, answered with 501: *"])


def test_after_ctrl_c_no_controller_is_started_that_no_test_will_need(project: pytest.Pytester) -> None:
    starts = project.path / "starts"
    program = f'{sys.executable} -m pytest_daemonset.reference --kubeconfig "$1"'
    project.makefile(".sh", control=f"echo started >> starts\nexec {program}\n")
    command = "--daemonset-controller=command: sh control.sh {kubeconfig}"
    result = run(project, "controller.stop().wait()\nraise KeyboardInterrupt", command, fixtures="controller")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert starts.read_text().split() == ["started"]


def test_a_cluster_that_dies_is_one_clear_error_and_no_traceback_of_ours(project: pytest.Pytester) -> None:
    body = f"""
{APPLY}
agent.eventually(one_pod_per_node).wait()
import os, signal
from pytest_daemonset.fixtures import RUN
os.kill(pytestconfig.stash[RUN].running.cluster._server._popen.pid, signal.SIGKILL)
agent.eventually(~one_pod_per_node).wait()
"""
    result = run(project, body, fixtures="daemonsets, pytestconfig")
    text = result.stdout.str()
    assert "ClusterError: the embedded API server died unasked, exit code -9" in text
    assert "nothing can be judged any more" in text
    assert "ConnectionRefused" not in text
    assert "Exception Group" not in text
    result.assert_outcomes(failed=1, errors=1)


BUSY = """
import asyncio
from pathlib import Path

from pytest_daemonset.reference.client import Client
from pytest_daemonset.reference.kubeconfig import Access

async def main(kubeconfig):
    async with Client(Access.load(Path(kubeconfig))) as client:
        for _ in range(300):
            await client.create("/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "one-"}})
        print("done", flush=True)
        await asyncio.sleep(600)
"""


def test_a_controller_that_writes_on_and_on_is_told_though_the_test_is_green(project: pytest.Pytester) -> None:
    ready = "--daemonset-controller-ready=log: done"
    spec = "--daemonset-controller=python: busy:main"
    project.makepyfile(busy=BUSY)
    result = run(project, "controller.restart().wait()", spec, ready, fixtures="controller")
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [
            r"daemonset: test_.*::test_it: the controller wrote 300 times in \S+ s \(300 create configmaps\), with 3 nodes: does it"
        ]
    )


def test_what_the_controller_wrote_in_a_failed_test_is_told(project: pytest.Pytester) -> None:
    body = f"{APPLY}\nagent.eventually(one_pod_per_node & ready).wait()\nraise AssertionError"
    result = run(project, body)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"in this test the controller wrote \d+ times in \S+ s \(.*3 create pods.*\)"])
    assert "does it write without need" not in result.stdout.str()
