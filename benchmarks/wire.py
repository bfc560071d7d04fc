"""A client that costs as little as Python lets it: HTTP/1.1 over TLS, one request at a time on each connection that stays open.

aiohttp's client takes as long for a request as the server for its answer: with both on two cores it would be the client that is measured.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


def request(method: str, path: str, token: str, body: bytes = b"", of: str = "application/json") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: benchmark\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: {of}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection(asyncio.Protocol):
    """One connection. The answers must have a Content-Length."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received: list[bytes] = []
        self._left = 0
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port, ssl=tls)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed before it answered"))

    def data_received(self, data: bytes) -> None:
        if not self._received:
            head, end, body = data.partition(b"\r\n\r\n")
            assert end, "a head in several pieces"
            lines = head.lower().split(b"\r\n")
            length = next(int(line[16:]) for line in lines if line.startswith(b"content-length: "))
            assert lines[0].startswith(b"http/1.1 2"), data[:500]
            self._left, data = length, body
        self._received.append(data)
        self._left -= len(data)
        if not self._left and self._answer is not None:
            self._answer.set_result(b"".join(self._received))
            self._received.clear()

    async def ask(self, message: bytes) -> bytes:
        """Send a request; returns the body of its answer, which must be a good one."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Stream(asyncio.Protocol):
    """A watch: `on_line` is called with the moment (perf_counter) and each event."""

    def __init__(self, message: bytes, on_line: Callable[[float, bytes], None]) -> None:
        self._message = message
        self._on_line = on_line
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, port: int, tls: ssl.SSLContext, message: bytes, on_line: Callable[[float, bytes], None]
    ) -> Stream:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: cls(message, on_line), "127.0.0.1", port, ssl=tls)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            # what else has lines is the head, and the sizes of the chunks
            if line.startswith(b"{"):
                self._on_line(now, line)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
