"""Controllers that come as a manifest: containers that really run, on nodes of the stand-in."""

from __future__ import annotations

import textwrap
import threading
from typing import TYPE_CHECKING, Any

import docker_here
import pytest
from agent_manifest import AGENT

from pytest_daemonset.clusters.config import ClusterConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.controllers.controller import make
from pytest_daemonset.controllers.manifest import Manifest
from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.resources import PODS, SERVICE_ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_daemonset.controllers.controller import Controller
    from pytest_daemonset.nodes import Nodes
    from pytest_daemonset.running import Running

pytestmark = pytest.mark.docker

PROGRAM = "trap 'echo gently; exit 0' TERM; echo up; while true; do echo turn; sleep 0.1; done"
TEMPLATE = """\
metadata: {{labels: {{app: manager}}}}
spec:
  serviceAccountName: manager
  terminationGracePeriodSeconds: 5
  containers:
  - name: manager
    image: "{image}"
    imagePullPolicy: {policy}
    command: [/bin/sh, -c, "{program}"]
"""
HEAD = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: manager}
---
"""
SCALED = """\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: manager}}
spec:
  selector: {{matchLabels: {{app: manager}}}}
  template:
"""


QUOTA = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {pods: '0'}}\n---\n"


def manifest(kind: str, image: str, program: str = PROGRAM, policy: str = "IfNotPresent") -> str:
    template = TEMPLATE.format(image=image, program=program, policy=policy)
    if kind == "Pod":
        return HEAD + "apiVersion: v1\nkind: Pod\n" + template.replace("metadata: {", "metadata: {name: manager, ")
    return HEAD + SCALED.format(kind=kind) + textwrap.indent(template, "    ")


@pytest.fixture(scope="module")
def program(image: str, running: Running) -> str:
    """An image that every node of the shared cluster has."""
    name = docker_here.controller_image(image)
    running.portal.call(lambda: running.cluster.load_images([name]))
    return name


class Hands:
    """A controller, and plain functions for its verbs."""

    def __init__(self, running: Running, controller: Controller) -> None:
        self._running = running
        self.it = controller
        self.deaths: list[str] = []
        self.died = threading.Event()
        controller.on_death = self._dies

    def _dies(self, error: Exception) -> None:
        self.deaths.append(str(error))
        self.died.set()

    def __getattr__(self, verb: str) -> Callable[[], None]:
        return lambda: self._running.portal.call(getattr(self.it, verb))

    def pods(self) -> list[dict[str, Any]]:
        listed = self._running.portal.call(
            lambda: self._running.cluster.client.list(PODS, "default", label_selector="app=manager")
        )
        return list(listed["items"])

    def on_its_node(self, script: str) -> str:
        (pod,) = self.pods()
        container = f"{self._running.cluster._engine.group}-{pod['spec']['nodeName']}"
        return docker_here.docker("exec", container, "sh", "-c", script)


@pytest.fixture
def hands(running: Running, nodes: Nodes, tmp_path: Path) -> Iterator[Callable[..., Hands]]:
    made = []

    def make_one(text: str, **more: Any) -> Hands:
        (tmp_path / "deploy.yaml").write_text(text)
        (running.cluster.folder / "controller.log").unlink(missing_ok=True)  # of the one before, on the same cluster
        config = ControllerConfig(f"manifest: {tmp_path / 'deploy.yaml'}", **more)
        read = Manifest.read(config, ClusterConfig(kind="k3s"), daemonset_loop=False)
        made.append(Hands(running, make(config, keeper=running.keeper, cluster=running.cluster, manifest=read)))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


PROCESS_STATES = "for task in /run/k3s-standin/tasks/*; do cut -d' ' -f3 /proc/$(cat $task)/stat; done"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Pod"])
def test_each_kind_of_workload_is_started_stopped_frozen_and_killed(
    kind: str, program: str, hands: Callable[..., Hands]
) -> None:
    one = hands(manifest(kind, program), ready="log: ^up$")
    one.start()
    assert one.it.running
    (first,) = one.pods()
    one.pause()
    assert one.on_its_node(PROCESS_STATES).split() == ["T"]
    assert one.it.running
    one.resume()
    assert one.on_its_node(PROCESS_STATES).split() != ["T"]
    one.stop()
    assert (one.it.running, one.pods()) == (False, [])
    assert one.it.log.read_text().count("manager: gently") == 1
    with pytest.raises(UsageError, match="does not run, so there is nothing to pause"):
        one.pause()
    one.start()
    (second,) = one.pods()
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    one.kill()
    assert (one.it.running, one.pods()) == (False, [])
    one.restart()
    assert one.it.running
    assert one.it.log.read_text().count("manager: gently") == 1, "SIGKILL is not gentle"
    assert one.deaths == []


def test_one_that_dies_unasked_is_told_with_its_last_lines_and_comes_back_for_the_next_test(
    program: str, hands: Callable[..., Hands]
) -> None:
    one = hands(
        manifest("Deployment", program, "echo up; echo the end is near; read x < /dev/null; sleep 1000"),
        ready="log: near",
    )
    one.start()
    one.on_its_node("kill -9 $(cat /run/k3s-standin/tasks/*)")
    assert one.died.wait(60)
    assert "died unasked: container manager of pod manager-" in one.deaths[0]
    assert "exit code 137" in one.deaths[0]
    assert one.deaths[0].rstrip().endswith("the end is near")
    one.restore()
    assert one.it.running


def test_a_node_that_is_started_anew_or_leaves_is_no_death_of_its_own(
    program: str, hands: Callable[..., Hands], nodes: Nodes
) -> None:
    one = hands(manifest("Deployment", program))
    one.start()
    place = one.pods()[0]["spec"]["nodeName"]
    node = next(node for node in nodes if node.name == place)
    node.restart().wait()
    one.restore()
    place = one.pods()[0]["spec"]["nodeName"]
    next(node for node in nodes if node.name == place).leave().wait()
    one.restore()
    assert one.it.running
    assert one.deaths == []


def test_its_log_is_there_also_of_what_has_ended(program: str, hands: Callable[..., Hands]) -> None:
    one = hands(manifest("Deployment", program), ready="log: turn")
    one.start()
    one.stop()
    lines = one.it.log.read_text().splitlines()
    assert lines[0].endswith("/manager: up")
    assert one.it.tail(1).endswith("/manager: gently")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            manifest("Deployment", "nowhere.invalid/manager:1"),
            r"does not start:\n  Deployment default/manager:(?s:.*)image nowhere\.invalid/manager:1: ErrImagePull(?s:.*)side-load it",
        ),
        (
            manifest("Pod", "nowhere.invalid/manager:1", policy="Always"),
            r"ErrImagePull(?s:.*)its imagePullPolicy is Always",
        ),
        (
            manifest("Deployment", "PROGRAM", "echo no such flag; exit 2"),
            r"CrashLoopBackOff(?s:.*)manager:\n +no such flag",
        ),
        (
            manifest("Deployment", "PROGRAM").replace("  spec:\n", "  spec:\n      nodeSelector: {zone: nowhere}\n"),
            r"was not available within 3 s:\n  Deployment default/manager:(?s:.*): Pending on no node yet",
        ),
        (
            QUOTA + manifest("Deployment", "PROGRAM"),
            r"was not available within 3 s(?s:.*)no pods were made for it\n(?s:.*)FailedCreate: (?s:.*)exceeded quota: none",
        ),
    ],
    ids=["no such image", "always pulled", "crashes", "fits nowhere", "no room"],
)
def test_one_that_does_not_start_is_one_clear_error_and_leaves_nothing(
    text: str, words: str, program: str, hands: Callable[..., Hands], running: Running
) -> None:
    ready = "log: never" if "CrashLoop" in words else ""
    one = hands(text.replace("PROGRAM", program), timeout=3 if "within 3" in words else 60, ready=ready)
    with pytest.raises(ClusterError, match=words):
        one.start()
    one.close()
    listed = running.portal.call(lambda: running.cluster.client.list(SERVICE_ACCOUNTS, "default"))
    assert "manager" not in [one["metadata"]["name"] for one in listed["items"]]


PROJECT = """
import subprocess
import pytest
from pytest_daemonset import (
    UsageError, at_most_one_pod_per_node, one_pod_per_node, pod_on, ready, rolled_out,
)

SECOND = {"spec": {"template": {"metadata": {"annotations": {"revision": "second"}}}}}

def test_it_does_its_work(daemonsets, nodes, controller):
    agent = daemonsets.apply("agent.yaml").wait()
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(ready & one_pod_per_node).wait()
        controller.kill().wait()
        late = nodes.join().wait()
        controller.start().wait()
        agent.eventually(pod_on(late)).wait()

def test_it_sees_what_happened_while_it_was_frozen_stopped_and_started_anew(daemonsets, nodes, controller):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(ready).wait()
    with agent.always(at_most_one_pod_per_node):
        controller.pause().wait()
        agent.update(SECOND).wait()
        controller.resume().wait()
        agent.eventually(rolled_out).wait()
        controller.stop().wait()
        agent.update({"spec": {"template": {"spec": {"nodeSelector": {"zone": "b"}}}}}).wait()
        controller.start().wait()
        agent.eventually(~pod_on(nodes[0])).wait()
        controller.restart().wait()
        nodes[0].label(zone="b").wait()
        agent.eventually(pod_on(nodes[0])).wait()

def test_what_cannot_be_on_a_manifest(controller):
    assert controller.replicas == []
    with pytest.raises(UsageError, match="runs in pods, which come and go"):
        controller.leader().wait()

def test_it_dies(daemonsets, nodes, controller, cluster):
    agent = daemonsets.apply("agent.yaml").wait()
    agent.eventually(one_pod_per_node).wait()
    group = cluster.kubeconfig.read_text().partition('"current-context": "')[2].partition("-server")[0]
    listed = cluster.request("GET", "/api/v1/namespaces/fleet/pods").wait()["items"]
    (pod,) = [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    command = ["ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", container]
    subprocess.run(["docker", "exec", f"{group}-{pod['spec']['nodeName']}", *command], check=True)
    agent.eventually(~one_pod_per_node & one_pod_per_node).wait()

def test_the_next_one_finds_it_running(daemonsets, controller):
    daemonsets.apply("agent.yaml").wait().eventually(one_pod_per_node).wait()
"""
DEPLOY = """\
apiVersion: v1
kind: Namespace
metadata: {{name: fleet}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: manager, namespace: fleet}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: manager}}
rules:
- {{apiGroups: [apps], resources: [daemonsets], verbs: [get, list, watch]}}
- {{apiGroups: [apps], resources: [daemonsets/status], verbs: [get, update, patch]}}
- {{apiGroups: [apps], resources: [daemonsets/finalizers], verbs: [update]}}
- {{apiGroups: [apps], resources: [controllerrevisions], verbs: [get, list, watch, create, update, patch, delete]}}
- {{apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}}
- {{apiGroups: [""], resources: [pods], verbs: [get, list, watch, create, update, patch, delete]}}
- {{apiGroups: ["", events.k8s.io], resources: [events], verbs: [create, patch, update]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: manager}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: manager}}
subjects:
- {{kind: ServiceAccount, name: manager, namespace: fleet}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: manager, namespace: fleet}}
spec:
  selector: {{matchLabels: {{app: manager}}}}
  template:
    metadata: {{labels: {{app: manager}}}}
    spec:
      serviceAccountName: manager
      terminationGracePeriodSeconds: 5
      containers:
      - {{name: manager, image: "{image}", imagePullPolicy: IfNotPresent}}
"""


def use(pytester: pytest.Pytester, name: str, *words: str, timeout: float) -> None:
    """What a user does who has a manifest and an image, and what he then reads of a controller that dies."""
    pytester.makefile(".yaml", agent=AGENT, deploy=DEPLOY.format(image=name))
    pytester.makepyfile(PROJECT)
    more = ["--daemonset-nodes=1", "--daemonset-k3s-tiny-images=agent:1"]
    more += ["--daemonset-controller=manifest: deploy.yaml", f"--daemonset-controller-images={name}"]
    more += ['--daemonset-controller-ready=log: "ready": true']
    result = pytester.runpytest_subprocess(
        "-p", "no:asyncio", "--daemonset-cluster=k3s", *words, *more, "--durations=0", timeout=timeout
    )
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*ClusterError: the controller under test (manifest: deploy.yaml) died unasked: *exit code 137*",
            "*last lines of its log*",
            'manager-*/manager: {"ready": true}',
        ]
    )


def test_a_user_names_a_manifest_and_an_image_and_that_is_all(image: str, pytester: pytest.Pytester) -> None:
    name = docker_here.controller_image(image)
    use(pytester, name, f"--daemonset-k3s-image={image}", "--daemonset-k3s-privileged=no", timeout=300)


@docker_here.needs_k3s
def test_a_user_names_a_manifest_and_an_image_and_that_is_all_on_a_real_k3s(pytester: pytest.Pytester) -> None:
    name = docker_here.controller_image_for_k3s()
    more = [f"--daemonset-k3s-image={docker_here.K3S}", "--daemonset-k3s-fast-not-ready=yes"]
    use(pytester, name, *more, timeout=900)
