"""What a schema says against an object, with the causes that kube-apiserver tells (go-openapi/validate)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import regexes
from pytest_daemonset.embedded.custom.formats import CHECKS
from pytest_daemonset.embedded.kinds.fielderrors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


ABSENT: Any = object()
_TYPES: Mapping[type, str] = MappingProxyType({str: "string", list: "array", dict: "object"})


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _TYPES.get(type(value), "null")


def validate(
    schema: Mapping[str, Any], value: Any, path: str = "", *, is_root: bool = True, old: Any = ABSENT
) -> list[FieldError]:
    """Tell what is wrong; an empty list accepts the value.

    Args:
        is_root: the value is a whole object, whose metadata others judge.
        old: what stood there before: what stays as it was is not judged again, as the schema may be newer than it.
    """
    if (value is None and schema.get("nullable")) or (old is not ABSENT and _same(old, value)):
        return []
    actual, wanted = _type(value), schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if actual not in {"integer", "string"}:
            return [_wrong_type(path, actual, "integer,string")]
    elif wanted and actual != wanted and not (wanted == "number" and actual == "integer"):
        return [_wrong_type(path, actual, wanted)]
    errors = _combined(schema, value, path)
    if "enum" in schema and value not in schema["enum"]:
        errors.append(not_supported(path, value, tuple(map(_shown, schema["enum"]))))
    if actual in {"integer", "number"}:
        errors += _number(schema, value, path)
    elif actual == "string":
        errors += _string(schema, value, path)
    elif actual == "array":
        errors += _array(schema, value, path, old)
    elif actual == "object":
        errors += _object(schema, value, path, is_root, old)
    return errors


def _same(old: Any, value: Any) -> bool:
    """Whether two values are the same JSON, of which Python takes some for equal that are of other types."""
    if type(old) is not type(value) or old != value:
        return False
    return orjson.dumps(old, option=orjson.OPT_SORT_KEYS) == orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _wrong_type(path: str, actual: str, wanted: str) -> FieldError:
    text = f'Invalid value: "{actual}": {path} in body must be of type {wanted}: "{actual}"'
    return FieldError("FieldValueTypeInvalid", path, text)


def _wrong(path: str, value: Any, text: str) -> FieldError:
    return invalid(path, value, f"{path} in body {text}")


def _combined(schema: Mapping[str, Any], value: Any, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for part in schema.get("allOf") or ():
        errors += validate(part, value, path, is_root=False)
    some = schema.get("anyOf")
    if some and not any(not validate(part, value, path, is_root=False) for part in some):
        errors.append(_wrong(path, value, "must validate at least one schema (anyOf)"))
    one = schema.get("oneOf")
    if one and sum(not validate(part, value, path, is_root=False) for part in one) != 1:
        errors.append(_wrong(path, value, "must validate one and only one schema (oneOf)"))
    none = schema.get("not")
    if none is not None and not validate(none, value, path, is_root=False):
        errors.append(_wrong(path, value, "must not validate the schema (not)"))
    return errors


def _number(schema: Mapping[str, Any], value: float, path: str) -> list[FieldError]:
    errors = []
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if low is not None and schema.get("exclusiveMinimum") and value <= low:
        errors.append(_wrong(path, value, f"should be greater than {low}"))
    elif low is not None and value < low:
        errors.append(_wrong(path, value, f"should be greater than or equal to {low}"))
    if high is not None and schema.get("exclusiveMaximum") and value >= high:
        errors.append(_wrong(path, value, f"should be less than {high}"))
    elif high is not None and value > high:
        errors.append(_wrong(path, value, f"should be less than or equal to {high}"))
    if step and value % step:
        errors.append(_wrong(path, value, f"should be a multiple of {step}"))
    return errors


def _string(schema: Mapping[str, Any], value: str, path: str) -> list[FieldError]:
    errors = []
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        errors.append(too_long(path, longest))
    if shortest is not None and len(value) < shortest:
        errors.append(_wrong(path, value, f"should be at least {shortest} chars long"))
    if "pattern" in schema and not regexes.compiled(schema["pattern"]).search(value):
        errors.append(_wrong(path, value, f"should match '{schema['pattern']}'"))
    how = schema.get("format")
    if isinstance(how, str) and (check := CHECKS.get(how)) is not None and not check(value):
        text = f"Invalid value: {_quoted(value)}: {path} in body must be of type {how}: {_quoted(value)}"
        errors.append(FieldError("FieldValueTypeInvalid", path, text))
    return errors


def _quoted(value: str) -> str:
    return orjson.dumps(value).decode()


def _array(schema: Mapping[str, Any], value: list[Any], path: str, old: Any) -> list[FieldError]:
    errors: list[FieldError] = []
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        errors.append(_too_many(path, len(value), most))
    if least is not None and len(value) < least:
        errors.append(_wrong(path, len(value), f"should have at least {least} items"))
    items, how = schema.get("items") or {}, schema.get("x-kubernetes-list-type")
    names = schema.get("x-kubernetes-list-map-keys") or () if how == "map" else ()
    # elements of other lists are not the same as any that were there
    before = {_key(each, names): each for each in old} if names and isinstance(old, list) else {}
    for index, each in enumerate(value):
        was = before.get(_key(each, names), ABSENT) if before else ABSENT
        errors += validate(items, each, f"{path}[{index}]", is_root=False, old=was)
    if how == "set" or schema.get("uniqueItems"):
        errors += _unique(path, value, value)
    elif how == "map":
        keys = [{name: each.get(name) for name in names} if isinstance(each, dict) else {} for each in value]
        errors += _unique(path, keys, keys)
    return errors


def _key(value: Any, names: Iterable[str]) -> bytes:
    return orjson.dumps([value.get(name) for name in names] if isinstance(value, dict) else value)


def _too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError("FieldValueTooMany", path, f"Too many: {count}: must have at most {most} items")


def _unique(path: str, keys: list[Any], values: list[Any]) -> list[FieldError]:
    seen: dict[bytes, int] = {}
    errors = []
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        word = orjson.dumps(key, option=orjson.OPT_SORT_KEYS)
        seen[word] = seen.get(word, 0) + 1
        if seen[word] == 2:  # told once, however often it comes again
            errors.append(duplicate(f"{path}[{index}]", value))
    return errors


def _object(schema: Mapping[str, Any], value: dict[str, Any], path: str, is_root: bool, old: Any) -> list[FieldError]:
    errors: list[FieldError] = []
    before = old if isinstance(old, dict) else {}
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        errors.append(_too_many(path, len(value), most))
    if least is not None and len(value) < least:
        errors.append(_wrong(path, len(value), f"should have at least {least} properties"))
    errors += [required(_under(path, name)) for name in schema.get("required") or () if name not in value]
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, each in value.items():
        if is_root and name == "metadata":
            part = _named_only(properties.get("metadata"))
        else:
            part = properties.get(name, more if isinstance(more, dict) else None)
        if part is not None:
            errors += validate(part, each, _under(path, name), is_root=False, old=before.get(name, ABSENT))
    return errors


def _named_only(schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Of metadata, a schema can only restrict the name."""
    named = ((schema or {}).get("properties") or {}).get("name")
    return None if named is None else {"type": "object", "properties": {"name": named}}


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
