"""Impersonation: a request in somebody else's name, and the right to it (kubernetes/apiserver, pkg/endpoints/filters/impersonation)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.authorization import Attributes, refusal
from pytest_daemonset.embedded.calls import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from multidict import CIMultiDictProxy

    from pytest_daemonset.embedded.authorization import Authorizer

_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_GROUP = "authentication.k8s.io"
_ACCOUNT = "system:serviceaccount:"
_ANONYMOUS, _AUTHENTICATED, _UNAUTHENTICATED = "system:anonymous", "system:authenticated", "system:unauthenticated"


def impersonated(caller: Caller, headers: CIMultiDictProxy[str], authorizer: Authorizer) -> Caller:
    """In whose name a request is made: the caller's, unless its headers say another.

    Raises:
        StatusError: 400, there is no user among the headers; 403, the caller has no right to one of them.
    """
    if _PREFIX not in "\n".join(headers).lower():  # as nearly always: all are looked at in one go
        return caller
    user, uid = headers.get("Impersonate-User", ""), headers.get("Impersonate-Uid", "")
    groups = tuple(headers.getall("Impersonate-Group", []))
    extra: dict[str, list[str]] = {}
    for name, value in headers.items():
        if name.lower().startswith(_EXTRA):
            extra.setdefault(unquote(name[len(_EXTRA) :].lower()), []).append(value)
    if not user:
        if not (uid or groups or extra):
            return caller
        raise statuses.bad_request(f"requested {_as_go(uid, groups, extra)} without impersonating a user name")
    for wanted in _rights(user, uid, groups, extra):
        if not authorizer.decide(caller, wanted).allowed:
            raise refusal(caller.user, wanted)
    return Caller(
        user,
        _all_groups(user, groups),
        caller.user_agent,
        uid=uid,
        extra=tuple((key, tuple(values)) for key, values in sorted(extra.items())),
        impersonator=caller,
    )


def _rights(user: str, uid: str, groups: tuple[str, ...], extra: dict[str, list[str]]) -> Iterator[Attributes]:
    namespace, colon, name = user[len(_ACCOUNT) :].partition(":")
    if user.startswith(_ACCOUNT) and colon:
        yield Attributes("impersonate", version="v1", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes("impersonate", version="v1", resource="users", name=user)
    for group in groups:
        yield Attributes("impersonate", version="v1", resource="groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Attributes("impersonate", _GROUP, "v1", "userextras", key, name=value)
    if uid:
        yield Attributes("impersonate", _GROUP, "v1", "uids", name=uid)


def _all_groups(user: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a service account, where none is said, and that of everybody who has a token."""
    if not groups and user.startswith(_ACCOUNT):
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{user[len(_ACCOUNT) :].partition(':')[0]}")
    last = _UNAUTHENTICATED if user == _ANONYMOUS else _AUTHENTICATED
    return groups if {_AUTHENTICATED, _UNAUTHENTICATED} & set(groups) else (*groups, last)


def _as_go(uid: str, groups: tuple[str, ...], extra: dict[str, list[str]]) -> str:
    def listed(values: tuple[str, ...] | list[str]) -> str:
        return "[]string{" + ", ".join(map(json.dumps, values)) + "}"

    shown = ", ".join(f"{json.dumps(key)}:{listed(values)}" for key, values in extra.items())
    said = f"map[string][]string{{{shown}}}" if extra else "map[string][]string(nil)"
    of = listed(groups) if groups else "[]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{json.dumps(uid)}, Groups:{of}, Extra:{said}}}'
