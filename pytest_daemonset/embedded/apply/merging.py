"""Applying a configuration: merge it into the live object, find the conflicts, drop what its applier no longer wants."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.apply import fieldsets
from pytest_daemonset.embedded.apply.fieldsets import Path, Paths, ShapeError, elements

if TYPE_CHECKING:
    from pytest_daemonset.embedded.apply.managers import Managers, Writer
    from pytest_daemonset.embedded.apply.shapes import Node

Object = dict[str, Any]

__all__ = ["ConflictError", "Live", "ShapeError", "apply"]


class ConflictError(Exception):
    """Others own what the applier would change.

    Args:
        conflicts: each manager with the paths that it holds.
    """

    def __init__(self, conflicts: list[tuple[Writer, list[Path]]]) -> None:
        super().__init__("conflicts with other managers")
        self.conflicts = conflicts


@dataclass(frozen=True)
class Live:
    """An object as it is ({} before it exists), with its managers."""

    object: Object
    managers: Managers


def apply(
    node: Node, live: Live, config: Object, writer: Writer, *, force: bool, time: str, ignored: str = ""
) -> Object:
    """What the object becomes; `live.managers` is changed.

    Args:
        config: what the applier wants, as it was sent.
        force: take fields from others instead of refusing.
        time: when, as Kubernetes writes it.
        ignored: the field that this way of writing cannot change, such as "status".

    Raises:
        ConflictError: others own what would change.
        ShapeError: the configuration does not fit the kind.
    """
    mine = fieldsets.fields_of(node, config)
    if ignored:
        mine = {path for path in mine if path[0] != f"f:{ignored}"}
        config = {name: value for name, value in config.items() if name != ignored}
    managers = live.managers
    before = managers.of(writer)
    merged: Object = _merge(node, live.object, config, ())
    managers.give(writer, mine, time)
    owned = fieldsets.prefixes(managers.owned())
    gone = {path for path in fieldsets.prefixes(before) if path not in owned} - fieldsets.UNOWNED
    if gone:
        merged = _without(node, merged, (), gone)
    found = fieldsets.difference(node, live.object, merged)
    changed = found.added | found.modified
    conflicts = [(other, sorted(paths & changed)) for other, paths in managers.others(writer) if paths & changed]
    if conflicts and not force:
        raise ConflictError(conflicts)
    managers.take(changed | found.removed, writer)
    return merged


def _merge(node: Node, live: Any, config: Any, path: Path) -> Any:
    if node.shape in {"struct", "map", "deduced"} and isinstance(live, dict) and isinstance(config, dict):
        merged = dict(live)
        for name, value in config.items():
            child = node.child(name)
            if child is not None:
                old = live.get(name)
                merged[name] = copy.deepcopy(value) if old is None else _merge(child, old, value, (*path, f"f:{name}"))
        return merged
    if node.shape in {"keyed", "set"} and node.element and isinstance(live, list) and isinstance(config, list):
        return _merge_list(node, node.element, live, config, path)
    return copy.deepcopy(config)


def _merge_list(node: Node, element: Node, live: list[Any], config: list[Any], path: Path) -> list[Any]:
    try:
        before = elements(node, live, path)
    except ShapeError:
        return copy.deepcopy(config)  # what somebody else wrote twice cannot be told apart
    wanted = elements(node, config, path)
    merged, waiting, done = [], list(wanted), set()
    for word, each in before.items():
        if word not in wanted:
            merged.append(each)
            continue
        while word not in done:
            # what the applier names comes in its own order
            following = waiting.pop(0)
            done.add(following)
            old = before.get(following)
            new = wanted[following]
            merged.append(copy.deepcopy(new) if old is None else _merge(element, old, new, (*path, following)))
    merged += [copy.deepcopy(wanted[word]) for word in waiting]
    return merged


def _without(node: Node, value: Any, path: Path, gone: Paths) -> Any:
    """The value without the fields that are gone."""
    if node.shape in {"struct", "map", "deduced"} and isinstance(value, dict):
        left = {}
        for name, each in value.items():
            here, child = (*path, f"f:{name}"), node.child(name)
            if here not in gone:
                left[name] = each if child is None else _without(child, each, here, gone)
        return left
    if node.shape in {"keyed", "set"} and node.element and isinstance(value, list):
        try:
            found = elements(node, value, path)
        except ShapeError:
            return value
        kept = [(word, each) for word, each in found.items() if (*path, word) not in gone]
        cut = [(each, _without(node.element, each, (*path, word), gone)) for word, each in kept]
        # an element without its key would be no element
        return [
            {**{name: each[name] for name, _ in node.keys if name in each}, **left} if node.keys else left
            for each, left in cut
        ]
    return value
