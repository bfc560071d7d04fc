"""Protobuf over the network: what client-go and controller-runtime send by default, and what they get."""

from __future__ import annotations

import asyncio
import struct

from embedded_server import ALICE, PATIENCE, config_map, pod, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.media import PROTOBUF
from pytest_daemonset.embedded.protobuf import MAGIC, decoder, encoder, enveloped, opened

MAPS = "/api/v1/namespaces/here/configmaps"
BOTH = {"Accept": PROTOBUF, "Content_Type": PROTOBUF}


def protobuf(kind, obj, api_version="v1"):
    return enveloped(api_version, kind, encoder(MESSAGES[kind])(obj))


def read(raw):
    envelope = opened(raw)
    return {"kind": envelope.kind, "apiVersion": envelope.api_version, **decoder(MESSAGES[envelope.kind])(envelope.raw)}


def test_an_object_is_written_and_read_in_protobuf():
    async def scenario():
        async with serving() as server:
            status, answer = await server.ask("POST", MAPS, protobuf("ConfigMap", config_map("a", l="1")), **BOTH)
            made = read(answer)
            assert (status, made) == (201, server.api.get("configmaps", "here", "a"))
            made["data"] = {"k": "other"}
            status, answer = await server.ask("PUT", f"{MAPS}/a", protobuf("ConfigMap", made), **BOTH)
            assert (status, read(answer)["data"]) == (200, {"k": "other"})
            status, answer = await server.ask("GET", f"{MAPS}/a", **BOTH)
            assert read(answer) == server.api.get("configmaps", "here", "a")
            options = protobuf("DeleteOptions", {"preconditions": {"uid": "another"}})
            status, answer = await server.ask("DELETE", f"{MAPS}/a", options, **BOTH)
            assert (status, read(answer)["reason"]) == (409, "Conflict")
            options = protobuf("DeleteOptions", {"preconditions": {"uid": made["metadata"]["uid"]}}, "meta.k8s.io/v1")
            status, answer = await server.ask("DELETE", f"{MAPS}/a", options, **BOTH)
            assert (status, read(answer)["status"]) == (200, "Success")

    asyncio.run(scenario())


def test_an_object_that_does_not_say_its_kind_is_of_the_kind_of_its_path():
    async def scenario():
        async with serving() as server:
            body = protobuf("ConfigMap", config_map("a"), "")
            untyped = enveloped("", "", opened(body).raw)
            assert (await server.ask("POST", MAPS, untyped, **BOTH))[0] == 201
            other = enveloped("v1", "Secret", opened(body).raw)
            assert (await server.ask("POST", MAPS, other, **BOTH))[0] == 400

    asyncio.run(scenario())


def test_raw_extensions_keep_their_bytes():
    async def scenario():
        async with serving() as server:
            path = "/apis/apps/v1/namespaces/here/controllerrevisions"
            data = b'{"spec":{"args":["a \\u0026\\u0026 b"]}, "z":1,"a":2}'
            metadata = encoder(MESSAGES["ObjectMeta"])({"name": "r"})
            raw = b"\x0a%c%b\x12%c\x0a%c%b\x18\x01" % (len(metadata), metadata, len(data) + 2, len(data), data)
            body = enveloped("apps/v1", "ControllerRevision", raw)
            status, answer = await server.ask("POST", path, body, **BOTH)
            assert (status, data in answer) == (201, True)
            for where in (f"{path}/r", path):
                assert data in (await server.ask("GET", where, **BOTH))[1]
            async with server._session.get(f"{path}/r") as plain:
                assert data in await plain.read()

    asyncio.run(scenario())


def test_pods_are_bound_and_evicted_in_protobuf():
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "pods", "here", pod("p"))
            path = "/api/v1/namespaces/here/pods/p"
            binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
            assert (await server.ask("POST", f"{path}/binding", protobuf("Binding", binding), **BOTH))[0] == 201
            assert server.api.get("pods", "here", "p")["spec"]["nodeName"] == "n"
            eviction = protobuf("Eviction", {"metadata": {"name": "p"}}, "policy/v1")
            assert (await server.ask("POST", f"{path}/eviction", eviction, **BOTH))[0] == 201
            assert "deletionTimestamp" in server.api.get("pods", "here", "p")["metadata"]

    asyncio.run(scenario())


def test_lists_of_objects_and_of_metadata_come_in_protobuf():
    async def scenario():
        async with serving() as server:
            for name in "ab":
                server.api.create(ALICE, "configmaps", "here", config_map(name))
            _, answer = await server.ask("GET", MAPS, **BOTH)
            listed = opened(answer)
            assert (listed.api_version, listed.kind) == ("v1", "ConfigMapList")
            messages = [encoder(MESSAGES["ConfigMap"])(each) for each in server.api.list("configmaps")]
            assert all(each in listed.raw for each in messages)
            accept = f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            _, answer = await server.ask("GET", MAPS, Accept=accept)
            assert opened(answer).kind == "PartialObjectMetadataList"
            assert b"\x0a\x01k" not in answer

    asyncio.run(scenario())


async def _event(answer):
    [size] = struct.unpack(">I", await asyncio.wait_for(answer.content.readexactly(4), PATIENCE))
    raw = await asyncio.wait_for(answer.content.readexactly(size), PATIENCE)
    length = raw[1]
    assert raw[0] == 0x0A
    at = raw.index(MAGIC)
    return raw[2 : 2 + length].decode(), read(raw[at:])


def test_watch_events_come_in_frames():
    async def scenario():
        async with serving() as server:
            made = server.api.create(ALICE, "configmaps", "here", config_map("a"))
            path = f"{MAPS}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            async with server._session.get(path, headers={"Accept": f"{PROTOBUF};stream=watch"}) as answer:
                assert answer.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
                assert await _event(answer) == ("ADDED", made)
                type_, bookmark = await _event(answer)
                assert type_ == "BOOKMARK"
                assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
                server.api.delete(ALICE, "configmaps", "here", "a")
                type_, gone = await _event(answer)
                assert (type_, gone["metadata"]["name"]) == ("DELETED", "a")

    asyncio.run(scenario())


def test_a_watch_of_a_past_that_is_forgotten_ends_with_an_error_frame():
    async def scenario():
        async with serving(ring=1) as server:
            for name in "abc":
                server.api.create(ALICE, "configmaps", "here", config_map(name))
            async with server._session.get(f"{MAPS}?watch=1&resourceVersion=1", headers={"Accept": PROTOBUF}) as answer:
                type_, status = await _event(answer)
                assert (answer.status, type_, status["code"], status["reason"]) == (200, "ERROR", 410, "Expired")

    asyncio.run(scenario())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_bytes_get_more_than_a_refusal(data):
    whole = bytearray(protobuf("Pod", pod("p", labels={"a": "b"}, annotations={"x": "y" * 200})))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    body = data.draw(st.sampled_from([bytes(whole), MAGIC + bytes(whole)[::-1], bytes(whole) * 2]))

    async def scenario():
        async with serving() as server:
            status, answer = await server.ask("POST", "/api/v1/namespaces/here/pods", body, Content_Type=PROTOBUF)
            assert status in {201, 400, 422}, answer

    asyncio.run(scenario())
