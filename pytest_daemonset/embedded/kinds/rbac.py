"""Roles and their bindings (kubernetes/pkg/apis/rbac)."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid, not_supported, required
from pytest_daemonset.embedded.kinds.kind import Kind, Object

GROUP = "rbac.authorization.k8s.io"


def _default_binding(obj: Object) -> None:
    obj["roleRef"]["apiGroup"] = obj["roleRef"].get("apiGroup") or GROUP
    for subject in obj.get("subjects") or ():
        if subject["kind"] in {"User", "Group"}:
            subject["apiGroup"] = subject.get("apiGroup") or GROUP


def _validate_rules(obj: Object, *, namespaced: bool) -> list[FieldError]:
    errors = []
    for index, rule in enumerate(obj.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        if urls := rule.get("nonResourceURLs"):
            if namespaced:
                text = "namespaced rules cannot apply to non-resource URLs"
                errors.append(invalid(f"{path}.nonResourceURLs", urls, text))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                text = "rules cannot apply to both regular resources and non-resource URLs"
                errors.append(invalid(f"{path}.nonResourceURLs", urls, text))
            continue
        if not rule.get("apiGroups"):
            errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return errors


def _validate_binding(obj: Object, *, namespaced: bool) -> list[FieldError]:
    errors, role = [], obj["roleRef"]
    if role["apiGroup"] != GROUP:
        errors.append(not_supported("roleRef.apiGroup", role["apiGroup"], (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if role["kind"] not in kinds:
        errors.append(not_supported("roleRef.kind", role["kind"], kinds))
    if not role["name"]:
        errors.append(required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        path = f"subjects[{index}]"
        if not subject["name"]:
            errors.append(required(f"{path}.name"))
        if subject["kind"] == "ServiceAccount":
            if not subject.get("namespace") and not namespaced:
                errors.append(required(f"{path}.namespace"))
            if subject.get("apiGroup"):
                errors.append(not_supported(f"{path}.apiGroup", subject["apiGroup"], ("",)))
        elif subject["kind"] not in {"User", "Group"}:
            errors.append(not_supported(f"{path}.kind", subject["kind"], ("Group", "ServiceAccount", "User")))
    return errors


def _validate_binding_update(new: Object, old: Object, *, namespaced: bool) -> list[FieldError]:
    errors = _validate_binding(new, namespaced=namespaced)
    if new["roleRef"] != old["roleRef"]:
        errors.append(invalid("roleRef", new["roleRef"], "cannot change roleRef"))
    return errors


def _roles(kind: str, *, namespaced: bool) -> Kind:
    return Kind(
        group=GROUP,
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        name_rule="path-segment",
        create_on_update=True,
        printer=printers.NAMED,
        on_validate_create=lambda obj: _validate_rules(obj, namespaced=namespaced),
        on_validate_update=lambda new, _old: _validate_rules(new, namespaced=namespaced),
    )


def _bindings(kind: str, *, namespaced: bool) -> Kind:
    return Kind(
        group=GROUP,
        version="v1",
        kind=kind,
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        name_rule="path-segment",
        create_on_update=True,
        printer=printers.BINDING,
        on_default=_default_binding,
        on_validate_create=lambda obj: _validate_binding(obj, namespaced=namespaced),
        on_validate_update=lambda new, old: _validate_binding_update(new, old, namespaced=namespaced),
    )


ROLE = _roles("Role", namespaced=True)
ROLE_BINDING = _bindings("RoleBinding", namespaced=True)
CLUSTER_ROLE = _roles("ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = _bindings("ClusterRoleBinding", namespaced=False)
