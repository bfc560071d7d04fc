"""The events of a watch, told apart without being read: lines of JSON, or protobuf behind its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH: Final = 4
"""Bytes, the highest first, that tell how long a protobuf event is."""


class Frames(Protocol):
    """Takes chunks as they come.

    Attributes:
        rest: what has come of an event that is not complete.
    """

    rest: bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that a chunk completes, each with all of its bytes."""


class Lines:
    """Each event is a line."""

    rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """See `Frames`."""
        *whole, self.rest = (self.rest + chunk).split(b"\n")
        return [line + b"\n" for line in whole]


class Lengths:
    """Each event begins with its length."""

    rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """See `Frames`."""
        self.rest += chunk
        whole = []
        while len(self.rest) >= (end := _LENGTH + int.from_bytes(self.rest[:_LENGTH], "big")) >= _LENGTH:
            whole.append(self.rest[:end])
            self.rest = self.rest[end:]
        return whole


class Chunks:
    """Nobody knows where an event ends: what is compressed, or in a form of its own."""

    rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """See `Frames`."""
        return [chunk]


def framing(headers: Mapping[str, str]) -> Frames:
    """How the events of an answer are told apart.

    Args:
        headers: of the answer.
    """
    media_type = headers.get("Content-Type", "").partition(";")[0].strip()
    if headers.get("Content-Encoding", "identity") != "identity":
        return Chunks()
    if media_type == "application/json":
        return Lines()
    return Lengths() if media_type == "application/vnd.kubernetes.protobuf" else Chunks()
