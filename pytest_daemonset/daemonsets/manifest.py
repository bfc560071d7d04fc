"""Manifests, read and checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_daemonset.contract.shape import PLAIN, Shape, value_at
from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.documents import documents, name_of, require

if TYPE_CHECKING:
    from pytest_daemonset.kube.documents import Document, Object, Source


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
    found = documents(source)
    wanted = tuple(document for document in found if kind.describes(document.content))
    if not wanted:
        raise _no_daemonset(found, source, kind)
    for document in wanted:
        _check(document, kind.shape)
    return Manifest(wanted, tuple(document for document in found if document not in wanted))


def _no_daemonset(there: Sequence[Document], source: Source, kind: Kind) -> UsageError:
    expected = f"expected a {kind.kind} ({kind.api_version})"
    if not there:
        return UsageError(f"{name_of(source)}: {expected}, but the manifest is empty")
    found = ", ".join(_title(document.content, kind) for document in there)
    return there[0].complain("kind", f"{expected}, found {found}")


def _title(content: Object, kind: Kind) -> str:
    # A DaemonSet of another group is told with its group: the kind alone would read "expected a DaemonSet, found DaemonSet".
    version = f"{content['apiVersion']} " if content["kind"] == kind.kind else ""
    return f"{version}{content['kind']} {content['metadata'].get('name', '')}".strip()


def _check(document: Document, shape: Shape) -> None:
    at_template, at_selector = shape.template, shape.selector
    require(document, ("spec", at_selector, at_template, f"{at_template}.metadata", f"{at_template}.spec"))
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


def _typed(document: Document, path: str, wanted: type) -> Any:
    value: Any = document.content
    for step in path.split("."):
        value = value.get(step)
        if value is None:
            return wanted() if wanted is list else {}
    if not isinstance(value, wanted):
        raise document.complain(path, f"must be a {'list' if wanted is list else 'mapping'}, found {value!r}")
    return value
