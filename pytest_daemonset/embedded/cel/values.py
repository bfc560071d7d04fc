"""The values of CEL in Python: what JSON has as it is, and classes for what it has not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1 << 63


class CelError(Exception):
    """An expression has no value: the reason, as Kubernetes words it."""


class Uint(int):
    """An unsigned number."""


class Duration(timedelta):
    """A span of time."""


class Quantity(Fraction):
    """A quantity such as 500m."""


class Url(SplitResult):
    """A URL that was parsed."""


@dataclass(frozen=True)
class Optional:
    """A value, or none."""

    value: Any = None
    present: bool = True


NONE = Optional(None, False)


@dataclass(frozen=True)
class Type:
    """A type, as `type(x)` gives it."""

    name: str


class Struct(dict[str, Any]):
    """What `NAME{...}` makes, such as a JSONPatch or a part of an Object."""

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.name = name


_NAMES: Mapping[type, str] = MappingProxyType(
    {
        bool: "bool",
        int: "int",
        Uint: "uint",
        float: "double",
        str: "string",
        bytes: "bytes",
        list: "list",
        dict: "map",
        type(None): "null_type",
        Type: "type",
        Optional: "optional_type",
        datetime: "google.protobuf.Timestamp",
        Duration: "google.protobuf.Duration",
        Quantity: "kubernetes.Quantity",
        Url: "kubernetes.URL",
    }
)
TYPES = frozenset({"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"})


def type_name(value: Any) -> str:
    """How CEL names the type of a value."""
    return value.name if isinstance(value, Struct) else _NAMES.get(type(value), type(value).__name__)


def is_number(value: Any) -> bool:
    """Whether it is an int, a uint or a double: those are compared with each other."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """Equality of any two values; values of different types are not equal, but numbers are compared by value."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return type(left) is type(right) and bool(left == right)


def whole(value: int) -> int:
    """An int within 64 bits.

    Raises:
        CelError: it is not.
    """
    if not -LIMIT <= value < LIMIT:
        raise CelError("integer overflow")
    return value


def plain(value: Any) -> Any:
    """A value as JSON.

    Raises:
        CelError: JSON has no such value.
    """
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Optional):
        return plain(value.value) if value.present else None
    if isinstance(value, Uint):
        return int(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise CelError(f"unsupported conversion of {type_name(value)} to JSON")
