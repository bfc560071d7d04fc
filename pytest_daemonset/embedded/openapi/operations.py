"""The paths of the documents: which requests a resource takes, and with which options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.openapi.schemas import V2, V3, Dialect, group_version_kind, schema_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]

_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_TYPES = {
    "allowWatchBookmarks": "boolean",
    "force": "boolean",
    "gracePeriodSeconds": "integer",
    "limit": "integer",
    "orphanDependents": "boolean",
    "sendInitialEvents": "boolean",
    "timeoutSeconds": "integer",
    "watch": "boolean",
}
_ON_ONE = (
    ("get", "get", ()),
    ("put", "put", _WRITE),
    ("patch", "patch", (*_WRITE, "force")),
    ("delete", "delete", _DELETE),
)
_ON_MANY = (("get", "list", _LIST), ("post", "post", _WRITE), ("delete", "deletecollection", (*_DELETE, *_LIST)))
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"
_BODIES = ("application/json", "application/yaml")
_PROTOBUF = "application/vnd.kubernetes.protobuf"


def paths(kinds: Iterable[tuple[Kind, Sequence[str]]], dialect: Dialect) -> Object:
    """The paths of some kinds.

    Args:
        kinds: each with its verbs, as discovery tells them.
    """
    found: Object = {}
    for kind, verbs in kinds:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        whole = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
        found[whole] = _path(kind, _many(verbs), dialect, (), namespaced=kind.namespaced)
        if kind.namespaced and "list" in verbs:
            everywhere = [each for each in _ON_MANY if each[1] == "list"]
            found[f"{root}/{kind.plural}"] = _path(kind, everywhere, dialect, (), namespaced=False)
        if "get" in verbs:
            found[f"{whole}/{{name}}"] = _path(kind, _ON_ONE, dialect, ("name",), namespaced=kind.namespaced)
            if "status" in kind.subresources:
                status = [each for each in _ON_ONE if each[0] != "delete"]
                found[f"{whole}/{{name}}/status"] = _path(kind, status, dialect, ("name",), namespaced=kind.namespaced)
    return found


def _many(verbs: Sequence[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    named = {"post": "create"}
    return [each for each in _ON_MANY if named.get(each[1], each[1]) in verbs]


def _path(
    kind: Kind,
    operations: Iterable[tuple[str, str, tuple[str, ...]]],
    dialect: Dialect,
    in_path: tuple[str, ...],
    *,
    namespaced: bool,
) -> Object:
    names = (*in_path, *(("namespace",) if namespaced else ()))
    bodies = (*_BODIES, _PROTOBUF) if kind.table is not None else _BODIES
    # kubectl apply goes by this: custom resources know no strategic merge
    patches = (*_PATCHES, _STRATEGIC) if kind.schema is None else _PATCHES
    found: Object = {"parameters": [_parameter(name, "path", dialect) for name in names]}
    for method, action, parameters in operations:
        operation: Object = {
            "operationId": f"{action}{kind.group.partition('.')[0].capitalize() or 'Core'}{kind.version.upper()}{kind.kind}",
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind(kind),
            "parameters": [_parameter(name, "query", dialect) for name in parameters],
        }
        name = schema_name(kind)
        reference = {"$ref": dialect.prefix + (f"{name}List" if action in {"list", "deletecollection"} else name)}
        if dialect is V3:
            answered: Object = {"content": {media: {"schema": reference} for media in bodies}}
        else:
            answered = {"schema": reference}
            operation["produces"] = list(bodies)
        operation["responses"] = {"201" if method == "post" else "200": {"description": "OK", **answered}}
        if method in {"post", "put", "patch"}:
            schema = {"type": "object"} if method == "patch" else {"$ref": dialect.prefix + name}
            _take_body(operation, patches if method == "patch" else bodies, schema, dialect)
        found[method] = operation
    return found


def _take_body(operation: Object, media_types: Sequence[str], schema: Object, dialect: Dialect) -> None:
    if dialect is V2:
        operation["consumes"] = list(media_types)
        operation["parameters"].append({"name": "body", "in": "body", "required": True, "schema": schema})
        return
    operation["requestBody"] = {"required": True, "content": {media: {"schema": schema} for media in media_types}}


def _parameter(name: str, where: str, dialect: Dialect) -> Object:
    kind = _TYPES.get(name, "string")
    told: Object = {"name": name, "in": where}
    if where == "path":
        told["required"] = True
    if dialect is V2:
        return {**told, "type": kind, "uniqueItems": True}
    return {**told, "schema": {"type": kind, "uniqueItems": True}}
