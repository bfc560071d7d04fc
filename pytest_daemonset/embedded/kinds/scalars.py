"""The scalar types of the field tables: what they accept in JSON, how they spell it, and what stands for none."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.kinds.fielderrors import DecodeError
from pytest_daemonset.embedded.kinds.quantity import canonical

if TYPE_CHECKING:
    from collections.abc import Callable


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Scalar(NamedTuple):
    """One scalar type.

    `read(value, path)` gives the canonical value, or raises DecodeError; `zero` is what an absent value is written as.
    """

    read: Callable[[Any, str], Any]
    zero: Any


def _refuse(value: Any, path: str, wanted: str) -> DecodeError:
    return DecodeError(f"json: cannot unmarshal {value!r:.80} into field {path} of type {wanted}")


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _refuse(value, path, "string")
    return value


def _bool(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _refuse(value, path, "bool")
    return value


def _integer(bits: int) -> Callable[[Any, str], int]:
    limit = 1 << (bits - 1)

    def read(value: Any, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not -limit <= value < limit:
            raise _refuse(value, path, f"int{bits}")
        return value

    return read


def _bytes(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _refuse(value, path, "[]byte")
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"illegal base64 data in field {path}: {error}") from None
    return value


def _moment(value: Any, path: str, wanted: str) -> datetime:
    if not isinstance(value, str):
        raise _refuse(value, path, wanted)
    read = _RFC3339.fullmatch(value)
    if read is None:
        raise DecodeError(f'parsing time "{value:.60}" in field {path} as RFC 3339: cannot parse')
    seconds, fraction, zone = read.groups(default="")
    try:
        # Python 3.10 reads fractions of six digits only, and no "Z".
        moment = datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}{'+00:00' if zone == 'Z' else zone}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise DecodeError(f'parsing time "{value:.60}" in field {path}: out of range') from None


def _time(value: Any, path: str) -> str:
    return f"{_moment(value, path, 'Time').replace(microsecond=0, tzinfo=None).isoformat()}Z"


def _micro_time(value: Any, path: str) -> str:
    return f"{_moment(value, path, 'MicroTime').replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _quantity(value: Any, path: str) -> str:
    text = value if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _refuse(value, path, "Quantity")
    spelled = canonical(text.strip())
    if spelled is None:
        raise DecodeError(f"quantities must match the regular expression of quantities, field {path} is {value!r:.60}")
    return spelled


def _int_or_string(value: Any, path: str) -> int | str:
    if isinstance(value, str):
        return value
    return _integer(32)(value, path)


def _any(value: Any, _path: str) -> Any:
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
