"""Schemas from the field tables, as OpenAPI v2 and v3 have them. Names are those of Kubernetes' own documents."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.apply import shapes
from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message
from pytest_daemonset.embedded.openapi import words
from pytest_daemonset.embedded.openapi.details import DEFAULTS, REQUIRED, VALUES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_HOMES = MappingProxyType(
    {
        _META: "ObjectMeta ListMeta OwnerReference ManagedFieldsEntry LabelSelector LabelSelectorRequirement Condition Status "
        "StatusDetails StatusCause DeleteOptions Preconditions Time MicroTime FieldsV1 Patch FieldSelectorRequirement",
        "io.k8s.apimachinery.pkg.api.resource": "Quantity",
        "io.k8s.apimachinery.pkg.util.intstr": "IntOrString",
        "io.k8s.apimachinery.pkg.runtime": "RawExtension",
        "io.k8s.api.apps.v1": "DaemonSetSpec DaemonSetStatus DaemonSetUpdateStrategy DaemonSetCondition RollingUpdateDaemonSet "
        "DeploymentSpec DeploymentStatus DeploymentStrategy DeploymentCondition RollingUpdateDeployment",
        "io.k8s.api.coordination.v1": "LeaseSpec",
        "io.k8s.api.policy.v1": "PodDisruptionBudgetSpec PodDisruptionBudgetStatus",
        "io.k8s.api.rbac.v1": "PolicyRule Subject RoleRef AggregationRule",
        "io.k8s.api.authorization.v1": "SelfSubjectAccessReviewSpec SubjectAccessReviewSpec SubjectAccessReviewStatus "
        "ResourceAttributes NonResourceAttributes FieldSelectorAttributes LabelSelectorAttributes SelfSubjectRulesReviewSpec "
        "SubjectRulesReviewStatus ResourceRule NonResourceRule ExtraValue",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": "CustomResourceDefinitionSpec CustomResourceDefinitionStatus "
        "CustomResourceDefinitionNames CustomResourceDefinitionVersion CustomResourceDefinitionCondition CustomResourceValidation "
        "CustomResourceSubresources CustomResourceSubresourceScale CustomResourceColumnDefinition CustomResourceConversion SelectableField",
        "io.k8s.api.admissionregistration.v1": "ValidatingWebhook MutatingWebhook WebhookClientConfig ServiceReference RuleWithOperations "
        "MatchCondition ValidatingAdmissionPolicySpec ValidatingAdmissionPolicyStatus TypeChecking ExpressionWarning ParamKind "
        "MatchResources NamedRuleWithOperations Validation AuditAnnotation Variable ValidatingAdmissionPolicyBindingSpec ParamRef "
        "MutatingAdmissionPolicySpec Mutation ApplyConfiguration JSONPatch MutatingAdmissionPolicyBindingSpec",
        "io.k8s.api.authentication.v1": "SelfSubjectReviewStatus UserInfo TokenReviewSpec TokenReviewStatus",
    }
)
_HOME = MappingProxyType({name: home for home, names in _HOMES.items() for name in names.split()})
_ELSEWHERE = MappingProxyType({"EventsEventSeries": "io.k8s.api.events.v1.EventSeries"})  # the tables have both
_CORE = "io.k8s.api.core.v1"
_GROUPS = MappingProxyType({"": "core"})
_GROUP_HOMES = MappingProxyType({"apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions"})

_SCALARS = MappingProxyType(
    {
        "string": {"type": "string"},
        "bool": {"type": "boolean"},
        "int32": {"type": "integer", "format": "int32"},
        "int64": {"type": "integer", "format": "int64"},
        "bytes": {"type": "string", "format": "byte"},
    }
)
_NAMED = frozenset({"Time", "MicroTime", "Quantity", "IntOrString", "Any"})
# what Kubernetes writes always although nobody has to give it
_OPTIONAL = frozenset({"metadata", "spec", "status", "reportingComponent", "reportingInstance", "rules"})
_GIVEN = frozenset({"template", "selector", "preference", "podAffinityTerm", "involvedObject", "target", "roleRef"})
# what the schemas of custom resources may say in OpenAPI v3 and not in v2
_ONLY_V3 = frozenset({"allOf", "anyOf", "default", "not", "nullable", "oneOf"})


class Dialect(NamedTuple):
    """What v2 and v3 say differently."""

    prefix: str
    named: dict[str, Object]


V2 = Dialect(
    "#/definitions/",
    {
        "Time": {"type": "string", "format": "date-time"},
        "MicroTime": {"type": "string", "format": "date-time"},
        "Quantity": {"type": "string"},
        "IntOrString": {"type": "string", "format": "int-or-string"},
        "RawExtension": {"type": "object"},
        "FieldsV1": {"type": "object"},
        "Patch": {"type": "object"},
    },
)
V3 = Dialect(
    "#/components/schemas/",
    {
        **V2.named,
        "Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "IntOrString": {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
    },
)


def schema_name(kind: Kind) -> str:
    """The name of a kind's schema, such as `io.k8s.api.apps.v1.DaemonSet`."""
    if kind.schema is not None:
        return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])
    if kind.group in _GROUP_HOMES:
        return f"{_GROUP_HOMES[kind.group]}.{kind.version}.{kind.kind}"
    group = _GROUPS.get(kind.group, kind.group.removesuffix(".k8s.io").removesuffix(".authorization"))
    return f"io.k8s.api.{group}.{kind.version}.{kind.kind}"


def named(type_: str) -> str:
    """The name of the schema of a message of the field tables."""
    return _ELSEWHERE.get(type_) or f"{_HOME.get(type_, _CORE)}.{type_}"


def schemas(kinds: Iterable[tuple[Kind, Container[str]]], dialect: Dialect) -> Object:
    """The schemas of some kinds, of their lists, of everything in them and of what requests bring.

    Args:
        kinds: each with its verbs, as discovery tells them; what is never listed has no list.
    """
    found: Object = {}
    for requested in ("DeleteOptions", "Patch", "Status"):
        _reference(requested, dialect, found)
    for kind, verbs in kinds:
        name = schema_name(kind)
        schema = kind.schema
        whole = _message(kind.fields, dialect, found) if schema is None else _custom(schema, dialect, found)
        whole.setdefault("description", f"{kind.kind} of {kind.api_version}.")
        whole["x-kubernetes-group-version-kind"] = [group_version_kind(kind)]
        found[name] = whole
        if "list" in verbs:
            found[f"{name}List"] = _list(kind, dialect, found)
    return dict(sorted(found.items()))


def _list(kind: Kind, dialect: Dialect, found: Object) -> Object:
    def said(field: str, schema: Object) -> Object:
        return {"description": words.of_field("", field), **schema}

    metadata: Object = {"default": {}} if kind.schema is None else {}
    return {
        "description": f"A list of {kind.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": said("apiVersion", {"type": "string"}),
            "items": said("items", {"type": "array", "items": {"$ref": dialect.prefix + schema_name(kind)}}),
            "kind": said("kind", {"type": "string"}),
            "metadata": said("metadata", {**metadata, **_beside("ListMeta", dialect, found)}),
        },
        "x-kubernetes-group-version-kind": [{**group_version_kind(kind), "kind": f"{kind.kind}List"}],
    }


def _custom(schema: Mapping[str, Any], dialect: Dialect, found: Object) -> Object:
    """A custom resource's own schema, with what every object has."""
    common: Object = {
        name: {"description": words.of_field("", name), "type": "string"} for name in ("apiVersion", "kind")
    }
    common["metadata"] = {"description": words.of_field("", "metadata"), **_beside("ObjectMeta", dialect, found)}
    told = dict(schema) if dialect is V3 else _without_v3(schema)
    return {**told, "type": "object", "properties": {**told.get("properties", {}), **common}}


def _without_v3(schema: Mapping[str, Any]) -> Object:
    """What OpenAPI v2 can say of a custom resource's schema; what takes fields that it does not name is any object there."""
    told = {word: said for word, said in schema.items() if word not in _ONLY_V3}
    if told.get("x-kubernetes-preserve-unknown-fields") or schema.get("nullable"):
        for word in ("properties", "items", "required") + (("type",) if schema.get("nullable") else ()):
            told.pop(word, None)
    if "properties" in told:
        told["properties"] = {name: _without_v3(each) for name, each in told["properties"].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(told.get(word), dict):
            told[word] = _without_v3(told[word])
    return told


def group_version_kind(kind: Kind) -> Object:
    """The extension by which clients find a kind's schema and paths."""
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _message(message: Message, dialect: Dialect, found: Object) -> Object:
    properties = {name: _property(message, field, dialect, found) for name, field in message.fields.items()}
    schema: Object = {"type": "object", "properties": dict(sorted(properties.items()))}
    if said := words.of_message(message.name):
        schema["description"] = said
    if required := sorted(name for name, field in message.fields.items() if _is_required(message, field)):
        schema["required"] = required
    if shapes.is_whole(message):
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _is_required(message: Message, field: Field) -> bool:
    told = REQUIRED.get(message.name, {}).get(field.name)
    if told is not None:
        return told
    if not field.always or field.name in _OPTIONAL:
        return False
    return field.name in _GIVEN or field.shape != "one" or field.type in _SCALARS


def _property(message: Message, field: Field, dialect: Dialect, found: Object) -> Object:
    told: Object = {}
    if said := words.of_field(message.name, field.name):
        told["description"] = said
    values = VALUES.get((message.name, field.name))
    if field.shape == "one":
        told.update(_SCALARS.get(field.type) or _beside(_type(field), dialect, found))
        told.update(_default(message, field))
        if values:
            told["enum"] = values
    else:
        element = dict(_SCALARS.get(field.type) or _reference(_type(field), dialect, found))
        if values:
            element["enum"] = values
        if field.shape == "list":
            told.update({"type": "array", "items": element, **_list_type(message, field)})
        else:
            told.update({"type": "object", "additionalProperties": element})
            if shapes.of_field(message, field) is shapes.LEAF:
                told["x-kubernetes-map-type"] = "atomic"
    strategy = [word for word, said in (("merge", field.merge is not None), ("retainKeys", field.retain_keys)) if said]
    if strategy:
        told["x-kubernetes-patch-strategy"] = ",".join(strategy)
    if field.merge:
        told["x-kubernetes-patch-merge-key"] = field.merge
    return told


def _default(message: Message, field: Field) -> Object:
    """What stands for a field that is left out: nothing, of what is always there."""
    said = DEFAULTS.get((message.name, field.name))
    if said is not None:
        return {"default": said}
    if not field.always or field.keeps_zero:
        return {}
    if field.scalar is None:
        return {"default": {}}
    zero = field.scalar.zero
    return {"default": zero} if field.type in _SCALARS and zero is not None else {}


def _list_type(message: Message, field: Field) -> Object:
    """How server-side apply merges a list."""
    node = shapes.of_field(message, field)
    if node.shape == "keyed":
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key for key, _ in node.keys]}
    return {"x-kubernetes-list-type": "set" if node.shape == "set" else "atomic"}


def _type(field: Field) -> str:
    if field.type == "Any":
        return "FieldsV1" if field.name == "fieldsV1" else "RawExtension"
    return field.type


def _beside(type_: str, dialect: Dialect, found: Object) -> Object:
    """A reference that something may stand beside: in v3 that must be wrapped."""
    reference = _reference(type_, dialect, found)
    return {"allOf": [reference]} if dialect is V3 and "$ref" in reference else reference


def _reference(type_: str, dialect: Dialect, found: Object) -> Object:
    if type_ == "ExtraValue":
        return {"type": "array", "items": {"type": "string"}}
    name = named(type_)
    if name not in found:
        if type_ in dialect.named:
            found[name] = dict(dialect.named[type_])
        else:
            found[name] = {}  # stands already where it contains itself
            found[name].update(_message(MESSAGES[type_], dialect, found))
    return {"$ref": dialect.prefix + name}
