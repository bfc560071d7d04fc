"""Sets of fields: which an object has, which two states of it do not share, and how managedFields writes them (FieldsV1).

A path is a tuple of FieldsV1's own words: `f:NAME` for a field, `k:{"KEY":VALUE}` for an element of a keyed list, `v:VALUE` for an
element of a set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_daemonset.embedded.apply.shapes import Node

Object = dict[str, Any]
Path = tuple[str, ...]
Paths = set[Path]

_MISSING: Any = object()
_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
)
UNOWNED = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        ("f:metadata", "f:managedFields"),
        ("f:metadata", "f:deletionGracePeriodSeconds"),
        *(("f:metadata", f"f:{name}") for name in _METADATA),
    }
)
"""What nobody owns, as the server alone writes it or the object is named by it."""


class ShapeError(ValueError):
    """A value that does not fit its kind: the path and what is wrong, as structured-merge-diff says it."""


def _element_word(node: Node, element: Any, path: Path, at: int) -> str:
    """The last word of the path of an element of a keyed list or a set.

    Args:
        path: of the list.
        at: where in the list it stands.

    Raises:
        ShapeError: the element has no key.
    """
    if node.shape == "set":
        return "v:" + orjson.dumps(element).decode()
    if not isinstance(element, dict):
        raise ShapeError(f"{shown(path)}: element {at}: expected map, got {element!r:.60}")
    keys = {}
    for name, default in node.keys:
        value = element.get(name, default)
        if value is not None:
            keys[name] = value
    if not keys:
        names = " ".join(f'"{name}"' for name, _ in node.keys)
        raise ShapeError(
            f"{shown(path)}: element {at}: associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def elements(node: Node, value: list[Any], path: Path) -> dict[str, Any]:
    """The elements of a keyed list or a set by the last word of their paths, in their order.

    Raises:
        ShapeError: two elements have the same key, or one has none.
    """
    found: dict[str, Any] = {}
    for at, each in enumerate(value):
        word = _element_word(node, each, path, at)
        if word in found:
            raise ShapeError(f"{shown(path)}: duplicate entries for key {shown((word,))}")
        found[word] = each
    return found


def _is_map(node: Node, value: Any) -> bool:
    return isinstance(value, dict) and node.shape in {"struct", "map", "deduced"}


def _is_list(node: Node, value: Any) -> bool:
    return isinstance(value, list) and node.shape in {"keyed", "set"}


def fields_of(node: Node, value: Any) -> Paths:
    """All fields that an object sets.

    Raises:
        ShapeError: a field that the kind does not have, or a value of another form.
    """
    found: Paths = set()
    _collect(node, value, (), found)
    return found - UNOWNED


def _collect(node: Node, value: Any, path: Path, found: Paths) -> None:
    if node.shape == "leaf" or (node.shape == "deduced" and not isinstance(value, dict)):
        found.add(path)
    elif value is None:
        return
    elif _is_map(node, value):
        for name, each in value.items():
            here, child = (*path, f"f:{name}"), node.child(name)
            if child is None:
                raise ShapeError(f"{shown(here)}: field not declared in schema")
            _collect(child, each, here, found)
            if each is None or each == {} or node.field(name) is None:
                found.add(here)
    elif _is_list(node, value) and node.element is not None:
        for word, each in elements(node, value, path).items():
            _collect(node.element, each, (*path, word), found)
            found.add((*path, word))
    else:
        wanted = "list" if node.shape in {"keyed", "set"} else "map"
        raise ShapeError(f"{shown(path)}: expected {wanted}, got {value!r:.60}")


@dataclass
class Difference:
    """The fields in which two states differ."""

    added: Paths = field(default_factory=set)
    modified: Paths = field(default_factory=set)
    removed: Paths = field(default_factory=set)


def difference(node: Node, old: Any, new: Any) -> Difference:
    """What became of the fields from one state of an object to the next."""
    found = Difference()
    _compare(node, old, new, (), found)
    found.added -= UNOWNED
    found.modified -= UNOWNED
    found.removed -= UNOWNED
    return found


def _compare(node: Node, old: Any, new: Any, path: Path, found: Difference) -> None:
    if old is not _MISSING and new is not _MISSING and old == new:
        return
    before, after = _parts(node, old, path), _parts(node, new, path)
    if before is not None and after is not None and (before or after):
        for word in [*before, *(word for word in after if word not in before)]:
            child = node.element if word[0] != "f" else node.child(word[2:])
            if child is not None:
                _compare(child, before.get(word, _MISSING), after.get(word, _MISSING), (*path, word), found)
    elif old is not _MISSING and new is not _MISSING:
        found.modified.add(path)
    if old is _MISSING:
        found.added.add(path)
    elif new is _MISSING:
        found.removed.add(path)


def _parts(node: Node, value: Any, path: Path) -> dict[str, Any] | None:
    """The parts of a value by their words; nothing has no parts, and None stands for a whole."""
    if value is _MISSING:
        return {} if node.shape != "leaf" else None
    if _is_map(node, value):
        return {f"f:{name}": each for name, each in value.items()}
    if _is_list(node, value):
        try:
            return elements(node, value, path)
        except ShapeError:
            return None  # a list whose keys are not unique (others may write such) is one whole
    return None


def encode(paths: Iterable[Path]) -> Object:
    """A set as FieldsV1."""
    root: Object = {}
    for path in sorted(paths):
        at = root
        for word in path:
            at = at.setdefault(word, {})
        at["."] = {}
    _tidy(root)
    return root


def _tidy(node: Object) -> None:
    for child in node.values():
        if len(child) == 1 and "." in child:
            del child["."]
        else:
            _tidy(child)


def decode(fields: Any) -> Paths:
    """The set that FieldsV1 writes; what is no FieldsV1 holds no field."""
    return set(_walk(fields, ())) if isinstance(fields, dict) else set()


def _walk(node: Object, path: Path) -> Iterator[Path]:
    if path and (not node or "." in node):
        yield path
    for word, child in node.items():
        if word != "." and isinstance(child, dict):
            yield from _walk(child, (*path, word))


def prefixes(paths: Iterable[Path]) -> Paths:
    """The paths and all that they are part of."""
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def shown(path: Path) -> str:
    """A path as errors write it: `.spec.containers[name="a"].image`."""
    text = ""
    for word in path:
        if word.startswith("f:"):
            text += f".{word[2:]}"
        elif word.startswith("k:"):
            keys = orjson.loads(word[2:])
            text += "[" + ",".join(f"{name}={orjson.dumps(value).decode()}" for name, value in keys.items()) + "]"
        else:
            text += f"[={word[2:]}]"
    return text
