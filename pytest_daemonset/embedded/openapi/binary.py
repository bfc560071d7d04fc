"""The OpenAPI v2 document in protobuf: what client-go's discovery asks for, and nothing else (google/gnostic, openapiv2).

Where JSON has an object of any names, protobuf has pairs of a name and a value; where JSON lets one of several things stand, a message
around it says which. Values that can be anything are YAML, which JSON is.
"""

from __future__ import annotations

import struct
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.protobuf.wire import DELIMITED, FIXED64, VARINT, delimited, tag, varint

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

# Each line: a message, the number of its extensions (0: it has none), and its fields as far as our documents have them.
# A field: its number, its name in JSON, its type; [] is a list of it, {} are pairs of names and values.
_TABLE = """
Document 16: 1 swagger string, 2 info Info, 8 paths Paths, 9 definitions Definitions
Document 16: 12 security []Requirement, 13 securityDefinitions Securities
Info 7: 1 title string, 2 version string
PathItem 10: 2 get Operation, 3 put Operation, 4 post Operation, 5 delete Operation, 8 patch Operation, 9 parameters []Parameter
Operation 13: 1 tags []string, 3 description string, 5 operationId string, 6 produces []string, 7 consumes []string
Operation 13: 8 parameters []Parameter, 9 responses Responses
Body 6: 1 description string, 2 name string, 3 in string, 4 required bool, 5 schema Schema
Query 23: 1 required bool, 2 in string, 3 description string, 4 name string, 6 type string, 20 uniqueItems bool
Path 22: 1 required bool, 2 in string, 3 description string, 4 name string, 5 type string, 19 uniqueItems bool
Response 5: 1 description string, 2 schema SchemaItem
Schema 31: 1 $ref string, 2 format string, 3 title string, 4 description string, 5 default any, 6 multipleOf double, 7 maximum double
Schema 31: 8 exclusiveMaximum bool, 9 minimum double, 10 exclusiveMinimum bool, 11 maxLength int, 12 minLength int, 13 pattern string
Schema 31: 14 maxItems int, 15 minItems int, 16 uniqueItems bool, 17 maxProperties int, 18 minProperties int, 19 required []string
Schema 31: 20 enum []any, 21 additionalProperties Additional, 22 type Type, 23 items Items, 25 properties Definitions, 30 example any
Key 5: 1 type string, 2 name string, 3 in string, 4 description string
"""
_PAIRS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "Definitions": (1, "Schema"),
        "Paths": (2, "PathItem"),
        "Requirement": (1, "Strings"),
        "Responses": (1, "Answer"),
        "Securities": (1, "Security"),
    }
)
"""Messages of pairs: the number of the pairs, and what they name."""

_WRAPPED: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "Answer": (1, "Response"),
        "Items": (1, "Schema"),
        "SchemaItem": (1, "Schema"),
        "Security": (2, "Key"),
        "Strings": (1, "[]string"),
        "Type": (1, "string"),
    }
)
"""Messages of which our documents have one field only."""


def _read(table: str) -> tuple[Mapping[str, int], Mapping[str, Mapping[str, tuple[int, str]]]]:
    extensions: dict[str, int] = {}
    messages: dict[str, dict[str, tuple[int, str]]] = {}
    for line in table.strip().splitlines():
        head, _, fields = line.partition(":")
        name, number = head.split()
        extensions[name] = int(number)
        for field in fields.split(","):
            at, known, kind = field.split()
            messages.setdefault(name, {})[known] = (int(at), kind)
    return MappingProxyType(extensions), MappingProxyType(messages)


_EXTENSIONS, _MESSAGES = _read(_TABLE)


def encode(document: Object) -> bytes:
    """The bytes of a v2 document."""
    return _message("Document", document)


def _message(kind: str, obj: Mapping[str, Any]) -> bytes:
    fields, parts = _MESSAGES[kind], []
    for name, value in obj.items():
        if name in fields:
            parts.append(_field(*fields[name], value))
        elif name.startswith("x-"):
            parts.append(_pair(_EXTENSIONS[kind], name, "any", value))
    return b"".join(parts)


def _pair(number: int, name: str, kind: str, value: Any) -> bytes:
    return delimited(tag(number, DELIMITED), _field(1, "string", name) + _field(2, kind, value))


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind.startswith("[]"):
        return b"".join(_field(number, kind[2:], each) for each in value)
    if kind in {"bool", "int"}:
        return tag(number, VARINT) + varint(int(value))
    if kind == "double":
        return tag(number, FIXED64) + struct.pack("<d", value)
    return delimited(tag(number, DELIMITED), _content(kind, value))


def _content(kind: str, value: Any) -> bytes:
    if kind == "string":
        return str(value).encode()
    if kind == "any":
        return _field(2, "string", orjson.dumps(value).decode())
    if kind in _PAIRS:
        number, named = _PAIRS[kind]
        return b"".join(_pair(number, name, named, each) for name, each in value.items())
    if kind in _WRAPPED:
        return _field(*_WRAPPED[kind], value)
    if kind == "Additional":
        return _field(2, "bool", value) if isinstance(value, bool) else _field(1, "Schema", value)
    if kind == "Parameter":
        # one of several, inside of one of two, inside of one of two
        if value["in"] == "body":
            return _field(1, "raw", _field(1, "Body", value))
        other = _field(4, "Path", value) if value["in"] == "path" else _field(3, "Query", value)
        return _field(1, "raw", _field(2, "raw", other))
    return value if kind == "raw" else _message(kind, value)
