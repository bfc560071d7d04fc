"""What controllers wait for before they begin is there to be listed and watched, and never holds anything."""

from __future__ import annotations

import asyncio

import pytest
from embedded_server import serving

from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.protobuf import opened

EMPTY = [kind for kind in ALL_KINDS if kind.empty]
PROTOBUF = "application/vnd.kubernetes.protobuf"
DEPLOYMENTS = "/apis/apps/v1/namespaces/here/deployments"


def _path(kind):
    return f"/apis/{kind.group}/{kind.version}/{kind.plural}" if kind.group else f"/api/{kind.version}/{kind.plural}"


@pytest.mark.parametrize("kind", EMPTY, ids=lambda kind: kind.plural)
def test_an_informer_of_it_syncs(kind):
    async def scenario():
        async with serving() as server:
            path = _path(kind)
            status, listed = await server.ask("GET", path)
            assert (status, listed["kind"], listed["apiVersion"]) == (200, f"{kind.kind}List", kind.api_version)
            assert (listed["items"], int(listed["metadata"]["resourceVersion"]) > 0) == ([], True)
            envelope = opened((await server.ask("GET", path, Accept=PROTOBUF))[1])
            assert (envelope.api_version, envelope.kind) == (kind.api_version, f"{kind.kind}List")
            _, table = await server.ask("GET", path, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
            assert (table["kind"], table["rows"]) == ("Table", [])
            streaming = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
            async with server.watch(f"{path}?{streaming}") as events:
                first = await events.next()
                assert first is not None
                assert first["type"] == "BOOKMARK"
                assert first["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"

    asyncio.run(scenario())


def test_one_of_it_is_not_found():
    async def scenario():
        async with serving() as server:
            merge = "application/merge-patch+json"
            for method, body, headers in (
                ("GET", None, {}),
                ("DELETE", None, {}),
                ("PATCH", {"spec": {"replicas": 1}}, {"Content_Type": merge}),
            ):
                status, told = await server.ask(method, f"{DEPLOYMENTS}/web", body, **headers)
                assert (status, told["reason"], told["details"]["kind"]) == (404, "NotFound", "deployments")
            assert (await server.ask("GET", f"{DEPLOYMENTS}/web/scale"))[0] == 404
            status, _ = await server.ask("DELETE", DEPLOYMENTS)
            assert status == 200

    asyncio.run(scenario())


def test_one_that_is_written_is_not_kept_without_its_rules():
    async def scenario():
        async with serving() as server:
            deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
            for method, path, headers in (
                ("POST", DEPLOYMENTS, {}),
                ("PUT", f"{DEPLOYMENTS}/web", {}),
                ("PATCH", f"{DEPLOYMENTS}/web?fieldManager=x", {"Content_Type": "application/apply-patch+yaml"}),
            ):
                status, told = await server.ask(method, path, deployment, **headers)
                assert (status, "deployments of apps" in told["message"]) == (501, True)
            assert (await server.ask("GET", DEPLOYMENTS))[1]["items"] == []
            _, counted = await server.ask("GET", "/debug/unimitated")
            assert len(counted) == 3

    asyncio.run(scenario())


def test_it_is_discovered_and_nothing_is_said_of_its_fields():
    async def scenario():
        async with serving() as server:
            for kind in EMPTY:
                group = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
                _, told = await server.ask("GET", group)
                found = {each["name"]: each for each in told["resources"]}
                assert (found[kind.plural]["kind"], found[kind.plural]["namespaced"]) == (kind.kind, kind.namespaced)
                assert {"create", "list", "watch"} < set(found[kind.plural]["verbs"])
            _, told = await server.ask("GET", "/openapi/v3/apis/apps/v1")
            assert not [name for name in told["components"]["schemas"] if "Deployment" in name]

    asyncio.run(scenario())
