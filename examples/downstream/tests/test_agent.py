"""What our agent promises to its users: it is on every node, GPU nodes too, and never twice."""

from pytest_daemonset import at_most_one_pod_per_node, garbage_collected, one_pod_per_node, pod_on, ready


def test_the_agent_is_on_every_node(agent):
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(one_pod_per_node & ready).wait()


async def test_the_agent_follows_the_nodes(agent, daemonset_cluster):
    async with agent.always(at_most_one_pod_per_node):
        gpu = await daemonset_cluster.nodes.join(taints=["dedicated=gpu:NoSchedule"])
        await agent.eventually(pod_on(gpu))
        await gpu.leave()
        await agent.eventually(~pod_on(gpu))


def test_the_agent_stays_away_from_nodes_that_others_own(agent, daemonset_cluster):
    taken = daemonset_cluster.nodes.join(taints=["dedicated=database:NoSchedule"]).wait()
    agent.eventually(one_pod_per_node).wait()
    with agent.never(pod_on(taken)):
        agent.barrier().wait()


def test_a_deleted_agent_leaves_nothing_behind(agent, nodes):
    agent.eventually(one_pod_per_node).wait()
    agent.delete().wait()
    agent.eventually(garbage_collected).wait()
    assert nodes == ["rack-1", "rack-2"]
