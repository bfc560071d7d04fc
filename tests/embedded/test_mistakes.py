"""What controllers and people get wrong is answered with the status, the reason and the words of kube-apiserver 1.36.2."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from embedded_server import config_map, pod, serving

from pytest_daemonset.embedded.kinds import customresourcedefinition

MAPS = "/api/v1/namespaces/here/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/here/leases"
SECRETS = "/api/v1/namespaces/here/secrets"
MERGE, STRATEGIC, JSON, APPLY = (
    f"application/{name}"
    for name in ("merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
)


def said(version: str) -> dict[str, Any]:
    return {"metadata": {"name": "a", "resourceVersion": version}, "data": {}}


MISTAKES = [
    ("PUT", f"{MAPS}/a", said("abc"), "", 500, None, 'strconv.ParseUint: parsing "abc": invalid syntax'),
    ("PUT", f"{MAPS}/a", said("1"), "", 409, "Conflict", "the object has been modified"),
    ("PATCH", f"{MAPS}/a", {"metadata": {"uid": "z"}}, MERGE, 422, "Invalid", "metadata.uid: Invalid value"),
    ("PATCH", f"{MAPS}/a", {"kind": "Pod"}, MERGE, 422, "Invalid", "patch: Invalid value"),
    (
        "PATCH",
        "/api/v1/namespaces/here/pods/p/status",
        {"apiVersion": "apps/v1", "kind": "DaemonSet"},
        MERGE,
        422,
        "Invalid",
        "patch: Invalid value",
    ),
    (
        "PATCH",
        f"{MAPS}/absent?fieldManager=m",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"uid": "z", "name": "absent"}},
        APPLY,
        409,
        "Conflict",
        "uid mismatch: the provided object specified uid z, and no existing object was found",
    ),
    (
        "PATCH",
        "/api/v1/namespaces/here/pods/p",
        {"spec": {"containers": [{"name": "c", "$retainKeys": ["name"], "image": "x"}]}},
        STRATEGIC,
        400,
        "BadRequest",
        "image is set and not retained",
    ),
    (
        "PATCH",
        f"{MAPS}/a",
        [{"op": "replace", "path": "/apiVersion", "value": "v2"}],
        JSON,
        422,
        "Invalid",
        "patch: Invalid",
    ),
    ("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": ["bad"]}}, MERGE, 422, "Invalid", "metadata.finalizers[0]"),
    (
        "POST",
        LEASES,
        {"metadata": {"name": "a"}, "spec": {"renewTime": "2026-01-02T03:04:05Z"}},
        "",
        400,
        "BadRequest",
        'cannot parse "Z"',
    ),
    (
        "POST",
        LEASES,
        {"metadata": {"name": "a"}, "spec": {"renewTime": "2026-01-02T03:04:05.123Z"}},
        "",
        400,
        "BadRequest",
        'cannot parse ".123Z"',
    ),
    ("GET", f"{MAPS}?timeout=x", None, "", 400, "BadRequest", "invalid timeout specified in the request URL"),
    (
        "POST",
        f"{MAPS}?timeout=5",
        config_map("x"),
        "",
        400,
        "BadRequest",
        "invalid timeout specified in the request URL",
    ),
    ("PATCH", f"{MAPS}/a?force=true", {}, MERGE, 422, "Invalid", "force: Forbidden: may not be specified"),
    ("POST", f"{MAPS}?dryRun=", config_map("x"), "", 422, "Invalid", 'dryRun: Unsupported value: [""]'),
    (
        "POST",
        f"{MAPS}?fieldManager=a%01",
        config_map("x"),
        "",
        422,
        "Invalid",
        "invalid character U+0001 (at position 1)",
    ),
    ("POST", MAPS, b"null", "", 422, "Invalid", "metadata.name: Required value: name or generateName is required"),
    (
        "POST",
        MAPS,
        config_map("UP"),
        "",
        422,
        "Invalid",
        "(e.g. 'example.com', regex used for validation is '[a-z0-9](",
    ),
    ("POST", MAPS, config_map("l", a="-"), "", 422, "Invalid", "a valid label must be an empty string or consist of"),
    ("GET", f"{MAPS}/a?resourceVersion=abc", None, "", 500, None, "strconv.ParseUint"),
    (
        "GET",
        f"{MAPS}?labelSelector=-a%3Db",
        None,
        "",
        400,
        "BadRequest",
        'unable to parse requirement: <nil>: Invalid value: "-a"',
    ),
    ("GET", f"{MAPS}?watch=1&continue=x", None, "", 422, "Invalid", "forbidden when continue is provided"),
    (
        "POST",
        SECRETS,
        {"metadata": {"name": "s"}, "type": "kubernetes.io/tls"},
        "",
        422,
        "Invalid",
        "data[tls.crt]: Required",
    ),
    (
        "POST",
        "/api/v1/namespaces/here/pods/p/binding",
        {"metadata": {"name": "p"}, "target": {"kind": "Pod", "name": "n"}},
        "",
        500,
        None,
        "target.kind",
    ),
    (
        "POST",
        "/api/v1/namespaces/here/pods/p/binding",
        {"metadata": {"name": "p"}, "target": {}},
        "",
        500,
        None,
        "target.name: Required value",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "media", "code", "reason", "words"), MISTAKES)
def test_a_mistake_is_answered_in_the_words_of_kubernetes(
    method: str, path: str, body: Any, media: str, code: int, reason: str | None, words: str
) -> None:
    async def scenario() -> None:
        async with serving() as server:
            await server.ask("POST", MAPS, config_map("a"))
            await server.ask("POST", "/api/v1/namespaces/here/pods", pod("p"))
            status, answer = await server.ask(method, path, body, Content_Type=media or "application/json")
            assert (status, answer.get("reason")) == (code, reason), answer
            assert words in answer["message"]

    asyncio.run(scenario())


@pytest.mark.parametrize("media", [STRATEGIC, JSON])
def test_a_patch_that_is_null_changes_nothing(media: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            _, before = await server.ask("POST", MAPS, config_map("a"))
            status, after = await server.ask("PATCH", f"{MAPS}/a", b"null", Content_Type=media)
            assert (status, after) == (200, before)

    asyncio.run(scenario())


def test_what_is_not_written_in_any_format_that_was_asked_for_is_told_with_those_that_there_are() -> None:
    async def scenario() -> None:
        async with serving() as server:
            status, answer = await server.ask("GET", MAPS, Accept="text/html")
            assert (status, answer["reason"]) == (406, "NotAcceptable")
            assert answer["message"].startswith("406: Not Acceptable\n\nAvailable representations: application/json, ")

    asyncio.run(scenario())


def test_a_subject_without_a_namespace_passes_in_a_role_binding_and_not_in_a_cluster_role_binding() -> None:
    async def scenario() -> None:
        async with serving() as server:
            root = "/apis/rbac.authorization.k8s.io/v1"
            binding = {
                "metadata": {"name": "b"},
                "subjects": [{"kind": "ServiceAccount", "name": "d"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"},
            }
            assert (await server.ask("POST", f"{root}/namespaces/here/rolebindings", binding))[0] == 201
            assert (await server.ask("POST", f"{root}/clusterrolebindings", binding))[0] == 422

    asyncio.run(scenario())


@pytest.mark.parametrize("pattern", [5, ["x"], "("])
def test_a_pattern_that_cannot_be_read_is_refused_with_its_definition(pattern: object) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": pattern}}}
    (error,) = customresourcedefinition._validate_schema(schema, "schema")
    assert (error.reason, error.field) == ("FieldValueInvalid", "schema.properties[name].pattern")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_only_the_server_writes_is_passed_over(method: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            _, made = await server.ask(
                "POST", MAPS, {**config_map("a"), "metadata": {"name": "a", "finalizers": ["x.y/z"]}}
            )
            _, going = await server.ask("DELETE", f"{MAPS}/a")
            sent = {
                "creationTimestamp": "2020-01-01T00:00:00Z",
                "deletionTimestamp": "2020-01-01T00:00:00Z",
                "generation": 7,
            }
            metadata = {"name": "a", "finalizers": ["x.y/z"], "labels": {"new": method.lower()}, **sent}
            body = {**config_map("a"), "metadata": metadata}
            code, told = await server.ask(
                method, f"{MAPS}/a", body, **({"Content_Type": MERGE} if method == "PATCH" else {})
            )
            assert (code, told["metadata"]["labels"]) == (200, {"new": method.lower()})
            assert told["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
            assert told["metadata"]["deletionTimestamp"] == going["metadata"]["deletionTimestamp"]
            assert told["metadata"].get("generation") == going["metadata"].get("generation")

    asyncio.run(scenario())


LEASES = "/apis/coordination.k8s.io/v1/namespaces/here/leases"
LEASE = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}}


def test_a_lease_is_made_by_an_update_and_updated_only_by_who_has_seen_it() -> None:
    async def scenario() -> None:
        async with serving() as server:
            code, told = await server.ask("PUT", f"{LEASES}/l", {**LEASE, "metadata": {"name": "l", "uid": "x"}})
            assert (code, told["reason"]) == (409, "Conflict")
            code, made = await server.ask(
                "PUT", f"{LEASES}/l", {**LEASE, "metadata": {"name": "l", "resourceVersion": "5"}}
            )
            assert code == 201
            code, told = await server.ask("PUT", f"{LEASES}/l", LEASE)
            assert (code, told["details"]["causes"][0]["field"]) == (422, "metadata.resourceVersion")
            seen = {"name": "l", "resourceVersion": made["metadata"]["resourceVersion"]}
            assert (await server.ask("PUT", f"{LEASES}/l", {**LEASE, "metadata": seen}))[0] == 200

    asyncio.run(scenario())
