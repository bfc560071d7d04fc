"""What the server answers to requests that are wrong, foreign or not imitated: always what Kubernetes would say, never a traceback."""

from __future__ import annotations

import asyncio
import io

import orjson
import pytest
from embedded_server import ALICE, PATIENCE, config_map, pod, serving

from pytest_daemonset.embedded.http import BODY_LIMIT
from pytest_daemonset.embedded.reviews import REVIEWS

MAPS = "/api/v1/namespaces/here/configmaps"


def _ask(method: str, path: str, body=None, **headers: str):
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            return await asyncio.wait_for(server.ask(method, path, body, **headers), PATIENCE)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{not json", 400),
        (b"", 400),
        (b"[]", 400),
        (b"null", 422),
        (b'"text"', 400),
        (b"\xff\xfe", 400),
        (b'{"metadata": {"name": "\xc3"}}', 422),
        (b'{"metadata": []}', 400),
        (b'{"metadata": {"name": 3}}', 400),
        (b'{"metadata": {"name": "a"}}', 409),
        (b"[" * 100_000, 400),
        (b'{"data":' * 900 + b"1" + b"}" * 900, 400),
        (b'{"metadata": {"name": "x", "labels": {"a": null}}}', 201),
        (b'{"kind": "Pod", "metadata": {"name": "x"}}', 400),
    ],
)
def test_a_body_that_is_no_object_of_the_kind_gets_a_status(body, code):
    status, answer = _ask("POST", MAPS, body)
    assert (status, answer["kind"]) == (code, "ConfigMap" if code == 201 else "Status")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", f"{MAPS}/a", {"orphanDependents": []}),
        ("DELETE", f"{MAPS}/a", {"propagationPolicy": 5}),
        ("DELETE", f"{MAPS}/a", {"preconditions": []}),
        ("DELETE", f"{MAPS}/a", {"gracePeriodSeconds": "soon"}),
        ("DELETE", f"{MAPS}/a?gracePeriodSeconds=soon", None),
        ("DELETE", f"{MAPS}/a", {"kind": "ConfigMap"}),
        ("DELETE", MAPS, {"dryRun": 5}),
        ("POST", "/api/v1/namespaces/here/pods/p/binding", {"target": 5}),
        ("POST", "/api/v1/namespaces/here/pods/p/binding", {"target": {"name": 7}}),
        ("POST", "/api/v1/namespaces/here/pods/p/binding", {"metadata": 5, "target": {"name": "n"}}),
        ("POST", "/api/v1/namespaces/here/pods/p/eviction", {"deleteOptions": {"gracePeriodSeconds": "x"}}),
    ],
)
def test_options_of_another_type_are_a_bad_request(method, path, body):
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            server.api.create(ALICE, "pods", "here", pod("p"))
            status, answer = await server.ask(method, path, body)
            assert (status, answer["reason"]) == (400, "BadRequest")

    asyncio.run(scenario())


@pytest.mark.parametrize("length_is_told", [True, False])
def test_a_body_above_the_limit_is_refused(length_is_told):
    body = b'{"data":{"k":"' + b"x" * BODY_LIMIT + b'"}}'

    async def pieces():
        yield body

    async def scenario():
        async with serving() as server:
            data = io.BytesIO(body) if length_is_told else pieces()
            async with server._session.post(MAPS, data=data, headers={"Content-Type": "application/json"}) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (413, "RequestEntityTooLarge")

    asyncio.run(scenario())


def test_a_token_that_nobody_has_is_unauthorized():
    assert _ask("GET", MAPS, Authorization="Bearer wrong")[0] == 401


@pytest.mark.parametrize("authorization", ["Bearer", "Basic YTpi", "nonsense"])
def test_who_brings_no_token_is_nobody(authorization):
    assert _ask("GET", MAPS, Authorization=authorization)[0] == 403


@pytest.mark.parametrize(
    ("path", "code"),
    [("/api/v1/nodes", 403), ("/apis", 403), ("/debug/unimitated", 403), ("/version", 200), ("/livez", 200)],
)
def test_who_has_no_token_sees_only_what_everybody_may_see(path, code):
    assert _ask("GET", path, Authorization="")[0] == code


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nope", 404),
        ("GET", "/apis/nope.example/v1/things", 404),
        ("GET", "/apis/apps/v9/daemonsets", 404),
        ("GET", "/api/v1/gadgets", 404),
        ("GET", "/api/v1/namespaces/here/nodes", 404),
        ("GET", "/api/v1/configmaps/a", 404),
        ("GET", f"{MAPS}/a/nope", 404),
        ("POST", f"{MAPS}/a", 405),
        ("PUT", MAPS, 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("POST", "/api/v1/configmaps", 405),
        ("OPTIONS", MAPS, 405),
        ("GET", "/api/v1/namespaces/here/pods/p/binding", 405),
    ],
)
def test_a_path_or_method_that_is_not_there_is_told_so(method, path, code):
    assert _ask(method, path)[0] == code


def test_what_is_not_imitated_is_answered_501_and_counted():
    async def scenario():
        async with serving() as server:
            asked = [
                "/api/v1/componentstatuses",
                "/apis/networking.k8s.io/v1/servicecidrs",
                "/metrics",
                "/apis/apiregistration.k8s.io/v1/apiservices",
                "/api/v1/componentstatuses",
            ]
            for path in asked:
                status, body = await server.ask("GET", path)
                assert (status, body["kind"]) == (501, "Status")
            _, counted = await server.ask("GET", "/debug/unimitated")
            assert sorted(counted.values()) == [1, 1, 1, 2]
            assert any(each.startswith("GET /api/v1/componentstatuses") for each in counted)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/vnd.kubernetes.protobuf,application/json", 200),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 200),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", 200),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", 406),
        ("application/cbor", 406),
        ("text/html", 406),
    ],
)
def test_only_what_nobody_writes_is_not_acceptable(accept, code):
    assert _ask("GET", MAPS, Accept=accept)[0] == code


@pytest.mark.parametrize("content_type", ["application/cbor", "text/plain", "application/x-www-form-urlencoded"])
def test_other_formats_than_json_yaml_and_protobuf_are_unsupported(content_type):
    assert _ask("POST", MAPS, b"a=b", Content_Type=content_type)[0] == 415


def test_unknown_fields_are_dropped_with_a_warning_or_refused():
    async def scenario():
        async with serving() as server:
            body = orjson.dumps({**config_map("b"), "bogus": 1})
            async with server._session.post(MAPS, data=body, headers={"Content-Type": "application/json"}) as answer:
                assert answer.status == 201
                assert answer.headers["Warning"] == r'299 - "unknown field \"bogus\""'
                assert "bogus" not in await answer.json()
            status, _ = await server.ask("POST", f"{MAPS}?fieldValidation=Strict", body)
            assert status == 400

    asyncio.run(scenario())


PODS = "/api/v1/namespaces/here/pods"
TWICE = (
    b'{"metadata":{"name":"x","labels":{"a":"1","a":"2"}},"odd":{"o":1,"o":2},'
    b'"spec":{"containers":[{"name":"c","image":"i","image":"j"}],"odd":1,"odd":2}}'
)
TOLD = [
    *('unknown field "odd"', 'unknown field "spec.odd"'),
    *('duplicate field "metadata.labels.a"', 'duplicate field "spec.containers[0].image"'),
]
YAML_TWICE = b"metadata:\n  name: x\n  name: x\nspec:\n  containers: [{name: c, image: i, image: j}]\n"
YAML_TOLD = 'yaml: unmarshal errors:\n  line 3: key "name" already set in map\n  line 5: key "image" already set in map'
YAML, MERGE, STRATEGIC, JSON, APPLY = (
    f"application/{name}"
    for name in ("yaml", "merge-patch+json", "strategic-merge-patch+json", "json-patch+json", "apply-patch+yaml")
)
PATCH = b'{"metadata":{"labels":{"b":"1","b":"2"}}}'
OPERATION = b'[{"op":"add","path":"/metadata/labels","value":{},"value":{"b":"1"}}]'
APPLIED = b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  name: p\n"


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "code", "told"),
    [
        ("POST", PODS, TWICE, "application/json", 400, TOLD),
        ("PUT", f"{PODS}/p", TWICE.replace(b'"x"', b'"p"'), "application/json", 400, TOLD),
        ("POST", PODS, YAML_TWICE, YAML, 400, [YAML_TOLD]),
        ("PATCH", f"{PODS}/p", PATCH, MERGE, 422, ['duplicate field "metadata.labels.b"']),
        ("PATCH", f"{PODS}/p", PATCH, STRATEGIC, 422, ['duplicate field "metadata.labels.b"']),
        ("PATCH", f"{PODS}/p", OPERATION, JSON, 422, ['json patch duplicate field "[0].value"']),
        ("PATCH", f"{PODS}/p", APPLIED, APPLY, 400, ['line 5: key "name" already set in map']),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            b'{"kind":"SelfSubjectReview","kind":"SelfSubjectReview"}',
            "application/json",
            400,
            ['duplicate field "kind"'],
        ),
    ],
)
def test_fields_that_stand_twice_are_told_to_who_asks(method, path, body, content_type, code, told):
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "pods", "here", pod("p"))
            at = f"{path}?fieldManager=m&force=true" if content_type == APPLY else f"{path}?fieldManager=m"
            status, refused = await server.ask(method, f"{at}&fieldValidation=Strict", body, Content_Type=content_type)
            assert status == code, refused
            assert [text for text in told if text not in refused["message"].replace('\\"', '"')] == []
            headers = {"Content-Type": content_type}
            for mode, warned in (("Warn", told), ("Ignore", [])):
                asked = f"{at}&dryRun=All&fieldValidation={mode}"
                async with server._session.request(method, asked, data=body, headers=headers) as answer:
                    assert answer.status in {200, 201, 422}, await answer.text()
                    warnings = [orjson.loads(each[6:]) for each in answer.headers.getall("Warning", [])]
                    assert [text for text in warned if not any(text in each for each in warnings)] == []
                    assert len(warnings) == len(warned)

    asyncio.run(scenario())


def test_the_first_of_several_query_values_counts():
    status, answer = _ask("GET", f"{MAPS}?limit=1&limit=nonsense")
    assert (status, len(answer["items"])) == (200, 1)


def test_head_is_not_allowed_and_has_no_body():
    async def scenario():
        async with serving() as server, server._session.head("/api/v1/namespaces/here") as answer:
            assert (answer.status, await answer.read()) == (405, b"")
            assert int(answer.headers["Content-Length"]) > 0

    asyncio.run(scenario())


def test_generated_names_are_made_of_the_prefix_and_five_letters():
    async def scenario():
        async with serving() as server:
            made = set()
            for _ in range(20):
                status, body = await server.ask("POST", MAPS, {"metadata": {"generateName": "gen-"}})
                assert status == 201
                made.add(body["metadata"]["name"])
            assert len(made) == 20
            assert all(name.startswith("gen-") and len(name) == 9 for name in made)

    asyncio.run(scenario())


def test_every_served_resource_can_be_discovered_in_both_forms():
    async def scenario():
        async with serving() as server:
            _, groups = await server.ask("GET", "/apis")
            found = {"v1"} | {version["groupVersion"] for group in groups["groups"] for version in group["versions"]}
            listed = set()
            for version in found:
                _, resources = await server.ask("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
                assert resources["groupVersion"] == version
                listed |= {(version, each["name"]) for each in resources["resources"] if "/" not in each["name"]}
            kinds = [*(each.kind for each in server.api.served.values()), *REVIEWS]
            assert listed == {(kind.api_version, kind.plural) for kind in kinds}
            aggregated = set()
            for path in ("/api", "/apis"):
                accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
                status, body = await server.ask("GET", path, Accept=accept)
                assert (status, body["kind"]) == (200, "APIGroupDiscoveryList")
                for group in body["items"]:
                    for version in group["versions"]:
                        name = "/".join(
                            part for part in (group["metadata"].get("name", ""), version["version"]) if part
                        )
                        aggregated |= {(name, each["resource"]) for each in version["resources"]}
            assert aggregated == listed
            _, version = await server.ask("GET", "/version")
            assert (version["major"], version["minor"]) == ("1", "36")

    asyncio.run(scenario())


def test_two_writers_of_one_version_conflict():
    async def scenario():
        async with serving() as server:
            made = server.api.create(ALICE, "pods", "here", pod("p"))
            made["metadata"]["labels"] = {"a": "1"}
            answers = await asyncio.gather(
                *(server.ask("PUT", "/api/v1/namespaces/here/pods/p", made) for _ in range(2))
            )
            # the second writes what the first has written, on a version that is gone
            assert sorted(status for status, _ in answers) == [200, 409]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=-1", 200),
        ("limit=x", 400),
        ("timeoutSeconds=x", 400),
        ("watch=true&timeoutSeconds=x", 400),
        ("sendInitialEvents=true", 422),
        ("fieldSelector=%3D", 200),
        ("fieldSelector=,,", 200),
        ("fieldSelector=%20", 400),
        ("fieldSelector=metadata.name%3Dx%3Dy", 400),
        ("fieldSelector=metadata.name%3Dx%5C%3Dy", 200),
        ("fieldSelector=metadata.name%3Dx%5C,y", 200),
        ("fieldSelector=name%3Dx", 400),
    ],
)
def test_what_a_list_is_asked_for_is_read_as_by_kube_apiserver(query, code):
    assert _ask("GET", f"{MAPS}?{query}")[0] == code


@pytest.mark.parametrize("path", ["/apis/apps/v2", "/apis/apps/v1beta1/daemonsets", "/api/v2"])
def test_a_version_that_is_not_there_is_told_by_a_status(path):
    status, told = _ask("GET", path)
    assert (status, told["kind"], told["reason"], told["details"]) == (404, "Status", "NotFound", {})


def test_what_is_discovered_is_in_the_order_of_kube_apiserver():
    groups = [each["name"] for each in _ask("GET", "/apis")[1]["groups"]]
    assert groups[:3] == ["apps", "events.k8s.io", "authentication.k8s.io"]
    names = [each["name"] for each in _ask("GET", "/apis/apps/v1")[1]["resources"]]
    assert names == sorted(names)


@pytest.mark.parametrize("part", ["binding", "eviction"])
def test_a_pod_is_not_moved_under_another_name(part):
    body = {"metadata": {"name": "q"}, "target": {"kind": "Node", "name": "n"}}
    status, told = _ask("POST", f"/api/v1/namespaces/here/pods/p/{part}", body)
    assert (status, told["reason"]) == (400, "BadRequest")


def test_options_that_contradict_each_other_or_are_too_long_are_refused():
    both = {"propagationPolicy": "Orphan", "orphanDependents": True}
    long = "x" * 129

    async def scenario():
        async with serving() as server:
            await server.ask("POST", MAPS, config_map("a"))
            status, told = await server.ask("DELETE", f"{MAPS}/a", both)
            assert (status, told["details"]["causes"][0]["field"]) == (422, "propagationPolicy")
            status, told = await server.ask("POST", f"{MAPS}?fieldManager={long}", config_map("b"))
            assert (status, told["details"]["causes"][0]["reason"]) == (422, "FieldValueTooLong")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "meant"), [("True", True), ("1", True), ("yes", True), ("", True), ("FALSE", False), ("0", False)]
)
def test_a_parameter_is_true_unless_it_says_that_it_is_not(said, meant):
    async def scenario():
        async with serving() as server:

            async def applied(value, query):
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}}
                code, _ = await server.ask(
                    "PATCH", f"{MAPS}/a?{query}", body, Content_Type="application/apply-patch+yaml"
                )
                return code

            assert await applied("mine", "fieldManager=me") == 201
            assert await applied("theirs", "fieldManager=other") == 409
            assert await applied("theirs", f"fieldManager=other&force={said}") == (200 if meant else 409)
            code, told = await server.ask("GET", f"{MAPS}?watch={said}&timeoutSeconds=1")
            assert (code, told["kind"] if "kind" in told else told["type"]) == (
                200,
                "ADDED" if meant else "ConfigMapList",
            )

    asyncio.run(scenario())
