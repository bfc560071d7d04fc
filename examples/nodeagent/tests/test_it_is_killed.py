"""What no row of the suite asks: that the operator may be killed at any moment, also in the middle of a rollout."""

from pathlib import Path

from pytest_daemonset import at_most_one_pod_per_node, at_most_unavailable, one_pod_per_node, owned, rolled_out

AGENT = Path(__file__).parent / "agent.yaml"


def to(image):
    return {"spec": {"template": {"spec": {"containers": [{"name": "agent", "image": image}]}}}}


def test_killed_while_nodes_come_and_go_it_makes_no_twins(daemonsets, nodes, controller):
    agent = daemonsets.apply(AGENT).wait()
    with agent.always(at_most_one_pod_per_node, owned):
        agent.eventually(one_pod_per_node).wait()
        for _ in range(3):
            nodes.join(5).wait()
            controller.kill().wait()
            nodes[0].leave().wait()
            controller.start().wait()
        agent.eventually(one_pod_per_node).wait()


def test_killed_in_a_rollout_it_goes_on_and_keeps_to_its_budget(daemonsets, nodes, controller):
    nodes.join(5).wait()
    agent = daemonsets.apply(AGENT).wait()
    agent.eventually(rolled_out).wait()
    with agent.always(at_most_one_pod_per_node, at_most_unavailable(1)):
        for image in ("registry.example.com/agent:2", "registry.example.com/agent:3"):
            agent.update(to(image)).wait()
            controller.kill().wait()
            controller.start().wait()
        agent.eventually(rolled_out).wait()
