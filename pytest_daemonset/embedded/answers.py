"""Answers over HTTP: what almost every request gets is written in one piece, at a fraction of what a head made from a dict costs."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web
from aiohttp.http import SERVER_SOFTWARE

from pytest_daemonset.embedded import media

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

READING_SECONDS = 60.0
"""How long somebody may take to read an answer: as long as kube-apiserver gives a request. Nobody's lists pile up for ever."""

NOT_KEPT = "no-cache, private"
"""The Cache-Control of all answers but for the OpenAPI documents."""

_ONE_PIECE = 64 * 1024


@lru_cache(maxsize=64)
def _head(code: int, media_type: str, second: int) -> bytes:
    """The head of an answer, up to its length."""
    return (
        f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\nContent-Type: {media_type}\r\nCache-Control: {NOT_KEPT}\r\n"
        f"Date: {formatdate(second, usegmt=True)}\r\n"
        f"Server: {SERVER_SOFTWARE}\r\nContent-Length: "
    ).encode()


def unsent(transport: asyncio.Transport) -> int:
    """How many bytes the network has not taken yet; none where the connection is lost."""
    try:
        return transport.get_write_buffer_size()
    except AttributeError:  # Python 3.10: a TLS transport that was lost has lost its own, and is not closing
        return 0


class Body(web.Response):
    """A body of one media type.

    Where the connection stays open, its reader keeps up and nothing was added to the head, it is written here. All else is left to
    aiohttp, which also waits for slow readers; those that do not read at all are hung up on.

    Args:
        code: HTTP status.
        data: the body.
        media_type: the Content-Type.
    """

    def __init__(self, code: int, data: bytes, media_type: str = media.JSON) -> None:
        super().__init__(status=code, body=data, headers={"Content-Type": media_type, "Cache-Control": NOT_KEPT})
        self._as_made = (code, data, media_type)
        self._written = False
        self._transport: asyncio.Transport | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send all of it, if that can be done in one piece."""
        code, data, media_type = self._as_made
        transport = self._transport = request.transport
        if (
            transport is None
            or len(self.headers) > 2
            or len(data) > _ONE_PIECE
            or unsent(transport)
            or request.method == "HEAD"
            or request.version != HttpVersion11
            or not request.keep_alive
            or super().keep_alive is False
        ):
            return await super().prepare(request)
        transport.write(b"%b%d\r\n\r\n%b" % (_head(code, media_type, int(time.time())), len(data), data))
        self._written = True
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """End it, where aiohttp has begun it."""
        if self._written:
            return
        if self._transport is None:  # gone already
            await super().write_eof(data)
            return
        cut = asyncio.get_running_loop().call_later(READING_SECONDS, self._transport.abort)
        try:
            await super().write_eof(data)
        finally:
            cut.cancel()

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open."""
        return True if self._written else super().keep_alive
