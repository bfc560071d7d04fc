"""Bodies that want more of the server than they bring: it refuses them as Kubernetes does, and keeps nothing of them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from typing import Any

import pytest
from embedded_server import ALICE, config_map, make_api, pod, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_daemonset.embedded import patches, yamltext
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.calls import Call
from pytest_daemonset.embedded.custom.definitions import define
from pytest_daemonset.embedded.statuses import StatusError

MAPS = "/api/v1/namespaces/here/configmaps"
BRIEF = settings(max_examples=150, deadline=None, derandomize=True)
LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (at, at, b",".join([b"*%c" % (at - 1)] * 9)) for at in range(ord("b"), ord("k"))
)


def ask(api: Api, verb: str, body: bytes, content_type: str, name: str = "", resource: str = "configmaps") -> Any:
    """What the write gives, or its refusal."""
    served = api.served[resource]
    query = {"fieldManager": "m", **({"force": "true"} if content_type == patches.APPLY else {})}
    try:
        return json.loads(api.write(Call(ALICE, verb, served, "here", name, "", body, content_type, query)).body)
    except StatusError as refused:
        return refused


# YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # as kube-apiserver 1.36.2 was seen to read them
        *((word, True) for word in ("y", "Y", "yes", "on", "true", "TRUE")),
        *((word, False) for word in ("n", "no", "off", "False")),
        *((word, None) for word in ("", "~", "null")),
        ("017", 15),
        ("0o17", 15),
        ("0b11", 3),
        ("0x1f", 31),
        ("1_000", 1000),
        ("+5", 5),
        ("08", 8),
        ("1e3", 1000),
        (".5", 0.5),
        ("99999999999999999999", 1e20),
        *((word, word) for word in ("1:20", "2001-01-01", "0x", "1e400", "=", "<", ".")),
        ("!!str 5", "5"),
        ("!!binary aGVsbG8=", "hello"),
        ("!foo x", "x"),
        ("!!python/x y", "y"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("{1: a, true: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}),
        ("{<<: {a: b, c: d}, a: e}", {"a": "e", "c": "d"}),
        ("{<<: [{a: 1}, {a: 2, b: 3}]}", {"a": 1, "b": 3}),
        ("a\n---\nb", "a"),
    ],
)
def test_yaml_is_read_as_kubernetes_reads_it(text: str, value: Any) -> None:
    read = yamltext.read(text.encode())
    assert (read, type(read)) == (value, type(value)) or (isinstance(read, float) and read == value)


@pytest.mark.parametrize(
    "text",
    [
        ".nan",
        "-.inf",
        "!!int x",
        "!!bool x",
        "!!binary é",
        "&a [*a]",
        "&a {<<: *a}",
        "*nobody",
        "~: x",
        "{[a]: b}",
        "{<<: x}",
        '"\\ud800"',
        "[" * 5000,
        "- " * 5000,
        "a: \0",
    ],
)
def test_what_json_cannot_hold_is_no_yaml(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        yamltext.read(text.encode())


TEXTS = st.text(st.one_of(st.characters(min_codepoint=32, max_codepoint=126), st.sampled_from("\n\té\U0001f600")))
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.one_of(TEXTS, st.just("<<")), inner)),
    max_leaves=15,
)


@BRIEF
@given(value=JSON)
def test_json_is_yaml(value: Any) -> None:
    assert yamltext.read(json.dumps(value, ensure_ascii=False).encode()) == value


@BRIEF
@given(data=st.one_of(st.binary(max_size=60), st.text("ab:-[]{}&*!<>|?, \n\"'#%@0x1_.e~", max_size=60).map(str.encode)))
def test_any_bytes_are_yaml_or_a_value_error(data: bytes) -> None:
    try:
        json.dumps(yamltext.read(data), allow_nan=False)
    except ValueError:
        return


def test_aliases_stand_for_no_more_than_could_have_been_sent() -> None:
    api = make_api()
    for verb, content_type, name in (("create", "application/yaml", ""), ("patch", patches.APPLY, "a")):
        refused = ask(api, verb, LAUGHS + b"metadata: {name: a}\n", content_type, name)
        assert (refused.code, "excessive aliasing" in refused.message) == (400, True)
    fair = b"metadata: {name: a, labels: &l {x: z}, annotations: *l}\n"
    kept = ask(api, "create", fair, "application/yaml")
    assert kept["metadata"]["annotations"] == {"x": "z"}, kept
    text = b"metadata: {name: b}\ndata: {a: &a " + b"x" * 100_000 + b", b: [" + b",".join([b"*a"] * 1000) + b"]}\n"
    assert "excessive aliasing" in ask(api, "create", text, "application/yaml").message


@pytest.mark.parametrize(
    "number", ["1" + ":1" * 500_000, "0x" + "f" * 1_000_000, "1" * 1_000_000, "1" * 500_000 + ".0"]
)
def test_long_digits_are_text(number: str) -> None:
    """Read as a number, the first of them takes a quarter of an hour."""
    refused = ask(make_api(), "create", b"metadata: {name: %s}" % number.encode(), "application/yaml")
    assert refused.code == 422


# JSON


def test_broken_utf8_and_half_surrogates_are_replaced_as_go_replaces_them() -> None:
    api = make_api()
    body = b'{"metadata":{"name":"a","annotations":{"a":"x\xffy","b":"x\\ud800y","c":"\\ud83d\\ude00","d":"\\u0000"}}}'
    kept = ask(api, "create", body, "application/json")["metadata"]["annotations"]
    assert kept == {"a": "x\ufffdy", "b": "x\ufffdy", "c": "\U0001f600", "d": "\0"}
    assert ask(api, "create", b'{"metadata":{"name":"\xff"},"x":NaN}', "application/json").code == 400


@pytest.mark.parametrize("depth", [100, 250, 255, 300, 900, 1020, 2000, 50_000])
@pytest.mark.parametrize("content_type", [patches.MERGE, patches.STRATEGIC, patches.APPLY, "application/json"])
def test_no_depth_is_a_fault_of_the_server(depth: int, content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    nest = b'{"x":' * depth + b"1" + b"}" * depth
    bodies = (b'{"metadata":{"name":"a","annotations":%b}}' % nest, b'{"metadata":{"name":"a"},"more":%b}' % nest)

    async def scenario() -> None:
        async with serving() as server:
            await server.ask("POST", MAPS, config_map("a"))
            for body in bodies:
                method, path = ("POST", MAPS) if content_type == "application/json" else ("PATCH", f"{MAPS}/a")
                for also in ("", "&fieldValidation=Strict"):
                    asked = f"{path}?fieldManager=m{also}"
                    code, told = await server.ask(method, asked, body, Content_Type=content_type)
                    assert code in {200, 400, 409, 422} or "typed patch" in told["message"], told
            assert (await server.ask("GET", MAPS))[0] == 200

    asyncio.run(scenario())
    assert not caplog.records


def test_custom_resources_may_be_deep_and_are_never_half_kept(caplog: pytest.LogCaptureFixture) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"plural": "agents", "singular": "agent", "kind": "Agent", "listKind": "AgentList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}

    async def scenario() -> None:
        async with serving() as server:
            served = asyncio.Event()
            server.api.on_served.append(served.set)
            defining = asyncio.create_task(define(server.api))
            crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            definition = {"metadata": {"name": "agents.example.com"}, "spec": spec}
            assert (await server.ask("POST", crds, definition))[0] == 201
            await served.wait()
            agents = "/apis/example.com/v1/namespaces/here/agents"
            for depth, code in ((200, 201), (300, 400), (900, 400)):
                nest = b'{"x":' * depth + b"1" + b"}" * depth
                kind = b'"apiVersion":"example.com/v1","kind":"Agent"'
                body = b'{%b,"metadata":{"name":"a%d"},"spec":%b}' % (kind, depth, nest)
                assert (await server.ask("POST", agents, body))[0] == code
            assert len((await server.ask("GET", agents))[1]["items"]) == 1
            defining.cancel()

    asyncio.run(scenario())
    assert not caplog.records


def test_warnings_are_no_more_than_headers_hold() -> None:
    async def scenario() -> None:
        async with serving() as server:
            many = {**config_map("a"), **{f"unknown{at}{'x' * 250}": 1 for at in range(1000)}}
            async with server._session.post(MAPS, json=many) as answer:
                told = answer.headers.getall("Warning")
                assert answer.status == 201
            assert told[0].startswith('299 - "unknown field \\"unknown0xxx')
            assert sum(map(len, told)) < 8192

    asyncio.run(scenario())


def test_packed_bodies_are_not_unpacked(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as server:
            for body in (gzip.compress(b" " * (20 << 20)), gzip.compress(json.dumps(config_map("a")).encode()), b"x"):
                for coding in ("gzip", "deflate", "br", "zstd"):
                    code, told = await server.ask("POST", MAPS, body, Content_Encoding=coding)
                    assert (code, told["reason"]) == (400, "BadRequest")

    asyncio.run(scenario())
    assert not caplog.records


# patches


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "copy", "from": "/data", "path": f"/data{at}"} for at in range(2000)],
        [{"op": "add", "path": "/x", "value": {"y": 1}}]
        + [{"op": "copy", "from": "/x", "path": f"/x/{at}"} for at in range(60)],
        [{"op": "add", "path": "/x", "value": ["y" * 1000]}]
        + [{"op": "copy", "from": "/x", "path": "/x/-"} for _ in range(60)],
        [{"op": "add", "path": "/a" * 100_000, "value": 1}],
        [{"op": "move", "from": "/data", "path": "/data/k/x"}],
        [{"op": "add", "path": "/x", "value": [0] * 200_000}, *[{"op": "add", "path": "/x/0", "value": 0}] * 600],
        [{"op": "add", "path": "/x", "value": [0] * 200_000}, *[{"op": "move", "from": "/x/0", "path": "/x/-"}] * 600],
    ],
)
def test_copies_without_end_are_refused(operations: Any) -> None:
    api = make_api()
    api.create(ALICE, "configmaps", "here", {**config_map("a"), "data": {"k": "v" * 10_000}})
    refused = ask(api, "patch", json.dumps(operations).encode(), patches.JSON, "a")
    assert (refused.code, refused.message) == (422, "the server rejected our request due to an error in our request")
    assert set(api.get("configmaps", "here", "a") or {}) == {"kind", "apiVersion", "metadata", "data"}


def test_a_copy_of_a_reasonable_size_is_made() -> None:
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    body = b'[{"op":"copy","from":"/data/k","path":"/data/l"},{"op":"test","path":"/data/l","value":"v"}]'
    assert ask(api, "patch", body, patches.JSON, "a")["data"] == {"k": "v", "l": "v"}


def test_long_lists_are_merged() -> None:
    """By the square of the length it takes some minutes."""
    api = make_api()
    api.create(ALICE, "pods", "here", pod("p", "n"))
    kinds = [f"example.com/t{at}" for at in range(8_000)]
    first = {"metadata": {"finalizers": kinds}, "spec": {"tolerations": []}}
    for _ in range(2):
        assert (
            len(ask(api, "patch", json.dumps(first).encode(), patches.STRATEGIC, "p", "pods")["metadata"]["finalizers"])
            == 8_000
        )
    served = api.served["pods"]
    for status in ("True", "False"):
        conditions = [{"type": each, "status": status} for each in reversed(kinds)]
        body = json.dumps({"status": {"conditions": conditions}}).encode()
        answer = api.write(Call(ALICE, "patch", served, "here", "p", "status", body, patches.STRATEGIC, {}))
        assert {each["status"] for each in json.loads(answer.body)["status"]["conditions"]} == {status}


ELEMENTS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from("abcde")}, optional={"v": st.integers(0, 3)}), max_size=6
)


def woven(merged: list[Any], before: list[Any], order: list[Any]) -> list[Any]:
    """The order of strategicpatch's normalizeElementOrder, by its own words: slow and plain."""

    def at(each: Any, among: list[Any]) -> int:
        kinds = [other["type"] for other in among]
        return kinds.index(each["type"]) if each["type"] in kinds else -1

    left = [each for each in merged if at(each, order) < 0]
    right = sorted((each for each in merged if at(each, order) >= 0), key=lambda each: at(each, order))
    result = []
    while left and right:
        one, other = at(left[0], before), at(right[0], before)
        result.append(left.pop(0) if 0 <= one < other else right.pop(0))
    return result + left + right


@BRIEF
@given(before=ELEMENTS, patch=ELEMENTS, order=st.one_of(st.none(), ELEMENTS))
def test_merged_lists_are_in_the_order_of_kubernetes(before: Any, patch: Any, order: Any) -> None:
    expected = [dict(each) for each in before]
    for change in patch:
        old = next((each for each in expected if each["type"] == change["type"]), None)
        if old is None:
            expected.append(dict(change))
        else:
            old.update(change)
    expected = woven(expected, before, patch if order is None else order)
    said = {"c": patch} if order is None else {"c": patch, "$setElementOrder/c": order}
    wanted = iter([each["type"] for each in order or patch])
    fits = all(each["type"] in wanted for each in patch)
    with contextlib.nullcontext() if fits else pytest.raises(StatusError, match="The order in patch list"):
        got = patches.strategic({"c": [dict(each) for each in before]}, said, {("c",): "type"})
        assert got["c"] == expected


# many values

_MANY = 60_000


@pytest.mark.parametrize(
    ("verb", "content_type", "body"),
    [
        ("create", "application/json", {**config_map("b"), "data": {f"k{at}": "vv" for at in range(_MANY)}}),
        ("create", "application/json", {"metadata": {"name": "b", "ownerReferences": [{}] * _MANY}}),
        ("create", "application/yaml", {"metadata": {"name": "b", "finalizers": ["e.x/y"] * _MANY}}),
        ("update", "application/json", {**config_map("a"), **{f"k{at}": "vv" for at in range(_MANY)}}),
        ("patch", patches.MERGE, {"metadata": {"annotations": {f"k{at}": "vv" for at in range(_MANY)}}}),
        ("patch", patches.STRATEGIC, {"metadata": {"ownerReferences": [{"uid": "u", "name": "n"}] * _MANY}}),
        ("patch", patches.JSON, [{"op": "add", "path": "/metadata/finalizers", "value": ["e.x/y"] * _MANY}]),
        ("patch", patches.APPLY, {**config_map("a"), "data": {f"k{at}": "vv" for at in range(_MANY)}}),
    ],
)
def test_an_object_of_more_values_than_anybody_needs_is_refused_before_they_are_looked_at(
    verb: str, content_type: str, body: Any
) -> None:
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    refused = ask(api, verb, json.dumps(body).encode(), content_type, "" if verb == "create" else "a")
    assert (refused.code, refused.reason) == (413, "RequestEntityTooLarge")


def test_yaml_of_more_parts_than_an_object_may_have_is_not_read_to_its_end() -> None:
    refused = ask(make_api(), "create", b"a: [" + b"1," * 1_000_000 + b"]", "application/yaml")
    assert (refused.code, refused.reason) == (413, "RequestEntityTooLarge")


def test_a_long_text_is_not_many_values() -> None:
    api = make_api()
    text = json.dumps([{}] * 200_000)
    assert ask(api, "create", json.dumps({**config_map("b"), "data": {"k": text}}).encode(), "application/json")
