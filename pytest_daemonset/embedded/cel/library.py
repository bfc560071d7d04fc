"""The functions of CEL: the standard ones, the string and set extensions, and what Kubernetes adds (k8s.io/apiserver/pkg/cel/library)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from pytest_daemonset.embedded import regexes
from pytest_daemonset.embedded.cel.values import (
    LIMIT,
    CelError,
    Duration,
    Optional,
    Quantity,
    Type,
    Uint,
    Url,
    equal,
    is_number,
    type_name,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SPAN = re.compile(r"([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|s|us|µs|ns))+")
_PIECE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_FORMAT = re.compile(r"%(?:\.(\d{1,3}))?([sdfexXob%])")


class NoOverloadError(CelError):
    """A function does not take values of these types."""


def _want(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise NoOverloadError("no such overload")
    return value


def _text(value: Any) -> str:
    return str(_want(value, str))


def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return regexes.compiled(pattern)
    except ValueError as error:
        raise CelError(f"error parsing regexp: {error}") from None


def size(value: Any) -> int:
    """How many characters, bytes, elements or entries."""
    return len(_want(value, (str, bytes, list, dict)))


def _int(value: Any) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?\d{1,19}", value, re.ASCII):
            raise CelError(f'strconv.ParseInt: parsing "{value[:40]}": invalid syntax')
        return whole(int(value))
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, float) and not abs(value) < LIMIT:
        raise CelError("integer overflow")
    return whole(int(_want(value, (int, float))))


def _uint(value: Any) -> Uint:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,20}", value, re.ASCII) else _int(value)
    if not 0 <= number < 2 * LIMIT:
        raise CelError("unsigned integer overflow")
    return Uint(number)


def _double(value: Any) -> float:
    try:
        return float(_want(value, (int, float, str)))
    except ValueError:
        raise CelError(f'strconv.ParseFloat: parsing "{str(value)[:40]}": invalid syntax') from None


def shown(value: Any) -> str:
    """`string(x)`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, datetime):
        fraction = f"{value:.%f}".rstrip("0").rstrip(".") if value.microsecond else ""
        return f"{value:%Y-%m-%dT%H:%M:%S}{fraction}Z"
    if isinstance(value, Duration):
        return f"{value.total_seconds():g}s"
    if isinstance(value, Url):
        return value.geturl()
    raise NoOverloadError("no such overload: string")


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        known = {"true": True, "True": True, "TRUE": True, "t": True, "1": True}
        known |= {"false": False, "False": False, "FALSE": False, "f": False, "0": False}
        if value not in known:
            raise CelError(f"type conversion error from string to bool: {value[:40]}")
        return known[value]
    return bool(_want(value, bool))


def _duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    text = _text(value)
    found = _SPAN.fullmatch(text)
    if found is None and text != "0":
        raise CelError(f'time: invalid duration "{text[:40]}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))
    try:
        return Duration(seconds=-seconds if text.startswith("-") else seconds)
    except OverflowError:
        raise CelError(f'time: invalid duration "{text[:40]}"') from None


def _timestamp(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, timezone.utc)
        except (OverflowError, ValueError, OSError):
            raise CelError("timestamp overflow") from None
    text = _text(value)
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text, re.ASCII)
    if found is None:
        raise CelError(f'parsing time "{text[:40]}" as RFC 3339: cannot parse')
    try:
        seconds, fraction, zone = found.groups(default="")
        moment = datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}{'+00:00' if zone == 'Z' else zone}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise CelError(f'parsing time "{text[:40]}" as RFC 3339: cannot parse') from None


def _moment(part: Callable[[datetime], int], span: Callable[[float], int] | None = None) -> Callable[..., int]:
    def read(value: Any, zone: str = "UTC") -> int:
        if isinstance(value, Duration) and span is not None:
            return span(value.total_seconds())
        moment: datetime = _want(value, datetime)
        return part(moment.astimezone(_zone(_text(zone))))

    return read


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo

    if found := re.fullmatch(r"([+-]?)(\d\d):(\d\d)", name):
        sign = -1 if found[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(found[2]), minutes=int(found[3])))
    try:
        return timezone.utc if name in {"", "UTC"} else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CelError(f"unknown time zone {name[:40]}") from None


def _index(value: Any, part: Any, start: int = 0) -> int:
    if isinstance(value, list):
        return next((at for at, each in enumerate(value) if equal(each, part)), -1)
    return _text(value).find(_text(part), _at(value, start))


def _last_index(value: Any, part: Any) -> int:
    if isinstance(value, list):
        return max((at for at, each in enumerate(value) if equal(each, part)), default=-1)
    return _text(value).rfind(_text(part))


def _at(text: str, index: Any) -> int:
    if not 0 <= _want(index, int) <= len(_text(text)):
        raise CelError(f"index out of range: {index}")
    return int(index)


def _substring(text: Any, start: Any, end: Any = None) -> str:
    first = _at(text, start)
    last = len(text) if end is None else _at(text, end)
    if first > last:
        raise CelError(f"invalid substring range. start: {first}, end: {last}")
    return str(text[first:last])


def _split(text: Any, separator: Any, limit: int = -1) -> list[str]:
    text, separator = _text(text), _text(separator)
    if limit == 0:
        return []
    if not separator:
        parts = list(text)
        return parts if limit < 0 or len(parts) <= limit else [*parts[: limit - 1], text[limit - 1 :]]
    return str(text).split(separator, -1 if limit < 0 else limit - 1)


def _replace(text: Any, old: Any, new: Any, limit: int = -1) -> str:
    return _text(text).replace(_text(old), _text(new), limit)


def _join(parts: Any, separator: str = "") -> str:
    return _text(separator).join(_text(each) for each in _want(parts, list))


def _format(text: Any, values: Any) -> str:
    waiting = list(_want(values, list))

    def put(found: re.Match[str]) -> str:
        digits, clause = found.groups()
        if clause == "%":
            return "%"
        if not waiting:
            raise CelError("index out of range: too few arguments to format")
        value = waiting.pop(0)
        if clause == "s":
            return _in_format(value)
        if clause in "fe":
            return f"{_double(value):.{digits or 6}{clause}}"
        if clause in "xX" and isinstance(value, (str, bytes)):
            told = (value.encode() if isinstance(value, str) else value).hex()
            return told.upper() if clause == "X" else told
        return f"{_want(value, int) if clause != 'b' else int(value):{clause}}"

    return _FORMAT.sub(put, _text(text))


def _in_format(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_in_format, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_in_format(key)}: {_in_format(each)}" for key, each in sorted(value.items())) + "}"
    return "null" if value is None else value.name if isinstance(value, Type) else shown(value)


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1.

    Raises:
        CelError: the values have no order.
    """
    same = type(left) is type(right) and isinstance(left, (str, bytes, bool, datetime, timedelta, Quantity))
    if not (same or (is_number(left) and is_number(right))):
        raise NoOverloadError("no such overload")
    return int(left > right) - int(left < right)


def _least(values: Any, sign: int, name: str) -> Any:
    if not _want(values, list):
        raise CelError(f"{name} called on empty list")
    best = values[0]
    for each in values[1:]:
        if sign * compare(each, best) < 0:
            best = each
    return best


def _sum(values: Any) -> Any:
    if not _want(values, list):
        return 0
    total = values[0]
    for each in values[1:]:
        total = add(total, each)
    return total


def add(left: Any, right: Any) -> Any:
    """`left + right`.

    Raises:
        CelError: there is no such sum.
    """
    if isinstance(left, datetime) and isinstance(right, Duration):
        return _in_time(lambda: left + right)
    if isinstance(left, Duration) and isinstance(right, datetime):
        return _in_time(lambda: right + left)
    if isinstance(left, Duration) and isinstance(right, Duration):
        return _in_time(lambda: Duration(seconds=(timedelta.__add__(left, right)).total_seconds()))
    if type(left) is not type(right) or isinstance(left, bool) or not isinstance(left, (int, float, str, bytes, list)):
        raise NoOverloadError("no such overload")
    total = left + right
    return _kept(left, total)


def _in_time(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except OverflowError:
        raise CelError("timestamp overflow") from None


def _kept(like: Any, value: Any) -> Any:
    if isinstance(like, Uint):
        if not 0 <= value < 2 * LIMIT:
            raise CelError("unsigned integer overflow")
        return Uint(value)
    return whole(value) if isinstance(like, int) else value


def arithmetic(sign: str, left: Any, right: Any) -> Any:
    """`-`, `*`, `/` and `%`.

    Raises:
        CelError: there is no such number.
    """
    if sign == "-" and isinstance(left, datetime) and isinstance(right, (datetime, Duration)):
        found = _in_time(lambda: left - right)
        return found if isinstance(found, datetime) else Duration(seconds=found.total_seconds())
    if sign == "-" and isinstance(left, Duration) and isinstance(right, Duration):
        return _in_time(lambda: Duration(seconds=left.total_seconds() - right.total_seconds()))
    if type(left) is not type(right) or not is_number(left) or (sign == "%" and isinstance(left, float)):
        raise NoOverloadError("no such overload")
    if sign == "-":
        return _kept(left, left - right)
    if sign == "*":
        return _kept(left, left * right)
    if isinstance(left, float):
        return left / right if right else float("nan") if not left or left != left else left * float("inf")
    if not right:
        raise CelError("division by zero" if sign == "/" else "modulus by zero")
    # towards zero, as Go has it
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return _kept(left, quotient if sign == "/" else left - right * quotient)


def _quantity(value: Any) -> Quantity:
    from pytest_daemonset.embedded.kinds import quantity  # kinds have rules in CEL themselves

    number = quantity.value(_text(value))
    if number is None:
        raise CelError("quantities must match the regular expression of quantities")
    return Quantity(number)


def _is(read: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        _text(value)
        try:
            read(value)
        except NoOverloadError:
            raise
        except CelError:
            return False
        return True

    return check


def _other(value: Any) -> Quantity:
    if isinstance(value, int) and not isinstance(value, bool):
        return Quantity(value)
    found: Quantity = _want(value, Quantity)
    return found


def _as_integer(value: Any) -> int:
    if _want(value, Quantity).denominator != 1:
        raise CelError("cannot convert value to integer")
    return whole(int(value))


def _url(value: Any) -> Url:
    try:
        found = urlsplit(_text(value))
        port = found.port
    except ValueError as error:
        raise CelError(f"URL parse error during conversion from string: {error}") from None
    if not (found.scheme or found.path.startswith("/")) or (port is not None and port < 0) or " " in found.netloc:
        raise CelError("URL parse error during conversion from string: invalid URI for request")
    return Url(*found)


def _host(url: Any) -> str:
    return str(_want(url, Url).netloc.rpartition("@")[2])


def _find(text: Any, pattern: Any) -> str:
    found = _regex(_text(pattern)).search(_text(text))
    return found[0] if found else ""


def _find_all(text: Any, pattern: Any, limit: int = -1) -> list[str]:
    found = [each[0] for each in _regex(_text(pattern)).finditer(_text(text))]
    return found if limit < 0 else found[:limit]


def _contains_all(whole_: Any, part: Any) -> bool:
    return all(any(equal(each, other) for other in _want(whole_, list)) for each in _want(part, list))


def _value_of(optional: Any) -> Any:
    if not _want(optional, Optional).present:
        raise CelError("optional.none() dereference")
    return optional.value


def _of_non_zero(value: Any) -> Optional:
    empty = value is None or (not isinstance(value, (datetime, Optional)) and not value)
    return Optional(None, False) if empty else Optional(value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "size": size,
        "int": _int,
        "uint": _uint,
        "double": _double,
        "string": shown,
        "bytes": lambda value: value if isinstance(value, bytes) else _text(value).encode(),
        "bool": _bool,
        "dyn": lambda value: value,
        "type": lambda value: Type(type_name(value)),
        "duration": _duration,
        "timestamp": _timestamp,
        "matches": lambda text, pattern: _regex(_text(pattern)).search(_text(text)) is not None,
        "quantity": _quantity,
        "isQuantity": _is(_quantity),
        "url": _url,
        "isURL": _is(_url),
        "optional.of": Optional,
        "optional.none": lambda: Optional(None, False),
        "optional.ofNonZeroValue": _of_non_zero,
        "sets.contains": _contains_all,
        "sets.equivalent": lambda one, other: _contains_all(one, other) and _contains_all(other, one),
        "sets.intersects": lambda one, other: any(_contains_all(one, [each]) for each in _want(other, list)),
        "jsonpatch.escapeKey": lambda text: _text(text).replace("~", "~0").replace("/", "~1"),
        "strings.quote": lambda text: '"' + _text(text).replace("\\", "\\\\").replace('"', '\\"') + '"',
    }
)
"""Functions that are called by their names."""

METHODS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "size": size,
        "contains": lambda text, part: _text(part) in _text(text),
        "startsWith": lambda text, part: _text(text).startswith(_text(part)),
        "endsWith": lambda text, part: _text(text).endswith(_text(part)),
        "matches": FUNCTIONS["matches"],
        "find": _find,
        "findAll": _find_all,
        "charAt": lambda text, at: _text(text)[_at(text, at) : at + 1],
        "indexOf": _index,
        "lastIndexOf": _last_index,
        "join": _join,
        "lowerAscii": lambda text: re.sub("[A-Z]+", lambda found: found[0].lower(), _text(text)),
        "upperAscii": lambda text: re.sub("[a-z]+", lambda found: found[0].upper(), _text(text)),
        "replace": _replace,
        "split": _split,
        "substring": _substring,
        "trim": lambda text: _text(text).strip(),
        "reverse": lambda text: _text(text)[::-1],
        "format": _format,
        "isSorted": lambda values: all(compare(a, b) <= 0 for a, b in pairwise(_want(values, list))),
        "sum": _sum,
        "min": lambda values: _least(values, 1, "min"),
        "max": lambda values: _least(values, -1, "max"),
        "getFullYear": _moment(lambda moment: moment.year),
        "getMonth": _moment(lambda moment: moment.month - 1),
        "getDayOfYear": _moment(lambda moment: moment.timetuple().tm_yday - 1),
        "getDayOfMonth": _moment(lambda moment: moment.day - 1),
        "getDate": _moment(lambda moment: moment.day),
        "getDayOfWeek": _moment(lambda moment: moment.isoweekday() % 7),
        "getHours": _moment(lambda moment: moment.hour, lambda seconds: int(seconds / 3600)),
        "getMinutes": _moment(lambda moment: moment.minute, lambda seconds: int(seconds / 60)),
        "getSeconds": _moment(lambda moment: moment.second, int),
        "getMilliseconds": _moment(
            lambda moment: moment.microsecond // 1000, lambda seconds: int(seconds * 1000) % 1000
        ),
        "hasValue": lambda optional: _want(optional, Optional).present,
        "value": _value_of,
        "orValue": lambda optional, other: optional.value if _want(optional, Optional).present else other,
        "or": lambda optional, other: optional if _want(optional, Optional).present else _want(other, Optional),
        "isInteger": lambda amount: _want(amount, Quantity).denominator == 1,
        "asInteger": _as_integer,
        "asApproximateFloat": lambda amount: float(_want(amount, Quantity)),
        "sign": lambda amount: compare(_want(amount, Quantity), Quantity(0)),
        "add": lambda amount, more: Quantity(_want(amount, Quantity) + _other(more)),
        "sub": lambda amount, less: Quantity(_want(amount, Quantity) - _other(less)),
        "isLessThan": lambda amount, other: _want(amount, Quantity) < _other(other),
        "isGreaterThan": lambda amount, other: _want(amount, Quantity) > _other(other),
        "compareTo": lambda amount, other: compare(_want(amount, Quantity), _other(other)),
        "getScheme": lambda url: _want(url, Url).scheme,
        "getHost": _host,
        "getHostname": lambda url: _want(url, Url).hostname or "",
        "getPort": lambda url: "" if _want(url, Url).port is None else str(url.port),
        "getEscapedPath": lambda url: quote(_want(url, Url).path, safe="/%:@!$&'()*+,;=~-._"),
        "getQuery": lambda url: parse_qs(_want(url, Url).query, keep_blank_values=True),
    }
)
"""Functions that are called on a value."""

NOT_IMITATED = frozenset(
    {"authorizer", "ip", "isIP", "cidr", "isCIDR", "semver", "isSemver", "format", "math", "base64", "lists"}
)
"""What Kubernetes' environment has beyond that."""
