"""A watch on its way through the proxy: read as it comes, so that nothing of it is lost while it is held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pytest_daemonset.proxy.frames import Chunks, framing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp
    from aiohttp import web

    from pytest_daemonset.proxy.asked import Asked
    from pytest_daemonset.proxy.faults import Fault
    from pytest_daemonset.proxy.frames import Frames

_TOLD: Final = b"k8s.io/initial-events-end"
"""The annotation of the bookmark after which a watch that asked for what is there already (sendInitialEvents) has been told it."""


class Watch:
    """One of them.

    Args:
        asked: what is watched.
        request: the client's, whose connection is cut.
        faults: those of the moment.
    """

    def __init__(self, asked: Asked, request: web.BaseRequest, faults: Sequence[Fault]) -> None:
        self.asked = asked
        self._request = request
        self._faults = faults
        self._is_cut = False

    def cut(self) -> None:
        """End it as a broken connection does."""
        self._is_cut = True
        if self._request.transport is not None:
            self._request.transport.abort()

    async def deliver(self, answer: aiohttp.ClientResponse, out: web.StreamResponse) -> None:
        """Hand on each event as it comes, until the API ends the watch.

        Args:
            answer: the API's.
            out: what the client gets.

        Raises:
            aiohttp.ClientError: the API's connection was lost.
            ConnectionError: the client's was.
        """
        coming: asyncio.Queue[bytes | None] = asyncio.Queue()
        frames = framing(answer.headers)
        reading = asyncio.ensure_future(_read(answer, frames, coming))
        # It stands for a list, and a client whose list is held begins nothing. Where it ends is seen in whole events only.
        listing = self.asked.initial and not isinstance(frames, Chunks)
        try:
            while (event := await coming.get()) is not None:
                while not listing and (holding := [fault for fault in self._faults if fault.holds(self.asked)]):
                    await holding[0].over.wait()
                listing = listing and _TOLD not in event
                if self._is_cut:
                    return
                # Asked anew: faults may have come while it was held.
                if not any(fault.swallows(self.asked, event) for fault in self._faults):
                    await out.write(event)
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            # An endless answer is cut off: a polite end of TLS would outlive a loop that ends right after.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()


async def _read(answer: aiohttp.ClientResponse, frames: Frames, coming: asyncio.Queue[bytes | None]) -> None:
    try:
        async for chunk in answer.content.iter_any():
            for event in frames.feed(chunk):
                coming.put_nowait(event)
        if frames.rest:
            coming.put_nowait(frames.rest)
    finally:
        coming.put_nowait(None)
