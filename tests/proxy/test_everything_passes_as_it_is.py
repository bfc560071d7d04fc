"""What comes through a proxy without faults is what was sent, byte by byte, both ways."""

from __future__ import annotations

import asyncio
import gzip
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from behind_a_proxy import JSON_WATCH, PODS, TOKEN, Sending, Stage, echo, play, watched

PROTOBUF = "application/vnd.kubernetes.protobuf"


def test_bodies_paths_and_headers_arrive_as_they_were_sent() -> None:
    body = b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret" + bytes(range(256)) * 700
    path = "/api/v1/namespaces/a%2Fb/pods/x:y?fieldManager=me&labelSelector=a%20in%20(b%2Cc)&watch=0"

    async def act(stage: Stage) -> None:
        headers = {"Content-Type": PROTOBUF, "Accept": f"{PROTOBUF},application/json", "X-Of-Ours": "1"}
        async with stage.ask(path, "POST", data=body, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, body)

    stage = play(act, echo)
    (asked,) = stage.asked
    assert asked.raw_path == path
    assert asked.headers["Authorization"] == TOKEN["Authorization"]
    assert asked.headers["Accept"] == f"{PROTOBUF},application/json"
    assert asked.headers["Content-Type"] == PROTOBUF
    assert asked.headers["X-Of-Ours"] == "1"
    assert asked.headers["Content-Length"] == str(len(body))


def test_a_body_of_unknown_length_arrives_too() -> None:
    async def parts() -> object:
        for _ in range(3):
            yield b"x" * 1000

    async def act(stage: Stage) -> None:
        async with stage.ask("/api/v1/pods", "PATCH", data=parts()) as answer:
            assert await answer.read() == b"x" * 3000

    assert "Content-Length" not in play(act, echo).asked[0].headers


def test_what_is_compressed_stays_so_and_no_header_is_added() -> None:
    packed = gzip.compress(b'{"items": []}' * 100)

    async def answer(_: Stage, request: web.Request) -> web.StreamResponse:
        return web.Response(
            body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json", "Audit-Id": "7"}
        )

    async def act(stage: Stage) -> None:
        async with stage.ask("/api/v1/pods", headers={"Accept-Encoding": "gzip"}) as answer:
            assert await answer.read() == packed
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Audit-Id"] == "7"
            assert {name.lower() for name in answer.headers} == {
                *("content-encoding", "content-type", "audit-id", "content-length", "date", "server")
            }

    asked = play(act, answer).asked[0]
    assert asked.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("code", [204, 304, 403, 404, 409, 429, 500, 503])
def test_refusals_arrive_as_they_are(code: int) -> None:
    body = b"" if code in (204, 304) else b'{"kind": "Status"}'

    async def answer(_: Stage, request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, reason="Because", body=body, headers={"Retry-After": "3"})

    async def act(stage: Stage) -> None:
        async with stage.ask("/api/v1/pods") as answer:
            assert (answer.status, answer.reason, await answer.read()) == (code, "Because", body)
            assert answer.headers["Retry-After"] == "3"

    play(act, answer)


def test_an_event_arrives_before_the_next_one_is_sent() -> None:
    async def act(stage: Stage) -> None:
        async with stage.ask(PODS) as answer:
            sending = await stage.watches.get()
            for number in range(3):
                event = b'{"type":"ADDED","object":{"n":%d}}\n' % number
                sending.send(event)
                assert await answer.content.readline() == event
            sending.finish()
            assert await answer.content.read() == b""

    play(act, watched)


def test_a_watch_whose_client_has_left_ends_at_the_api_too() -> None:
    async def act(stage: Stage) -> None:
        answer = await stage.ask(PODS)
        sending = await stage.watches.get()
        answer.close()
        await sending.gone.wait()

    play(act, watched)


def test_a_connection_that_the_api_breaks_is_broken_for_the_client() -> None:
    async def answer(stage: Stage, request: web.Request) -> web.StreamResponse:
        out = web.StreamResponse(headers=JSON_WATCH)
        await out.prepare(request)
        await out.write(b'{"type":"ADDED"}\n')
        assert request.transport is not None
        request.transport.abort()
        return out

    async def act(stage: Stage) -> None:
        async with stage.ask(PODS) as answer:
            with pytest.raises(aiohttp.ClientError):
                await answer.read()

    play(act, answer)


def test_who_brings_no_credential_is_refused_and_gets_none() -> None:
    async def act(stage: Stage) -> None:
        async with stage.client.get(f"{stage.proxy.server}/api/v1/secrets", ssl=stage.trust) as answer:
            assert answer.status == 401
            assert (await answer.json())["reason"] == "Unauthorized"

    assert play(act, echo).asked == []


def test_an_upgrade_is_refused() -> None:
    async def act(stage: Stage) -> None:
        headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        async with stage.ask("/api/v1/namespaces/a/pods/b/exec", "POST", headers=headers) as answer:
            assert answer.status == 501

    assert play(act, echo).asked == []


def test_the_end_breaks_what_is_open_and_leaves_nothing() -> None:
    ports = []

    async def act(stage: Stage) -> None:
        answer = await stage.ask(PODS)
        sending: Sending = await stage.watches.get()
        await stage.proxy.close()
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
        await sending.gone.wait()
        ports.append(urlsplit(stage.proxy.server).port)

    async def left(stage: Stage) -> None:
        await act(stage)
        mine = asyncio.current_task()
        others = {task.get_coro().__qualname__ for task in asyncio.all_tasks() if task is not mine}  # type: ignore[union-attr]
        assert not [name for name in others if "Watch" in name or "_read" in name]

    play(left, watched)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ports[0])) != 0
