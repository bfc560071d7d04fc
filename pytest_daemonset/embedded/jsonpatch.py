"""JSON patches as kube-apiserver applies them: RFC 6902 with the liberties of its library (gopkg.in/evanphx/json-patch.v4, patch.go).

What RFC 6902 does not have and controllers meet: an index from the end (`-1`), a replacement of a field that is not there, a copy of one
(null), a test that a field is not there (null), a value left out (null).
"""

from __future__ import annotations

import re
from typing import Any

import orjson

MAX_OPERATIONS = 10_000
"""How many operations one patch may have."""

_MOST_COPIED = 3 * 1024 * 1024  # bytes, kube-apiserver's
_MOST_SHIFTED = 100_000_000  # elements; what 10,000 operations on a list of as many need
_INDEX = re.compile(r"[+-]?[0-9]{1,18}")
_STRINGS = ("op", "path", "from")


class MalformedError(ValueError):
    """The patch cannot be read."""


class UnfitError(ValueError):
    """The patch cannot be applied to this document."""


def operations(patch: Any) -> list[dict[str, Any]]:
    """The operations of a decoded patch.

    Raises:
        MalformedError: it is no list of objects with texts for `op`, `path` and `from`.
    """
    if not isinstance(patch, list):
        raise MalformedError("a JSON patch must be a list")
    for at, operation in enumerate(patch):
        # Go reads null as nothing
        if operation is not None and not isinstance(operation, dict):
            raise MalformedError(f"operation {at} of a JSON patch must be an object")
        for name in _STRINGS:
            if operation and not isinstance(operation.get(name), str | None):
                raise MalformedError(f"{name} of operation {at} of a JSON patch must be a string")
    return [operation or {} for operation in patch]


def apply(document: Any, patch: list[dict[str, Any]]) -> Any:
    """Patch a document in place, or throw it away.

    Args:
        patch: as `operations` gives it.

    Returns:
        The patched document.

    Raises:
        UnfitError: an operation cannot be done.
    """
    work = _Work(document)
    for operation in patch:
        work.do(operation)
    return work.document


class _Work:
    """A document on which operations are done."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = self._shifted = 0

    def do(self, operation: dict[str, Any]) -> None:
        kind, value = operation.get("op"), operation.get("value")
        if kind == "add":
            self._add(_said(operation, "path"), value)
        elif kind == "remove":
            self._remove(_said(operation, "path"))
        elif kind == "replace":
            self._replace(_said(operation, "path"), value)
        elif kind == "move":
            source = _said(operation, "from")
            moved = self._get(source)
            self._remove(source)
            self._add(_said(operation, "path"), moved)
        elif kind == "copy":
            encoded = orjson.dumps(self._get(_said(operation, "from")))
            self._copied += len(encoded)
            if self._copied > _MOST_COPIED:
                raise UnfitError(f"copies of more than {_MOST_COPIED} bytes")
            self._add(_said(operation, "path"), orjson.loads(encoded))
        elif kind == "test":
            path = _said(operation, "path")
            if not _equal(self._get(path) if path else self.document, value):
                raise UnfitError(f"testing value {path} failed")
        else:
            raise UnfitError(f"unexpected kind: {kind}")

    def _find(self, path: str) -> tuple[Any, str]:
        """The object or list that holds what a path names, and the key in it."""
        _, *parts = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/"))
        if not parts:
            raise UnfitError(f"missing path: {path!r}")
        found = self.document
        for part in parts[:-1]:
            found = _item(found, part)
            if not isinstance(found, dict | list):
                raise UnfitError(f"missing path: {path!r}")
        return found, parts[-1]

    def _get(self, path: str) -> Any:
        return _item(*self._find(path))

    def _shift(self, elements: int) -> None:
        self._shifted += elements
        if self._shifted > _MOST_SHIFTED:
            raise UnfitError(f"more than {_MOST_SHIFTED} elements of lists change their places")

    def _add(self, path: str, value: Any) -> None:
        holder, key = self._find(path)
        if isinstance(holder, dict):
            holder[key] = value
        elif key == "-":
            holder.append(value)
        else:
            at = _index(key, len(holder) + 1)
            self._shift(len(holder) - at)
            holder.insert(at, value)

    def _remove(self, path: str) -> None:
        holder, key = self._find(path)
        if isinstance(holder, list):
            at = _index(key, len(holder))
            self._shift(len(holder) - at)
            del holder[at]
        elif key in holder:
            del holder[key]
        else:
            raise UnfitError(f"nothing to remove: {path!r}")

    def _replace(self, path: str, value: Any) -> None:
        if not path:
            if not isinstance(value, dict | list):
                raise UnfitError("a document is an object or a list")
            self.document = value
            return
        holder, key = self._find(path)
        if isinstance(holder, list):
            holder[_index(key, len(holder))] = value
        else:
            holder[key] = value


def _said(operation: dict[str, Any], name: str) -> str:
    said = operation.get(name)
    if said is None:
        raise UnfitError(f"{operation['op']} without {name}")
    return str(said)


def _index(key: str, length: int) -> int:
    if not _INDEX.fullmatch(key) or not -length <= (at := int(key)) < length:
        raise UnfitError(f"not an index of {length} elements: {key!r}")
    return at % length


def _item(holder: Any, key: str) -> Any:
    """What an object or a list holds; None for a key that it has not."""
    return holder.get(key) if isinstance(holder, dict) else holder[_index(key, len(holder))]


def _equal(one: Any, other: Any) -> bool:
    # to Python true is 1, and 1 is 1.0
    return bool(one == other) and orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        other, option=orjson.OPT_SORT_KEYS
    )
