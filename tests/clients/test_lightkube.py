"""lightkube: typed objects, server-side apply, waits."""

from __future__ import annotations

import pytest
from client_objects import daemon_set

# it leaves sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def client(library, kubeconfig, namespace):
    lightkube = library("lightkube")
    config = lightkube.KubeConfig.from_file(str(kubeconfig))
    return lightkube.Client(config=config, namespace=namespace, field_manager="lightkube")


def test_a_daemon_set_is_made_watched_patched_and_deleted(client):
    from lightkube.resources.apps_v1 import DaemonSet
    from lightkube.resources.core_v1 import Pod

    client.create(DaemonSet.from_dict(daemon_set("agent")))
    assert any(found.status.numberReady == 3 for _, found in client.watch(DaemonSet, server_timeout=50))
    pods = list(client.list(Pod, labels={"app": "agent"}))
    assert {pod.status.phase for pod in pods} == {"Running"}
    patched = client.patch(DaemonSet, "agent", {"spec": {"minReadySeconds": 4}})
    assert (patched.spec.minReadySeconds, patched.metadata.generation) == (4, 2)
    client.delete(DaemonSet, "agent")


def test_apply_and_status(client):
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap, Node

    made = client.apply(ConfigMap(metadata=ObjectMeta(name="x"), data={"a": "b"}))
    assert made.data == {"a": "b"}
    assert client.apply(ConfigMap(metadata=ObjectMeta(name="x"), data={"c": "d"})).data == {"c": "d"}
    assert {node.metadata.name for node in client.list(Node)} == {"node-1", "node-2", "node-3"}


def test_refusals_become_exceptions(client):
    from lightkube import ApiError
    from lightkube.resources.core_v1 import Pod

    with pytest.raises(ApiError) as refused:
        client.get(Pod, "gone")
    assert refused.value.status.code == 404


def test_a_watch_is_taken_up_where_it_was_left(client):
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    made = [client.create(ConfigMap(metadata=ObjectMeta(name=f"x{at}"))) for at in range(3)]
    client.delete(ConfigMap, "x1")
    told = client.watch(ConfigMap, resource_version=made[0].metadata.resourceVersion, server_timeout=50)
    seen = [next(told) for _ in range(3)]
    assert [(what, found.metadata.name) for what, found in seen] == [
        ("ADDED", "x1"),
        ("ADDED", "x2"),
        ("DELETED", "x1"),
    ]


def test_fields_of_others_conflict_unless_they_are_taken_by_force(library, client):
    from lightkube import ApiError
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    client.apply(ConfigMap(metadata=ObjectMeta(name="x"), data={"a": "b"}))
    theirs = ConfigMap(metadata=ObjectMeta(name="x"), data={"a": "c"})
    with pytest.raises(ApiError) as refused:
        client.apply(theirs, field_manager="other")
    assert (refused.value.status.code, refused.value.status.reason) == (409, "Conflict")
    assert client.apply(theirs, field_manager="other", force=True).data == {"a": "c"}
    client.deletecollection(ConfigMap)
    assert [each.metadata.name for each in client.list(ConfigMap)] == []
