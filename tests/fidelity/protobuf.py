"""Reads application/vnd.kubernetes.protobuf by the tables of fields, to prove their numbers."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"k8s\x00"


def read(message: Message, data: bytes) -> dict[str, Any]:
    """The object in an envelope of Kubernetes' protobuf form, as JSON has it."""
    assert data.startswith(MAGIC)
    envelope = dict(parts(data[len(MAGIC) :]))
    return read_message(message, envelope[2])


def parts(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and raw values: an int, or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
            yield tag >> 3, value
        else:
            assert tag & 7 == 2, f"wire type {tag & 7} of field {tag >> 3}"
            size, at = varint(data, at)
            yield tag >> 3, data[at : at + size]
            at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value - (1 << 64) if value >= 1 << 63 else value, at


def read_message(message: Message, data: bytes) -> dict[str, Any]:
    by_number = {each.number: each for each in message.own if each.number}
    obj: dict[str, Any] = {}
    for number, raw in parts(data):
        assert number in by_number, f"{message.name} has no field {number}"
        known = by_number[number]
        if known.inline:
            obj.update(read_message(MESSAGES[known.type], raw))
        elif known.shape == "list":
            obj.setdefault(known.name, []).append(read_value(known, raw))
        elif known.shape == "map":
            entry = dict(parts(raw))
            obj.setdefault(known.name, {})[entry[1].decode()] = read_value(known, entry.get(2, b""))
        else:
            obj[known.name] = read_value(known, raw)
    return obj


def read_value(known: Field, raw: Any) -> Any:
    kind = known.type
    if kind in MESSAGES:
        return read_message(MESSAGES[kind], raw)
    if kind in {"int32", "int64"}:
        return raw
    if kind == "bool":
        return bool(raw)
    if kind == "string":
        return raw.decode()
    if kind == "bytes":
        return base64.b64encode(raw).decode()
    inner = dict(parts(raw))
    if kind in {"Time", "MicroTime"}:
        # A moment that was never set is an empty message in protobuf, and null in JSON.
        if not inner:
            return None
        moment = datetime.fromtimestamp(inner.get(1, 0), timezone.utc).replace(microsecond=inner.get(2, 0) // 1000)
        return moment.isoformat(timespec="microseconds" if kind == "MicroTime" else "seconds")
    if kind == "Quantity":
        return inner[1].decode()
    if kind == "IntOrString":
        return inner.get(3, b"").decode() if inner.get(1) else inner.get(2, 0)
    assert kind == "Any", kind
    return json.loads(inner[1])
