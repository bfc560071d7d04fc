"""Who may do what: the question, the answer, and the authorizer that lets everybody in who has a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_daemonset.embedded import statuses

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Caller
    from pytest_daemonset.embedded.paths import Target

Object = dict[str, Any]

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_MANY = {"get": "list", "delete": "deletecollection"}


@dataclass(frozen=True)
class Attributes:
    """What somebody wants to do, as kube-apiserver's authorizers see it.

    Args:
        verb: such as "list"; in lower case the HTTP method, where `path` is set.
        path: of a request outside of the resources; "" otherwise.
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Decision(NamedTuple):
    """Whether it is allowed, and why."""

    allowed: bool
    reason: str = ""


class Rules(NamedTuple):
    """All that somebody may do in a namespace, as a SelfSubjectRulesReview tells it."""

    resources: list[Object]
    paths: list[Object]


class Authorizer(Protocol):
    """Decides."""

    def decide(self, caller: Caller, attributes: Attributes) -> Decision:
        """Whether the caller may do it."""

    def rules(self, caller: Caller, namespace: str) -> Rules:
        """What the caller may do in a namespace."""


class Everything:
    """Everybody who has a token may do everything."""

    def decide(self, caller: Caller, attributes: Attributes) -> Decision:  # noqa: ARG002 - it makes no difference
        """Yes."""
        return Decision(True)

    def rules(self, caller: Caller, namespace: str) -> Rules:  # noqa: ARG002 - it makes no difference
        """All verbs on all resources and paths."""
        resources = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        return Rules(resources, [{"verbs": ["*"], "nonResourceURLs": ["*"]}])


def attributes(method: str, path: str, target: Target | None, *, watching: bool) -> Attributes:
    """What a request wants to do.

    Args:
        method: of HTTP.
        target: what the path names, if it is a resource.
        watching: it is a GET that asks to watch.
    """
    if target is None or not target.plural:
        return Attributes(method.lower(), path=path)
    verb = _VERBS.get(method, method.lower())
    if not target.name:
        verb = "watch" if watching else _OF_MANY.get(verb, verb)
    where = target.namespace or (target.name if target.plural == "namespaces" and not target.group else "")
    return Attributes(verb, target.group, target.version, target.plural, target.subresource, where, target.name)


def refusal(user: str, wanted: Attributes) -> statuses.StatusError:
    """403, as kube-apiserver words it."""
    if wanted.path:
        text = f'forbidden: User "{user}" cannot {wanted.verb} path "{wanted.path}"'
        return statuses.StatusError(403, "Forbidden", text, {})
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    why = f'User "{user}" cannot {wanted.verb} resource "{resource}" in API group "{wanted.group}" {where}'
    return statuses.forbidden(wanted.group, wanted.resource, wanted.name, why)
