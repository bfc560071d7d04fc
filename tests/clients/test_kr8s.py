"""kr8s: objects that know their API, waits and watches."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from client_objects import daemon_set

# it leaves sockets to the garbage collector, and warns of every Kubernetes that is newer than itself
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:Kubernetes version:UserWarning")


@pytest.fixture
def api(library, kubeconfig, namespace):
    kr8s = library("kr8s")
    return kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)


def test_a_daemon_set_is_made_waited_for_and_deleted(api, namespace):
    from kr8s.objects import DaemonSet

    agent = DaemonSet(daemon_set("agent"), api=api, namespace=namespace)
    agent.create()
    agent.wait("jsonpath='{.status.numberReady}'=3", timeout=50)
    pods = list(api.get("pods", namespace=namespace, label_selector={"app": "agent"}))
    assert {pod.status.phase for pod in pods} == {"Running"}
    agent.patch({"spec": {"minReadySeconds": 2}})
    assert agent.raw["spec"]["minReadySeconds"] == 2
    agent.label(kept="yes")
    agent.refresh()
    assert agent.labels["kept"] == "yes"
    agent.delete(propagation_policy="Foreground")
    agent.wait("delete", timeout=50)
    assert not agent.exists()


def test_nodes_are_cordoned(api):
    node = next(each for each in api.get("nodes") if each.name == "node-3")
    node.cordon()
    node.refresh()
    assert node.unschedulable
    node.uncordon()
    node.refresh()
    assert not node.unschedulable


def test_what_there_is_can_be_asked(api):
    assert api.version()["minor"] == "36"
    assert {"daemonsets", "nodes"} <= {each["name"] for each in api.api_resources()}
    assert api.whoami() == "kubernetes-admin"


def test_changes_are_watched(library, kubeconfig, namespace):
    library("kr8s")
    import kr8s.asyncio
    from kr8s.asyncio.objects import ConfigMap

    async def scenario():
        api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig), namespace=namespace)
        made = await ConfigMap({"metadata": {"name": "x"}, "data": {"a": "b"}}, api=api, namespace=namespace)
        await made.create()
        # a watch that nobody ends would leave its connection to the end of the session
        async with contextlib.aclosing(api.watch("configmaps", namespace=namespace)) as told:
            async for event, found in told:
                if (event, found.name) == ("ADDED", "x"):
                    await found.patch({"data": {"a": "c"}})
                elif (event, found.name) == ("MODIFIED", "x"):
                    assert found.raw["data"] == {"a": "c"}
                    await found.delete()
                elif (event, found.name) == ("DELETED", "x"):
                    break
        await api._session.aclose()

    asyncio.run(scenario())
