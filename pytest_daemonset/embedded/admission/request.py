"""One write as admission sees it, and whether a policy's rules mean it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import options
from pytest_daemonset.embedded.kinds.admission import GROUP
from pytest_daemonset.embedded.kinds.selectors import is_empty, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.embedded.calls import Call, Served

Object = dict[str, Any]

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"
_PARTS = {
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}
_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}


@dataclass
class Request:
    """One write.

    Args:
        object: as it would be kept; None where it goes.
        old: as it is kept; None where it is new.
    """

    call: Call
    operation: str
    object: Object | None
    old: Object | None
    served: Mapping[str, Served]

    @property
    def exempt(self) -> bool:
        """Whether no policy may judge it: a policy that refused policies could never be taken back."""
        return self.call.kind.group == GROUP

    @property
    def namespace(self) -> Object | None:
        """The namespace that the object lives in."""
        name = self.call.namespace
        found = self.served["namespaces"].table.entries.get(("", name)) if name else None
        return None if found is None else found.object

    @property
    def name(self) -> str:
        """Of the object; its generateName while it has none."""
        metadata = (self.object or self.old or {}).get("metadata", {})
        return self.call.name or metadata.get("name") or metadata.get("generateName", "")

    def told(self) -> Object:
        """The request as expressions and webhooks see it (admission.k8s.io/v1 AdmissionRequest), without the objects."""
        call, kind = self.call, self.call.kind
        group, version, name = _PARTS.get(call.subresource, (kind.group, kind.version, kind.kind))
        of = {"group": group, "version": version, "kind": name}
        at = {"group": kind.group, "version": kind.version, "resource": kind.plural}
        user: Object = {"username": call.caller.user, "groups": [*call.caller.groups]}
        if "system:authenticated" not in user["groups"]:
            user["groups"].append("system:authenticated")
        told: Object = {
            "kind": of,
            "resource": at,
            "requestKind": of,
            "requestResource": at,
            "name": self.name if call.name or (self.object or {}).get("metadata", {}).get("name") else "",
            "operation": self.operation,
            "userInfo": user,
            "dryRun": options.is_dry_run(call),
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": _OPTIONS[self.operation]},
        }
        if call.subresource:
            told["subResource"] = told["requestSubResource"] = call.subresource
        if call.namespace:
            told["namespace"] = call.namespace
        return told

    def meant_by(self, matching: Object, rules: Iterable[Object] | None) -> bool:
        """Whether rules and selectors mean it.

        Args:
            matching: has `namespaceSelector`, `objectSelector`, `excludeResourceRules`, `matchPolicy`, as far as there are any.
            rules: those that include it; None for no matter which.
        """
        if rules is not None and not any(self._ruled(rule, matching) for rule in rules):
            return False
        if any(self._ruled(rule, matching) for rule in matching.get("excludeResourceRules") or ()):
            return False
        selector = matching.get("objectSelector") or {}
        if not is_empty(selector) and not any(
            matches(selector, each["metadata"].get("labels") or {})
            for each in (self.object, self.old)
            if each is not None and "metadata" in each
        ):
            return False
        return self._in_namespace(matching.get("namespaceSelector") or {})

    def _in_namespace(self, selector: Object) -> bool:
        if is_empty(selector):
            return True
        kind = self.call.kind
        if (kind.group, kind.kind) == ("", "Namespace"):
            space = self.object or self.old
        elif not kind.namespaced:
            return True
        else:
            space = self.namespace
        return matches(selector, (space or {}).get("metadata", {}).get("labels") or {})

    def _ruled(self, rule: Object, matching: Object) -> bool:
        kind, part = self.call.kind, self.call.subresource
        if not {"*", self.operation} & set(rule.get("operations") or ()):
            return False
        if rule.get("scope", "*") != "*" and (rule["scope"] == "Namespaced") != kind.namespaced:
            return False
        if (names := rule.get("resourceNames")) and self.name not in names:
            return False
        if not any(_covers(each, kind.plural, part) for each in rule.get("resources") or ()):
            return False
        groups, versions = set(rule.get("apiGroups") or ()), set(rule.get("apiVersions") or ())
        asked = [(kind.group, kind.version)]
        if matching.get("matchPolicy", "Equivalent") == "Equivalent":
            asked += self._equivalents()
        return any({"*", group} & groups and {"*", version} & versions for group, version in asked)

    def _equivalents(self) -> list[tuple[str, str]]:
        """The other groups and versions in which the same object is served."""
        source = self.call.served.source
        return [(each.kind.group, each.kind.version) for each in self.served.values() if each.source is source]


def _covers(resource: str, plural: str, part: str) -> bool:
    name, _, subresource = resource.partition("/")
    return name in {"*", plural} and subresource in {"*", part}
