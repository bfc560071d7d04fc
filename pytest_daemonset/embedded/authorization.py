"""Who may do what: the question, the answer, and the authorizer that lets everybody in who has a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Caller

Object = dict[str, Any]


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
