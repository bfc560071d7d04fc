"""Tokens of service accounts, as TokenRequests ask for them (kubernetes/pkg/serviceaccount)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from pytest_daemonset.embedded import bodies, statuses
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.kinds.fielderrors import invalid
from pytest_daemonset.embedded.kinds.fields import MESSAGES, decode
from pytest_daemonset.embedded.kinds.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from pytest_daemonset.embedded.calls import Answer, Call, Served
    from pytest_daemonset.embedded.store import Entry

Object = dict[str, Any]

_AUDIENCE = "https://kubernetes.default.svc"
_SECONDS, _LEAST, _MOST = 3600, 600, 1 << 32
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_GROUP = "authentication.k8s.io"
_KIND = Kind(group=_GROUP, version="v1", kind="TokenRequest", plural="tokenrequests", singular="tokenrequest")
_RESOURCES: Mapping[str, str] = MappingProxyType({"Pod": "pods", "Secret": "secrets", "Node": "nodes"})
"""What a token can be bound to."""


class _Bound(NamedTuple):
    """An object without which a token counts no more."""

    resource: str
    entry: Entry


class _Issued(NamedTuple):
    namespace: str
    name: str
    uid: str
    ends: datetime
    id: str
    audiences: tuple[str, ...]
    bound: _Bound | None
    extra: tuple[tuple[str, tuple[str, ...]], ...]


class Holders(Mapping[str, Caller]):
    """Whom tokens stand for: those that were given out at the start, and those that were issued since."""

    def __init__(self, given: Mapping[str, Caller], issued: Tokens) -> None:
        self._given = given
        self._issued = issued

    def __getitem__(self, token: str) -> Caller:
        found = self._given.get(token) or self._issued.find(token)
        if found is None:
            raise KeyError("a token that nobody has")
        return found

    def review(self, token: str, audiences: Sequence[str]) -> tuple[Caller, list[str]] | None:
        """Whom a token stands for before one of some audiences (none: before the server), and before which; None for nobody."""
        wanted = audiences or (_AUDIENCE,)
        given = self._given.get(token)
        counted = [_AUDIENCE] if given is not None else self._issued.audiences(token)
        met = [each for each in wanted if each in counted]
        caller = given or self._issued.find(token, met)
        return None if caller is None or not met else (caller, met)

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class Tokens:
    """The tokens that were issued; they look like the JWTs of Kubernetes, signed with a key that nobody else has.

    Args:
        served: the kinds by resource name; a token counts as long as its account is there, and what it is bound to.
        now: the clock.
    """

    def __init__(self, served: Mapping[str, Served], now: Callable[[], datetime]) -> None:
        self._served = served
        self._now = now
        self._key = secrets.token_bytes(32)
        self._issued: dict[str, _Issued] = {}

    def audiences(self, token: str) -> tuple[str, ...]:
        """Before whom a token counts; nobody if it was never issued."""
        issued = self._issued.get(token)
        return () if issued is None else issued.audiences

    def find(self, token: str, audiences: Iterable[str] = (_AUDIENCE,)) -> Caller | None:
        """Whom a token stands for.

        Args:
            audiences: before whom, of whom one is enough.

        Returns:
            None if it was never issued, or for others, has ended, or its account or what it is bound to is gone.
        """
        issued = self._issued.get(token)
        if issued is None or not any(each in issued.audiences for each in audiences):
            return None
        account = self._entry("serviceaccounts", (issued.namespace, issued.name))
        gone = account is None or account.uid != issued.uid
        if (bound := issued.bound) is not None:
            there = self._entry(bound.resource, bound.entry.key)
            gone = gone or there is None or there.uid != bound.entry.uid
        if gone or self._now() >= issued.ends:
            del self._issued[token]
            return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{issued.namespace}", "system:authenticated")
        user = f"system:serviceaccount:{issued.namespace}:{issued.name}"
        return Caller(user, groups, credential=f"JTI={issued.id}", uid=issued.uid, extra=issued.extra)

    def _entry(self, resource: str, key: tuple[str, str]) -> Entry | None:
        served = self._served.get(resource)
        return None if served is None else served.table.entries.get(key)

    def request(self, call: Call, answer: Answer, account: Entry) -> None:
        """Answer a TokenRequest.

        Raises:
            StatusError: 400 or 422 for a request that makes no sense; 404 or 409 for an object to be bound to that is not there.
        """
        wanted, answer.request = bodies.parse(call.body, call.content_type, "TokenRequest")
        bodies.expect_kind(wanted, _KIND)
        try:
            decode(MESSAGES["TokenRequest"], wanted)
        except ValueError as error:
            raise statuses.bad_request(f"TokenRequest cannot be handled: {error}") from None
        _check_account(call, wanted["metadata"], account)
        spec = wanted["spec"]
        seconds = spec.setdefault("expirationSeconds", _SECONDS)
        if not _LEAST <= seconds <= _MOST:
            text = (
                "may not specify a duration less than 10 minutes"
                if seconds < _LEAST
                else "may not be larger than 2^32 seconds"
            )
            errors = [invalid("spec.expirationSeconds", seconds, text)]
            raise statuses.invalid(_GROUP, "TokenRequest", "", errors)
        bound = None if (reference := spec.get("boundObjectRef")) is None else self._bound(call, reference)
        spec["audiences"] = spec.get("audiences") or [_AUDIENCE]
        now = self._now().replace(microsecond=0)
        ends = now + timedelta(seconds=seconds)
        identity = secrets.token_hex(16)
        told = self._told(bound)
        token = self._sign(account, spec["audiences"], now, ends, identity, told)
        extra = tuple(
            (f"{_GROUP}/{kind}-{name}", (value,))
            for kind, names in told.items()
            for name, value in names.items()
            if kind != "secret"
        )
        self._issued[token] = _Issued(*account.key, account.uid, ends, identity, tuple(spec["audiences"]), bound, extra)
        metadata = {"name": call.name, "namespace": call.namespace, "creationTimestamp": now.strftime(_FORMAT)}
        said = {"kind": "TokenRequest", "apiVersion": _KIND.api_version, "metadata": metadata, "spec": spec}
        answer.code = 201
        answer.body = orjson.dumps({**said, "status": {"token": token, "expirationTimestamp": ends.strftime(_FORMAT)}})

    def _bound(self, call: Call, reference: Object) -> _Bound:
        """The object that a token is to be bound to."""
        version, kind, name = (reference.get(key, "") for key in ("apiVersion", "kind", "name"))
        resource = _RESOURCES.get(kind)
        if resource is None or "/" in version:
            raise statuses.bad_request(f"cannot bind token to object of type {version}, Kind={kind}")
        entry = self._entry(resource, ("" if kind == "Node" else call.namespace, name))
        if entry is None:
            raise statuses.not_found("", resource, name)
        # what admission of Kubernetes fills in
        if kind == "Pod" and (entry.object["spec"].get("serviceAccountName") or "default") != call.name:
            text = (
                f'cannot bind token for serviceaccount "{call.name}" to pod running with different serviceaccount name.'
            )
            raise statuses.bad_request(text)
        if (uid := reference.get("uid")) and uid != entry.uid:
            text = f"the UID in the bound object reference ({uid}) does not match the UID in record"
            raise statuses.conflict("", kind, name, f"{text}. The object might have been deleted and then recreated")
        return _Bound(resource, entry)

    def _told(self, bound: _Bound | None) -> dict[str, dict[str, str]]:
        """What a token tells of the object that it is bound to, and of that one's node."""
        if bound is None:
            return {}
        told = {bound.resource.removesuffix("s"): {"name": bound.entry.key[1], "uid": bound.entry.uid}}
        if bound.resource == "pods" and (name := bound.entry.object["spec"].get("nodeName")):
            node = self._entry("nodes", ("", name))
            told["node"] = {"name": name, **({} if node is None else {"uid": node.uid})}
        return told

    def _sign(
        self,
        account: Entry,
        audiences: list[str],
        now: datetime,
        ends: datetime,
        identity: str,
        told: dict[str, dict[str, str]],
    ) -> str:
        namespace, name = account.key
        claims = {
            "aud": audiences,
            "exp": int(ends.timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "iss": _AUDIENCE,
            "jti": identity,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": account.uid}, **told},
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        parts = [_base64(orjson.dumps({"alg": "HS256", "typ": "JWT"})), _base64(orjson.dumps(claims))]
        signed = ".".join(parts)
        return f"{signed}.{_base64(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())}"


def _check_account(call: Call, metadata: Object, account: Entry) -> None:
    """The request may say whose token it wants: then it has to be the one of the path."""
    for field, wanted in (("name", call.name), ("namespace", call.namespace)):
        if (said := metadata.get(field)) and said != wanted:
            error = invalid(f"metadata.{field}", said, f"must match the service account {field} if specified")
            raise statuses.invalid(_GROUP, "TokenRequest", call.name, [error])
    if (uid := metadata.get("uid")) and uid != account.uid:
        text = f"the UID in the token request ({uid}) does not match the UID of the service account ({account.uid})"
        raise statuses.conflict(_GROUP, "TokenRequest", call.name, text)


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
