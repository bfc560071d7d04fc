"""The three kinds of patch that change an object: merge (RFC 7386), JSON (RFC 6902), and Kubernetes' strategic merge."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import jsonpatch, statuses
from pytest_daemonset.embedded.bodies import check_size, part
from pytest_daemonset.embedded.kinds.scalars import json_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Object = dict[str, Any]
Path = tuple[str, ...]

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
OF_CUSTOM_RESOURCES = (JSON, MERGE)

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_SHOWN = 1000  # characters


def apply(obj: Object, data: bytes, content_type: str, merge_keys: Mapping[Path, str]) -> Object:
    """Patch an object.

    Args:
        obj: changed in place, or thrown away.
        data: the patch.
        merge_keys: for strategic patches: path of a list -> merge key of its elements, "" for a list of plain values.

    Returns:
        The patched object.

    Raises:
        StatusError: 400 for a patch that cannot be read, 422 for one that cannot be applied, 500 for a strategic one that
            contradicts itself (as kube-apiserver), 415 for another kind of patch.
    """
    if content_type not in {MERGE, JSON, STRATEGIC}:
        raise statuses.unsupported_patch()
    unread = "" if content_type == STRATEGIC else "error decoding patch: "
    try:
        patch = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise statuses.bad_request(f"{unread}{error}") from None
    if patch is None and content_type != MERGE:
        return obj  # Go reads null as nothing
    if content_type == JSON:
        return _json_patch(obj, patch)
    if not isinstance(patch, dict):
        text = f"json: cannot unmarshal {json_type(patch)} into Go value of type map[string]interface {{}}"
        raise statuses.bad_request(f"{unread}{text}")
    if content_type == MERGE:
        merge(obj, patch)
        return obj
    check_size(patch, data)  # a strategic patch can say much of one element
    return strategic(obj, patch, merge_keys)


def touched(data: bytes, content_type: str) -> frozenset[str] | None:
    """The top-level fields that a patch can change; None where they cannot be told.

    Args:
        data: a patch that has been applied.
    """
    patch = orjson.loads(data)
    if patch is None:
        return frozenset()
    if content_type == JSON:
        places = [operation["path"] for operation in patch]
        places += [operation["from"] for operation in patch if operation["op"] == "move"]
        if not all(places):
            return None  # the whole object
        return frozenset(place.split("/")[1].replace("~1", "/").replace("~0", "~") for place in places)
    # a directive may be about any field
    return None if any(name.startswith("$") for name in patch) else frozenset(patch)


def merge(obj: Any, patch: Any) -> Any:
    """RFC 7386, in place where both are objects."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(obj, dict):
        obj = {}
    for key, value in patch.items():
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict):
            obj[key] = merge(obj.get(key), value)
        else:
            obj[key] = value
    return obj


def _json_patch(obj: Object, patch: Any) -> Object:
    try:
        operations = jsonpatch.operations(patch)
    except jsonpatch.MalformedError as error:
        raise statuses.bad_request(f"error decoding patch: {error}") from None
    if len(operations) > jsonpatch.MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {jsonpatch.MAX_OPERATIONS}, got {len(operations)}"
        raise statuses.StatusError(413, "RequestEntityTooLarge", text)
    try:
        patched = jsonpatch.apply(obj, operations)
    except (jsonpatch.UnfitError, RecursionError, orjson.JSONEncodeError) as error:
        refused = statuses.rejected()
        raise refused from error
    if not isinstance(patched, dict):
        raise statuses.rejected()
    return patched


def strategic(obj: Object, patch: Object, merge_keys: Mapping[Path, str], path: Path = ()) -> Object:
    """Kubernetes' strategic merge patch, in place.

    Knows `$patch` (replace, merge, delete), `$retainKeys`, `$deleteFromPrimitiveList/` and `$setElementOrder/`
    (kubernetes/apimachinery, pkg/util/strategicpatch).

    Raises:
        StatusError: 400 for a `$retainKeys` that makes no sense, 500 for what else does not.
    """
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive is not None and directive != "merge":
        raise _senseless(f"unknown patch type: {directive} in map: {_shown(patch)}")
    retained = part(patch, "$retainKeys", list)
    directives = [key for key in patch if key.startswith("$")]
    for key in directives:
        if key.startswith(_ORDER) and (merge_key := merge_keys.get((*path, key[len(_ORDER) :]))) is not None:
            _check_order(patch[key], patch.get(key[len(_ORDER) :]), merge_key)
    if retained is not None:
        _check_retained(patch, retained)
    for key in directives:
        if key.startswith(_DELETE):
            _delete_from(obj, key[len(_DELETE) :], patch[key])
    for key, value in patch.items():
        if directives and key.startswith("$"):
            continue
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict):
            old = obj.get(key)
            obj[key] = strategic(old if isinstance(old, dict) else {}, value, merge_keys, (*path, key))
        elif isinstance(value, list):
            order = patch.get(_ORDER + key)
            obj[key] = _merge_list(obj.get(key), value, order, merge_keys, (*path, key))
        else:
            obj[key] = value
    for key in directives:
        if key.startswith(_ORDER) and (name := key[len(_ORDER) :]) not in patch and isinstance(obj.get(name), list):
            merge_key = merge_keys.get((*path, name))
            if merge_key is not None:
                obj[name] = _ordered(obj[name], obj[name], patch[key], merge_key)
    if retained is not None:
        return {key: value for key, value in obj.items() if key in retained}
    return obj


def _senseless(text: str) -> statuses.StatusError:
    return statuses.StatusError(500, "", text)


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()[:_SHOWN]


def _check_order(order: Any, patched: Any, merge_key: str) -> None:
    """The elements that a patch brings have to stand in the order that it gives."""
    if not isinstance(order, list):
        raise _senseless(f"expected a []interface {{}}, but received a {json_type(order)}")
    wanted = iter([_identity(each, merge_key) for each in order])
    brought = [each for each in patched if not _goes(each)] if isinstance(patched, list) else []
    if order and not all(_identity(each, merge_key) in wanted for each in brought):
        text = f"The order in patch list:\n{_shown(patched)}\n doesn't match $setElementOrder list:\n{_shown(order)}\n"
        raise _senseless(text)


def _goes(element: Any) -> bool:
    return isinstance(element, dict) and element.get("$patch") == "delete"


def _identity(element: Any, merge_key: str) -> Any:
    """What tells an element of a patch from the others.

    Raises:
        StatusError: 500, it does not say.
    """
    if merge_key and not isinstance(element, dict):
        raise _senseless(f"list element types are not identical: {_shown(element)} is no object")
    if merge_key and merge_key not in element:
        raise _senseless(f"map: {_shown(element)} does not contain declared merge key: {merge_key}")
    return _mark(_key(element, merge_key))


def _check_retained(patch: Object, retained: list[Any]) -> None:
    """What a patch sets it has to retain."""
    for key, value in patch.items():
        if value is not None and not key.startswith(("$retainKeys", _DELETE, _ORDER)) and key not in retained:
            raise statuses.bad_request(f"invalid patch format of retainKeys: {key} is set and not retained")


def _delete_from(obj: Object, key: str, values: Any) -> None:
    old = obj.get(key)
    if isinstance(old, list) and isinstance(values, list):
        gone = {_mark(each) for each in values}
        obj[key] = [each for each in old if _mark(each) not in gone]


def _merge_list(old: Any, patch: list[Any], order: Any, merge_keys: Mapping[Path, str], path: Path) -> list[Any]:
    merge_key = merge_keys.get(path)
    if merge_key is None:
        return [_plain(each) for each in patch]
    before = old if isinstance(old, list) else []
    if merge_key == "":
        known = {_mark(each) for each in before}
        merged = before + [each for each in patch if _mark(each) not in known]
        return _ordered(merged, before, patch if order is None else order, "")
    if any(isinstance(each, dict) and each.get("$patch") == "replace" for each in patch):
        return [_plain(each) for each in patch if not (isinstance(each, dict) and "$patch" in each)]
    gone = {_identity(each, merge_key) for each in patch if _goes(each)}
    merged = [each for each in before if _mark(_key(each, merge_key)) not in gone]
    kept = [each for each in patch if not _goes(each)]
    places = _places(_key(each, merge_key) for each in merged)
    for change in kept:
        at = places.setdefault(_identity(change, merge_key), len(merged))
        if at == len(merged):
            merged.append(strategic({}, change, merge_keys, path))
        else:
            merged[at] = strategic(merged[at], change, merge_keys, path)
    return _ordered(merged, before, kept if order is None else order, merge_key)


def _plain(value: Any) -> Any:
    """A value that stands for itself: nulls in it delete nothing, so they go."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if each is not None and not key.startswith("$")}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _key(value: Any, merge_key: str) -> Any:
    if not merge_key:
        return value
    return value.get(merge_key) if isinstance(value, dict) else None


def _mark(key: Any) -> Any:
    """What tells values apart, also those that are no keys of a dict."""
    return orjson.dumps(key, option=orjson.OPT_SORT_KEYS) if isinstance(key, (list, dict)) else key


def _places(keys: Iterable[Any]) -> dict[Any, int]:
    """Where each of them stands first."""
    places: dict[Any, int] = {}
    for at, key in enumerate(keys):
        places.setdefault(_mark(key), at)
    return places


def _ordered(merged: list[Any], before: list[Any], order: Any, merge_key: str) -> list[Any]:
    """Weave what the patch orders into what only the server has: the patch's elements first, where no older order says otherwise."""
    wanted = _places(_key(each, merge_key) for each in order) if isinstance(order, list) else {}
    server = _places(_key(each, merge_key) for each in before)
    marked = [(_mark(_key(each, merge_key)), each) for each in merged]
    left = deque(pair for pair in marked if pair[0] not in wanted)
    right = deque(sorted((pair for pair in marked if pair[0] in wanted), key=lambda pair: wanted[pair[0]]))
    woven: list[tuple[Any, Any]] = []
    while left and right:
        first, second = server.get(left[0][0], -1), server.get(right[0][0], -1)
        woven.append((left if 0 <= first < second else right).popleft())
    return [each for _, each in (*woven, *left, *right)]
