"""Whether a pod's affinity, node selector and spreading are right, and which nodes its node affinity admits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, not_supported, required
from pytest_daemonset.embedded.kinds.names import dns_subdomain, qualified_name
from pytest_daemonset.embedded.kinds.selectors import validate_selector

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_SPREADING = ("DoNotSchedule", "ScheduleAnyway")


def validate_affinity(affinity: Object, path: str) -> Iterator[FieldError]:
    """Tell what is wrong with `spec.affinity`."""
    node = affinity.get("nodeAffinity", {})
    if REQUIRED in node:
        here = f"{path}.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
        terms = node[REQUIRED]["nodeSelectorTerms"]
        if not terms:
            yield required(here, "must have at least one node selector term")
        for index, term in enumerate(terms or []):
            yield from _validate_term(term, f"{here}[{index}]")
    for index, each in enumerate(node.get(PREFERRED, [])):
        here = f"{path}.nodeAffinity.{PREFERRED}[{index}]"
        yield from _validate_weight(each, here)
        yield from _validate_term(each["preference"], f"{here}.preference")
    for kind in ("podAffinity", "podAntiAffinity"):
        for index, each in enumerate(affinity.get(kind, {}).get(REQUIRED, [])):
            yield from _validate_pod_term(each, f"{path}.{kind}.{REQUIRED}[{index}]")
        for index, each in enumerate(affinity.get(kind, {}).get(PREFERRED, [])):
            here = f"{path}.{kind}.{PREFERRED}[{index}]"
            yield from _validate_weight(each, here)
            yield from _validate_pod_term(each["podAffinityTerm"], f"{here}.podAffinityTerm")


def validate_spreading(constraints: list[Object], path: str) -> Iterator[FieldError]:
    """Tell what is wrong with `spec.topologySpreadConstraints`."""
    for index, each in enumerate(constraints):
        here = f"{path}[{index}]"
        if each["maxSkew"] <= 0:
            yield invalid(f"{here}.maxSkew", each["maxSkew"], "must be greater than zero")
        if not each["topologyKey"]:
            yield required(f"{here}.topologyKey", "can not be empty")
        if each["whenUnsatisfiable"] not in _SPREADING:
            yield not_supported(f"{here}.whenUnsatisfiable", each["whenUnsatisfiable"], _SPREADING)
        yield from validate_selector(each.get("labelSelector", {}), f"{here}.labelSelector")


def _validate_weight(each: Object, path: str) -> Iterator[FieldError]:
    if not 1 <= each["weight"] <= 100:
        yield invalid(f"{path}.weight", each["weight"], "must be in the range 1-100")


def _validate_pod_term(term: Object, path: str) -> Iterator[FieldError]:
    yield from validate_selector(term.get("labelSelector", {}), f"{path}.labelSelector")
    yield from validate_selector(term.get("namespaceSelector", {}), f"{path}.namespaceSelector")
    if not term["topologyKey"]:
        yield required(f"{path}.topologyKey", "can not be empty")
    for text in qualified_name(term["topologyKey"]):
        yield invalid(f"{path}.topologyKey", term["topologyKey"], text)


def _validate_term(term: Object, path: str) -> Iterator[FieldError]:
    for index, each in enumerate(term.get("matchExpressions", [])):
        yield from _validate_requirement(each, f"{path}.matchExpressions[{index}]")
    for index, each in enumerate(term.get("matchFields", [])):
        here = f"{path}.matchFields[{index}]"
        if each["operator"] not in {"In", "NotIn"}:
            yield invalid(f"{here}.operator", each["operator"], "not a valid selector operator")
        elif len(each.get("values", [])) != 1:
            yield required(
                f"{here}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
        if each["key"] != "metadata.name":
            yield invalid(f"{here}.key", each["key"], "not a valid field selector key")
        for at, value in enumerate(each.get("values", [])):
            for text in dns_subdomain(value):
                yield invalid(f"{here}.values[{at}]", value, text)


def _validate_requirement(each: Object, path: str) -> Iterator[FieldError]:
    operator, values = each["operator"], each.get("values", [])
    if operator not in _OPERATORS:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif operator in {"In", "NotIn"} and not values:
        yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in {"Exists", "DoesNotExist"} and values:
        yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator in {"Gt", "Lt"} and len(values) != 1:
        yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    for text in qualified_name(each["key"]):
        yield invalid(f"{path}.key", each["key"], text)


def admits(spec: Object, node: Object) -> bool:
    """Whether a pod's node selector and required node affinity admit a node."""
    labels = node["metadata"].get("labels", {})
    if any(labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    if REQUIRED not in affinity:
        return True
    name = node["metadata"]["name"]
    return any(_term_admits(term, labels, name) for term in affinity[REQUIRED]["nodeSelectorTerms"])


def _term_admits(term: Object, labels: dict[str, str], name: str) -> bool:
    expressions, fields = term.get("matchExpressions", []), term.get("matchFields", [])
    # A term that asks for nothing admits no node.
    if not expressions and not fields:
        return False
    named = {"metadata.name": name}
    return all(_holds(each, labels) for each in expressions) and all(_holds(each, named) for each in fields)


def _holds(each: Object, labels: dict[str, str]) -> bool:
    operator, key, values = each["operator"], each["key"], each.get("values", [])
    if operator in {"Exists", "DoesNotExist"}:
        return bool((key in labels) == (operator == "Exists"))
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if key not in labels:
        return False
    if operator == "In":
        return bool(labels[key] in values)
    try:
        have, limit = int(labels[key]), int(values[0])
    except ValueError:
        return False
    return have > limit if operator == "Gt" else have < limit
