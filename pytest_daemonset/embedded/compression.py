"""Compression of large answers for those who ask for it, as kube-apiserver does it: gzip at its fastest, from 128 KiB on."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

from pytest_daemonset.embedded import media

if TYPE_CHECKING:
    from aiohttp import web

THRESHOLD = 128 * 1024
_LEVEL = 1


async def compressed(request: web.BaseRequest, response: web.Response) -> web.Response:
    """The answer, compressed if it is large and the request accepts gzip; in a thread, so that others need not wait."""
    body = response.body
    if not isinstance(body, bytes) or len(body) <= THRESHOLD:
        return response
    if media.accepts_gzip(request.headers.get("Accept-Encoding", "")):
        smaller = await asyncio.get_running_loop().run_in_executor(None, gzip.compress, body, _LEVEL)
        response.body = smaller
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    return response
