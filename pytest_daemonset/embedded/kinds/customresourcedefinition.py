"""CustomResourceDefinitions (kubernetes/apiextensions-apiserver, pkg/registry/customresourcedefinition)."""

from __future__ import annotations

import re

from pytest_daemonset.embedded import regexes, statuses
from pytest_daemonset.embedded.custom import rules
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, not_supported, required
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import dns_label
from pytest_daemonset.embedded.printers import CUSTOM_RESOURCE_DEFINITION

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_VERSION = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)


def set_condition(obj: Object, kind: str, status: str, reason: str, message: str, now: str) -> None:
    """Set a condition; the time of its last transition stays if its status does."""
    told = {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
    conditions = obj["status"].get("conditions") or []
    for at, old in enumerate(conditions):
        if old["type"] == kind:
            if old["status"] == status:
                told["lastTransitionTime"] = old.get("lastTransitionTime", now)
            conditions[at] = told
            break
    else:
        conditions = [*conditions, told]
    obj["status"]["conditions"] = conditions


def storage_version(obj: Object) -> str:
    """The name of the version that is kept; "" if none is."""
    return next((each["name"] for each in obj["spec"].get("versions") or () if each["storage"]), "")


def _default(obj: Object) -> None:
    spec = obj["spec"]
    names = spec["names"]
    if names["kind"]:
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    if not (spec.get("conversion") or {}).get("strategy"):
        spec["conversion"] = {**(spec.get("conversion") or {}), "strategy": "None"}


def _admit(obj: Object) -> None:
    if obj["spec"]["conversion"]["strategy"] == "Webhook":
        raise statuses.not_imitated("the conversion of custom resources by webhooks")


def _prepare_create(obj: Object) -> None:
    stored = storage_version(obj)
    obj["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [stored] if stored else [],
    }


def _prepare_update(new: Object, old: Object) -> None:
    metadata.keep(new, old, "status")
    if new["spec"] != old["spec"]:
        metadata.bump_generation(new, old)
    stored = storage_version(new)
    versions = new["status"].get("storedVersions") or []
    if stored and stored not in versions:
        new["status"]["storedVersions"] = [*versions, stored]


def _begin_deletion(obj: Object) -> None:
    """What REST.Delete does first: a finalizer, for the objects that must go before their kind does, and a condition."""
    meta = obj["metadata"]
    meta.pop("deletionGracePeriodSeconds", None)
    meta["generation"] -= 1  # what is wanted has not changed
    if CLEANUP not in meta.get("finalizers", ()):
        meta["finalizers"] = [*meta.get("finalizers", ()), CLEANUP]
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(obj, "Terminating", "True", "InstanceDeletionPending", message, meta["deletionTimestamp"])


def _validate(obj: Object) -> list[FieldError]:
    spec, errors = obj["spec"], []
    names = spec["names"]
    if obj["metadata"].get("name") != f"{names['plural']}.{spec['group']}":
        errors.append(invalid("metadata.name", obj["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group'))
    if not spec["group"]:
        errors.append(required("spec.group"))
    elif "." not in spec["group"]:
        errors.append(invalid("spec.group", spec["group"], "should be a domain with at least one dot"))
    if spec["scope"] not in {"Cluster", "Namespaced"}:
        if spec["scope"]:
            errors.append(not_supported("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
        else:
            errors.append(required("spec.scope"))
    for name in ("plural", "kind"):
        if not names[name]:
            errors.append(required(f"spec.names.{name}"))
        else:
            errors += [invalid(f"spec.names.{name}", names[name], text) for text in dns_label(names[name].lower())]
    if names["kind"] and names["kind"] == names.get("listKind"):
        errors.append(invalid("spec.names.listKind", names["kind"], "kind and listKind may not be the same"))
    if spec["conversion"]["strategy"] not in {"None", "Webhook"}:
        errors.append(not_supported("spec.conversion.strategy", spec["conversion"]["strategy"], ("None", "Webhook")))
    return [*errors, *_validate_versions(spec)]


def _validate_versions(spec: Object) -> list[FieldError]:
    versions = spec.get("versions") or []
    if not versions:
        return [required("spec.versions", "must have at least one version")]
    errors = []
    said = [each["name"] for each in versions]
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        if not _VERSION.fullmatch(version["name"]):
            errors.append(invalid(f"{path}.name", version["name"], "must be a DNS-1035 label"))
        elif said.index(version["name"]) != index:
            errors.append(invalid(path, version["name"], "must contain unique version names"))
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not isinstance(schema, dict):
            errors.append(required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
            continue
        # a definition with one version has one schema for all, as kube-apiserver sees it
        where = "spec.validation.openAPIV3Schema" if len(versions) == 1 else f"{path}.schema.openAPIV3Schema"
        if schema.get("type") != "object":
            errors.append(invalid(f"{where}.type", schema.get("type"), "must be object at the root"))
        errors += _validate_schema(schema, where)
    if sum(each["storage"] for each in versions) != 1:
        errors.append(invalid("spec.versions", said, "must have exactly one version marked as storage version"))
    return errors


def _validate_schema(schema: Object, path: str) -> list[FieldError]:
    """What makes a schema structural: a type everywhere, and patterns that can be read."""
    errors = []
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not schema.get("type"):
        if not free:
            errors.append(required(f"{path}.type", "must not be empty for specified object fields"))
    elif schema["type"] not in _TYPES:
        errors.append(not_supported(f"{path}.type", schema["type"], _TYPES))
    if "pattern" in schema:
        try:
            regexes.compiled(schema["pattern"])
        except (ValueError, TypeError) as error:
            errors.append(invalid(f"{path}.pattern", schema["pattern"], f"must be a valid regular expression: {error}"))
    errors += rules.validate(schema, path)
    if "$ref" in schema:
        errors.append(forbidden(f"{path}.$ref", "$ref is not supported"))
    if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
        errors.append(required(f"{path}.items", "must be specified"))
    parts = [
        (f"{path}.items", schema.get("items")),
        (f"{path}.additionalProperties", schema.get("additionalProperties")),
    ]
    properties = schema.get("properties")
    if isinstance(properties, dict):
        parts += [(f"{path}.properties[{name}]", each) for name, each in properties.items()]
    elif properties is not None:
        errors.append(invalid(f"{path}.properties", properties, "must be an object"))
    for where, part in parts:
        if isinstance(part, dict):
            errors += _validate_schema(part, where)
        elif part is not None and not isinstance(part, bool):
            errors.append(invalid(where, part, "must be a schema"))
    return errors


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    errors = _validate(new)
    for names in (("group",), ("names", "plural"), ("scope",), ("names", "kind")):
        now, was = new["spec"], old["spec"]
        for name in names:
            now, was = now[name], was[name]
        if now != was:
            errors.append(invalid(f"spec.{'.'.join(names)}", now, "field is immutable"))
    left = {each["name"] for each in new["spec"].get("versions") or ()}
    for index, stored in enumerate(new["status"].get("storedVersions") or ()):
        if stored not in left:
            path = f"status.storedVersions[{index}]"
            errors.append(invalid(path, stored, "missing from spec.versions; must contain the storage versions"))
    return errors


CUSTOM_RESOURCE_DEFINITION_KIND = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    singular="customresourcedefinition",
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    namespaced=False,
    subresources=("status",),
    has_generation=True,
    has_protobuf=False,
    unconditional_update=False,
    message="CustomResourceDefinitionJSON",
    printer=CUSTOM_RESOURCE_DEFINITION,
    on_default=_default,
    on_admit_create=_admit,
    on_admit_update=lambda new, _old: _admit(new),
    on_prepare_create=_prepare_create,
    on_prepare_update=_prepare_update,
    on_validate_create=_validate,
    on_validate_update=_validate_update,
    on_begin_deletion=_begin_deletion,
    # its first deletion is never its last: there may be objects of it
    on_holds_deletion=lambda obj: "deletionTimestamp" not in obj["metadata"],
)
