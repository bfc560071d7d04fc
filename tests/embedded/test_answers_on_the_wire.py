"""Answers as bytes: heads, connections that stay open or do not, HEAD, and HTTP/1.0, also for watches."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

import orjson
import pytest
from embedded_server import ALICE, PATIENCE, TOKEN, Object, Session, config_map, serving

from pytest_daemonset.embedded.answers import unsent
from pytest_daemonset.embedded.credentials import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAPS = "/api/v1/namespaces/here/configmaps"


@contextlib.asynccontextmanager
async def connected(server: Session) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(server.http_url.host, server.http_url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def asked(method: str, path: str, *more: str, version: str = "1.1") -> bytes:
    head = [f"{method} {path} HTTP/{version}", "Host: x", f"Authorization: Bearer {TOKEN}", *more, "", ""]
    return "\r\n".join(head).encode()


async def head_of(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """The first line of an answer, and its header."""
    line, _, rest = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).partition(b"\r\n")
    return line.decode(), dict(BytesHeaderParser().parsebytes(rest).items())


async def answer_of(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], Object]:
    line, head = await head_of(reader)
    return line, head, orjson.loads(await asyncio.wait_for(reader.readexactly(int(head["Content-Length"])), PATIENCE))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes the connection."""
    return await asyncio.wait_for(reader.read(), PATIENCE)


def test_an_answer_is_the_same_whether_or_not_its_connection_stays_open():
    async def scenario() -> None:
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            for path in (f"{MAPS}/a", f"{MAPS}/none", MAPS, "/version"):
                async with connected(server) as (reader, writer):
                    writer.write(asked("GET", path))
                    line, head, body = await answer_of(reader)
                    writer.write(asked("GET", path, "Connection: close"))
                    last_line, last_head, last_body = await answer_of(reader)
                    assert await ended(reader) == b""
                assert "Date" in head
                assert last_head.pop("Connection") == "close"
                for each in (head, last_head):
                    each.pop("Date")
                assert (line, head, body) == (last_line, last_head, last_body)

    asyncio.run(scenario())


def test_requests_that_do_not_wait_for_answers_are_answered_in_order():
    async def scenario() -> None:
        async with serving() as server, connected(server) as (reader, writer):
            names = [f"m{number}" for number in range(20)]
            for name in names:
                body = orjson.dumps(config_map(name))
                writer.write(
                    asked("POST", MAPS, "Content-Type: application/json", f"Content-Length: {len(body)}") + body
                )
                writer.write(asked("GET", f"{MAPS}/{name}"))
            for name in names:
                assert [(await answer_of(reader))[2]["metadata"]["name"] for _ in range(2)] == [name, name]

    asyncio.run(scenario())


def test_one_who_asks_and_does_not_read_fills_no_memory():
    async def scenario() -> None:
        async with serving() as server:
            large = config_map("a")
            large["data"]["k"] = "v" * 60_000
            server.api.create(ALICE, "configmaps", "here", large)
            async with connected(server) as (reader, writer):
                count = 1000
                writer.write(asked("GET", f"{MAPS}/a") * count)
                for _ in range(300):
                    assert (await server.ask("GET", f"{MAPS}/none"))[0] == 404
                    transports = [each.transport for each in server.connections if each.transport is not None]
                    assert max(each.get_write_buffer_size() for each in transports) < 1 << 20
                for _ in range(count):
                    assert (await answer_of(reader))[2]["metadata"]["name"] == "a"

    asyncio.run(scenario())


def test_an_old_client_is_answered_and_its_connection_closed_unless_it_asks():
    async def scenario() -> None:
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            async with connected(server) as (reader, writer):
                writer.write(asked("GET", f"{MAPS}/a", "Connection: keep-alive", version="1.0"))
                line, head, _ = await answer_of(reader)
                assert (line, head["Connection"]) == ("HTTP/1.0 200 OK", "keep-alive")
                writer.write(asked("GET", f"{MAPS}/a", version="1.0"))
                assert (await answer_of(reader))[2]["metadata"]["name"] == "a"
                assert await ended(reader) == b""

    asyncio.run(scenario())


@pytest.mark.parametrize("path", [f"{MAPS}/a", MAPS, f"{MAPS}/none", f"{MAPS}?watch=1", "/api/v1", "/version"])
def test_a_head_is_refused_without_a_body_and_the_connection_goes_on(path: str):
    async def scenario() -> None:
        async with serving() as server, connected(server) as (reader, writer):
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            writer.write(asked("HEAD", path))
            line, head = await head_of(reader)
            assert (line, head["Content-Type"]) == ("HTTP/1.1 405 Method Not Allowed", "application/json")
            writer.write(asked("GET", f"{MAPS}/a"))
            assert (await answer_of(reader))[2]["metadata"]["name"] == "a"
            assert server.watches.watching("configmaps") == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/", "/api", "/version", MAPS, f"{MAPS}/none", f"{MAPS}?watch=1", "/nothing"])
def test_no_answer_is_to_be_kept_by_a_cache(path: str):
    async def scenario() -> None:
        async with serving() as server, connected(server) as (reader, writer):
            writer.write(asked("GET", path))
            assert (await head_of(reader))[1]["Cache-Control"] == "no-cache, private"

    asyncio.run(scenario())


def test_who_comes_too_early_is_told_when_to_come_again():
    async def scenario() -> None:
        async with serving() as server, connected(server) as (reader, writer):
            writer.write(asked("GET", f"{MAPS}?resourceVersion=99999999"))
            line, head, told = await answer_of(reader)
            assert (line, head["Retry-After"]) == ("HTTP/1.1 504 Gateway Timeout", "1")
            assert told["details"]["retryAfterSeconds"] == 1

    asyncio.run(scenario())


def test_an_old_client_watches_lines_that_end_with_the_connection():
    async def scenario() -> None:
        async with serving() as server, connected(server) as (reader, writer):
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            writer.write(asked("GET", f"{MAPS}?watch=1", version="1.0"))
            line, head = await head_of(reader)
            assert line == "HTTP/1.0 200 OK"
            assert not {"Transfer-Encoding", "Content-Length"} & set(head)
            told = [orjson.loads(await asyncio.wait_for(reader.readline(), PATIENCE))]
            server.api.create(ALICE, "configmaps", "here", config_map("b"))
            told.append(orjson.loads(await asyncio.wait_for(reader.readline(), PATIENCE)))
            assert [(each["type"], each["object"]["metadata"]["name"]) for each in told] == [
                ("ADDED", "a"),
                ("ADDED", "b"),
            ]
            server.watches.end("configmaps")
            assert await ended(reader) == b""

    asyncio.run(scenario())


def test_what_is_left_of_a_connection_that_was_lost_is_nothing_on_any_python():
    """The TLS transport of Python 3.10 raises then, and ended the server: a watch was told of a change in that very turn."""

    class Told(asyncio.Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            self.transport = transport
            transport.write(b".")

        def connection_lost(self, _: Exception | None) -> None:
            lost.set_result(self.transport)

    async def play() -> None:
        nonlocal lost
        loop = asyncio.get_running_loop()
        lost = loop.create_future()
        listener = await loop.create_server(Told, "127.0.0.1", 0, ssl=Authority().context)
        async with listener:
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname(), ssl=trusting)
            assert await reader.readexactly(1) == b"."
            writer.transport.abort()
            transport = await asyncio.wait_for(lost, PATIENCE)
            assert unsent(transport) == 0
            transport.abort()

    lost: asyncio.Future[asyncio.Transport]
    asyncio.run(play())
