"""From protobuf to JSON objects: each message of the field tables becomes a function.

What comes out is what Kubernetes' Go types would write as JSON: what is empty and need not be written is left out.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message
from pytest_daemonset.embedded.kinds.scalars import SCALARS
from pytest_daemonset.embedded.protobuf.wire import DELIMITED, VARINT, MalformedError, read_varint, signed, skip

if TYPE_CHECKING:
    from collections.abc import Callable

    Object = dict[str, Any]
    Decoder = Callable[[bytes, int, int, Object], None]
    Read = Callable[[bytes, int, int], Any]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - all is UTC here, and none of it is shown with a zone
_SHORT = 64
_INTEGERS = frozenset({"int32", "int64", "bool"})


@cache
def decoder(message: Message) -> Callable[[bytes], Object]:
    """The function that reads such a message.

    It raises MalformedError for bytes that are none.
    """
    decode = _build(message, {})

    def read(data: bytes) -> Object:
        obj: Object = {}
        try:
            decode(data, 0, len(data), obj)
        except IndexError:
            raise MalformedError("unexpected EOF") from None
        return obj

    return read


def raw_extension(message: Message, data: bytes, name: str) -> bytes:
    """The bytes of a field of the type Any, as they were sent; empty if it is not there.

    Args:
        data: a message that has been read before.
    """
    number = next(field.number for field in message.own if field.name == name)
    return _text(_parts(_text(_parts(data), number)), 1)


def _build(message: Message, known: dict[str, Decoder]) -> Decoder:
    takers: dict[int, Callable[[bytes, int, int, Object], None]] = {}
    texts: dict[int, tuple[str, bool]] = {}  # most fields are strings: they are read without a call
    counters: dict[int, Callable[[int, Object], None]] = {}
    numbers: set[int] = set()
    always: list[tuple[str, Callable[[], Any]]] = []

    def decode(data: bytes, at: int, stop: int, obj: Object) -> None:
        while at < stop:
            found = data[at]
            at += 1
            if found > 127:
                found, at = read_varint(data, at - 1)
            text = texts.get(found)
            take = takers.get(found) if text is None else None
            if text is not None or take is not None:
                size = data[at]
                at += 1
                if size > 127:
                    size, at = read_varint(data, at - 1)
                end = at + size
                if end > stop:
                    raise MalformedError("unexpected EOF")
                if take is not None:
                    take(data, at, end, obj)
                elif text is not None:
                    name, keep = text
                    if size or keep:
                        obj[name] = str(data[at:end], "utf-8", "replace")
                    elif name in obj:
                        del obj[name]
                at = end
                continue
            count = counters.get(found)
            if count is not None:
                value, at = read_varint(data, at)
                count(value, obj)
                continue
            number = found >> 3
            if number in numbers or not number:
                raise MalformedError(f"proto: wrong wireType = {found & 7} for field {number} of {message.name}")
            at = skip(data, at, stop, found & 7)
        if at != stop:
            raise MalformedError("unexpected EOF")
        for name, make in always:
            if name not in obj:
                obj[name] = make()

    known[message.name] = decode
    for field in message.own:
        if not field.number:
            continue
        numbers.add(field.number)
        if field.type in _INTEGERS and field.shape != "map":
            counters[field.number << 3 | VARINT] = _counter(field)
            if field.shape == "list":
                takers[field.number << 3 | DELIMITED] = partial(_packed, counters[field.number << 3 | VARINT])
        elif field.type == "string" and field.shape == "one":
            texts[field.number << 3 | DELIMITED] = (field.name, field.keeps_zero or field.always)
        else:
            takers[field.number << 3 | DELIMITED] = _taker(field, known)
        if field.always and not field.inline:
            always.append((field.name, _empty(field)))
    for field in message.always:
        if all(field.name != name for name, _ in always):
            always.append((field.name, _empty(field)))
    return decode


def _empty(field: Field) -> Callable[[], Any]:
    """What stands for a field that is always written."""
    if field.shape != "one" or field.keeps_zero:
        return lambda: None
    if field.type in SCALARS:
        zero = SCALARS[field.type].zero
        return lambda: zero
    return partial(_empty_message, MESSAGES[field.type])


def _empty_message(message: Message) -> Object:
    return {each.name: _empty(each)() for each in message.always}


def _integer(kind: str) -> Callable[[int], int | bool]:
    if kind == "bool":
        return bool
    bits = int(kind.removeprefix("int"))
    return lambda value: value if value < 1 << (bits - 1) else signed(value, bits)


def _counter(field: Field) -> Callable[[int, Object], None]:
    name, convert, keep = field.name, _integer(field.type), field.keeps_zero or field.always

    def one(value: int, obj: Object) -> None:
        if value or keep:
            obj[name] = convert(value)
        else:
            obj.pop(name, None)

    def several(value: int, obj: Object) -> None:
        obj.setdefault(name, []).append(convert(value))

    return several if field.shape == "list" else one


def _packed(count: Callable[[int, Object], None], data: bytes, at: int, stop: int, obj: Object) -> None:
    while at < stop:
        value, at = read_varint(data, at)
        count(value, obj)
    if at != stop:
        raise MalformedError("unexpected EOF")


def _taker(field: Field, known: dict[str, Decoder]) -> Callable[[bytes, int, int, Object], None]:
    name, keep = field.name, field.keeps_zero or field.always
    if field.shape == "map":
        return _map(field, known)
    if field.type in MESSAGES:
        decode = known.get(field.type) or _build(MESSAGES[field.type], known)
        if field.inline:
            return decode

        def message(data: bytes, at: int, stop: int, obj: Object) -> None:
            # a message that comes twice is merged
            inner: Object = obj.get(name) or {}
            decode(data, at, stop, inner)
            if inner or keep:
                obj[name] = inner

        def messages(data: bytes, at: int, stop: int, obj: Object) -> None:
            inner: Object = {}
            decode(data, at, stop, inner)
            obj.setdefault(name, []).append(inner)

        return messages if field.shape == "list" else message
    read = _reader(field.type)

    def values(data: bytes, at: int, stop: int, obj: Object) -> None:
        obj.setdefault(name, []).append(read(data, at, stop))

    def one(data: bytes, at: int, stop: int, obj: Object) -> None:
        value = read(data, at, stop)
        if value or (keep and value is not None):
            obj[name] = value
        else:
            obj.pop(name, None)

    return values if field.shape == "list" else one


def _map(field: Field, known: dict[str, Decoder]) -> Callable[[bytes, int, int, Object], None]:
    """A map is a list of messages: the key is field 1, the value field 2."""
    name = field.name
    entry = Message("", (_entry_field(1, "string"), _entry_field(2, field.type)), {}, ())
    decode = _build(entry, {**known})
    zero = _empty(replace(field, shape="one", keeps_zero=False))

    def take(data: bytes, at: int, stop: int, obj: Object) -> None:
        found: Object = {}
        decode(data, at, stop, found)
        obj.setdefault(name, {})[found.get("1", "")] = found["2"] if "2" in found else zero()

    return take


def _entry_field(number: int, kind: str) -> Field:
    return Field(number, str(number), kind, "one", False, True, False, None, False)


def _reader(kind: str) -> Read:
    if kind == "string":
        return lambda data, at, stop: data[at:stop].decode(errors="replace")
    if kind == "bytes":
        return lambda data, at, stop: base64.b64encode(data[at:stop]).decode()
    inner = _inner(kind)
    return lambda data, at, stop: inner(data[at:stop])


@cache
def _inner(kind: str) -> Callable[[bytes], Any]:
    """How the small messages are read that are plain values in JSON."""
    if kind == "IntOrString":
        return _int_or_string
    if kind == "Any":
        return _any
    return _remembered(_quantity if kind == "Quantity" else partial(_moment, kind == "MicroTime"))


def _parts(data: bytes) -> dict[int, Any]:
    """The last value of each field of a small message, as it stands on the wire: an int, or bytes."""
    at = 0
    found: dict[int, Any] = {}
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == VARINT:
            found[key >> 3], at = read_varint(data, at)
        elif key & 7 == DELIMITED:
            size, at = read_varint(data, at)
            if at + size > len(data):
                raise MalformedError("unexpected EOF")
            found[key >> 3] = data[at : at + size]
            at += size
        else:
            at = skip(data, at, len(data), key & 7)
    return found


def _number(parts: dict[int, Any], number: int) -> int:
    value = parts.get(number, 0)
    if not isinstance(value, int):
        raise MalformedError(f"proto: wrong wireType = {DELIMITED} for field {number}")
    return value


def _text(parts: dict[int, Any], number: int) -> bytes:
    value = parts.get(number, b"")
    if not isinstance(value, bytes):
        raise MalformedError(f"proto: wrong wireType = {VARINT} for field {number}")
    return value


def _remembered(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """The same values come again and again; long ones, which nobody needs to send, would fill the memory."""
    known = lru_cache(maxsize=4096)(read)
    return lambda data: known(data) if len(data) <= _SHORT else read(data)


def _moment(fine: bool, data: bytes) -> str | None:
    # A moment that was never set is an empty message in protobuf, and null in JSON.
    if not data:
        return None
    parts = _parts(data)
    seconds, nanos = signed(_number(parts, 1), 64), signed(_number(parts, 2), 32)
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000 if fine else 0)
    except OverflowError:
        raise MalformedError(f"proto: no time: {seconds} seconds") from None
    return f"{moment.isoformat(timespec='microseconds' if fine else 'seconds')}Z"


def _quantity(data: bytes) -> str:
    parts = _parts(data)
    return _text(parts, 1).decode(errors="replace") if 1 in parts else "0"


def _int_or_string(data: bytes) -> int | str:
    parts = _parts(data)
    if _number(parts, 1) > 1:
        raise MalformedError(f"proto: impossible IntOrString.Type {parts[1]}")
    return _text(parts, 3).decode(errors="replace") if _number(parts, 1) else signed(_number(parts, 2), 32)


def _any(data: bytes) -> Any:
    raw = _text(_parts(data), 1)
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"a raw extension holds no JSON: {error}") from None
