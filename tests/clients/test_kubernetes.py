"""kubernetes, the official client: typed and dynamic objects, watches, YAML."""

from __future__ import annotations

import pytest
from client_objects import daemon_set

# it leaves sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def api(library, kubeconfig):
    library("kubernetes")
    from kubernetes import config

    client = config.new_client_from_config(str(kubeconfig))
    yield client
    client.close()


def test_a_daemon_set_is_made_watched_scaled_out_of_a_node_and_deleted(api, namespace):
    from kubernetes import client, watch

    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    made = apps.create_namespaced_daemon_set(namespace, daemon_set("agent"))
    stream = watch.Watch().stream(
        apps.list_namespaced_daemon_set,
        namespace,
        resource_version=made.metadata.resource_version,
        timeout_seconds=50,
    )
    assert any(event["object"].status.number_ready == 3 for event in stream)
    pods = core.list_namespaced_pod(namespace, field_selector="spec.nodeName=node-1").items
    assert [pod.status.phase for pod in pods] == ["Running"]
    core.create_namespaced_pod_eviction(
        pods[0].metadata.name, namespace, client.V1Eviction(metadata=client.V1ObjectMeta(name=pods[0].metadata.name))
    )
    apps.delete_namespaced_daemon_set("agent", namespace, propagation_policy="Background")
    with pytest.raises(client.ApiException, match="NotFound"):
        apps.read_namespaced_daemon_set("agent", namespace)


def test_objects_are_made_from_yaml(api, namespace):
    from kubernetes import client, utils

    utils.create_from_dict(api, daemon_set("agent"), namespace=namespace)
    assert client.AppsV1Api(api).read_namespaced_daemon_set("agent", namespace).metadata.generation == 1


def test_the_dynamic_client_discovers_watches_and_applies(api, namespace):
    from kubernetes.dynamic import DynamicClient

    dynamic = DynamicClient(api)
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}
    maps.server_side_apply(body=body, name="x", namespace=namespace, field_manager="me")
    [event] = maps.watch(namespace=namespace, timeout=1)
    assert (event["type"], event["object"].data.a) == ("ADDED", "b")


def test_refusals_become_exceptions(api, namespace):
    from kubernetes.client import ApiException, CoreV1Api

    with pytest.raises(ApiException) as refused:
        CoreV1Api(api).read_namespaced_pod("gone", namespace)
    assert refused.value.status == 404


def test_a_watch_is_taken_up_where_it_was_left(api, namespace):
    from kubernetes import client, watch

    core = client.CoreV1Api(api)
    made = [core.create_namespaced_config_map(namespace, {"metadata": {"name": f"x{at}"}}) for at in range(3)]
    core.delete_namespaced_config_map("x1", namespace)
    told = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=made[0].metadata.resource_version,
        timeout_seconds=1,
    )
    seen = [(event["type"], event["object"].metadata.name) for event in told]
    assert seen == [("ADDED", "x1"), ("ADDED", "x2"), ("DELETED", "x1")]
