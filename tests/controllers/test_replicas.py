"""Several processes of one controller: each with its log, its number, its credential; one of them leads."""

from __future__ import annotations

import sys

import pytest
from controller_commands import ELECTED, REFERENCE

HAND_OVER = """
def test_hand_over(daemonsets, nodes, controller):
    agent = daemonsets.apply("agent.yaml").wait()
    first = controller.leader().wait()
    assert len(controller.replicas) == 2
    assert len({one.log for one in controller.replicas}) == 2
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(one_pod_per_node).wait()
        first.pause().wait()
        second = controller.leader(other_than=first).wait()
        assert second != first
        nodes.join(2).wait()
        agent.eventually(one_pod_per_node).wait()
        first.resume().wait()
        agent.barrier().wait()
    assert second.running

def test_the_next_test_finds_both_running(controller):
    assert controller.running
    assert controller.leader().wait() in controller.replicas
"""


def test_the_builtin_controller_hands_over_when_its_leader_freezes(run):
    run(HAND_OVER, controller="builtin", controller_replicas="2").assert_outcomes(passed=2)


@pytest.mark.parametrize("more", ["", " --leader-elect-identity={identity}"], ids=["by credential", "and by name"])
def test_a_command_of_several_replicas_hands_over_too(run, more):
    run(HAND_OVER, controller=ELECTED + more, controller_replicas="2").assert_outcomes(passed=2)


def test_the_audit_log_tells_the_writes_of_replicas_apart(run):
    text = """
    def test_it(daemonsets, cluster, controller):
        agent = daemonsets.apply("agent.yaml").wait()
        agent.eventually(one_pod_per_node).wait()
        leader = controller.leader().wait()
        (other,) = [one for one in controller.replicas if one != leader]
        assert leader.credential and other.credential and leader.credential != other.credential
        from pytest_daemonset.kube.audit import AuditLog
        audit = AuditLog(cluster.kubeconfig.parent / "audit.log")
        made = audit.entries(resource="pods", verbs=["create"], user="system:serviceaccount:kube-system:daemon-set-controller")
        assert {entry.credential for entry in made if not entry.subresource} == {leader.credential}
    """
    run(text, controller="builtin", controller_replicas="2").assert_outcomes(passed=1)


def test_each_replica_can_be_killed_and_started_alone_and_an_unasked_death_names_it(run, pytester):
    text = """
    import os, signal

    def test_asked(controller):
        one, two = controller.replicas
        one.kill().wait()
        assert (one.running, two.running, controller.running) == (False, True, False)
        one.start().wait()
        assert controller.running

    def test_unasked(controller, namespace):
        os.kill(int(open("pid-1").read()), signal.SIGKILL)
        while controller.replicas[1].running:
            pass
    """
    pytester.makepyfile(
        mine="""
        import os, time

        def main(kubeconfig):
            with open("pid-" + os.environ["DAEMONSET_REPLICA"], "w") as file:
                file.write(str(os.getpid()))
            print("written", flush=True)
            time.sleep(60)
        """
    )
    result = run(text, controller="python: mine:main", controller_replicas="2", controller_ready="log: written")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*ClusterError: replica 1 of the controller under test*died unasked, exit code -9*"])


def test_a_number_and_a_name_stand_where_the_placeholders_were(run, pytester):
    text = """
    def test_it(controller):
        for one in controller.replicas:
            number, name, environment = one.log.read_text().split()
            assert int(number) == int(environment) == one.number
            assert name == one.identity
    """
    pytester.makepyfile(
        told="""
        import os, sys, time

        print(*sys.argv[1:], os.environ["DAEMONSET_REPLICA"], flush=True)
        time.sleep(60)
        """
    )
    command = f"command: {sys.executable} told.py {{replica}} {{identity}}"
    run(text, controller=command, controller_replicas="3", controller_ready="log: controller").assert_outcomes(passed=1)


def test_nobody_leads_where_nobody_elects(run):
    text = """
    def test_it(controller):
        with pytest.raises(ClusterError, match="Do they elect a leader"):
            controller.leader(timeout=0.5).wait()
    """
    run(text, controller=REFERENCE, controller_replicas="2").assert_outcomes(passed=1)


def test_who_holds_a_lease_under_a_name_that_says_nothing_is_not_guessed(run):
    text = """
    import datetime

    @pytest.fixture(scope="session")
    def daemonset_controller_config():
        import sys
        return ControllerConfig(f"command: {sys.executable} -c 'import time; time.sleep(600)'", replicas=2, lease="default/mine")

    def test_it(controller, cluster):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": "somebody", "renewTime": now, "leaseDurationSeconds": 60}
        body = {"metadata": {"name": "mine"}, "spec": spec}
        cluster.request("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", body).wait()
        with pytest.raises(UsageError, match="held by 'somebody', and nothing says which replica"):
            controller.leader(timeout=3.0).wait()
    """
    run(text).assert_outcomes(passed=1)
