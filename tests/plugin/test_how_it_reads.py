"""The test of the README, as its reader would run it: sync and async, under every plugin and option that gets in the way."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pexpect

if TYPE_CHECKING:
    import pytest

SYNC = """
from pytest_daemonset import at_most_one_pod_per_node, garbage_collected, one_pod_per_node, pod_on

def test_agent_follows_the_nodes(daemonsets, nodes):
    agent = daemonsets.apply("agent.yaml").wait()
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(one_pod_per_node).wait()

        late = nodes.join(labels={"zone": "b"}).wait()
        agent.eventually(pod_on(late)).wait()

        late.leave().wait()
        agent.eventually(~pod_on(late)).wait()

        agent.delete().wait()
        agent.eventually(garbage_collected).wait()
"""
BODY = """\
    agent = await daemonsets.apply("agent.yaml")
    async with agent.always(at_most_one_pod_per_node):
        await agent.eventually(one_pod_per_node)

        late = await nodes.join(labels={"zone": "b"})
        await agent.eventually(pod_on(late))

        await late.leave()
        await agent.eventually(~pod_on(late))

        await agent.delete()
        await agent.eventually(garbage_collected)
"""
IMPORTS = "from pytest_daemonset import at_most_one_pod_per_node, garbage_collected, one_pod_per_node, pod_on\n"
ASYNC = f"{IMPORTS}\nasync def test_agent_follows_the_nodes_async(daemonsets, nodes):\n{BODY}"
BY_HAND = f"""import asyncio
{IMPORTS}
async def scenario(daemonsets, nodes):
{BODY}
def test_agent_follows_the_nodes_by_hand(daemonsets, nodes):
    asyncio.run(scenario(daemonsets, nodes))
"""


def passed(result: pytest.RunResult, count: int) -> None:
    result.assert_outcomes(passed=count)
    assert result.ret == 0


def test_sync_and_async_in_strict_mode_with_warnings_as_errors(project: pytest.Pytester) -> None:
    project.makepyfile(test_sync=SYNC, test_async=f"import pytest\npytestmark = pytest.mark.asyncio\n{ASYNC}")
    project.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    passed(project.runpytest_subprocess("-p", "no:randomly"), 2)


def test_async_in_auto_mode(project: pytest.Pytester) -> None:
    project.makepyfile(test_async=ASYNC)
    project.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    passed(project.runpytest_subprocess(), 1)


def test_without_pytest_asyncio(project: pytest.Pytester) -> None:
    project.makepyfile(test_sync=SYNC, test_by_hand=BY_HAND)
    passed(project.runpytest_subprocess("-p", "no:asyncio"), 2)


def test_on_two_workers_of_xdist(project: pytest.Pytester) -> None:
    project.makepyfile(test_one=SYNC, test_two=SYNC)
    passed(project.runpytest_subprocess("-n", "2"), 2)


def test_with_pdb(project: pytest.Pytester) -> None:
    project.makepyfile(test_sync=SYNC)
    passed(project.runpytest_subprocess("--pdb"), 1)


def test_pdb_says_how_to_reach_the_cluster(project: pytest.Pytester) -> None:
    project.makepyfile("def test_stops(daemonsets):\n    assert False\n")
    child = project.spawn(f"{sys.executable} -m pytest --pdb", expect_timeout=60)
    child.expect("KUBECONFIG=.*admin.kubeconfig")
    child.expect("Pdb")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()


def test_in_a_project_whose_conftest_has_its_own_cluster_and_nodes(project: pytest.Pytester) -> None:
    project.makeconftest(
        textwrap.dedent(
            """
            import pytest

            @pytest.fixture
            def cluster():
                return "ours"

            @pytest.fixture
            def nodes():
                return ["rack-1"]
            """
        )
    )
    body = SYNC.replace("(daemonsets, nodes)", "(daemonsets, cluster, nodes, daemonset_cluster)")
    body = body.replace("nodes.join", "daemonset_cluster.nodes.join")
    project.makepyfile(body + '\n        assert (cluster, nodes) == ("ours", ["rack-1"])\n')
    passed(project.runpytest_subprocess(), 1)
