"""One request to the server, from the network or from a loop inside of it, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.apply import shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.embedded.apply.shapes import Node
    from pytest_daemonset.embedded.kinds.kind import Kind
    from pytest_daemonset.embedded.mirrors import Mirror
    from pytest_daemonset.embedded.store import Change, Entry, Table

Object = dict[str, Any]

_NO_QUERY: Mapping[str, str] = MappingProxyType({})
CREDENTIAL = "authentication.kubernetes.io/credential-id"


class Caller(NamedTuple):
    """Who asks: the user that a token stands for, and the agent that it calls itself.

    Args:
        user: such as "kubernetes-admin" or "system:serviceaccount:kube-system:daemon-set-controller".
        groups: such as "system:masters".
        user_agent: the User-Agent header, or the name of a loop.
        credential: tells the tokens of one user apart, as "JTI=…"; "" for those that were given out at the start.
        uid, extra: what else is known of the user: of service accounts, and of those in whose name somebody else asks.
        impersonator: who really asks; None for the user itself.
    """

    user: str
    groups: tuple[str, ...] = ()
    user_agent: str = ""
    credential: str = ""
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    impersonator: Caller | None = None

    @property
    def info(self) -> Object:
        """The caller as Kubernetes tells of it: authentication.k8s.io/v1 UserInfo."""
        info: Object = {"username": self.user}
        if self.uid:
            info["uid"] = self.uid
        info["groups"] = list(self.groups)
        extra = {key: list(values) for key, values in self.extra}
        if self.credential:
            extra[CREDENTIAL] = [self.credential]
        return {**info, "extra": extra} if extra else info


@dataclass(frozen=True)
class Served:
    """A kind and the table in which its objects are kept. `name` is the resource: `pods`, `daemonsets.apps`.

    Args:
        mirror: where it is only another version of a kind that is kept.
    """

    kind: Kind
    table: Table
    mirror: Mirror | None = None

    @cached_property
    def name(self) -> str:
        """The resource, with its group: unique in the server. A second version says which it is: `nodeagents.v1beta1.example.com`."""
        kind, source = self.kind, self.source.kind
        if self.mirror is not None and (kind.group, kind.plural) == (source.group, source.plural):
            return f"{kind.plural}.{kind.version}.{kind.group}"
        return f"{kind.plural}.{kind.group}" if kind.group else kind.plural

    @property
    def source(self) -> Served:
        """What is kept: itself, or the version that it mirrors."""
        return self if self.mirror is None else self.mirror.source

    def seen(self, change: Change) -> Entry:
        """What a change of what is kept made of the object, in this version."""
        if self.mirror is None:
            return change.entry
        return next(each.entry for each in change.mirrored or () if each.entry.table is self.table)

    @cached_property
    def merge_keys(self) -> Mapping[tuple[str, ...], str]:
        """The kind's merge keys, worked out once."""
        return self.kind.merge_keys

    @cached_property
    def shape(self) -> Node:
        """How the kind's objects can be shared between field managers."""
        schema = self.kind.schema
        return shapes.of_message(self.kind.fields) if schema is None else shapes.of_schema(schema)


class Call(NamedTuple):
    """One write as it was asked for.

    Args:
        verb: create, update, patch, delete or deletecollection.
        body: what came in, undecoded; empty for none.
        content_type: without parameters, in lower case.
        query: the last value of each query parameter.
    """

    caller: Caller
    verb: str
    served: Served
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    body: bytes = b""
    content_type: str = "application/json"
    query: Mapping[str, str] = _NO_QUERY
    uri: str = ""

    @property
    def kind(self) -> Kind:
        """The kind that is written."""
        return self.served.kind

    @property
    def manager(self) -> str:
        """The field manager: as the request names it, else by the agent's name."""
        return self.query.get("fieldManager") or self.caller.user_agent.partition("/")[0][:128] or "unknown"


@dataclass
class Answer:
    """What a write did.

    Args:
        code: HTTP status.
        body: the JSON to send.
        entry: the object as it now is (or last was), where the write was about one.
        changes: what the watchers are to be told, in order.
        warnings: texts for Warning headers.
        request: the body as JSON for the audit log, empty if it could not be decoded.
        annotations: what admission has to say in the audit log.
    """

    code: int = 200
    body: bytes = b""
    entry: Entry | None = None
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    request: bytes = b""
    annotations: dict[str, str] = field(default_factory=dict)
