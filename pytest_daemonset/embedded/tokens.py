"""Tokens of service accounts, as TokenRequests ask for them (kubernetes/pkg/serviceaccount)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from pytest_daemonset.embedded import bodies, statuses
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.kinds.fielderrors import invalid
from pytest_daemonset.embedded.kinds.fields import MESSAGES, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pytest_daemonset.embedded.calls import Answer, Call
    from pytest_daemonset.embedded.store import Entry, Table

Object = dict[str, Any]

_AUDIENCE = "https://kubernetes.default.svc"
_SECONDS, _LEAST, _MOST = 3600, 600, 1 << 32
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class _Issued(NamedTuple):
    namespace: str
    name: str
    uid: str
    ends: datetime
    id: str


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

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class Tokens:
    """The tokens that were issued; they look like the JWTs of Kubernetes, signed with a key that nobody else has.

    Args:
        accounts: the service accounts: a token counts as long as its account is there.
        now: the clock.
    """

    def __init__(self, accounts: Table, now: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._now = now
        self._key = secrets.token_bytes(32)
        self._issued: dict[str, _Issued] = {}

    def find(self, token: str) -> Caller | None:
        """Whom a token stands for; None if it was never issued, has ended, or its account is gone."""
        issued = self._issued.get(token)
        if issued is None:
            return None
        account = self._accounts.entries.get((issued.namespace, issued.name))
        if account is None or account.uid != issued.uid or self._now() >= issued.ends:
            del self._issued[token]
            return None
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{issued.namespace}", "system:authenticated")
        user = f"system:serviceaccount:{issued.namespace}:{issued.name}"
        return Caller(user, groups, credential=f"JTI={issued.id}")

    def request(self, call: Call, answer: Answer, account: Entry) -> None:
        """Answer a TokenRequest.

        Raises:
            StatusError: 400 or 422 for a request that makes no sense.
        """
        wanted, answer.request = bodies.parse(call.body, call.content_type, "TokenRequest")
        try:
            decode(MESSAGES["TokenRequest"], wanted)
        except ValueError as error:
            raise statuses.bad_request(f"TokenRequest cannot be handled: {error}") from None
        spec = wanted["spec"]
        seconds = spec.setdefault("expirationSeconds", _SECONDS)
        if not _LEAST <= seconds <= _MOST:
            text = (
                "may not specify a duration less than 10 minutes"
                if seconds < _LEAST
                else "may not be larger than 2^32 seconds"
            )
            errors = [invalid("spec.expirationSeconds", seconds, text)]
            raise statuses.invalid("authentication.k8s.io", "TokenRequest", "", errors)
        spec["audiences"] = spec.get("audiences") or [_AUDIENCE]
        now = self._now().replace(microsecond=0)
        ends = now + timedelta(seconds=seconds)
        identity = secrets.token_hex(16)
        token = self._sign(account, spec["audiences"], now, ends, identity)
        self._issued[token] = _Issued(*account.key, account.uid, ends, identity)
        metadata = {"name": call.name, "namespace": call.namespace, "creationTimestamp": now.strftime(_FORMAT)}
        said = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": metadata, "spec": spec}
        answer.code = 201
        answer.body = orjson.dumps({**said, "status": {"token": token, "expirationTimestamp": ends.strftime(_FORMAT)}})

    def _sign(self, account: Entry, audiences: list[str], now: datetime, ends: datetime, identity: str) -> str:
        namespace, name = account.key
        claims = {
            "aud": audiences,
            "exp": int(ends.timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "iss": _AUDIENCE,
            "jti": identity,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": account.uid}},
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        parts = [_base64(orjson.dumps({"alg": "HS256", "typ": "JWT"})), _base64(orjson.dumps(claims))]
        signed = ".".join(parts)
        return f"{signed}.{_base64(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
