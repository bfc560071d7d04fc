"""Resource quantities ("500m", "1Gi"): their canonical spelling, after k8s.io/apimachinery pkg/api/resource."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

_FORM = re.compile(r"^([+-]?)(\d+\.?\d*|\.\d+)(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?\d{1,2}))?$", re.ASCII)
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = MappingProxyType({"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18})
_NAMES = MappingProxyType({power: name for name, power in _DECIMAL.items()})


@lru_cache(maxsize=4096)
def value(text: str) -> Fraction | None:
    """The number that a quantity means, or None if it is none."""
    read = _FORM.match(text) if len(text) <= 64 else None
    if read is None:
        return None
    sign, digits, suffix, exponent = read.groups()
    number = Fraction(digits if not digits.endswith(".") else digits[:-1])
    if suffix in _BINARY[1:]:
        number *= 1 << (10 * _BINARY.index(suffix))
    elif suffix or exponent:
        number *= Fraction(10) ** (_DECIMAL[suffix] if suffix else int(exponent))
    return -number if sign == "-" else number


@lru_cache(maxsize=4096)
def canonical(text: str) -> str | None:
    """How Kubernetes spells it: no fraction, the largest suffix that leaves none; None if it is no quantity.

    Whatever is finer than a nano is rounded away from zero, as there.
    """
    number = value(text)
    if number is None:
        return None
    if number == 0:
        return "0"
    suffix = text.lstrip("+-.0123456789")
    if suffix in _BINARY[1:] and number.denominator == 1 and abs(number) >= 1024:
        whole, steps = number.numerator, 0
        while whole % 1024 == 0 and steps < len(_BINARY) - 1:
            whole, steps = whole // 1024, steps + 1
        return f"{whole}{_BINARY[steps]}"
    nanos = abs(number) * 10**9
    whole = -(-nanos.numerator // nanos.denominator)
    power = -9
    while whole % 1000 == 0 and power < 18:
        whole, power = whole // 1000, power + 3
    sign = "-" if number < 0 else ""
    if suffix[:1] in ("e", "E") and suffix not in _DECIMAL and suffix not in _BINARY:
        return f"{sign}{whole}e{power}" if power else f"{sign}{whole}"
    return f"{sign}{whole}{_NAMES[power]}"
