"""Nobody grants more than he has: who writes a role or a binding holds all that it grants (kubernetes/pkg/registry/rbac, policybased)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.authorization import Attributes
from pytest_daemonset.embedded.rbac import GROUP, MASTERS, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_daemonset.embedded.calls import Call
    from pytest_daemonset.embedded.rbac import Rbac

Object = dict[str, Any]

_ALL: tuple[Object, ...] = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)
_ROLES = {"Role": "roles", "ClusterRole": "clusterroles"}


class _Right(NamedTuple):
    """One verb on one thing."""

    verb: str
    group: str = ""
    resource: str = ""
    name: str = ""
    url: str = ""

    @property
    def thing(self) -> str:
        """As refusals tell it, without the verb."""
        if self.url:
            return f"NonResourceURLs:[{json.dumps(self.url)}]"
        names = f", ResourceNames:[{json.dumps(self.name)}]" if self.name else ""
        return f"APIGroups:[{json.dumps(self.group)}], Resources:[{json.dumps(self.resource)}]{names}"


def check(rbac: Rbac, call: Call, obj: Object, old: Object | None) -> None:
    """Refuse a role, or a binding of one, that grants what its writer does not hold.

    Args:
        obj: as it would be kept.
        old: as it is kept; None where it is new.

    Raises:
        StatusError: 403; 404 for a binding of a role that is not there.
    """
    if MASTERS in groups_of(call.caller):
        return
    if call.kind.kind in _ROLES:
        _check_role(rbac, call, obj, old)
    elif old is None or any(obj.get(name) != old.get(name) for name in ("roleRef", "subjects")):
        _check_binding(rbac, call, obj)


def _check_role(rbac: Rbac, call: Call, obj: Object, old: Object | None) -> None:
    was: Mapping[str, Any] = old or {}
    rules, aggregated = obj.get("rules") or [], obj.get("aggregationRule")
    if rules == (was.get("rules") or []) and aggregated == was.get("aggregationRule"):
        return
    name = obj["metadata"]["name"]
    if _may(rbac, call, "escalate", call.kind.kind, name):
        return
    if aggregated and aggregated != was.get("aggregationRule") and _missing(rbac, call, _ALL):
        why = "must have cluster-admin privileges to use the aggregationRule"
        raise statuses.forbidden(GROUP, call.kind.plural, name, why)
    _refuse(call, name, _missing(rbac, call, rules))


def _check_binding(rbac: Rbac, call: Call, obj: Object) -> None:
    role, namespace = obj["roleRef"], call.namespace
    if _may(rbac, call, "bind", role["kind"], role["name"]):
        return
    rules = rbac.granted(role, namespace)
    if rules is None:
        raise statuses.not_found(GROUP, call.kind.plural, role["name"])
    _refuse(call, obj["metadata"]["name"], _missing(rbac, call, rules))


def _may(rbac: Rbac, call: Call, verb: str, kind: str, name: str) -> bool:
    wanted = Attributes(verb, GROUP, "v1", _ROLES[kind], namespace=call.namespace, name=name)
    return rbac.decide(call.caller, wanted).allowed


def _missing(rbac: Rbac, call: Call, rules: Iterable[Object]) -> list[_Right]:
    held = rbac.rules(call.caller, call.namespace)
    whole = [*held.resources, *held.paths]
    return [right for rule in rules for right in _rights(rule) if not any(_covers(each, right) for each in whole)]


def _rights(rule: Object) -> Iterator[_Right]:
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield _Right(verb, url=url)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or [""]:
                    yield _Right(verb, group, resource, name)


def _covers(rule: Object, right: _Right) -> bool:
    if not {"*", right.verb} & set(rule.get("verbs") or ()):
        return False
    if right.url:
        urls = rule.get("nonResourceURLs") or ()
        return any(url in {"*", right.url} or (url.endswith("*") and right.url.startswith(url[:-1])) for url in urls)
    _, slash, part = right.resource.partition("/")
    known = {"*", right.resource, f"*/{part}" if slash else right.resource}
    names = rule.get("resourceNames") or ()
    return (
        bool({"*", right.group} & set(rule.get("apiGroups") or ()))
        and bool(known & set(rule.get("resources") or ()))
        and (not names or right.name in names)
    )


def _refuse(call: Call, name: str, missing: list[_Right]) -> None:
    if not missing:
        return
    verbs: dict[str, list[str]] = {}
    for right in missing:
        said = verbs.setdefault(right.thing, [])
        if right.verb not in said:
            said.append(right.verb)
    shown = sorted(f"{{{thing}, Verbs:[{' '.join(map(json.dumps, each))}]}}" for thing, each in verbs.items())
    caller = call.caller
    groups = [*caller.groups, *({"system:authenticated"} - set(caller.groups))]
    why = (
        f"user {json.dumps(caller.user)} (groups=[{' '.join(map(json.dumps, groups))}]) is attempting to grant RBAC permissions "
        f"not currently held:\n{chr(10).join(shown)}"
    )
    raise statuses.forbidden(GROUP, call.kind.plural, name, why)
