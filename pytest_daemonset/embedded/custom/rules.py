"""Rules of custom resources in CEL, `x-kubernetes-validations` (apiextensions-apiserver, pkg/apiserver/schema/cel)."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.cel import NONE, CelError, Optional, compiled
from pytest_daemonset.embedded.cel.library import FUNCTIONS
from pytest_daemonset.embedded.cel.parsing import parse
from pytest_daemonset.embedded.kinds.expressions import check_expression
from pytest_daemonset.embedded.kinds.fielderrors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RULES = "x-kubernetes-validations"
NOWHERE = "<nil>"
"""The path of a whole object."""
_NAMES = frozenset({"self", "oldSelf"})
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_UNCHECKED = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\['((?:[^'\\]|\\.)*)'\]", re.ASCII)
_ABSENT: Any = object()


class _Value(NamedTuple):
    """One value with its schema, what it was before (`_ABSENT`: nothing), and where it stands."""

    schema: Mapping[str, Any]
    new: Any
    old: Any
    path: str
    root: bool = False


def has_rules(schema: Any) -> bool:
    """Whether there are rules anywhere in a schema."""
    return isinstance(schema, dict) and (bool(schema.get(RULES)) or any(has_rules(each) for each in _parts(schema)))


def _parts(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from (schema.get("items"), schema.get("additionalProperties"))
    yield from (schema.get("properties") or {}).values()


def judge(schema: Mapping[str, Any], new: Any, old: Any, errors: list[FieldError]) -> list[FieldError]:
    """Tell what rules say against an object.

    Args:
        old: as it was; None for a new one.
        errors: what the schema says against it: some of that leaves the rules unchecked.
    """
    if any(each.reason in _BLOCKING for each in errors):
        return [invalid(NOWHERE, None, _UNCHECKED)]
    return list(_walk(_Value(schema, new, _ABSENT if old is None else old, "", root=True)))


def _walk(value: _Value) -> Iterator[FieldError]:
    if value.new is None:
        return
    for rule in value.schema.get(RULES) or ():
        yield from _judge_rule(value, rule)
    for part in _children(value):
        yield from _walk(part)


def _children(value: _Value) -> Iterator[_Value]:
    schema, new, old = value.schema, value.new, value.old
    if isinstance(new, dict):
        was = old if isinstance(old, dict) else {}
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, each in new.items():
            if name in properties:
                path = f"{value.path}.{name}" if value.path else name
                if not (value.root and name == "metadata"):
                    yield _Value(properties[name], each, was.get(name, _ABSENT), path)
            elif isinstance(more, dict):
                yield _Value(more, each, was.get(name, _ABSENT), f"{value.path}[{name}]")
    elif isinstance(new, list):
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        # elements of other lists are not the same as any that were there: rules on changes pass over them
        known = {_key(each, keys): each for each in old} if keys and isinstance(old, list) else {}
        for index, each in enumerate(new):
            before = known.get(_key(each, keys), _ABSENT) if keys else _ABSENT
            yield _Value(schema.get("items") or {}, each, before, f"{value.path}[{index}]")


def _key(value: Any, names: Any) -> str:
    return repr([value.get(name) for name in names]) if isinstance(value, dict) else repr(value)


def _judge_rule(value: _Value, rule: Mapping[str, Any]) -> Iterator[FieldError]:
    text = rule["rule"].strip()
    about_changes, optional = _speaks_of_old(text), bool(rule.get("optionalOldSelf"))
    existed = value.old is not _ABSENT
    if about_changes and not existed and not optional:
        return
    scope = {"self": typed(value.schema, value.new, root=value.root)}
    if about_changes:
        before = typed(value.schema, value.old, root=value.root) if existed else None
        scope["oldSelf"] = (Optional(before) if existed else NONE) if optional else before
    elif existed and value.old == value.new:
        return  # what was kept before the rule came may stay as it is
    try:
        if compiled(text, _NAMES).truth(scope):
            return
    except CelError as error:
        kind = value.schema.get("type", "")
        yield invalid(value.path or NOWHERE, kind, f"{error} evaluating rule: {text}")
        return
    yield _refused(value, rule, _message(rule, text, scope))


def _message(rule: Mapping[str, Any], text: str, scope: Mapping[str, Any]) -> str:
    if (text_ := rule.get("messageExpression")) and (said := compiled(text_.strip(), _NAMES).message(scope)):
        return said
    return str(rule.get("message", "")).strip() or f"failed rule: {text}"


def _refused(value: _Value, rule: Mapping[str, Any], message: str) -> FieldError:
    where = value.path + "".join(f".{name or quoted}" for name, quoted in _STEP.findall(rule.get("fieldPath") or ""))
    path, reason = where.lstrip(".") or NOWHERE, rule.get("reason") or "FieldValueInvalid"
    plain = not isinstance(value.new, (dict, list))
    if reason == "FieldValueForbidden":
        return forbidden(path, message)
    if reason == "FieldValueRequired":
        return required(path, message)
    if reason == "FieldValueDuplicate":
        return duplicate(path, value.new) if plain else FieldError("FieldValueDuplicate", path, "Duplicate value")
    return (
        invalid(path, value.new, message)
        if plain
        else FieldError("FieldValueInvalid", path, f"Invalid value: {message}")
    )


@lru_cache(maxsize=1024)
def _speaks_of_old(text: str) -> bool:
    return "oldSelf" in text and _names(parse(text))


def _names(node: Any) -> bool:
    return isinstance(node, tuple) and (node[:2] == ("name", "oldSelf") or any(_names(each) for each in node))


def typed(schema: Mapping[str, Any], value: Any, *, root: bool = False) -> Any:
    """A value as expressions see it: times, spans and bytes by their format, and of an object what the schema has."""
    if isinstance(value, dict):
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        found = {}
        for name, each in value.items():
            if root and name == "metadata":
                found[name] = {key: each[key] for key in ("name", "generateName") if key in each}
            elif name in properties:
                found[name] = typed(properties[name], each)
            elif isinstance(more, dict):
                found[name] = typed(more, each)
            elif root or schema.get("x-kubernetes-embedded-resource"):
                found[name] = each
        return found
    if isinstance(value, list):
        return [typed(schema.get("items") or {}, each) for each in value]
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and schema.get("type") == "string":
        return _by_format(schema.get("format"), value)
    return value


def _by_format(how: Any, value: str) -> Any:
    try:
        if how == "date-time":
            return FUNCTIONS["timestamp"](value)
        if how == "duration":
            return FUNCTIONS["duration"](value)
        if how == "date":
            return datetime.fromisoformat(value).replace(tzinfo=timezone.utc)
        if how == "byte":
            return b64decode(value)
    except (CelError, ValueError):
        pass  # the schema tells of it
    return value


# the rules themselves, as a definition brings them


def validate(schema: Mapping[str, Any], path: str) -> list[FieldError]:
    """Tell what is wrong with the rules of one schema.

    Raises:
        StatusError: 501, an expression uses what is not imitated.
    """
    rules = schema.get(RULES)
    if rules is None:
        return []
    if not isinstance(rules, list) or not all(isinstance(each, dict) for each in rules):
        return [invalid(f"{path}.{RULES}", None, "must be a list of rules")]
    errors: list[FieldError] = []
    for index, rule in enumerate(rules):
        errors += _validate_rule(rule, schema, f"{path}.{RULES}[{index}]")
    return errors


def _validate_rule(rule: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> list[FieldError]:
    texts = {name: rule.get(name) or "" for name in ("rule", "message", "messageExpression", "reason", "fieldPath")}
    if wrong := [name for name, text in texts.items() if not isinstance(text, str)]:
        return [invalid(f"{path}.{name}", None, "must be a string") for name in wrong]
    errors = []
    if not texts["rule"].strip():
        errors.append(required(f"{path}.rule", "rule is not specified"))
    elif "\n" in texts["rule"].strip() and not texts["message"].strip():
        errors.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    if "\n" in texts["message"].strip():
        errors.append(invalid(f"{path}.message", texts["message"], "must not contain line breaks"))
    if texts["reason"] and texts["reason"] not in _REASONS:
        errors.append(not_supported(f"{path}.reason", texts["reason"], _REASONS))
    if texts["fieldPath"] and not _leads(texts["fieldPath"], schema):
        errors.append(invalid(f"{path}.fieldPath", texts["fieldPath"], "must be a valid path"))
    return errors or [
        found
        for name in ("rule", "messageExpression")
        if texts[name].strip()
        for found in check_expression(texts[name].strip(), _NAMES, f"{path}.{name}")
    ]


def _leads(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a path from a schema leads to one of its fields."""
    at: Any = schema
    steps = _STEP.findall(text)
    if "".join(found[0] for found in _STEP.finditer(text)) != text:
        return False
    for name, quoted in steps:
        if not isinstance(at, dict):
            return False
        properties, more = at.get("properties") or {}, at.get("additionalProperties")
        at = properties.get(name or quoted, more if isinstance(more, dict) else None)
    return isinstance(at, dict)
