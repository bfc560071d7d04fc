"""Protobuf's wire format: tags, variable-length integers, and how to skip what is not known."""

from __future__ import annotations

VARINT, FIXED64, DELIMITED, START_GROUP, END_GROUP, FIXED32 = range(6)

_MAX_SHIFT = 63


class MalformedError(Exception):
    """These bytes are no message of the wanted type."""


def varint(value: int) -> bytes:
    """An integer in its variable-length form; negative ones take ten bytes, as in protobuf."""
    if 0 <= value < 128:
        return _SMALL[value]
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = tuple(bytes((value,)) for value in range(128))


def tag(number: int, wire_type: int) -> bytes:
    """The bytes before a field's value."""
    return varint(number << 3 | wire_type)


def delimited(prefix: bytes, data: bytes) -> bytes:
    """A length-delimited field, by its tag and its content."""
    return b"%b%b%b" % (prefix, varint(len(data)), data)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned integer that begins at an offset, and the offset after it.

    Raises:
        MalformedError: it takes more than ten bytes.
        IndexError: the data end within it.
    """
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > _MAX_SHIFT:
            raise MalformedError("proto: integer overflow")


def signed(value: int, bits: int) -> int:
    """The integer of so many bits that an unsigned one stands for."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def skip(data: bytes, at: int, stop: int, wire_type: int) -> int:
    """The offset after a value that nobody wants.

    Raises:
        MalformedError: its type does not exist, or it ends beyond `stop`.
        IndexError: the data end within it.
    """
    depth = 0
    while True:
        if wire_type == VARINT:
            _, at = read_varint(data, at)
        elif wire_type == DELIMITED:
            size, at = read_varint(data, at)
            at += size
        elif wire_type == FIXED64:
            at += 8
        elif wire_type == FIXED32:
            at += 4
        elif wire_type == START_GROUP:
            depth += 1
        elif wire_type == END_GROUP and depth:
            depth -= 1
        else:
            raise MalformedError(f"proto: illegal wireType {wire_type}")
        if at > stop:
            raise MalformedError("unexpected EOF")
        if not depth:
            return at
        found, at = read_varint(data, at)
        wire_type = found & 7
