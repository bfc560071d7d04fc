"""The text of one field of a JSON object, as it stands there: some fields are compared byte by byte (runtime.RawExtension)."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_SPACE = re.compile(r"\s*")
_STRING_OR_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|\s+', re.DOTALL)
_DECODER = json.JSONDecoder()


def field(data: bytes, name: str) -> str | None:
    """The text of the value of a top-level field; None if it is not there. Of several, the last counts.

    Args:
        data: valid JSON of an object.
    """
    text, at, found = data.decode(), 0, None
    at = _SPACE.match(text, at).end() + 1  # type: ignore[union-attr]  # it matches always; 1 is the brace
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at] == "}":
            return found
        if text[at] == ",":
            at += 1
            continue
        key, at = _DECODER.raw_decode(text, at)
        at = _SPACE.match(text, at).end() + 1  # type: ignore[union-attr]  # 1 is the colon
        start = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        _, at = _DECODER.raw_decode(text, start)
        if key == name:
            found = text[start:at]


def compact(text: str) -> str:
    """The text without the white space that means nothing, as Go writes it again after a patch that it only passes through."""
    return _escaped(_STRING_OR_SPACE.sub(lambda found: found[1] or "", text))


def canonical(text: str) -> str:
    """The text as Go writes it after it has read the value: keys in order, whole numbers without a point, letters as they are."""
    return _escaped(orjson.dumps(_whole(json.loads(text)), option=orjson.OPT_SORT_KEYS).decode())


def _escaped(text: str) -> str:
    for sign in "&<>\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
