"""Formats of strings in schemas, as lax as kube-apiserver reads them (go-openapi/strfmt). Those of numbers are not judged there."""

from __future__ import annotations

import binascii
import ipaddress
import re
from base64 import b64decode
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_daemonset.embedded.kinds.names import dns_label, dns_subdomain
from pytest_daemonset.embedded.kinds.scalars import SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNITS = [
    "ns",
    "us",
    "µs",
    "μs",
    "ms",
    "s",
    "m",
    "h",
    "d",
    "w",
    "nano",
    "micro",
    "milli",
    "second",
    "minute",
    "hour",
    "day",
    "week",
]
_SPAN = re.compile(r"(\d+)\s*([A-Za-zµμ]+)")
_HOST = re.compile(r"[^\W_](-?[^\W_]{0,62})?|([^\W_]([\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+|[^<>]*<[^@\s<>]+@[^@\s<>]+>")
_COLOR = r"\d{1,3}"


def _without_error(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _like(pattern: str, flags: int = re.IGNORECASE) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _time(text: str) -> None:
    SCALARS["Time"].read(text.upper(), None)


def _date(text: str) -> None:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is None:
        raise ValueError("no date")
    date.fromisoformat(text)


def _uri(text: str) -> bool:
    """What Go's ParseRequestURI takes: a scheme, or a path from the root."""
    try:
        return bool(urlsplit(text).scheme) or text.startswith("/")
    except ValueError:
        return False


def _duration(text: str) -> bool:
    found = _SPAN.findall(text)
    return text == "0" or any(unit.lower() in _UNITS or unit.lower().rstrip("s") in _UNITS for _, unit in found)


def _ipv4(text: str) -> None:
    ipaddress.IPv4Address(".".join(part.lstrip("0") or "0" for part in text.split(".")))


def _cidr(text: str) -> None:
    if "/" not in text:
        raise ValueError("no length of a prefix")
    ipaddress.ip_interface(text)


def _digits(count: int) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(rf"\d{{{count - 1}}}[\dXx]", re.sub(r"[\s-]", "", text), re.ASCII) is not None


def _card(text: str) -> bool:
    """Luhn's check."""
    digits = [int(each) for each in re.sub(r"[\s-]", "", text) if each.isdigit()]
    total = sum(each if at % 2 == 0 else sum(divmod(2 * each, 10)) for at, each in enumerate(reversed(digits)))
    return 13 <= len(digits) <= 19 and total % 10 == 0


CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "date-time": _without_error(_time),
        "datetime": _without_error(_time),
        "date": _without_error(_date),
        "duration": _duration,
        "byte": lambda text: bool(text) and _without_error(lambda said: b64decode(said, validate=True))(text),
        "email": lambda text: _ADDRESS.fullmatch(text) is not None,
        "hostname": lambda text: _HOST.fullmatch(text) is not None and len(text) <= 253,
        "ipv4": _without_error(_ipv4),
        "ipv6": _without_error(ipaddress.IPv6Address),
        "cidr": _without_error(_cidr),
        "mac": _like(r"([0-9a-f]{2}[:-]){5}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}"),
        "uri": _uri,
        "uuid": _like(_UUID % ("[0-9a-f]", "[0-9a-f]")),
        "uuid3": _like(_UUID % ("3", "[0-9a-f]")),
        "uuid4": _like(_UUID % ("4", "[89ab]")),
        "uuid5": _like(_UUID % ("5", "[89ab]")),
        "isbn": lambda text: _digits(10)(text) or _digits(13)(text),
        "isbn10": _digits(10),
        "isbn13": _digits(13),
        "creditcard": _card,
        "ssn": _like(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
        "hexcolor": _like(r"#?([0-9a-f]{3}|[0-9a-f]{6})"),
        "rgbcolor": _like(rf"rgb\(\s*{_COLOR}\s*,\s*{_COLOR}\s*,\s*{_COLOR}\s*\)"),
        "bsonobjectid": _like(r"[0-9a-f]{24}"),
        "k8s-short-name": lambda text: not dns_label(text),
        "k8s-long-name": lambda text: not dns_subdomain(text),
    }
)
"""By format; what is not here is anything."""
