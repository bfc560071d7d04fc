"""Node selection: whether nodeSelector and required node affinity match a node, and if not, what is at fault."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pytest_daemonset.contract.views import NODE_NAME_FIELD, Node

Requirement: TypeAlias = Mapping[str, Any]

_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)
_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LONGEST_NAME: Final = 63
_LONGEST_SUBDOMAIN: Final = 253


def selector_fault(node: Node, selector: Mapping[str, str]) -> str | None:
    """What a nodeSelector misses on a node, as a clause; None if the node carries all its pairs (row PLACE-03)."""
    missing = [
        f"the node selector asks for {key}={value} and the node has {_show_label(node, key)}"
        for key, value in selector.items()
        if node.labels.get(key) != value
    ]
    return "; ".join(missing) or None


def affinity_fault(node: Node, required: Mapping[str, Any]) -> str | None:
    """Why no term of a required node affinity matches a node, as a clause; None if one does (rows PLACE-04, PLACE-05).

    Terms are alternatives, requirements inside a term cumulative. An empty term matches nothing; nor does one that
    cannot be parsed, and that is no error.
    """
    terms: Sequence[Mapping[str, Any]] = required.get("nodeSelectorTerms") or ()
    faults = [_term_fault(node, term) for term in terms]
    if None in faults:
        return None
    if not faults:
        return "the required node affinity has no terms, so it matches no node"
    told = [f"term {place}: {fault}" for place, fault in enumerate(faults, 1)]
    return f"no term of the required node affinity matches ({'; '.join(told)})"


def affinity_match(node: Node, required: Mapping[str, Any]) -> str:
    """The first term of a required node affinity that matches a node, in words; it must be known that one does."""
    for place, term in enumerate(required["nodeSelectorTerms"], 1):
        if _term_fault(node, term) is None:
            asked = [*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ())]
            return f"term {place} of the required node affinity matches ({', '.join(map(_show, asked))})"
    raise ValueError(f"no term matches {node.name}")


def _term_fault(node: Node, term: Mapping[str, Any]) -> str | None:
    expressions: Sequence[Requirement] = term.get("matchExpressions") or ()
    fields: Sequence[Requirement] = term.get("matchFields") or ()
    if not expressions and not fields:
        return "it is empty, and an empty term matches nothing"
    for requirement in expressions:
        if (problem := _label_problem(requirement)) is not None:
            return f"{_show(requirement)} cannot be parsed ({problem}), so it matches nothing"
    for requirement in fields:
        if (problem := _field_problem(requirement)) is not None:
            return f"{_show(requirement)} cannot be parsed ({problem}), so it matches nothing"
    for requirement in expressions:
        if not _label_matches(node, requirement):
            return f"{_show(requirement)} is asked for and the node has {_show_label(node, requirement['key'])}"
    for requirement in fields:
        if not _field_matches(node, requirement):
            return f"{_show(requirement)} is asked for and the node is {node.name}"
    return None


def _label_matches(node: Node, requirement: Requirement) -> bool:
    actual = node.labels.get(requirement["key"])
    operator = requirement["operator"]
    values: Sequence[str] = requirement.get("values") or ()
    if operator == "In":
        return actual is not None and actual in values
    if operator == "NotIn":
        return actual is None or actual not in values
    if operator == "Exists":
        return actual is not None
    if operator == "DoesNotExist":
        return actual is None
    number, bound = None if actual is None else _integer(actual), _integer(values[0])
    if number is None or bound is None:
        return False
    return number > bound if operator == "Gt" else number < bound


def _label_problem(requirement: Requirement) -> str | None:
    """What makes a label requirement unparseable (labels.NewRequirement in apimachinery), or None."""
    operator = requirement.get("operator")
    values: Sequence[str] = requirement.get("values") or ()
    if not _is_label_key(str(requirement.get("key") or "")):
        return "its key is no label key"
    if operator in ("In", "NotIn"):
        if not values:
            return f"{operator} needs values"
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            return f"{operator} takes no values"
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            return f"{operator} takes exactly one value"
        if _integer(values[0]) is None:
            return f"{operator} takes an integer"
    else:
        return f"{operator!r} is no operator"
    wrong = [value for value in values if not _is_label_value(value)]
    return f"{wrong[0]!r} can be no label's value" if wrong else None


def _field_matches(node: Node, requirement: Requirement) -> bool:
    actual = node.name if requirement.get("key") == NODE_NAME_FIELD else ""
    return bool(actual == requirement["values"][0]) == bool(requirement["operator"] == "In")


def _field_problem(requirement: Requirement) -> str | None:
    """What makes a field requirement unparseable (component-helpers, nodeaffinity), or None."""
    if requirement.get("operator") not in ("In", "NotIn"):
        return "a field takes In or NotIn"
    if len(requirement.get("values") or ()) != 1:
        return "a field takes exactly one value"
    return None


def _integer(text: str) -> int | None:
    """A decimal 64-bit integer as Go's strconv.ParseInt reads it, or None."""
    # Longer numbers are no label values anyway, and int() refuses very long ones with an error of its own.
    if len(text) > _LONGEST_NAME or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if number in _INT64 else None


def _is_label_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= _LONGEST_SUBDOMAIN and _SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def _is_label_value(value: str) -> bool:
    return value == "" or (len(value) <= _LONGEST_NAME and _NAME.fullmatch(value) is not None)


def _show(requirement: Requirement) -> str:
    values = requirement.get("values") or ()
    shown = f" [{', '.join(values)}]" if values else ""
    return f"{requirement.get('key')} {requirement.get('operator')}{shown}"


def _show_label(node: Node, key: str) -> str:
    return f"{key}={node.labels[key]}" if key in node.labels else f"no label {key}"
