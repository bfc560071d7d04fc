"""YAML as Kubernetes reads it (sigs.k8s.io/yaml): what JSON can hold, and no more of it than was sent.

Built from PyYAML's events and not from its nodes: those are made and read by recursion, and an alias stands for as much as it likes.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

_TAG = "tag:yaml.org,2002:"
_MERGE = object()
_DEPTH = 1000  # of the JSON that is made of it
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
}
_INTEGER = re.compile(
    r"[-+]?(?:0b(?P<b2>[01]+)|0x(?P<b16>[0-9a-fA-F]+)|0o?(?P<b8>[0-7]+)|(?P<b10>0|[1-9][0-9]*))", re.ASCII
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DIGITS = 64  # more make no integer of 64 bits in any base


@dataclass
class _Open:
    """A list or a mapping that is being read."""

    value: Any
    anchor: str | None
    weight: int = 1
    key: Any = None
    merged: dict[str, Any] = field(default_factory=dict)


class TooManyError(ValueError):
    """The document has more parts than the reader looks at."""


def read(data: bytes, most: int = 200_000, repeated: list[str] | None = None) -> Any:
    """The first document.

    Args:
        most: how many parts it may have: scalars, and the beginnings and ends of lists and mappings.
        repeated: filled with what is to be said of keys that stand twice in one mapping; the last counts.

    Raises:
        TooManyError: it has more.
        ValueError: it is no YAML, JSON cannot hold it, or its aliases stand for more than could have been sent.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # what an alias shares is copied, and what JSON cannot hold is refused
        return orjson.loads(orjson.dumps(_Reader(len(data), repeated).document(yaml.parse(data, loader), most)))
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(str(error)) from None


class _Reader:
    def __init__(self, size: int, repeated: list[str] | None) -> None:
        self._repeated = repeated
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._most = max(size, 1 << 20)
        self._whole: Any = None

    def document(self, events: Iterator[yaml.Event], most: int) -> Any:
        import yaml

        for at, event in enumerate(events):
            if at > most:
                raise TooManyError(f"more than {most} parts")
            if isinstance(event, yaml.ScalarEvent):
                value = _MERGE if event.value == "<<" and event.implicit[0] and self._wants_key else _scalar(event)
                self._add(value, 1 + len(event.value), event.anchor)
                if self._repeated is not None and self._stands_twice:
                    line = 0 if event.start_mark is None else event.start_mark.line + 1
                    text = f'line {line}: key "{self._open[-1].key}" already set in map'
                    self._repeated.append(text)
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(self._open) >= _DEPTH:
                    raise ValueError("exceeded max depth")
                if event.anchor is not None:
                    self._anchors[event.anchor] = None
                self._open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self._open.pop()
                if done.merged:
                    done.value = {**done.merged, **done.value}
                self._add(done.value, done.weight, done.anchor)
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self._anchors:
                    raise ValueError(f"unknown anchor '{event.anchor}' referenced")
                if (known := self._anchors[event.anchor]) is None:
                    raise ValueError(f"anchor '{event.anchor}' value contains itself")
                self._add(*known)
            elif isinstance(event, yaml.DocumentEndEvent):
                break
        return self._whole

    @property
    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    @property
    def _stands_twice(self) -> bool:
        """Whether the key that was read last is there already."""
        into = self._open[-1] if self._open else None
        return into is not None and into.key is not None and into.key in into.value

    def _add(self, value: Any, weight: int, anchor: str | None = None) -> None:
        if anchor is not None:
            self._anchors[anchor] = value, weight
        if not self._open:
            self._whole = value
            return
        into = self._open[-1]
        into.weight += weight
        if into.weight > self._most:
            raise ValueError("document contains excessive aliasing")
        if isinstance(into.value, list):
            into.value.append(value)
        elif into.key is None:
            into.key = value if value is _MERGE else _key(value)
        elif into.key is _MERGE:
            into.key = None
            for each in reversed(value if isinstance(value, list) else [value]):
                if not isinstance(each, dict):
                    raise TypeError("map merge requires map or sequence of maps as the value")
                into.merged.update(each)
        else:
            into.value[into.key] = value
            into.key = None


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"unsupported map key: {'null' if value is None else type(value).__name__}")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    if tag == "binary":
        return base64.b64decode(text, validate=False).decode()
    if tag in {"null", "bool", "int", "float"}:
        found = _resolved(text)
        wrong = isinstance(found, str) or (isinstance(found, bool) != (tag == "bool"))
        if wrong and found is not None:
            raise ValueError(f"cannot decode !!str `{text[:80]}` as a !!{tag}")
        return found
    # a tag that is not known leaves the text as it is
    return _resolved(text) if event.implicit[0] else text


def _resolved(text: str) -> Any:
    """What a plain scalar stands for. Long digits are no integers, so that nothing here takes the square of their number."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NO_NUMBER.fullmatch(text):
        raise ValueError("json: unsupported value: NaN or Inf")
    plain = text.replace("_", "")
    if len(plain) <= _DIGITS + 3 and (found := _INTEGER.fullmatch(plain)):
        base = found.lastgroup or "b10"
        number = int(found[base], int(base[1:]))
        number = -number if plain[0] == "-" else number
        if -(1 << 63) <= number < 1 << 64:
            return number
    if _FLOAT.fullmatch(plain):
        real = float(plain)
        return text if math.isinf(real) else real
    return text
