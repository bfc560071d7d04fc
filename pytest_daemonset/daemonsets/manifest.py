"""Manifests, read and checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from pytest_daemonset.contract.shape import PLAIN, Shape, value_at
from pytest_daemonset.errors import UsageError

Object = dict[str, Any]
Source = str | PathLike[str] | Mapping[str, Any] | Any


@dataclass(frozen=True)
class Kind:
    """The kind that a manifest must be of.

    Args:
        api_version: group and version, as in ``apps/v1``.
        kind: the kind's name, as in ``DaemonSet``.
        shape: where its fields stand.
    """

    api_version: str = "apps/v1"
    kind: str = "DaemonSet"
    shape: Shape = PLAIN

    def describes(self, document: Mapping[str, Any]) -> bool:
        """Whether a document is of this kind; the version may differ, the group may not."""
        group = str(document.get("apiVersion", "")).rpartition("/")[0]
        return document.get("kind") == self.kind and group == self.api_version.rpartition("/")[0]


@dataclass(frozen=True)
class Document:
    """One object of a manifest, and where its fields stand."""

    content: Object
    origin: str
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict, repr=False)

    def complain(self, path: str, problem: str) -> UsageError:
        """The error for one field: file, line and field first, then what is wrong.

        Args:
            path: the field, dotted; for a missing one the line of the nearest field that is there is told.
            problem: what was expected, what was seen and what to try.
        """
        steps = tuple(path.split(".")) if path else ()
        line = next((self.lines[steps[:n]] for n in range(len(steps), -1, -1) if steps[:n] in self.lines), None)
        place = self.origin if line is None else f"{self.origin}:{line}"
        return UsageError(f"{place}: {path}: {problem}" if path else f"{place}: {problem}")


@dataclass(frozen=True)
class Manifest:
    """What one source holds: the DaemonSets, and the companions that are applied before them."""

    daemonsets: tuple[Document, ...]
    companions: tuple[Document, ...]


def read(source: Source, kind: Kind = Kind()) -> Manifest:
    """Read and check a manifest.

    Args:
        source: a path, YAML text (a string with a line break or a brace in it; several documents are allowed), a mapping, or a
            typed object of kubernetes, kubernetes_asyncio or lightkube.
        kind: what the set under test must be.

    Raises:
        UsageError: no YAML, a Deployment where a DaemonSet belongs, a missing field, a selector that misses its
            template; the text names file, line and field.
    """
    documents = _documents(source)
    for document in documents:
        _require(document, ("apiVersion", "kind", "metadata"))
        if not document.content["metadata"].get("name") and not document.content["metadata"].get("generateName"):
            raise document.complain("metadata.name", "is missing: give the object a name")
    wanted = tuple(document for document in documents if kind.describes(document.content))
    if not wanted:
        raise _no_daemonset(documents, source, kind)
    for document in wanted:
        _check(document, kind.shape)
    return Manifest(wanted, tuple(document for document in documents if document not in wanted))


def _no_daemonset(documents: Sequence[Document], source: Source, kind: Kind) -> UsageError:
    expected = f"expected a {kind.kind} ({kind.api_version})"
    if not documents:
        return UsageError(f"{_name(source)}: {expected}, but the manifest is empty")
    found = ", ".join(_title(document.content, kind) for document in documents)
    return documents[0].complain("kind", f"{expected}, found {found}")


def _title(content: Object, kind: Kind) -> str:
    # A DaemonSet of another group is told with its group: the kind alone would read "expected a DaemonSet, found DaemonSet".
    version = f"{content['apiVersion']} " if content["kind"] == kind.kind else ""
    return f"{version}{content['kind']} {content['metadata'].get('name', '')}".strip()


def _check(document: Document, shape: Shape) -> None:
    at_template, at_selector = shape.template, shape.selector
    _require(document, ("spec", at_selector, at_template, f"{at_template}.metadata", f"{at_template}.spec"))
    labels = _typed(document, f"{at_template}.metadata.labels", Mapping)
    _typed(document, f"{at_selector}.matchLabels", Mapping)
    expressions = _typed(document, f"{at_selector}.matchExpressions", list)
    for index, requirement in enumerate(expressions):
        if not isinstance(requirement, Mapping):
            path = f"{at_selector}.matchExpressions.{index}"
            raise document.complain(path, f"must be a mapping of key, operator and values, found {requirement!r}")
    selector = value_at(document.content, at_selector)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        raise document.complain(at_selector, "is empty: an empty selector would match every pod of the namespace")
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            raise document.complain(
                f"{at_selector}.matchLabels.{key}",
                f"the selector wants {key}={value}, but {at_template}.metadata.labels has "
                + (f"{key}={labels[key]}" if key in labels else f"no {key} (it has {_pairs(labels)})"),
            )
    for index, requirement in enumerate(expressions):
        if not _satisfies(labels, requirement):
            raise document.complain(
                f"{at_selector}.matchExpressions.{index}",
                f"the selector wants {requirement.get('key')} {requirement.get('operator')} {requirement.get('values') or ''}".rstrip()
                + f", but {at_template}.metadata.labels has {_pairs(labels)}",
            )
    if not value_at(document.content, f"{at_template}.spec.containers"):
        raise document.complain(f"{at_template}.spec.containers", "is missing: a pod needs at least one container")


def _satisfies(labels: Mapping[str, str], requirement: Mapping[str, Any]) -> bool:
    key, values = requirement.get("key", ""), requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _pairs(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "no labels"


def _require(document: Document, paths: Sequence[str]) -> None:
    for path in paths:
        value: Any = document.content
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is None:
            raise document.complain(path, "is missing")
        if path not in ("apiVersion", "kind") and not isinstance(value, Mapping):
            raise document.complain(path, f"must be a mapping, found {value!r}")


def _typed(document: Document, path: str, wanted: type) -> Any:
    value: Any = document.content
    for step in path.split("."):
        value = value.get(step)
        if value is None:
            return wanted() if wanted is list else {}
    if not isinstance(value, wanted):
        raise document.complain(path, f"must be a {'list' if wanted is list else 'mapping'}, found {value!r}")
    return value


def _name(source: Source) -> str:
    if isinstance(source, Mapping) or not isinstance(source, str | PathLike):
        return f"<{type(source).__name__}>"
    return "<YAML text>" if _is_text(source) else str(source)


def _is_text(source: str | PathLike[str]) -> bool:
    return isinstance(source, str) and ("\n" in source or source.lstrip().startswith("{"))


def _documents(source: Source) -> list[Document]:
    if isinstance(source, Mapping):
        return [Document(dict(source), "<dict>")]
    if not isinstance(source, str | PathLike):
        return [Document(_untyped(source), f"<{type(source).__name__}>")]
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
    documents = []
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
            documents.append(Document(content, origin, dict(_lines(node))))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{origin}{line}: this is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{origin}: this is no YAML: {error}") from None
    finally:
        loader.dispose()
    return [one for document in documents for one in _unpacked(document)]


def _unpacked(document: Document) -> list[Document]:
    if document.content.get("kind") != "List":
        return [document]
    items = document.content.get("items") or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise document.complain("items", f"must be a list of Kubernetes objects, found {str(items)[:60]}")
    return [
        Document(
            item,
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
