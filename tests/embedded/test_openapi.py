"""The OpenAPI documents: whole, of one mind with the field tables, and fit for kubectl."""

from __future__ import annotations

import asyncio
import struct

import orjson
import pytest
from embedded_server import config_map, serving

from pytest_daemonset.embedded.discovery import verbs
from pytest_daemonset.embedded.kinds import ALL_KINDS, Kind
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.openapi import OpenApi, binary, words
from pytest_daemonset.embedded.openapi.details import DEFAULTS, REQUIRED, VALUES
from pytest_daemonset.embedded.openapi.operations import paths
from pytest_daemonset.embedded.openapi.schemas import V2, V3, schema_name, schemas
from pytest_daemonset.embedded.protobuf.wire import read_varint

PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

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
    found = schemas(KINDS, dialect)
    said = {each.removeprefix(dialect.prefix) for each in _references([found, paths(KINDS, dialect)])}
    assert said
    assert said <= set(found)


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if not kind.empty], ids=lambda kind: kind.kind)
def test_a_schema_has_the_fields_of_its_table(kind):
    schema = schemas([(kind, ())], V3)[schema_name(kind)]
    assert set(schema["properties"]) == set(kind.fields.fields)
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": kind.group, "version": kind.version, "kind": kind.kind}
    ]


def test_lists_say_how_a_patch_merges_them():
    found = schemas([(DAEMON_SET, ())], V3)
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
    found = schemas([(custom, ())], V3)["com.example.v1.Agent"]
    assert set(found["properties"]) == {"apiVersion", "kind", "metadata"}


def test_the_table_of_contents_leads_to_each_group_version():
    async def scenario():
        async with serving() as server:
            _, told = await server.ask("GET", "/openapi/v3")
            contents = orjson.loads(told)
            assert {"api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"} <= set(contents["paths"])
            for root, told in contents["paths"].items():
                status, document = await server.ask("GET", told["serverRelativeURL"])
                assert (status, document["openapi"]) == (200, "3.0.0"), root
            assert (await server.ask("GET", "/openapi/v3/apis/nonsense/v1"))[0] == 404
            status, whole = await server.ask("GET", "/openapi/v2")
            assert (status, whole["swagger"]) == (200, "2.0")
            assert "io.k8s.api.apps.v1.DaemonSet" in whole["definitions"]

    asyncio.run(scenario())


def _fields(data):
    """Number and value of each field of a message; lengths stand before all but numbers and doubles."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 1:
            yield key >> 3, struct.unpack_from("<d", data, at)[0]
            at += 8
            continue
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        yield key >> 3, value


def _one(data):
    ((_, value),) = _fields(data)
    return value


def _pairs(data, kind):
    (_, name), (_, value) = _fields(data)
    return name.decode(), _read(kind, value)


def _read(kind, data):
    """What protobuf says, as JSON says it."""
    if kind == "string":
        return data.decode()
    if kind in {"int", "double"}:
        return data
    if kind == "bool":
        return bool(data)
    if kind == "any":
        return orjson.loads(_one(data))
    if kind in binary._PAIRS:
        number, named = binary._PAIRS[kind]
        return dict(_pairs(each, named) for at, each in _fields(data) if at == number)
    if kind == "Strings":
        return [each.decode() for _, each in _fields(data)]
    if kind in binary._WRAPPED:
        return _read(binary._WRAPPED[kind][1], _one(data))
    if kind == "Additional":
        ((at, value),) = _fields(data)
        return bool(value) if at == 2 else _read("Schema", value)
    if kind == "Parameter":
        ((at, inner),) = _fields(_one(data))
        if at == 1:
            return _read("Body", inner)
        ((at, inner),) = _fields(inner)
        return _read({3: "Query", 4: "Path"}[at], inner)
    names = {number: (name, each) for name, (number, each) in binary._MESSAGES[kind].items()}
    told = {}
    for number, value in _fields(data):
        if number == binary._EXTENSIONS[kind]:
            told.update([_pairs(value, "any")])
            continue
        name, each = names[number]
        if each.startswith("[]"):
            told.setdefault(name, []).append(_read(each[2:], value))
        else:
            told[name] = _read(each, value)
    return told


def _without_empty_lists(value):
    """Protobuf does not tell an empty list from none."""
    if isinstance(value, dict):
        return {name: _without_empty_lists(each) for name, each in value.items() if each != [] or name == "BearerToken"}
    return [_without_empty_lists(each) for each in value] if isinstance(value, list) else value


# what a definition may say, and how discovery's clients read it
NUMBERS = {
    "minimum": 1,
    "maximum": 2.5,
    "exclusiveMaximum": True,
    "multipleOf": 0.5,
    "enum": [1, "a", None],
    "maxLength": 3,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", **NUMBERS, "title": "N", "example": {"a": 1}, "x-kubernetes-list-type": "set"},
        "m": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^a", "format": "date"}},
        "o": {"type": "object", "additionalProperties": True, "maxProperties": 200},
        "l": {
            "type": "array",
            "items": {"type": "object", "required": ["a", "b"]},
            "minItems": 0,
            "uniqueItems": False,
        },
    },
}


def test_the_protobuf_form_says_all_that_json_says():
    custom = Kind(group="example.com", version="v1", kind="Agent", plural="agents", singular="agent", schema=SCHEMA)
    documents = OpenApi([*KINDS, (custom, verbs(custom))])
    plain, packed = (documents.find("/openapi/v2", accept) for accept in ("", PROTOBUF))
    assert packed is documents.find("/openapi/v2", PROTOBUF.replace("v2.v1", "v2@v1"))
    assert _without_empty_lists(orjson.loads(plain.body)) == _read("Document", packed.body)
    assert plain.tag != packed.tag


def test_the_form_of_a_document_is_the_one_most_wanted():
    async def scenario():
        async with serving() as server:
            for accept, told in (
                (PROTOBUF, PROTOBUF),
                (PROTOBUF.replace("v2.v1", "v2@v1"), PROTOBUF),
                (f"{PROTOBUF},application/json", PROTOBUF),
                (f"application/json,{PROTOBUF}", "application/json"),
                ("application/*", "application/json"),
                ("*/*", "application/json"),
            ):
                async with server._session.get("/openapi/v2", headers={"Accept": accept}) as answer:
                    assert (answer.status, answer.headers["Content-Type"]) == (200, told), accept
                    etag = answer.headers["Etag"]
                headers = {"Accept": accept, "If-None-Match": etag}
                async with server._session.get("/openapi/v2", headers=headers) as answer:
                    assert answer.status == 304
            assert (await server.ask("GET", "/openapi/v2", Accept="text/html"))[0] == 406
            assert (await server.ask("GET", "/openapi/v3/apis/apps/v1", Accept=PROTOBUF))[0] == 406

    asyncio.run(scenario())


def test_a_document_is_not_sent_twice():
    async def scenario():
        async with serving() as server:
            path = "/openapi/v3/apis/apps/v1"
            async with server._session.get(path) as answer:
                tag = answer.headers["Etag"]
            assert (await server.ask("GET", path, If_None_Match=tag))[0] == 304

    asyncio.run(scenario())


def test_a_document_that_is_asked_for_by_its_hash_may_be_kept():
    async def scenario():
        async with serving() as server:
            async with server._session.get("/openapi/v3") as answer:
                assert (answer.content_type, "Etag" in answer.headers) == ("text/plain", False)
                contents = orjson.loads(await answer.read())
            url = contents["paths"]["apis/apps/v1"]["serverRelativeURL"]
            async with server._session.get(url) as answer:
                assert answer.headers["Cache-Control"] == "public, immutable"
                assert "Expires" in answer.headers
                assert url.endswith(answer.headers["Etag"].strip('"'))
            async with server._session.get("/openapi/v3/apis/apps/v1?hash=OLD", allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (301, url)

    asyncio.run(scenario())


def _property(message, field):
    found = schemas(KINDS, V3)
    name = next(name for name in found if name.endswith(f".{message}"))
    return found[name]["properties"][field]


@pytest.mark.parametrize(
    ("message", "field", "keys"),
    [
        ("Container", "ports", ["containerPort", "protocol"]),
        ("PodSpec", "topologySpreadConstraints", ["topologyKey", "whenUnsatisfiable"]),
        ("ResourceRequirements", "claims", ["name"]),
        ("ObjectMeta", "ownerReferences", ["uid"]),
    ],
)
def test_a_list_says_by_which_keys_server_side_apply_merges_it(message, field, keys):
    told = _property(message, field)
    assert (told["x-kubernetes-list-type"], told["x-kubernetes-list-map-keys"]) == ("map", keys)


def test_lists_and_objects_that_are_one_value_say_so():
    assert _property("ObjectMeta", "finalizers")["x-kubernetes-list-type"] == "set"
    assert _property("PodSpec", "tolerations")["x-kubernetes-list-type"] == "atomic"
    assert _property("PodSpec", "nodeSelector")["x-kubernetes-map-type"] == "atomic"
    assert schemas([(DAEMON_SET, ())], V3)["io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"][
        "x-kubernetes-map-type"
    ] == ("atomic")


def test_fields_say_what_stands_for_them_and_which_values_they_take():
    assert _property("ContainerPort", "protocol")["default"] == "TCP"
    assert _property("ContainerPort", "containerPort")["default"] == 0
    assert _property("DaemonSetSpec", "template")["default"] == {}
    assert "default" not in _property("DaemonSetSpec", "selector")
    assert _property("DaemonSetUpdateStrategy", "type")["enum"] == ["OnDelete", "RollingUpdate"]
    assert _property("RuleWithOperations", "operations")["items"]["enum"] == [
        "*",
        "CONNECT",
        "CREATE",
        "DELETE",
        "UPDATE",
    ]


def test_what_is_said_of_fields_beyond_the_tables_is_about_fields_that_there_are():
    def known(message, field):
        return field in MESSAGES[message].fields

    assert all(known(*key) for key in [*VALUES, *DEFAULTS])
    assert all(known(message, field) for message, fields in REQUIRED.items() for field in fields)
    for key in words._SAID:
        message, _, field = key.partition(".")
        assert message == "*" or (known(message, field) if field else message in MESSAGES), key


def test_operations_have_the_names_that_generated_clients_are_made_of():
    names = {
        operation["operationId"]
        for path in paths(KINDS, V3).values()
        for method, operation in path.items()
        if method != "parameters"
    }
    assert {
        "readAppsV1NamespacedDaemonSet",
        "replaceAppsV1NamespacedDaemonSetStatus",
        "listCoreV1PodForAllNamespaces",
        "deleteCoreV1CollectionNamespacedPod",
        "createCoreV1Node",
        "patchRbacAuthorizationV1ClusterRole",
    } <= names
    operations = list(paths(KINDS, V3).values())
    assert len(names) == sum(len(path) - 1 for path in operations)


def test_a_deletion_answers_a_status_or_what_was_deleted():
    found = paths(KINDS, V3)

    def answered(path):
        content = found[path]["delete"]["responses"]["200"]["content"]["application/json"]
        return content["schema"]["$ref"].rpartition(".")[2]

    assert answered("/api/v1/namespaces/{namespace}/pods/{name}") == "Pod"
    assert answered("/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}") == "Status"
    assert answered("/api/v1/namespaces/{namespace}/pods") == "Status"


def test_the_schema_of_a_custom_resource_is_put_as_v2_can_say_it():
    spec = {"nullable": True, "type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}}
    schema = {"type": "object", "properties": {"spec": spec, "n": {"type": "integer", "default": 1}}}
    custom = Kind(group="example.com", version="v1", kind="Agent", plural="agents", singular="agent", schema=schema)
    told = schemas([(custom, ())], V2)["com.example.v1.Agent"]["properties"]
    assert told["n"] == {"type": "integer"}
    assert told["spec"] == {}
    assert schemas([(custom, ())], V3)["com.example.v1.Agent"]["properties"]["spec"] == spec


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
