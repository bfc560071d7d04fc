"""The scalar types of the field tables: what they accept in JSON, how they spell it, and what stands for none."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timezone
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.kinds.fielderrors import DecodeError
from pytest_daemonset.embedded.kinds.places import told
from pytest_daemonset.embedded.kinds.quantity import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.embedded.kinds.places import Place


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_WRITTEN = len("2006-01-02T15:04:05Z")


class Scalar(NamedTuple):
    """One scalar type.

    `read(value, place)` gives the canonical value, or raises DecodeError; `zero` is what an absent value is written as.
    """

    read: Callable[[Any, Place | None], Any]
    zero: Any


def json_type(value: Any) -> str:
    """How Go's decoder names the JSON type of a value."""
    names = {list: "array", dict: "object", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")


def _refuse(value: Any, place: Place | None, wanted: str) -> DecodeError:
    found = json_type(value)
    if found == "number" and wanted.startswith("int"):
        found += f" {value!r:.80}"  # a number it is, but one that does not fit
    return DecodeError(f"json: cannot unmarshal {found} into field {told(place)} of type {wanted}")


def _string(value: Any, place: Place | None) -> str:
    if not isinstance(value, str):
        raise _refuse(value, place, "string")
    return value


def _bool(value: Any, place: Place | None) -> bool:
    if not isinstance(value, bool):
        raise _refuse(value, place, "bool")
    return value


def _integer(bits: int) -> Callable[[Any, Place | None], int]:
    limit = 1 << (bits - 1)

    def read(value: Any, place: Place | None) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
            raise _refuse(value, place, f"int{bits}")
        return value

    return read


def _bytes(value: Any, place: Place | None) -> str:
    if not isinstance(value, str):
        raise _refuse(value, place, "[]byte")
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"illegal base64 data in field {told(place)}: {error}") from None
    return value


def _moment(value: Any, place: Place | None, wanted: str, exactly: int = 0) -> datetime:
    """A moment; `exactly` is how many digits its fraction has to have, 0 for any number."""
    if not isinstance(value, str):
        raise _refuse(value, place, wanted)
    read = _RFC3339.fullmatch(value)
    if read is None:
        raise DecodeError(f'parsing time "{value:.60}" in field {told(place)} as RFC 3339: cannot parse')
    seconds, fraction, zone = read.groups(default="")
    if exactly and len(fraction) != exactly:
        text = f'parsing time "{value:.60}" in field {told(place)}: cannot parse "{value[19:60]}" as "."'
        raise DecodeError(f"{text} and {exactly} digits")
    try:
        # Python 3.10 reads fractions of six digits only, and no "Z".
        moment = datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}{'+00:00' if zone == 'Z' else zone}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise DecodeError(f'parsing time "{value:.60}" in field {told(place)}: out of range') from None


def _time(value: Any, place: Place | None) -> str:
    # nearly all are as this server has written them, and come back with each write
    if isinstance(value, str) and len(value) == _WRITTEN and (known := _known_time(value)):
        return known
    return _whole_seconds(_moment(value, place, "Time"))


def _whole_seconds(moment: datetime) -> str:
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z"


@lru_cache(maxsize=4096)
def _known_time(text: str) -> str:
    """A time as it is written; "" if it is none."""
    try:
        return _whole_seconds(_moment(text, None, "Time"))
    except DecodeError:
        return ""


def _micro_time(value: Any, place: Place | None) -> str:
    moment = _moment(value, place, "MicroTime", exactly=6)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _quantity(value: Any, place: Place | None) -> str:
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _refuse(value, place, "Quantity")
    spelled = canonical(text.strip())
    if spelled is None:
        raise DecodeError(
            f"quantities must match the regular expression of quantities, field {told(place)} is {value!r:.60}"
        )
    return spelled


def _int_or_string(value: Any, place: Place | None) -> int | str:
    if isinstance(value, str):
        return value
    return _integer(32)(value, place)


def _any(value: Any, _place: Place | None) -> Any:
    return value


SCALARS = MappingProxyType(
    {
        "string": Scalar(_string, ""),
        "bool": Scalar(_bool, False),
        "int32": Scalar(_integer(32), 0),
        "int64": Scalar(_integer(64), 0),
        "bytes": Scalar(_bytes, None),
        "Time": Scalar(_time, None),
        "MicroTime": Scalar(_micro_time, None),
        "Quantity": Scalar(_quantity, "0"),
        "IntOrString": Scalar(_int_or_string, 0),
        "Any": Scalar(_any, None),
    }
)
