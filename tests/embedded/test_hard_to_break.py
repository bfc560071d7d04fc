"""Whatever is sent: no 500, no hang, nobody let in, and afterwards the server answers as before."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
import pytest
from embedded_server import ALICE, PATIENCE, TOKEN, Session, config_map, make_api, pod, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.calls import Call
from pytest_daemonset.embedded.http import BODY_LIMIT
from pytest_daemonset.embedded.kinds import ALL_KINDS, Kind
from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message
from pytest_daemonset.embedded.lists import listing, parse_labels
from pytest_daemonset.embedded.paths import Paths
from pytest_daemonset.embedded.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

MAPS = "/api/v1/namespaces/here/configmaps"
PATCHES = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
BRIEF = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

# fmt: off
WORDS = [
    "metadata", "name", "namespace", "labels", "annotations", "spec", "status", "containers", "image", "ports",
    "containerPort", "env", "value", "conditions", "type", "finalizers", "ownerReferences", "uid", "data", "x",
    "$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "delete",
    "replace", "tolerations", "template", "selector", "matchLabels", "resources", "limits", "cpu",
    "managedFields", "resourceVersion",
]
# fmt: on
NAMES = st.sampled_from(WORDS)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), st.text(max_size=8), NAMES
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, st.text(max_size=4)), inner, max_size=5)
    ),
    max_leaves=20,
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "odd"]),
            "path": st.one_of(
                st.lists(NAMES, max_size=4).map(lambda parts: "".join(f"/{each}" for each in parts)),
                st.text(max_size=6),
            ),
        },
        optional={"value": VALUES, "from": st.sampled_from(["/metadata", "/spec/containers/0", "/spec", "x"])},
    ),
    max_size=4,
)


def world() -> Api:
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.create(ALICE, "pods", "here", pod("p", "n"))
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    api.create(ALICE, "daemonsets.apps", "here", {"metadata": {"name": "d"}, "spec": spec})
    return api


TARGETS = (
    ("configmaps", "a", ""),
    ("pods", "p", ""),
    ("pods", "p", "status"),
    ("daemonsets.apps", "d", ""),
    ("daemonsets.apps", "d", "status"),
)
# what structured-merge-diff and strategicpatch refuse, kube-apiserver answers with a 500 of its own
OWN_500 = (
    "failed to create typed patch object",
    "resourceVersion should not be set on objects to be created",
    "map: ",
    "list element types are not identical: ",
    "The order in patch list:",
    "expected a []interface {}, but received a ",
    "unknown patch type: ",
)


def survives(api: Api, call: Call) -> None:
    """The write is done, or refused with a Status that is no fault of the server; what is kept can be told."""
    before = {name: dict(table.entries) for name, table in api.store.tables.items()}
    refused = None
    try:
        api.write(call)
    except StatusError as error:
        refused = error
    if refused is not None:
        assert refused.code < 500 or refused.code == 501 or refused.message.startswith(OWN_500), refused.message
        assert {name: table.entries for name, table in api.store.tables.items()} == before
    for table in api.store.tables.values():
        for entry in table.entries.values():
            json.loads(entry.encoded)


@BRIEF
@given(patch=VALUES, operations=OPERATIONS, target=st.sampled_from(TARGETS), content_type=st.sampled_from(PATCHES))
def test_patches(patch: Any, operations: Any, target: tuple[str, str, str], content_type: str) -> None:
    api = world()
    resource, name, part = target
    kind = api.served[resource].kind
    said: Any = operations if content_type == PATCHES[1] else patch
    if content_type == PATCHES[3] and isinstance(said, dict):
        said = {**said, "apiVersion": kind.api_version, "kind": kind.kind}
    body = json.dumps(said).encode()
    query = {"fieldManager": "m", "force": "true"}
    for _ in range(2):
        survives(api, Call(ALICE, "patch", api.served[resource], "here", name, part, body, content_type, query))


def keyed_lists(message: Message, path: tuple[Field, ...] = ()) -> Iterator[tuple[Field, ...]]:
    """The ways to the lists of a kind that are merged by a key, each by the fields that lead there."""
    for known in message.fields.values():
        here = (*path, known)
        if known.shape == "list" and known.merge:
            yield here
        if known.type in MESSAGES and known.shape != "map" and len(here) < 9:
            yield from keyed_lists(MESSAGES[known.type], here)


def nested(path: tuple[Field, ...], element: Object) -> Object:
    """An object of which only one element of a list says something; the lists around it have their keys."""
    value: Any = element
    for known in reversed(path):
        if known.shape == "list" and known.merge and value is not element:
            value = {known.merge: "c", **value}
        value = {known.name: [value] if known.shape == "list" else value}
    return dict(value)


@pytest.mark.parametrize("there", [True, False], ids=["there", "not there"])
@pytest.mark.parametrize("kind", [each for each in ALL_KINDS if not each.empty], ids=lambda kind: str(kind.kind))
def test_an_element_without_its_key_is_nowhere_a_fault_of_the_server(kind: Kind, there: bool) -> None:
    api = world()
    (resource,) = [name for name, served in api.served.items() if served.kind is kind]
    namespace, name = "here" if kind.namespaced else "", {"Pod": "p", "DaemonSet": "d"}.get(kind.kind, "a")
    if not there:
        name = "another"
    for path in keyed_lists(kind.fields):
        for element in ({}, {"x": 1}, {path[-1].merge: None}, {path[-1].merge: {}}):
            said = nested(path, element)
            said["metadata"] = {**said.get("metadata", {}), "name": name}
            body = orjson.dumps({**said, "apiVersion": kind.api_version, "kind": kind.kind})
            for part in ("", *(each for each in kind.subresources if each == "status")):
                about = (api.served[resource], namespace, name, part, body)
                survives(api, Call(ALICE, "update", *about))
                for content_type in (PATCHES[0], PATCHES[2], PATCHES[3]):
                    query = {"fieldManager": "m", "force": "true"} if content_type == PATCHES[3] else {}
                    survives(api, Call(ALICE, "patch", *about, content_type, query))
            survives(api, Call(ALICE, "create", api.served[resource], namespace, "", "", body))


@BRIEF
@given(
    part=VALUES,
    at=st.sampled_from(["", "metadata", "spec", "spec.template", "spec.containers", "status"]),
    verb=st.sampled_from(["create", "update"]),
)
def test_bodies(part: Any, at: str, verb: str) -> None:
    for resource, name in (("pods", "p"), ("daemonsets.apps", "d"), ("configmaps", "a")):
        api = world()
        whole = api.get(resource, "here", name)
        assert whole is not None
        whole["metadata"] = {"name": name}
        into, names = whole, at.split(".")
        for above in names[:-1]:
            into = into.setdefault(above, {}) if isinstance(into, dict) else {}
        if at:
            into[names[-1]] = part
        body = json.dumps(whole if at else part).encode()
        survives(api, Call(ALICE, verb, api.served[resource], "here", name if verb == "update" else "", "", body))


@BRIEF
@given(
    body=st.binary(max_size=200),
    content_type=st.sampled_from(
        ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain", *PATCHES]
    ),
)
def test_bytes(body: bytes, content_type: str) -> None:
    api = world()
    for verb, name in (("create", ""), ("update", "a"), ("patch", "a"), ("delete", "a"), ("deletecollection", "")):
        query = {"fieldManager": "m"}
        survives(api, Call(ALICE, verb, api.served["configmaps"], "here", name, "", body, content_type, query))


SELECTORS = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(["a", "b/c", "in", "notin", "(", ")", ",", "=", "==", "!=", "!", "<", ">", "1", " ", "x" * 64]),
        max_size=9,
    ).map("".join),
)


@BRIEF
@given(
    labels=SELECTORS,
    fields=SELECTORS,
    limit=st.text(max_size=3),
    version=st.text(max_size=4),
    token=st.text(max_size=12),
)
def test_selectors_and_options(labels: str, fields: str, limit: str, version: str, token: str) -> None:
    api = world()
    for query in (
        {"labelSelector": labels},
        {"fieldSelector": fields},
        {"limit": limit, "continue": token},
        {"resourceVersion": version, "resourceVersionMatch": "Exact"},
    ):
        code = 200
        try:
            listing(api.store, api.served["pods"], "here", query)
            for requirement in parse_labels(labels):
                requirement.met({"a": "1"})
        except StatusError as refused:
            code = refused.code
        assert code < 500 or code == 504


@BRIEF
@given(
    path=st.one_of(
        st.text(max_size=20),
        st.lists(
            st.sampled_from(
                ["api", "apis", "v1", "apps", "namespaces", "here", "pods", "", "..", "%00", "status", "é"]
            ),
            max_size=7,
        ).map("/".join),
    )
)
def test_paths(path: str) -> None:
    api = make_api()
    Paths(api.served).read(f"/{path}")

    async def scenario() -> None:
        async with serving() as server:
            for method in ("GET", "POST", "DELETE", "PATCH"):
                asked = head(method, f"/{quote(path, safe='/%')}", Connection="close", Content_Length="2") + b"{}"
                code = int((await raw(server, asked)).split(b" ", 2)[1])
                assert code < 500 or code == 501, path

    asyncio.run(scenario())


async def raw(server: Session, data: bytes, timeout: float = PATIENCE) -> bytes:
    """Send bytes as they are; what comes back until the server closes, or says no more."""
    url = server.http_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(data)
        await writer.drain()
        return await asyncio.wait_for(reader.read(65536), timeout)
    finally:
        writer.close()


def head(method: str, path: str, **more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def test_huge_bodies_are_refused_before_they_are_read() -> None:
    async def scenario() -> None:
        async with serving() as server:
            told = await raw(server, head("POST", MAPS, Content_Length=str(100 << 20), Content_Type="application/json"))
            assert told.startswith(b"HTTP/1.1 413")
            chunk = b"%x\r\n" % (BODY_LIMIT + 1) + b" " * (BODY_LIMIT + 1) + b"\r\n0\r\n\r\n"
            told = await raw(server, head("POST", MAPS, Transfer_Encoding="chunked") + chunk)
            assert told.startswith(b"HTTP/1.1 413")
            assert (await server.ask("GET", MAPS))[0] == 200

    asyncio.run(scenario())


def test_ten_thousand_labels_and_deep_nests_are_judged() -> None:
    async def scenario() -> None:
        async with serving() as server:
            many = {"metadata": {"name": "a", "labels": {f"l{i}": "v" for i in range(10_000)}}}
            status, made = await server.ask("POST", MAPS, many)
            assert (status, len(made["metadata"]["labels"])) == (201, 10_000)
            selector = ",".join(f"l{i}=v" for i in range(1000))
            assert len((await server.ask("GET", f"{MAPS}?labelSelector={selector}"))[1]["items"]) == 1
            for depth in (900, 100_000):
                deep = b'{"metadata":{"name":"d"},"data":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
                assert (await server.ask("POST", MAPS, deep))[0] == 400
            listed = b'{"a":' * 900 + b"1" + b"}" * 900
            assert (await server.ask("PATCH", f"{MAPS}/a", listed, Content_Type=PATCHES[0]))[0] in {200, 400}
            assert (await server.ask("GET", f"{MAPS}/a"))[0] == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{"name":"\xff\xfe"}}',
        b"\xef\xbb\xbf{}",
        b'{"metadata":{"name":"a\\ud800"}}',
        b'{"a":NaN}',
        b"{",
        b"",
        b"null",
        b"[]",
        b'"x"',
    ],
)
def test_broken_bodies_are_bad_requests(body: bytes) -> None:
    async def scenario() -> None:
        async with serving() as server:
            status, refused = await server.ask("POST", MAPS, body)
            assert (status, refused["kind"]) in {(400, "Status"), (422, "Status")}

    asyncio.run(scenario())


def test_a_slow_sender_holds_up_nobody_else() -> None:
    async def scenario() -> None:
        async with serving() as server:
            url = server.http_url
            reader, writer = await asyncio.open_connection(url.host, url.port)
            body = orjson.dumps(config_map("slow"))
            writer.write(head("POST", MAPS, Content_Length=str(len(body)), Content_Type="application/json") + body[:5])
            await writer.drain()
            assert (await server.ask("POST", MAPS, config_map("quick")))[0] == 201
            writer.write(body[5:])
            assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 201")
            writer.close()

    asyncio.run(scenario())


def test_watches_whose_reader_has_gone_are_forgotten() -> None:
    async def scenario() -> None:
        async with serving() as server:
            url = server.http_url
            fanout = server.watches.watching
            for _ in range(20):
                reader, writer = await asyncio.open_connection(url.host, url.port)
                writer.write(head("GET", f"{MAPS}?watch=1"))
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                writer.close()
            for at in range(200):
                await server.ask("POST", MAPS, config_map(f"m{at}"))
                if not fanout("configmaps"):
                    return
            raise AssertionError(f"{fanout('configmaps')} watches are still there")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN} x"]
)
def test_nobody_is_let_in_without_the_token(said: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            for method, path in (
                ("GET", MAPS),
                ("POST", MAPS),
                ("GET", "/debug/unimitated"),
                ("GET", "/apis"),
                ("GET", f"{MAPS}?watch=1"),
            ):
                lines = [
                    f"{method} {path} HTTP/1.1",
                    "Host: x",
                    "Content-Length: 0",
                    *([f"Authorization: {said}"] if said else []),
                ]
                told = await raw(server, "\r\n".join([*lines, "", ""]).encode())
                assert told.startswith((b"HTTP/1.1 401", b"HTTP/1.1 403")), (method, path)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "data", [b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000 + b"\r\n\r\n"]
)
def test_what_is_no_http_ends_the_connection_only(data: bytes) -> None:
    async def scenario() -> None:
        async with serving() as server:
            told = await raw(server, data)
            assert b" 500 " not in told.splitlines()[0] if told else True
            assert (await server.ask("GET", MAPS))[0] == 200

    asyncio.run(scenario())


@pytest.mark.parametrize("number", ["9" * 18, "9" * 5000, "\u00b9", "-1", "1e3", " 1"])
def test_numbers_of_any_size_are_numbers_or_bad_requests(number: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            await server.ask("POST", "/api/v1/namespaces/here/pods", pod("p", "n"))
            for query in ("limit", "resourceVersion", "timeoutSeconds", "labelSelector=a>"):
                word = quote(number)
                path = f"{MAPS}?{query}{'' if '=' in query else '='}{word}"
                assert (await server.ask("GET", path))[0] in {200, 400, 504}, path
            assert (await server.ask("DELETE", f"{MAPS}/none?gracePeriodSeconds={quote(number)}"))[0] in {400, 404}
            grace = {"gracePeriodSeconds": 2**62}
            assert (await server.ask("DELETE", "/api/v1/namespaces/here/pods/p", grace))[0] in {200, 202}

    asyncio.run(scenario())
