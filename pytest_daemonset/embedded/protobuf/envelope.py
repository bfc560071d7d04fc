"""What stands around objects in protobuf: the magic and runtime.Unknown, lists, and the frames of watch events."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.protobuf.decoding import decoder
from pytest_daemonset.embedded.protobuf.encoding import encoder
from pytest_daemonset.embedded.protobuf.wire import DELIMITED, MalformedError, delimited, read_varint, skip, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAGIC = b"k8s\x00"

_ONE, _TWO = tag(1, DELIMITED), tag(2, DELIMITED)
_END = b"\x1a\x00\x22\x00"  # contentEncoding and contentType, both empty


class Envelope(NamedTuple):
    """An object that says what it is, still as bytes; `api_version` and `kind` may be empty."""

    api_version: str
    kind: str
    raw: bytes


def enveloped(api_version: str, kind: str, message: bytes) -> bytes:
    """Put a message into its envelope (k8s.io/apimachinery pkg/runtime/serializer/protobuf)."""
    known = delimited(_ONE, api_version.encode()) + delimited(_TWO, kind.encode())
    return b"".join((MAGIC, delimited(_ONE, known), delimited(_TWO, message), _END))


def opened(data: bytes) -> Envelope:
    """Open an envelope.

    Raises:
        MalformedError: there is none, or it is damaged.
    """
    if not data.startswith(MAGIC):
        raise MalformedError(
            f"provided data does not appear to be a protobuf message, expected prefix {list(MAGIC)}".replace(",", "")
        )
    found = {1: b"", 2: b""}
    at, stop = len(MAGIC), len(data)
    try:
        while at < stop:
            key, at = read_varint(data, at)
            if key in {0x0A, 0x12}:
                size, at = read_varint(data, at)
                if at + size > stop:
                    raise MalformedError("unexpected EOF")
                found[key >> 3] = data[at : at + size]
                at += size
            elif not key >> 3 or key >> 3 in found:
                raise MalformedError(f"proto: wrong wireType = {key & 7} for field {key >> 3} of Unknown")
            else:
                at = skip(data, at, stop, key & 7)
    except IndexError:
        raise MalformedError("unexpected EOF") from None
    said = decoder(MESSAGES["TypeMeta"])(found[1])
    return Envelope(said.get("apiVersion", ""), said.get("kind", ""), found[2])


def list_message(metadata: Mapping[str, Any], items: Iterable[bytes]) -> bytes:
    """The message of a list, by the messages of its items."""
    head = delimited(_ONE, encoder(MESSAGES["ListMeta"])(metadata))
    return b"".join((head, *(delimited(_TWO, item) for item in items)))


def event_frame(type_: str, enveloped_object: bytes) -> bytes:
    """One watch event, behind its length: metav1.WatchEvent, whose object is a runtime.RawExtension."""
    event = delimited(_ONE, type_.encode()) + delimited(_TWO, delimited(_ONE, enveloped_object))
    return struct.pack(">I", len(event)) + event
