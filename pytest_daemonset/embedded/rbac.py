"""The authorizer that goes by roles and their bindings (kubernetes/plugin/pkg/auth/authorizer/rbac)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.authorization import Attributes, Decision, Rules
from pytest_daemonset.embedded.lists import parse_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.calls import Caller
    from pytest_daemonset.embedded.store import Change

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
_ACCOUNT = "system:serviceaccount:"
_RESOURCES = tuple(f"{name}.{GROUP}" for name in ("roles", "rolebindings", "clusterroles", "clusterrolebindings"))


class _Grant(NamedTuple):
    rule: Object
    reason: str


def groups_of(caller: Caller) -> frozenset[str]:
    """The groups of a caller, with those that everybody is in who has a token, or is a service account."""
    groups = set(caller.groups)
    if "system:unauthenticated" not in groups:
        groups.add("system:authenticated")
    if caller.impersonator is None and caller.user.startswith(_ACCOUNT):
        namespace = caller.user[len(_ACCOUNT) :].partition(":")[0]
        groups |= {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    return frozenset(groups)


class Rbac:
    """Decides by the roles in the store, as they are at the moment. Who is in `system:masters` may do everything.

    What somebody may do is worked out once, and again after a role or a binding has changed.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, frozenset[str], str], list[_Grant]] = {}
        for resource in _RESOURCES:
            api.served[resource].table.watchers.add(self._forget)

    def _forget(self, _: Change) -> None:
        self._known.clear()

    def decide(self, caller: Caller, attributes: Attributes) -> Decision:
        """See `Authorizer`."""
        groups = groups_of(caller)
        if MASTERS in groups:
            return Decision(True)
        for grant in self._grants(caller.user, groups, attributes.namespace):
            if _allows(grant.rule, attributes):
                return Decision(True, grant.reason)
        return Decision(False)

    def rules(self, caller: Caller, namespace: str) -> Rules:
        """See `Authorizer`."""
        groups = groups_of(caller)
        if MASTERS in groups:
            resources = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            return Rules(resources, [{"verbs": ["*"], "nonResourceURLs": ["*"]}])
        found = [grant.rule for grant in self._grants(caller.user, groups, namespace)]
        paths = [rule for rule in found if rule.get("nonResourceURLs")]
        return Rules([rule for rule in found if not rule.get("nonResourceURLs")], paths)

    def _grants(self, user: str, groups: frozenset[str], namespace: str) -> list[_Grant]:
        known = self._known.get((user, groups, namespace))
        if known is None:
            known = self._known[user, groups, namespace] = list(self._collect(user, groups, namespace))
        return known

    def _collect(self, user: str, groups: frozenset[str], namespace: str) -> Iterator[_Grant]:
        yield from self._bound(f"clusterrolebindings.{GROUP}", "", user, groups)
        if namespace:
            yield from self._bound(f"rolebindings.{GROUP}", namespace, user, groups)

    def _bound(self, resource: str, namespace: str, user: str, groups: frozenset[str]) -> Iterator[_Grant]:
        for binding in self._api.list(resource, namespace):
            subject = next((each for each in binding.get("subjects") or () if _is(each, user, groups, namespace)), None)
            if subject is None:
                continue
            role = binding["roleRef"]
            kind = self._api.served[resource].kind.kind
            where = f"{namespace}/" if namespace else ""
            reason = (
                f'RBAC: allowed by {kind} "{where}{binding["metadata"]["name"]}" of {role["kind"]} "{role["name"]}" '
                f'to {subject["kind"]} "{subject["name"]}"'
            )
            for rule in self._rules_of(role, namespace):
                # a binding in a namespace grants nothing outside of the resources
                if not (namespace and rule.get("nonResourceURLs")):
                    yield _Grant(rule, reason)

    def _rules_of(self, role: Object, namespace: str) -> list[Object]:
        return self.granted(role, namespace) or []

    def granted(self, role: Object, namespace: str) -> list[Object] | None:
        """The rules of the role that a binding refers to; None if it is not there.

        Args:
            role: a roleRef.
            namespace: of the binding; "" for the cluster's.
        """
        if role["kind"] == "Role":
            found = self._api.get(f"roles.{GROUP}", namespace, role["name"])
        else:
            found = self._api.get(f"clusterroles.{GROUP}", "", role["name"])
        if found is None:
            return None
        rules = list(found.get("rules") or ())
        for selector in (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            labels = ",".join(f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items())
            if labels and parse_labels(labels):
                for part in self._api.list(f"clusterroles.{GROUP}", labels=labels):
                    rules += part.get("rules") or ()
        return rules


def _is(subject: Object, user: str, groups: frozenset[str], namespace: str) -> bool:
    kind, name = subject["kind"], subject["name"]
    if kind == "User":
        return bool(name == user)
    if kind == "Group":
        return name in groups
    return user == f"{_ACCOUNT}{subject.get('namespace') or namespace}:{name}"


def _allows(rule: Object, wanted: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and wanted.verb not in verbs:
        return False
    if wanted.path:
        return any(_covers(url, wanted.path) for url in rule.get("nonResourceURLs") or ())
    groups, resources, names = rule.get("apiGroups") or (), rule.get("resources") or (), rule.get("resourceNames")
    if "*" not in groups and wanted.group not in groups:
        return False
    if names and wanted.name not in names:
        return False
    whole = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    part = f"*/{wanted.subresource}"
    return "*" in resources or whole in resources or (bool(wanted.subresource) and part in resources)


def _covers(url: str, path: str) -> bool:
    return url in {"*", path} or (url.endswith("*") and path.startswith(url[:-1]))
