"""Schemas from the field tables, as OpenAPI v2 and v3 have them. Names are those of Kubernetes' own documents."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_HOMES = MappingProxyType(
    {
        _META: "ObjectMeta ListMeta OwnerReference ManagedFieldsEntry LabelSelector LabelSelectorRequirement Condition Status "
        "StatusDetails StatusCause DeleteOptions Preconditions Time MicroTime FieldsV1",
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
_CORE = "io.k8s.api.core.v1"
_GROUPS = MappingProxyType({"": "core"})

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
    group = _GROUPS.get(kind.group, kind.group.removesuffix(".k8s.io").removesuffix(".authorization"))
    return f"io.k8s.api.{group}.{kind.version}.{kind.kind}"


def _name(type_: str) -> str:
    return f"{_HOME.get(type_, _CORE)}.{type_}"


def schemas(kinds: Iterable[Kind], dialect: Dialect) -> Object:
    """The schemas of some kinds, of their lists and of everything in them."""
    found: Object = {}
    for kind in kinds:
        name = schema_name(kind)
        said = f"{kind.kind} of {kind.api_version}, as the embedded server of pytest-daemonset keeps it."
        schema = kind.schema
        whole = _message(kind.fields, dialect, found) if schema is None else _custom(schema, dialect, found)
        whole.setdefault("description", said)
        whole["x-kubernetes-group-version-kind"] = [group_version_kind(kind)]
        found[name] = whole
        items = {"type": "array", "items": {"$ref": dialect.prefix + name}}
        found[f"{name}List"] = {
            "description": f"A list of {kind.kind}.",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": _reference("ListMeta", dialect, found),
                "items": items,
            },
            "x-kubernetes-group-version-kind": [{**group_version_kind(kind), "kind": f"{kind.kind}List"}],
        }
    return dict(sorted(found.items()))


def _custom(schema: Mapping[str, Any], dialect: Dialect, found: Object) -> Object:
    """A custom resource's own schema, with what every object has."""
    common = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    properties = {**schema.get("properties", {}), **common, "metadata": _reference("ObjectMeta", dialect, found)}
    return {**schema, "type": "object", "properties": properties}


def group_version_kind(kind: Kind) -> Object:
    """The extension by which clients find a kind's schema and paths."""
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _message(message: Message, dialect: Dialect, found: Object) -> Object:
    properties = {name: _property(field, dialect, found) for name, field in message.fields.items()}
    schema: Object = {"type": "object", "properties": dict(sorted(properties.items()))}
    if required := sorted(name for name, field in message.fields.items() if _is_required(field)):
        schema["required"] = required
    return schema


def _is_required(field: Field) -> bool:
    if not field.always or field.name in _OPTIONAL:
        return False
    return field.name in _GIVEN or field.shape != "one" or field.type in _SCALARS


def _property(field: Field, dialect: Dialect, found: Object) -> Object:
    one: Object = dict(_SCALARS[field.type]) if field.type in _SCALARS else _reference(_type(field), dialect, found)
    if field.shape == "list":
        one = {"type": "array", "items": one}
    elif field.shape == "map":
        one = {"type": "object", "additionalProperties": one}
    strategy = [word for word, said in (("merge", field.merge is not None), ("retainKeys", field.retain_keys)) if said]
    if not strategy:
        return one
    if "$ref" in one:
        one = {"allOf": [one]} if dialect is V3 else one  # nothing may stand beside a reference there
    one["x-kubernetes-patch-strategy"] = ",".join(strategy)
    if field.merge:
        one["x-kubernetes-patch-merge-key"] = field.merge
    return one


def _type(field: Field) -> str:
    if field.type == "Any":
        return "FieldsV1" if field.name == "fieldsV1" else "RawExtension"
    return field.type


def _reference(type_: str, dialect: Dialect, found: Object) -> Object:
    name = _name(type_)
    if name not in found:
        if type_ in dialect.named:
            found[name] = dict(dialect.named[type_])
        else:
            found[name] = {}  # stands already where it contains itself
            found[name].update(_message(MESSAGES[type_], dialect, found))
    return {"$ref": dialect.prefix + name}
