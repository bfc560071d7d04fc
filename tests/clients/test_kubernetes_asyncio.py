"""kubernetes_asyncio: typed and dynamic objects, watches, patches."""

from __future__ import annotations

import asyncio

import pytest
from client_objects import daemon_set

# it leaves sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def client(library, kubeconfig):
    """Runs a coroutine function with an ApiClient."""
    library("kubernetes_asyncio")
    from kubernetes_asyncio import client, config

    def run(scenario):
        async def whole():
            await config.load_kube_config(str(kubeconfig))
            async with client.ApiClient() as api:
                return await asyncio.wait_for(scenario(api), 60)

        return asyncio.run(whole())

    return run


def test_a_daemon_set_is_made_watched_patched_and_deleted(client, namespace):
    from kubernetes_asyncio.client import AppsV1Api, CoreV1Api
    from kubernetes_asyncio.watch import Watch

    async def scenario(api):
        apps, core = AppsV1Api(api), CoreV1Api(api)
        made = await apps.create_namespaced_daemon_set(namespace, daemon_set("agent"))
        assert made.spec.update_strategy.type == "RollingUpdate"
        async with Watch() as watch:
            seen = watch.stream(
                apps.list_namespaced_daemon_set, namespace, resource_version=made.metadata.resource_version
            )
            async for event in seen:
                if event["object"].status.number_ready == 3:
                    break
        pods = await core.list_namespaced_pod(namespace, label_selector="app=agent")
        assert {pod.status.phase for pod in pods.items} == {"Running"}
        assert {pod.metadata.owner_references[0].uid for pod in pods.items} == {made.metadata.uid}
        patched = await apps.patch_namespaced_daemon_set("agent", namespace, {"spec": {"minReadySeconds": 3}})
        assert (patched.spec.min_ready_seconds, patched.metadata.generation) == (3, 2)
        status = await apps.read_namespaced_daemon_set_status("agent", namespace)
        assert status.status.desired_number_scheduled == 3
        await apps.delete_namespaced_daemon_set("agent", namespace, propagation_policy="Foreground")

    client(scenario)


def test_nodes_are_listed_by_pages_and_leases_are_written(client, namespace):
    from kubernetes_asyncio.client import CoordinationV1Api, CoreV1Api, V1Lease, V1LeaseSpec, V1ObjectMeta

    async def scenario(api):
        core = CoreV1Api(api)
        page = await core.list_node(limit=2)
        rest = await core.list_node(limit=2, _continue=page.metadata._continue)
        assert len(page.items) + len(rest.items) == 3
        spec = V1LeaseSpec(holder_identity="me", lease_duration_seconds=15)
        lease = V1Lease(metadata=V1ObjectMeta(name="leader"), spec=spec)
        made = await CoordinationV1Api(api).create_namespaced_lease(namespace, lease)
        assert made.spec.holder_identity == "me"

    client(scenario)


def test_refusals_become_exceptions_with_reasons(client, namespace):
    from kubernetes_asyncio.client import ApiException, AppsV1Api

    async def scenario(api):
        with pytest.raises(ApiException) as refused:
            await AppsV1Api(api).read_namespaced_daemon_set("gone", namespace)
        assert (refused.value.status, refused.value.reason) == (404, "Not Found")
        with pytest.raises(ApiException) as refused:
            await AppsV1Api(api).create_namespaced_daemon_set(namespace, daemon_set("Wrong Name"))
        assert refused.value.status == 422

    client(scenario)


def test_the_dynamic_client_discovers_and_writes(client, namespace):
    from kubernetes_asyncio.dynamic import DynamicClient

    async def scenario(api):
        async with DynamicClient(api) as dynamic:
            sets = await dynamic.resources.get(api_version="apps/v1", kind="DaemonSet")
            made = await sets.create(body=daemon_set("agent"), namespace=namespace)
            assert made.metadata.name == "agent"
            listed = await sets.get(namespace=namespace)
            assert [each.metadata.name for each in listed.items] == ["agent"]

    client(scenario)


def test_a_watch_is_taken_up_where_it_was_left_and_ends_when_it_was_asked_to(client, namespace):
    from kubernetes_asyncio.client import CoreV1Api
    from kubernetes_asyncio.watch import Watch

    async def scenario(api):
        core = CoreV1Api(api)
        made = [await core.create_namespaced_config_map(namespace, {"metadata": {"name": f"x{at}"}}) for at in range(3)]
        await core.delete_namespaced_config_map("x1", namespace)
        async with Watch() as watch:
            told = watch.stream(
                core.list_namespaced_config_map,
                namespace,
                resource_version=made[0].metadata.resource_version,
                timeout_seconds=1,
            )
            seen = [(event["type"], event["object"].metadata.name) async for event in told]
        assert seen == [("ADDED", "x1"), ("ADDED", "x2"), ("DELETED", "x1")]

    client(scenario)


def test_fields_of_others_conflict_unless_they_are_taken_by_force(client, namespace):
    from kubernetes_asyncio.client import ApiException, AppsV1Api

    async def scenario(api):
        apps = AppsV1Api(api)

        def applied(seconds, manager, **more):
            body = daemon_set("agent", minReadySeconds=seconds)
            return apps.patch_namespaced_daemon_set(
                "agent", namespace, body, field_manager=manager, _content_type="application/apply-patch+yaml", **more
            )

        assert (await applied(1, "me")).spec.min_ready_seconds == 1
        with pytest.raises(ApiException) as refused:
            await applied(2, "other")
        assert refused.value.status == 409
        assert (await applied(2, "other", force=True)).spec.min_ready_seconds == 2

    client(scenario)
