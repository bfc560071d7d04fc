"""Connections that are not what they say, say it slowly, or say nothing: each is ended alone, and the log tells no secrets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
import pytest
from embedded_server import PATIENCE, TOKEN, config_map, serving

from pytest_daemonset.embedded import answers, logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from embedded_server import Session

MAPS = "/api/v1/namespaces/here/configmaps"
BODY = orjson.dumps(config_map("a"))
JSON = "Content-Type: application/json"
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
AUTHORIZED = f"Authorization: Bearer {TOKEN}"


def head(method: str, path: str, *lines: str | bytes, token: bool = True) -> bytes:
    said = [f"{method} {path} HTTP/1.1", "Host: x", *([AUTHORIZED] if token else []), *lines, "", ""]
    return b"\r\n".join(each if isinstance(each, bytes) else each.encode("latin-1") for each in said)


@contextlib.asynccontextmanager
async def connected(server: Session) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    url = server.http_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answered(server: Session, data: bytes, until_end: bool = True) -> bytes:
    """All that comes back, until the server hangs up or is done with what it was sent."""
    async with connected(server) as (reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
        if until_end:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)


def codes(told: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", told)]


@pytest.mark.parametrize(
    "data",
    [
        head("POST", MAPS, JSON, LENGTH, CHUNKED) + CHUNKS,
        head("POST", MAPS, JSON, CHUNKED, LENGTH) + CHUNKS,
        head("POST", MAPS, JSON, LENGTH, "Content-Length: 5") + BODY,
        *(
            head("POST", MAPS, JSON, f"Content-Length: {length}") + BODY
            for length in ("+5", "-1", "0x10", "", "5, 5", "9" * 30)
        ),
        *(
            head("POST", MAPS, JSON, coding) + b"0\r\n\r\n"
            for coding in (
                "Transfer-Encoding: xchunked",
                "Transfer-Encoding: chunked, identity",
                "Transfer-Encoding : chunked",
                "Transfer-Encoding: \x0bchunked",
                f"{CHUNKED}\r\n{CHUNKED}",
            )
        ),
        *(
            head("POST", MAPS, JSON, CHUNKED) + chunks
            for chunks in (
                b"zz\r\nabc\r\n0\r\n\r\n",
                b"-1\r\nabc\r\n0\r\n\r\n",
                b"0x3\r\nabc\r\n0\r\n\r\n",
                b"f" * 17 + b"\r\nabc\r\n",
                b"3\r\nabcX0\r\n\r\n",
                b"3\nabc\n0\n\n",
            )
        ),
        head("GET", MAPS, "X: y", "  z"),
        b"GET " + MAPS.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n " + TOKEN.encode() + b"\r\n\r\n",
        head("GET", MAPS, b"X: a\0b"),
        head("GET", MAPS, b"X: a\rb"),
        head("GET", MAPS, "no colon"),
        head("GET", MAPS, "Host: y"),
        head("GET", MAPS, *[f"X{at}: y" for at in range(200)]),
        head("GET", MAPS, "X: " + "a" * 70_000),
        head("GET", "/" + "a" * 70_000),
        head("GET", "/api/\0v1"),
        head("GET", "/api v1"),
        head("FOO", MAPS),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/3.7\r\n\r\n",
        bytes(range(256)) * 100,
    ],
)
def test_what_two_servers_could_read_in_two_ways_is_read_by_none(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving() as server:
            assert codes(await answered(server, data)) == [400]
            assert (await server.ask("GET", MAPS))[1]["items"] == []

    asyncio.run(scenario())
    format_ = logs.OneLine().format
    assert not [line for line in map(format_, caplog.records) if TOKEN in line or "Traceback" in line]


def test_a_request_behind_another_one_needs_a_token_of_its_own() -> None:
    async def scenario() -> None:
        async with serving() as server:
            hidden = head("GET", "/api/v1/secrets", "Connection: close", token=False)
            told = await answered(server, head("POST", MAPS, JSON, LENGTH) + BODY + hidden)
            assert codes(told) == [201, 403]
            told = await answered(
                server,
                head("POST", MAPS, JSON, CHUNKED, "Connection: close", token=False)
                + b"0\r\n"
                + AUTHORIZED.encode()
                + b"\r\n\r\n",
            )
            assert codes(told) == [403]

    asyncio.run(scenario())


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "SPDY/3.1", "foo"])
def test_a_wish_for_another_protocol_is_not_heard_and_ends_the_connection(protocol: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            wish = ("Connection: Upgrade", f"Upgrade: {protocol}")
            # what follows is not left without an answer: the end of the connection tells that there will be none
            assert codes(await answered(server, head("GET", MAPS, *wish) + head("GET", MAPS))) == [200]
            assert codes(
                await answered(server, head("POST", f"{MAPS.replace('configmaps', 'pods')}/x/exec", *wish))
            ) == [501]

    asyncio.run(scenario())


def test_it_is_no_proxy() -> None:
    async def scenario() -> None:
        async with serving() as server:
            for token, code in ((True, 404), (False, 403)):
                asked = head("CONNECT", "example.com:80", "Connection: close", token=token)
                assert codes(await answered(server, asked, until_end=False)) == [code]
            asked = head("GET", "https://example.com/api/v1/secrets", "Connection: close", token=False)
            assert codes(await answered(server, asked)) == [403]

    asyncio.run(scenario())


def test_who_does_not_say_what_he_wants_is_hung_up_on() -> None:
    async def scenario() -> None:
        async with serving(patience=0.05) as server:
            for said in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", head("GET", "/api")[:-2] + b"X: "):
                assert await answered(server, said) == b""
            # who has said it may take his time
            async with connected(server) as (reader, writer):
                for _ in range(2):
                    writer.write(head("GET", "/healthz"))
                    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
                    await asyncio.sleep(0.1)  # more than the patience: silence between requests is no fault

    asyncio.run(scenario())


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def scenario() -> None:
        async with serving(body_patience=0.05) as server:
            for said in (head("POST", MAPS, JSON, LENGTH) + BODY[:5], head("POST", MAPS, JSON, CHUNKED) + b"5\r\nab"):
                told = await answered(server, said, until_end=False)
                assert codes(told) == [504]
            assert (await server.ask("POST", MAPS, config_map("a")))[0] == 201

    asyncio.run(scenario())


def test_a_hundred_megabytes_are_not_kept() -> None:
    async def scenario() -> None:
        async with serving() as server:
            size, part = 100 << 20, b" " * (1 << 20)
            for token in (True, False):
                for framing in (f"Content-Length: {size}", CHUNKED):
                    async with connected(server) as (reader, writer):
                        writer.write(head("POST", MAPS, JSON, framing, token=token))
                        with contextlib.suppress(ConnectionError):
                            for _ in range(100):
                                writer.write(part if framing != CHUNKED else b"%x\r\n%b\r\n" % (len(part), part))
                                await writer.drain()
                        told = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE)
                        assert codes(told) == [413 if token else 403]

    asyncio.run(scenario())


def test_many_watches_and_silent_connections_leave_nothing() -> None:
    async def scenario() -> None:
        async with serving() as server, contextlib.AsyncExitStack() as stack:
            for _ in range(150):
                await stack.enter_async_context(connected(server))
                reader, writer = await stack.enter_async_context(connected(server))
                writer.write(head("GET", f"{MAPS}?watch=1"))
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert server.watches.watching("configmaps") == 150
            assert (await server.ask("POST", MAPS, config_map("a")))[0] == 201
            await stack.aclose()
            while server.watches.watching("configmaps"):
                await server.ask("GET", "/healthz")

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_a_deaf_watcher_is_cut_off_and_the_others_hear_on(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving(buffer=1 << 20) as server, connected(server) as (reader, writer):
            writer.write(head("GET", f"{MAPS}?watch=1", "User-Agent: deaf"))
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            async with server.watch(f"{MAPS}?watch=1") as other:
                big = {**config_map("a"), "data": {"k": "x" * 500_000}}
                for at in range(60):
                    big["metadata"] = {"name": f"a{at}"}
                    assert (await server.ask("POST", MAPS, big))[0] == 201
                    event = await other.next()
                    assert event is not None
                    assert event["object"]["metadata"]["name"] == f"a{at}"
                    if server.watches.watching("configmaps") == 1:
                        return
            raise AssertionError("30 MB wait for a watcher that does not read")

    asyncio.run(scenario())
    assert [record.message for record in caplog.records if "deaf" in record.message]


def test_one_who_does_not_read_his_list_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with serving() as server:
            for at in range(30):
                large = {**config_map(f"a{at}"), "data": {"k": "x" * 500_000}}
                assert (await server.ask("POST", MAPS, large))[0] == 201
            kept = set(server.connections)
            async with connected(server) as (reader, writer):
                writer.transport.pause_reading()
                while not (his := set(server.connections) - kept):
                    await server.ask("GET", "/healthz")
                with monkeypatch.context() as impatient:
                    impatient.setattr(answers, "READING_SECONDS", 0.05)
                    writer.write(head("GET", MAPS))
                    while his & set(server.connections):
                        await server.ask("GET", "/healthz")
                with contextlib.suppress(ConnectionError):
                    writer.transport.resume_reading()
                    assert len(await reader.read(-1)) < 30 * 500_000
            assert len((await server.ask("GET", MAPS))[1]["items"]) == 30

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


PLACES = [
    *("/", "/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1", "/metrics"),
    *("/debug/unimitated", "/debug/pprof/", "/debug", "/logs/", "/.well-known/openid-configuration", "/configz"),
    *("/healthz/etcd", "/livez/x", "/healthz/../api", "//api/v1/secrets", "/api/v1/secrets", "/api/v1/namespaces"),
    *("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
    *("/api/v1/namespaces/here/pods/p/exec", "/api/v1/nodes/n/proxy/", "/api/v1/watch/pods", "/%61pi/v1/secrets"),
    *("/api/v1/namespaces/here/serviceaccounts/default/token", "/no/such/path", "/version/x"),
]
WRONG = [
    "",
    "Bearer wrong",
    f"Bearer {TOKEN}x",
    f"bearer {TOKEN.upper()}",
    "Basic YTpi",
    f"Token {TOKEN}",
    "Bearer \xff\xfe",
]


@pytest.mark.parametrize("said", WRONG)
def test_no_path_lets_in_who_has_no_token(said: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            for path in PLACES:
                for method in ("GET", "POST", "DELETE", "OPTIONS", "HEAD"):
                    for also in ("X-Remote-User: kubernetes-admin", "Impersonate-User: kubernetes-admin", "X: y"):
                        lines = [
                            *([f"Authorization: {said}"] if said else []),
                            also,
                            "Content-Length: 0",
                            "Connection: close",
                        ]
                        told = await answered(server, head(method, path, *lines, token=False))
                        # what is no bearer token is read by nobody
                        unread = not said.lower().startswith("bearer")
                        assert codes(told) == [403 if unread else 401], (method, path, also)
            told = await answered(
                server, head("GET", f"{MAPS}?access_token={quote(TOKEN)}", "Connection: close", token=False)
            )
            assert codes(told) == [403]

    asyncio.run(scenario())


def test_a_token_ends_when_it_said_it_would_and_with_its_account() -> None:
    async def scenario() -> None:
        async with serving() as server:
            accounts = "/api/v1/namespaces/here/serviceaccounts"
            await server.ask("POST", accounts, {"metadata": {"name": "robot"}})
            wanted = {"spec": {"expirationSeconds": 600}}
            tokens = [(await server.ask("POST", f"{accounts}/robot/token", wanted))[1]["status"]["token"] for _ in "ab"]

            async def allowed(token: str) -> int:
                return (await server.ask("GET", MAPS, Authorization=f"Bearer {token}"))[0]

            assert await allowed(tokens[0]) == 200
            issued = server.api.tokens
            now = issued._now
            issued._now = lambda: now() + timedelta(seconds=599)
            assert await allowed(tokens[0]) == 200
            issued._now = lambda: now() + timedelta(seconds=601)
            assert await allowed(tokens[0]) == 401
            issued._now = now
            assert await allowed(tokens[0]) == 401  # and it does not come back with the clock
            assert await allowed(tokens[1]) == 200
            await server.ask("DELETE", f"{accounts}/robot")
            assert await allowed(tokens[1]) == 401

    asyncio.run(scenario())


def test_the_log_names_the_fault_and_not_the_bytes() -> None:
    from aiohttp.http_exceptions import BadHttpMessage

    error = BadHttpMessage("Unexpected whitespace after header value:\n\n  b' secret'\n    ^")
    record = logging.LogRecord(
        "aiohttp.server", logging.ERROR, "", 0, "Error handling request", (), (type(error), error, None)
    )
    told = logs.OneLine().format(record)
    assert "Unexpected whitespace" in told
    assert "secret" not in told
