"""Compares an answer with a recorded one, in which volatile values are symbols: `<uid:1>`, `<time>`, `<gen:1>`, `<rv:2>`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYMBOL = re.compile(r"<(?:(uid|gen|rv):(\d+)|time)>")
_FORMS = {
    "uid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "gen": r"[a-z0-9]{5}",
    "rv": r"[1-9][0-9]*",
}
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z"
# What need not agree: wording, opaque tokens, and what recordings leave out.
_IGNORED = {"message", "managedFields", "continue"}


@dataclass
class Symbols:
    """What the symbols of one recording stand for so far: equal where they are equal, and resourceVersions in order.

    `of_lists` are resourceVersions of lists: those may equal that of the write before, as only a server that writes for
    itself in between (kube-apiserver renews a lease) tells them apart.
    """

    values: dict[str, str] = field(default_factory=dict)
    of_lists: set[str] = field(default_factory=set)

    def copy(self) -> Symbols:
        return Symbols(dict(self.values), set(self.of_lists))

    def bind(self, symbol: str, value: str) -> str | None:
        """Let the symbol stand for the value; tells what speaks against it."""
        known = self.values.setdefault(symbol, value)
        if known != value:
            return f"{symbol} is {known}, got {value}"
        kind, number = symbol.split(":")
        for other, its in self.values.items():
            if other == symbol or not other.startswith(kind):
                continue
            if its == value and symbol not in self.of_lists and other not in self.of_lists:
                return f"{symbol} and {other} are both {value}"
            earlier = int(number) < int(other.split(":")[1])
            if kind == "rv" and int(value) != int(its) and earlier != (int(value) < int(its)):
                return f"{symbol} is {value} and {other} is {its}: out of order"
        return None

    def match(self, expected: str, actual: str) -> str | None:
        """Compare texts, with symbols in the expected one; tells what differs."""
        pattern, names, end = "", [], 0
        for symbol in _SYMBOL.finditer(expected):
            pattern += re.escape(expected[end : symbol.start()])
            pattern += f"({_FORMS[symbol.group(1)]})" if symbol.group(1) else _TIME
            if symbol.group(1):
                names.append(f"{symbol.group(1)}:{symbol.group(2)}")
            end = symbol.end()
        found = re.fullmatch(pattern + re.escape(expected[end:]), actual)
        if found is None:
            return f"expected {expected!r}, got {actual!r}"
        wrong = [self.bind(name, value) for name, value in zip(names, found.groups(), strict=True)]
        return next((each for each in wrong if each), None)


def differences(expected: Any, actual: Any, path: str, symbols: Symbols) -> Iterator[str]:
    """Tell each difference with its path."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if str(expected.get("kind")).endswith("List") and "metadata" in expected:
            symbols.of_lists.add(expected["metadata"]["resourceVersion"].strip("<>"))
        ignored = _ignored(expected)
        for key in sorted({*expected, *actual} - ignored):
            here = f"{path}.{key}"
            if key not in actual:
                yield f"{here}: missing, expected {_short(expected[key])}"
            elif key not in expected:
                yield f"{here}: not expected, got {_short(actual[key])}"
            else:
                yield from differences(expected[key], actual[key], here, symbols)
    elif isinstance(expected, list) and isinstance(actual, list):
        for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(one, other, f"{path}[{index}]", symbols)
        if len(expected) != len(actual):
            rest = (expected[len(actual) :] or actual[len(expected) :])[0]
            yield f"{path}: expected {len(expected)} elements, got {len(actual)}; the first of the rest: {_short(rest)}"
    elif isinstance(expected, str) and isinstance(actual, str):
        wrong = symbols.match(expected, actual)
        if wrong:
            yield f"{path}: {wrong}"
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{path}: expected {_short(expected)}, got {_short(actual)}"


def _ignored(expected: dict[str, Any]) -> set[str]:
    """The keys of this object that need not agree: a message counts in conditions, not in a Status or its causes."""
    worded = expected.get("kind") == "Status" or {"reason", "field"} <= expected.keys()
    return _IGNORED if worded else _IGNORED - {"message"}


def _short(value: Any) -> str:
    return json.dumps(value)[:200]
