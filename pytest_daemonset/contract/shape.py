"""The shape of a daemonset-like kind: where its fields stand, and what its controller writes on what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TEMPLATE: Final = "spec.template"
SELECTOR: Final = "spec.selector"
REVISION_LABEL: Final = "controller-revision-hash"
NUDGE: Final = "spec.revisionHistoryLimit"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a kind differs from `apps/v1` DaemonSet; by default in nothing.

    Args:
        template: where its pod template stands, dotted from the object's root.
        selector: where its selector stands.
        revision_label: the label that ties pods to their revision.
        owner_api_version: what owner references say; empty for the apiVersion that the kind is served under.
        owner_kind: likewise; empty for the kind itself.
        nudge: an integer field of the spec that a barrier may raise and lower again: nothing may follow from it but a sync.
        status_hash: the field of the status that names the current revision's hash; empty where there is none.
        history: whether its controller records templates as ControllerRevisions; else a pod's template is told by the pod itself.
    """

    template: str = TEMPLATE
    selector: str = SELECTOR
    revision_label: str = REVISION_LABEL
    owner_api_version: str = ""
    owner_kind: str = ""
    nudge: str = NUDGE
    status_hash: str = ""
    history: bool = True

    def template_of(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """The pod template of a set, or of a revision's data; empty where there is none."""
        return value_at(stored, self.template) or {}

    def own(self, standard: Mapping[str, Any]) -> dict[str, Any]:
        """A manifest or merge patch in a DaemonSet's form, put into the kind's own."""
        return _moved(standard, {TEMPLATE: self.template, SELECTOR: self.selector})

    def standard(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The opposite of `own`, for what was read."""
        return _moved(own, {self.template: TEMPLATE, self.selector: SELECTOR})


PLAIN: Final = Shape()
"""That of a DaemonSet."""

_ABSENT: Final = object()


def value_at(content: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    found = _look(content, path.split("."))
    return None if found is _ABSENT else found


def nested(path: str, value: Any) -> dict[str, Any]:
    """The smallest object that has a value at a dotted path: a merge patch that writes it."""
    for step in reversed(path.split(".")):
        value = {step: value}
    return value  # type: ignore[no-any-return]


def _look(content: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(content, Mapping) or step not in content:
            return _ABSENT
        content = content[step]
    return content


def _moved(content: Mapping[str, Any], moves: Mapping[str, str]) -> dict[str, Any]:
    moves = {old: new for old, new in moves.items() if old != new}
    values = {new: _look(content, old.split(".")) for old, new in moves.items()}
    result = dict(content)
    for old in moves:
        result = _without(result, old.split("."))
    for new, value in values.items():
        if value is not _ABSENT:
            result = _with(result, new.split("."), value)
    return result


def _without(content: Mapping[str, Any], steps: list[str]) -> dict[str, Any]:
    head, *rest = steps
    if head not in content:
        return dict(content)
    if not rest:
        return {key: value for key, value in content.items() if key != head}
    below = content[head]
    return {**content, head: _without(below, rest)} if isinstance(below, Mapping) else dict(content)


def _with(content: Mapping[str, Any], steps: list[str], value: Any) -> dict[str, Any]:
    head, *rest = steps
    if not rest:
        return {**content, head: value}
    below = content.get(head)
    return {**content, head: _with(below if isinstance(below, Mapping) else {}, rest, value)}
