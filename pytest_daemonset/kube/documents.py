"""Kubernetes objects as people write them: YAML with line numbers, dicts, models of client libraries; for messages that say where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from pytest_daemonset.errors import UsageError

Object = dict[str, Any]
Source = str | PathLike[str] | Mapping[str, Any] | Any


@dataclass(frozen=True)
class Document:
    """One object of a manifest, and where its fields stand."""

    content: Object
    origin: str
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict, repr=False)

    def complain(self, path: str, problem: str) -> UsageError:
        """The error for one field: file, line and field first, then what is wrong.

        Args:
            path: the field, dotted; its line is told as `place` tells it.
            problem: what was expected, what was seen and what to try.
        """
        place = self.place(path)
        return UsageError(f"{place}: {path}: {problem}" if path else f"{place}: {problem}")

    def place(self, path: str) -> str:
        """File and line of one field, dotted; for a missing one those of the nearest field that is there."""
        steps = tuple(path.split(".")) if path else ()
        line = next((self.lines[steps[:n]] for n in range(len(steps), -1, -1) if steps[:n] in self.lines), None)
        return self.origin if line is None else f"{self.origin}:{line}"


def require(document: Document, paths: Sequence[str]) -> None:
    """See that fields are there, and that all but ``apiVersion`` and ``kind`` are mappings.

    Args:
        document: the object.
        paths: of the fields, dotted.

    Raises:
        UsageError: one is not.
    """
    for path in paths:
        value: Any = document.content
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is None:
            raise document.complain(path, "is missing")
        if path not in ("apiVersion", "kind") and not isinstance(value, Mapping):
            raise document.complain(path, f"must be a mapping, found {value!r}")


def name_of(source: Source) -> str:
    """What a source is called in messages."""
    if isinstance(source, Mapping) or not isinstance(source, str | PathLike):
        return f"<{type(source).__name__}>"
    return "<YAML text>" if _is_text(source) else str(source)


def _is_text(source: str | PathLike[str]) -> bool:
    return isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{"))


def documents(source: Source) -> list[Document]:
    """Read all objects of a source.

    Args:
        source: a path, YAML text (a string with a line break or a brace in it; several documents are allowed), a mapping, or a
            typed object of kubernetes, kubernetes_asyncio or lightkube. Lists of objects are unpacked.

    Raises:
        UsageError: it cannot be read, or is no YAML; the text names file and line. Each object has apiVersion, kind and a name.
    """
    found = _read(source)
    for document in found:
        require(document, ("apiVersion", "kind", "metadata"))
        if not document.content["metadata"].get("name") and not document.content["metadata"].get("generateName"):
            raise document.complain("metadata.name", "is missing: give the object a name")
    return found


def _read(source: Source) -> list[Document]:
    if isinstance(source, Mapping):
        return _unpacked(Document(dict(source), "<dict>"))
    if not isinstance(source, str | PathLike):
        return _unpacked(Document(_untyped(source), f"<{type(source).__name__}>"))
    if _is_text(source):
        return _parse(str(source), "<YAML text>")
    if not str(source).strip():
        raise UsageError("expected a path or YAML text, found an empty string")
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give the path of one manifest")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file (looked in {Path.cwd()}); YAML given as text must hold a line break"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    return _parse(text, str(path))


def _parse(text: str, origin: str) -> list[Document]:
    import yaml

    loader = yaml.SafeLoader(text)
    found = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            content = loader.construct_document(node)
            if content is None:
                continue
            if not isinstance(content, dict):
                line = node.start_mark.line + 1
                raise UsageError(
                    f"{origin}:{line}: expected a Kubernetes object (a mapping), found {str(content)[:60]!r}"
                )
            found.append(Document(content, origin, dict(_lines(node))))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{origin}{line}: this is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{origin}: this is no YAML: {error}") from None
    finally:
        loader.dispose()
    return [one for document in found for one in _unpacked(document)]


def _unpacked(document: Document) -> list[Document]:
    kind = str(document.content.get("kind", ""))
    if not kind.endswith("List") or "items" not in document.content:
        return [document]
    items = document.content["items"] or []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise document.complain("items", f"must be a list of Kubernetes objects, found {str(items)[:60]}")
    # The items of a list of one kind, as the API gives it, do not say again what they are.
    known = {} if kind == "List" else {"apiVersion": document.content.get("apiVersion"), "kind": kind[: -len("List")]}
    return [
        Document(
            {**known, **item},
            document.origin,
            {path[2:]: line for path, line in document.lines.items() if path[:2] == ("items", str(n))},
        )
        for n, item in enumerate(items)
    ]


def _lines(node: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], int]]:
    import yaml

    found = [(path, node.start_mark.line + 1)]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = (*path, str(key.value))
            found += [(step, key.start_mark.line + 1), *_lines(value, step)[1:]]
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found += _lines(value, (*path, str(index)))
    return found


def _untyped(source: Any) -> Object:
    # kubernetes and kubernetes_asyncio generate models with these two tables; lightkube's models convert themselves.
    if hasattr(source, "openapi_types") and hasattr(source, "attribute_map"):
        content = _plain(source)
    elif callable(getattr(source, "to_dict", None)):
        content = source.to_dict()
    else:
        raise UsageError(
            f"cannot read a manifest from {type(source).__name__}: give a path, YAML text, a dict, or a model object of "
            "kubernetes, kubernetes_asyncio or lightkube"
        )
    if not isinstance(content, dict):
        raise UsageError(f"{type(source).__name__} turned into {type(content).__name__}, expected a mapping")
    return content


def _plain(value: Any) -> Any:
    if hasattr(value, "openapi_types") and hasattr(value, "attribute_map"):
        fields = ((value.attribute_map[name], getattr(value, name)) for name in value.openapi_types)
        return {key: _plain(content) for key, content in fields if content is not None}
    if isinstance(value, Mapping):
        return {key: _plain(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(content) for content in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value
