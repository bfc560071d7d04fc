"""The OpenAPI documents: whole, of one mind with the field tables, and fit for kubectl."""

from __future__ import annotations

import asyncio

import pytest
from embedded_server import config_map, serving

from pytest_daemonset.embedded.discovery import verbs
from pytest_daemonset.embedded.kinds import ALL_KINDS, Kind
from pytest_daemonset.embedded.openapi import OpenApi
from pytest_daemonset.embedded.openapi.operations import paths
from pytest_daemonset.embedded.openapi.schemas import V2, V3, schema_name, schemas

KINDS = [(kind, verbs(kind)) for kind in ALL_KINDS if not kind.empty]
DAEMON_SET = next(kind for kind in ALL_KINDS if kind.kind == "DaemonSet")


def _references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


@pytest.mark.parametrize("dialect", [V2, V3], ids=["v2", "v3"])
def test_every_reference_leads_somewhere(dialect):
    found = schemas([kind for kind, _ in KINDS], dialect)
    said = {each.removeprefix(dialect.prefix) for each in _references([found, paths(KINDS, dialect)])}
    assert said
    assert said <= set(found)


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if not kind.empty], ids=lambda kind: kind.kind)
def test_a_schema_has_the_fields_of_its_table(kind):
    schema = schemas([kind], V3)[schema_name(kind)]
    assert set(schema["properties"]) == set(kind.fields.fields)
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": kind.group, "version": kind.version, "kind": kind.kind}
    ]


def test_lists_say_how_a_patch_merges_them():
    found = schemas([DAEMON_SET], V3)
    pod = found["io.k8s.api.core.v1.PodSpec"]
    assert pod["required"] == ["containers"]
    assert pod["properties"]["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert pod["properties"]["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert found["io.k8s.api.apps.v1.DaemonSetSpec"]["required"] == ["selector", "template"]


def test_a_patch_says_that_the_server_checks_fields():
    operation = paths(KINDS, V3)["/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"]["patch"]
    assert operation["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "DaemonSet"}
    assert "fieldValidation" in {each["name"] for each in operation["parameters"]}


def test_custom_resources_know_no_strategic_merge_and_bring_their_schema():
    custom = Kind(
        group="example.com", version="v1", kind="Agent", plural="agents", singular="agent", schema={"type": "object"}
    )
    patch = paths([(custom, verbs(custom))], V3)["/apis/example.com/v1/namespaces/{namespace}/agents/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    built_in = paths(KINDS, V3)["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" in built_in["requestBody"]["content"]
    found = schemas([custom], V3)["com.example.v1.Agent"]
    assert set(found["properties"]) == {"apiVersion", "kind", "metadata"}


def test_the_table_of_contents_leads_to_each_group_version():
    async def scenario():
        async with serving() as server:
            _, contents = await server.ask("GET", "/openapi/v3")
            assert {"api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"} <= set(contents["paths"])
            for root, told in contents["paths"].items():
                status, document = await server.ask("GET", told["serverRelativeURL"])
                assert (status, document["openapi"]) == (200, "3.0.0"), root
            assert (await server.ask("GET", "/openapi/v3/apis/nonsense/v1"))[0] == 404
            status, whole = await server.ask("GET", "/openapi/v2")
            assert (status, whole["swagger"]) == (200, "2.0")
            assert "io.k8s.api.apps.v1.DaemonSet" in whole["definitions"]

    asyncio.run(scenario())


def test_a_document_is_not_sent_twice_and_only_as_json():
    async def scenario():
        async with serving() as server:
            async with server._session.get("/openapi/v3") as answer:
                tag = answer.headers["Etag"]
            assert (await server.ask("GET", "/openapi/v3", If_None_Match=tag))[0] == 304
            accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
            assert (await server.ask("GET", "/openapi/v2", Accept=accept))[0] == 406

    asyncio.run(scenario())


def test_documents_are_made_once():
    documents = OpenApi(KINDS)
    assert documents.find("/openapi/v2") is documents.find("/openapi/v2")
    assert documents.find("/openapi/v1") is None


def test_a_strict_patch_that_brings_an_unknown_field_is_invalid():
    async def scenario():
        async with serving() as server:
            path = "/api/v1/namespaces/here/configmaps"
            await server.ask("POST", path, config_map("a"))
            merge = {"Content_Type": "application/merge-patch+json"}
            status, answer = await server.ask("PATCH", f"{path}/a?fieldValidation=Strict", {"bogus": 1}, **merge)
            assert (status, answer["details"]["causes"][0]["field"]) == (422, "patch")
            status, answer = await server.ask("PATCH", f"{path}/a", {"bogus": 1}, **merge)
            assert status == 200

    asyncio.run(scenario())
