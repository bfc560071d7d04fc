"""From JSON objects to protobuf: each message of the field tables becomes a function.

The bytes are those that Kubernetes writes (generated.pb.go): fields by their numbers, maps by their keys, and whatever is no
pointer there is written even if it is empty.
"""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message
from pytest_daemonset.embedded.protobuf.wire import DELIMITED, VARINT, delimited, tag, varint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Encoder = Callable[[Mapping[str, Any]], bytes]
    Put = Callable[[Any], bytes]

_ZERO_TIME = datetime(1, 1, 1, tzinfo=timezone.utc)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ONE, _TWO, _THREE = (tag(number, DELIMITED) for number in (1, 2, 3))


@cache
def encoder(message: Message) -> Encoder:
    """The function that gives the bytes of such a message.

    It takes an object as the server keeps it: known fields only, canonical values. Others are passed over.
    """
    return _build(message, {})


def _build(message: Message, known: dict[str, Encoder]) -> Encoder:
    # what stands there if nothing is given, field by field: an object costs what it has, not what it could have
    absent: list[bytes] = []
    places: dict[str, tuple[int, Put]] = {}
    inlined: list[tuple[int, Put]] = []

    def encode(obj: Mapping[str, Any]) -> bytes:
        parts = absent[:]
        for name, value in obj.items():
            if value is not None and name in places:
                place, put = places[name]
                parts[place] = put(value)
        for place, put in inlined:
            parts[place] = put(obj)
        return b"".join(parts)

    known[message.name] = encode
    for field in sorted((each for each in message.own if each.number), key=lambda each: each.number):
        put, empty = _put(field, known)
        if field.inline:
            inlined.append((len(absent), put))
        else:
            places[field.name] = (len(absent), put)
        absent.append(empty)
    return encode


def _put(field: Field, known: dict[str, Encoder]) -> tuple[Put, bytes]:
    """How a field is written, with its tag, and what stands there if it is absent."""
    if field.shape == "map":
        return _map(field, known), b""
    put = _value(field.type, field.number, known)
    if field.shape == "list":
        return lambda values: b"".join([put(value) for value in values]), b""
    return put, b"" if field.keeps_zero or field.inline else _absent(field, put)


def _absent(field: Field, put: Put) -> bytes:
    """How a field that is no pointer is written if it is not there."""
    if field.type in MESSAGES:
        return put({})
    if field.type == "Any":
        return tag(field.number, DELIMITED) + b"\x00"
    zeros: dict[str, Any] = {"bool": False, "int32": 0, "int64": 0, "IntOrString": 0, "bytes": "", "Quantity": "0"}
    return b"" if field.type == "bytes" else put(zeros.get(field.type, ""))


def _map(field: Field, known: dict[str, Encoder]) -> Put:
    prefix, put = tag(field.number, DELIMITED), _value(field.type, 2, known)

    def write(values: Mapping[str, Any]) -> bytes:
        return b"".join(
            [
                delimited(prefix, delimited(_ONE, key.encode()) + (b"" if value is None else put(value)))
                for key, value in sorted(values.items())
            ]
        )

    return write


def _value(kind: str, number: int, known: dict[str, Encoder]) -> Put:
    prefix = tag(number, DELIMITED)
    if kind in MESSAGES:
        encode = known.get(kind) or _build(MESSAGES[kind], known)
        return lambda value: delimited(prefix, encode(value or {}))
    if kind in {"int32", "int64", "bool"}:
        key = tag(number, VARINT)
        return lambda value: key + varint(int(value))
    if kind == "string":
        return lambda value: _string(prefix, value)
    if kind == "bytes":
        return lambda value: delimited(prefix, base64.b64decode(value))
    inners: dict[str, Put] = {
        "Time": _moment,
        "MicroTime": _moment,
        "Quantity": _quantity,
        "IntOrString": _int_or_string,
        "Any": _any,
    }
    inner = inners[kind]
    return lambda value: delimited(prefix, inner(value))


def _string(prefix: bytes, value: str) -> bytes:
    data = value.encode()
    return b"%b%c%b" % (prefix, len(data), data) if len(data) < 128 else delimited(prefix, data)


@lru_cache(maxsize=4096)
def _moment(text: str) -> bytes:
    if not text:
        return b""
    # Python 3.10 reads no "Z"
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment == _ZERO_TIME:
        return b""
    since = moment - _EPOCH
    return b"\x08%b\x10%b" % (varint(since.days * 86400 + since.seconds), varint(since.microseconds * 1000))


@lru_cache(maxsize=4096)
def _quantity(text: str) -> bytes:
    return delimited(_ONE, text.encode())


def _int_or_string(value: int | str) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + delimited(_THREE, value.encode())
    return b"\x08\x00\x10%b\x1a\x00" % varint(value)


def _any(value: Any) -> bytes:
    return delimited(_ONE, orjson.dumps(value))
