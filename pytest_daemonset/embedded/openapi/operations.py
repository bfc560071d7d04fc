"""The paths of the documents: which requests a resource takes, and with which options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.openapi.schemas import V2, V3, Dialect, group_version_kind, named, schema_name

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
_ON_MANY = (
    ("get", "list", _LIST),
    ("post", "post", _WRITE),
    (
        "delete",
        "deletecollection",
        (*_DELETE, *(name for name in _LIST if name not in {"allowWatchBookmarks", "watch"})),
    ),
)
_WORDS = {"get": "read", "post": "create", "put": "replace", "deletecollection": "delete"}
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"
_BODIES = ("application/json", "application/yaml")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_ANSWERS = {
    "get": ("200",),
    "list": ("200",),
    "post": ("200", "201", "202"),
    "put": ("200", "201"),
    "patch": ("200", "201"),
    "delete": ("200", "202"),
    "deletecollection": ("200",),
}
_REASONS = {"200": "OK", "201": "Created", "202": "Accepted"}


def paths(kinds: Iterable[tuple[Kind, Sequence[str]]], dialect: Dialect) -> Object:
    """The paths of some kinds.

    Args:
        kinds: each with its verbs, as discovery tells them.
    """
    found: Object = {}
    for kind, verbs in kinds:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        whole = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
        scope = "Namespaced" if kind.namespaced else ""
        names = ("namespace",) if kind.namespaced else ()
        found[whole] = _path(kind, _many(verbs), dialect, names, f"{scope}{kind.kind}")
        if kind.namespaced and "list" in verbs:
            everywhere = [each for each in _ON_MANY if each[1] == "list"]
            found[f"{root}/{kind.plural}"] = _path(kind, everywhere, dialect, (), f"{kind.kind}ForAllNamespaces")
        if "get" in verbs:
            names = ("name", *names)
            found[f"{whole}/{{name}}"] = _path(kind, _ON_ONE, dialect, names, f"{scope}{kind.kind}")
            if "status" in kind.subresources:
                status = [each for each in _ON_ONE if each[0] != "delete"]
                found[f"{whole}/{{name}}/status"] = _path(kind, status, dialect, names, f"{scope}{kind.kind}Status")
    return found


def _many(verbs: Sequence[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [each for each in _ON_MANY if ("create" if each[1] == "post" else each[1]) in verbs]


def _group(kind: Kind) -> str:
    """The group as names of operations have it: `rbacAuthorization`, `apps`, `exampleCom`."""
    first, *more = kind.group.removesuffix(".k8s.io").split(".") if kind.group else ["core"]
    return first + "".join(word.capitalize() for word in more)


def _path(
    kind: Kind,
    operations: Iterable[tuple[str, str, tuple[str, ...]]],
    dialect: Dialect,
    names: tuple[str, ...],
    what: str,
) -> Object:
    bodies = (*_BODIES, _PROTOBUF) if kind.table is not None else _BODIES
    # kubectl apply goes by this: custom resources know no strategic merge
    patches = (*_PATCHES, _STRATEGIC) if kind.schema is None else _PATCHES
    group = _group(kind)
    found: Object = {"parameters": [_parameter(name, "path", dialect) for name in names]}
    for method, action, parameters in operations:
        many = "Collection" if action == "deletecollection" else ""
        operation: Object = {
            "tags": [f"{group}_{kind.version}"],
            "operationId": f"{_WORDS.get(action, action)}{group[0].upper()}{group[1:]}{kind.version.capitalize()}{many}{what}",
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind(kind),
            "parameters": [_parameter(name, "query", dialect) for name in parameters],
        }
        reference = {"$ref": dialect.prefix + _answered(kind, action)}
        if dialect is V3:
            answered: Object = {"content": {media: {"schema": reference} for media in bodies}}
        else:
            answered = {"schema": reference}
            operation["produces"] = list(bodies)
        operation["responses"] = {code: {"description": _REASONS[code], **answered} for code in _ANSWERS[action]}
        operation["responses"]["401"] = {"description": "Unauthorized"}
        if method == "patch":
            _take_body(operation, patches, named("Patch"), dialect)
        elif method == "delete":
            _take_body(operation, ("*/*",), named("DeleteOptions"), dialect, required=False)
        elif method in {"post", "put"}:
            _take_body(operation, ("*/*",), schema_name(kind), dialect)
        found[method] = operation
    return found


def _answered(kind: Kind, action: str) -> str:
    """The name of the schema that an answer has."""
    if action == "list":
        return f"{schema_name(kind)}List"
    if action == "deletecollection" or (action == "delete" and not kind.returns_deleted):
        return named("Status")
    return schema_name(kind)


def _take_body(
    operation: Object, media_types: Sequence[str], schema: str, dialect: Dialect, *, required: bool = True
) -> None:
    reference = {"$ref": dialect.prefix + schema}
    must = {"required": True} if required else {}
    if dialect is V2:
        operation["consumes"] = list(media_types)
        operation["parameters"].append({"name": "body", "in": "body", **must, "schema": reference})
        return
    operation["requestBody"] = {**must, "content": {media: {"schema": reference} for media in media_types}}


def _parameter(name: str, where: str, dialect: Dialect) -> Object:
    kind = _TYPES.get(name, "string")
    told: Object = {"name": name, "in": where}
    if where == "path":
        told["required"] = True
    if dialect is V2:
        return {**told, "type": kind, "uniqueItems": True}
    return {**told, "schema": {"type": kind, "uniqueItems": True}}
