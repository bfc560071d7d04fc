"""Questions that are asked by POST and not kept: who am I, and what may I or somebody do (authorization.k8s.io, authentication.k8s.io)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import bodies, options, statuses
from pytest_daemonset.embedded.authorization import Attributes
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.kinds import DecodeError, Kind
from pytest_daemonset.embedded.kinds.fielderrors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.embedded.authorization import Authorizer
    from pytest_daemonset.embedded.tokens import Holders

Object = dict[str, Any]

AUTHENTICATED = "system:authenticated"


def _review(group: str, kind: str, *, namespaced: bool = False) -> Kind:
    singular = kind.lower()
    return Kind(group=group, version="v1", kind=kind, plural=f"{singular}s", singular=singular, namespaced=namespaced)


_LOCAL = _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True)
_SELF = _review("authorization.k8s.io", "SelfSubjectAccessReview")
_RULES = _review("authorization.k8s.io", "SelfSubjectRulesReview")
_SUBJECT = _review("authorization.k8s.io", "SubjectAccessReview")
_WHO = _review("authentication.k8s.io", "SelfSubjectReview")
_TOKEN = _review("authentication.k8s.io", "TokenReview")
REVIEWS = (_WHO, _TOKEN, _LOCAL, _SELF, _RULES, _SUBJECT)
_BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in REVIEWS}


def find(group: str, version: str, plural: str) -> Kind | None:
    """The review that a path names."""
    return _BY_PATH.get((group, version, plural))


def answer(
    kind: Kind,
    namespace: str,
    caller: Caller,
    authorizer: Authorizer,
    tokens: Holders,
    body: bytes,
    content_type: str,
    query: Mapping[str, str],
) -> tuple[Object, list[str]]:
    """Answer a review.

    Args:
        namespace: of the path; "" but for a LocalSubjectAccessReview.
        tokens: who stands behind each.

    Returns:
        The review with its status, and the texts of warnings.

    Raises:
        StatusError: 400 or 422, as kube-apiserver.
    """
    obj, _ = bodies.parse(body, content_type, kind.kind, kind.fields)
    bodies.expect_kind(obj, kind)
    try:
        unknown = kind.decode(obj)
    except DecodeError as error:
        raise statuses.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}'
        ) from None
    warnings = options.field_warnings(kind, unknown, query, "CreateOptions", body, content_type)
    obj = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
    if kind is _WHO:
        obj["status"] = {"userInfo": _user(caller)}
    elif kind is _TOKEN:
        if not obj["spec"].get("token"):
            raise statuses.bad_request("token is required for TokenReview in authentication")
        known = tokens.review(obj["spec"]["token"], obj["spec"].get("audiences") or ())
        if known is None:
            obj["status"] = {"user": {}, "error": "invalid bearer token"}
        else:
            obj["status"] = {"authenticated": True, "user": _user(known[0]), "audiences": known[1]}
    elif kind is _RULES:
        if not obj["spec"].get("namespace"):
            raise statuses.bad_request("no namespace on request")
        rules = authorizer.rules(caller, obj["spec"]["namespace"])
        obj["status"] = {"resourceRules": rules.resources, "nonResourceRules": rules.paths, "incomplete": False}
    else:
        obj["status"] = _decide(kind, namespace, caller, authorizer, obj)
    return obj, warnings


def _user(caller: Caller) -> Object:
    groups = list(caller.groups) + [AUTHENTICATED] * (
        caller.impersonator is None and AUTHENTICATED not in caller.groups
    )
    return {**caller.info, "groups": groups}


def _decide(kind: Kind, namespace: str, caller: Caller, authorizer: Authorizer, obj: Object) -> Object:
    spec, metadata = obj["spec"], obj["metadata"]
    if kind is _LOCAL and metadata.get("namespace", namespace) != namespace:
        text = "the namespace of the provided object does not match the namespace sent on the request"
        raise statuses.bad_request(text)
    allowed_names = {"managedFields", "namespace"} if kind is _LOCAL else {"managedFields"}
    empty = not any(value for name, value in metadata.items() if name not in allowed_names)
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    errors = [] if empty else [invalid("metadata", metadata, "must be empty")]
    if about is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        errors.append(invalid("spec.nonResourceAttributes", path, text))
    elif about is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.append(invalid("spec.resourceAttributes", path, text))
    if kind is not _SELF and not (spec.get("user") or spec.get("groups")):
        errors.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    if kind is _LOCAL and about is not None and about.get("namespace", "") != namespace:
        text = f"must match metadata.namespace: {namespace}"
        errors.append(invalid("spec.resourceAttributes.namespace", about.get("namespace", ""), text))
    if kind is _LOCAL and path is not None:
        errors.append(invalid("spec.nonResourceAttributes", path, "disallowed on this kind of request"))
    if errors:
        raise statuses.invalid(kind.group, kind.kind, "", errors)
    if about is not None:
        names = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
        wanted = Attributes(**{name: about.get(name, "") for name in names})
    else:
        wanted = Attributes((path or {}).get("verb", ""), path=(path or {}).get("path", ""))
    who = caller if kind is _SELF else Caller(spec.get("user", ""), tuple(spec.get("groups") or ()))
    allowed, reason = authorizer.decide(who, wanted)
    return {"allowed": allowed, **({"reason": reason} if reason else {})}
