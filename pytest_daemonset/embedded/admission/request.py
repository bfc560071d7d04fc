"""One write as admission sees it, and whether a policy's rules mean it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import options
from pytest_daemonset.embedded.kinds.admission import GROUP
from pytest_daemonset.embedded.kinds.selectors import is_empty, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.embedded.calls import Call, Served
    from pytest_daemonset.embedded.kinds import Kind

Object = dict[str, Any]

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"
_PARTS = {
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "scale": ("autoscaling", "v1", "Scale"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}
_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}
_SAID = ("fieldManager", "fieldValidation")


@dataclass
class Request:
    """One write.

    Args:
        object: as it would be kept; None where it goes.
        old: as it is kept; None where it is new.
        options: of a deletion.
    """

    call: Call
    operation: str
    object: Object | None
    old: Object | None
    served: Mapping[str, Served]
    options: Object | None = None

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

    def told(self, form: Served | None = None) -> Object:
        """The request as expressions and webhooks see it (admission.k8s.io/v1 AdmissionRequest), without the objects.

        Args:
            form: the version in which they see it; None for that of the request.
        """
        call = self.call
        seen = call.kind if form is None else form.kind
        info = call.caller.info
        if call.caller.impersonator is None and "system:authenticated" not in info["groups"]:
            info["groups"].append("system:authenticated")
        told: Object = {"kind": _kind_of(seen, call.subresource), "resource": _resource_of(seen)}
        if call.subresource:
            told["subResource"] = call.subresource
        told["requestKind"] = _kind_of(call.kind, call.subresource)
        told["requestResource"] = _resource_of(call.kind)
        if call.subresource:
            told["requestSubResource"] = call.subresource
        if (call.name or (self.object or {}).get("metadata", {}).get("name")) and call.verb != "deletecollection":
            told["name"] = self.name
        if namespace := call.namespace or (self.name if (call.kind.group, call.kind.kind) == ("", "Namespace") else ""):
            told["namespace"] = namespace
        dry = options.is_dry_run(call) or bool((self.options or {}).get("dryRun"))
        told |= {"operation": self.operation, "userInfo": info, "dryRun": dry, "options": self._told_options(dry=dry)}
        return told

    def _told_options(self, *, dry: bool) -> Object:
        said = {**(self.options or {})} if self.operation == DELETE else {}
        said |= {"kind": _OPTIONS[self.operation], "apiVersion": "meta.k8s.io/v1"}
        said.pop("dryRun", None)
        if dry:
            said["dryRun"] = ["All"]
        if self.operation != DELETE:
            said |= {name: value for name in _SAID if (value := self.call.query.get(name))}
        return said

    def shown(self, obj: Object | None, form: Served) -> Object | None:
        """An object of this request in a certain version."""
        if obj is None:
            return None
        of = _kind_of(form.kind, self.call.subresource)
        at = f"{of['group']}/{of['version']}" if of["group"] else of["version"]
        seen = _converted(obj, self.call.served, form)
        return {
            "kind": of["kind"],
            "apiVersion": at,
            **{k: v for k, v in seen.items() if k not in {"kind", "apiVersion"}},
        }

    def taken(self, obj: Object, form: Served) -> Object:
        """An object of a certain version in that of the request."""
        return obj if form is self.call.served else {**_converted(obj, form, self.call.served), **self._own()}

    def _own(self) -> Object:
        return {"kind": self.call.kind.kind, "apiVersion": self.call.kind.api_version}

    def form(self, matching: Object, rules: Iterable[Object]) -> Served | None:
        """The version in which a webhook means it: that of the request, or else another in which the same object is served.

        Args:
            matching: see `meant_by`.
            rules: those that include it.
        """
        if not self._selected(matching):
            return None
        served, exact = self.call.served, {"matchPolicy": "Exact"}
        if any(self._ruled(rule, exact) for rule in rules):
            return served
        if matching.get("matchPolicy", "Equivalent") != "Equivalent":
            return None
        others = [each for each in self.served.values() if each.source is served.source and each is not served]
        for other in others:
            seen = replace(self, call=self.call._replace(served=other))
            if any(seen._ruled(rule, exact) for rule in rules):
                return other
        return None

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
        return self._selected(matching)

    def _selected(self, matching: Object) -> bool:
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


def _kind_of(kind: Kind, part: str) -> Object:
    group, version, name = _PARTS.get(part, (kind.group, kind.version, kind.kind))
    return {"group": group, "version": version, "kind": name}


def _resource_of(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}


def _converted(obj: Object, source: Served, target: Served) -> Object:
    if source is target:
        return obj
    kept = obj if source.mirror is None else source.mirror.stored(obj)
    return kept if target.mirror is None else target.mirror.shown(kept)


def _covers(resource: str, plural: str, part: str) -> bool:
    name, _, subresource = resource.partition("/")
    return name in {"*", plural} and subresource in {"*", part}
