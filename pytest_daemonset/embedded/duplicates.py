"""Fields that stand twice in a body: parsers pass over them, and who asks for validation is told (kubernetes: kjson.UnmarshalStrict)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import media, patches, yamltext
from pytest_daemonset.embedded.kinds.places import told

if TYPE_CHECKING:
    from pytest_daemonset.embedded.kinds.places import Place

_MOST = 100  # are told of, as in kube-apiserver


class _Object(list[tuple[str, Any]]):
    """The fields of a JSON object, each as often as it stands there."""


def of(data: bytes, content_type: str) -> list[str]:
    """What is to be said of the fields that stand twice.

    Args:
        data: what could be read, in that format.
    """
    if content_type in {media.YAML, patches.APPLY}:
        lines: list[str] = []
        yamltext.read(data, repeated=lines)
        return ["\n  ".join(["yaml: unmarshal errors:", *lines[:_MOST]])] if lines else []
    if content_type == media.PROTOBUF:
        return []
    prefix = "json patch " if content_type == patches.JSON else ""
    return [f'{prefix}duplicate field "{path}"' for path in _paths(data)]


def _paths(data: bytes) -> list[str]:
    """The paths of the fields that stand twice in JSON, without a recursion of our own."""
    text = data.decode(errors="replace")
    found: dict[str, None] = {}
    waiting: list[tuple[Place | None, Any]] = [
        (None, json.loads(text, object_pairs_hook=_Object, parse_int=str, parse_float=str))
    ]
    while waiting and len(found) < _MOST:
        place, value = waiting.pop()
        if isinstance(value, _Object):
            seen: set[str] = set()
            for name, _ in value:
                if name in seen:
                    # what is half a surrogate cannot be told
                    found[told((place, name)).encode(errors="replace").decode()] = None
                seen.add(name)
            waiting += [((place, name), each) for name, each in reversed(value)]
        elif isinstance(value, list):
            waiting += [((place, at), each) for at, each in reversed([*enumerate(value)])]
    return list(found)
