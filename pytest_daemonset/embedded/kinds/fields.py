"""The tables of fields: which fields a message has, of which type, and what becomes of a value that is read.

A table (see `tables/`) lists messages; a message is a name and one indented line for each field:

    NUMBER NAME TYPE [FLAG] [merge[=KEY]] [retainKeys]

- NUMBER is the field's number in Kubernetes' protobuf form; 0: it is not part of that message there.
- NAME `<` means that the fields of the message TYPE stand here in JSON, while protobuf nests them.
- TYPE is a scalar, a message, `[]TYPE`, or `{}TYPE` (a map with strings as keys).
- FLAG `!`: always written, also when empty; `?`: written if it was given, even if empty; none: left out when empty;
  `! ?`: always written, as null if it was not given.
- `merge` says how a strategic merge patch treats a list: by key, or as a set of plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import orjson

from pytest_daemonset.embedded.kinds.fielderrors import DecodeError
from pytest_daemonset.embedded.kinds.places import Place, told
from pytest_daemonset.embedded.kinds.scalars import SCALARS, Scalar, json_type
from pytest_daemonset.embedded.kinds.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

Shape = Literal["one", "list", "map"]

_REPEATED = frozenset({"Container", "Toleration", "Volume"})  # what the pods of a set say alike, at length
_SHORT = 16 * 1024  # a list that is longer is not remembered


@dataclass(frozen=True, eq=False)
class Field:
    """One field of a message.

    Args:
        number: in protobuf; 0 if it is not there.
        type: name of a scalar or message, of the elements if it is a list or map.
        always: written also when empty.
        keeps_zero: written if it was given, even if empty.
        inline: its own fields stand in the parent's JSON object.
        merge: None: a patch replaces the list; "": it merges plain values; else the key of its elements.
        retain_keys: a patch names the keys of an element that stay.
    """

    number: int
    name: str
    type: str
    shape: Shape
    always: bool
    keeps_zero: bool
    inline: bool
    merge: str | None
    retain_keys: bool

    @cached_property
    def scalar(self) -> Scalar | None:
        """What it holds; None if that is a message."""
        return SCALARS.get(self.type)

    @cached_property
    def repeated(self) -> bool:
        """Whether many objects hold the same list."""
        return self.shape == "list" and self.type in _REPEATED

    @cached_property
    def kept(self) -> bool:
        """Whether it is written although it is empty, if it was given."""
        return self.keeps_zero or self.always


@dataclass(frozen=True, eq=False)
class Message:
    """One message: `own` as protobuf has its fields, `fields` by their JSON names with the inlined ones."""

    name: str
    own: tuple[Field, ...]
    fields: Mapping[str, Field] = field(repr=False, compare=False)
    always: tuple[Field, ...] = field(repr=False, compare=False)


def _read_field(line: str) -> Field:
    number, name, kind, *rest = line.split()
    shape: Shape = "one"
    if kind.startswith("[]"):
        shape, kind = "list", kind[2:]
    elif kind.startswith("{}"):
        shape, kind = "map", kind[2:]
    merge = next((word.partition("=")[2] for word in rest if word.partition("=")[0] == "merge"), None)
    inline = name == "<"
    return Field(int(number), name, kind, shape, "!" in rest, "?" in rest, inline, merge, "retainKeys" in rest)


def _flattened(own: dict[str, list[Field]], fields: list[Field]) -> list[Field]:
    """The fields, with those of inlined messages in their places."""
    return [one for each in fields for one in (_flattened(own, own[each.type]) if each.inline else [each])]


def _read_tables(tables: tuple[str, ...]) -> Mapping[str, Message]:
    own: dict[str, list[Field]] = {}
    for line in "\n".join(tables).splitlines():
        if not line.startswith(" "):
            current = own.setdefault(line.strip(), [])
        else:
            current.append(_read_field(line))
    own.pop("", None)
    messages = {}
    for name, fields in own.items():
        flat = {each.name: each for each in _flattened(own, fields)}
        messages[name] = Message(name, tuple(fields), flat, tuple(f for f in flat.values() if f.always))
    return MappingProxyType(messages)


MESSAGES = _read_tables(TABLES)


def decode(message: Message, obj: dict[str, Any], only: Container[str] | None = None) -> list[str]:
    """Bring an object into the form in which the server keeps it, in place.

    Unknown fields, nulls and empty values go, values get their canonical spelling (quantities, times), and fields that
    are always written appear.

    Args:
        only: the fields to look at; the others are in that form already. None for all.

    Returns:
        The paths of the unknown fields.

    Raises:
        DecodeError: A known field holds a value of another type.
    """
    unknown: list[str] = []
    _decode_message(message, obj, None, unknown, only)
    return unknown


def _decode_message(
    message: Message, obj: dict[str, Any], place: Place | None, unknown: list[str], only: Container[str] | None = None
) -> None:
    fields = message.fields
    for name, value in tuple(obj.items()):
        if only is not None and name not in only:
            continue
        known = fields.get(name)
        if known is None:
            unknown.append(told((place, name)))
            del obj[name]
            continue
        if value is not None:
            # most values are texts, which are what they should be
            if known.type != "string" or known.shape != "one" or type(value) is not str:
                value = obj[name] = _decode_field(known, value, (place, name), unknown)
            if value or known.kept:
                continue
        del obj[name]
    for missing in message.always:
        if missing.name not in obj:
            obj[missing.name] = _empty(missing)


def _decode_field(known: Field, value: Any, place: Place, unknown: list[str]) -> Any:
    if known.shape == "one":
        return _decode_value(known, value, place, unknown)
    if known.shape == "list":
        if not isinstance(value, list):
            raise DecodeError(
                f"json: cannot unmarshal {json_type(value)} into field {told(place)} of type []{known.type}"
            )
        if known.repeated and (read := _read_before(known, value)) is not None:
            return orjson.loads(read)
        return _decode_list(known, value, place, unknown)
    if not isinstance(value, dict):
        raise DecodeError(
            f"json: cannot unmarshal {json_type(value)} into field {told(place)} of type map[string]{known.type}"
        )
    for key, element in value.items():
        if known.type != "string" or type(element) is not str:
            value[key] = _decode_value(known, element, (place, key), unknown)
    return value


def _decode_list(known: Field, value: list[Any], place: Place | None, unknown: list[str]) -> list[Any]:
    for index, element in enumerate(value):
        value[index] = _decode_value(known, element, (place, index), unknown)
    return value


def _read_before(known: Field, value: list[Any]) -> bytes | None:
    """What becomes of a list that is read once for all that say the same; None if it has to be read where it stands."""
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:  # too deep: what is unknown goes anyway
        return None
    return _read_once(known, encoded) if len(encoded) <= _SHORT else None


@lru_cache(maxsize=512)
def _read_once(known: Field, encoded: bytes) -> bytes | None:
    unknown: list[str] = []
    try:
        value = _decode_list(known, orjson.loads(encoded), None, unknown)
    except DecodeError:
        return None
    return None if unknown else orjson.dumps(value)


def _decode_value(known: Field, value: Any, place: Place, unknown: list[str]) -> Any:
    scalar = known.scalar
    if scalar is not None:
        return scalar.zero if value is None else scalar.read(value, place)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise DecodeError(f"json: cannot unmarshal {json_type(value)} into field {told(place)} of type {known.type}")
    _decode_message(MESSAGES[known.type], value, place, unknown)
    return value


def _empty(known: Field) -> Any:
    if known.shape != "one" or known.keeps_zero:
        return None
    if known.scalar is not None:
        return known.scalar.zero
    return {each.name: _empty(each) for each in MESSAGES[known.type].always}


@lru_cache(maxsize=64)
def list_keys(message: Message) -> Mapping[tuple[str, ...], str]:
    """How a strategic merge patch merges lists: path (without indexes) -> key of the elements, "" for plain values."""
    return MappingProxyType({path: each.merge for path, each in _walk(message, ()) if each.merge is not None})


@lru_cache(maxsize=64)
def retained_keys(message: Message) -> frozenset[tuple[str, ...]]:
    """The paths (without indexes) of the lists whose elements a strategic merge patch may cut by `$retainKeys`."""
    return frozenset(path for path, each in _walk(message, ()) if each.retain_keys)


def _walk(message: Message, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Field]]:
    found = []
    for name, each in message.fields.items():
        found.append(((*path, name), each))
        if each.type in MESSAGES and each.shape != "map":
            found += _walk(MESSAGES[each.type], (*path, name))
    return found
