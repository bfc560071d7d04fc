"""Admission policies (kubernetes/pkg/apis/admissionregistration)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.expressions import check_expression
from pytest_daemonset.embedded.kinds.fielderrors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import qualified_name
from pytest_daemonset.embedded.kinds.selectors import validate_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_daemonset.embedded.printers import Printer

GROUP = "admissionregistration.k8s.io"
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
OF_WEBHOOKS = frozenset({"object", "oldObject", "request"})
"""What the conditions of webhooks can speak of."""
VARIABLES = OF_WEBHOOKS | {"namespaceObject"}
"""What the expressions of policies can speak of; `params` where there are some, and `variables` where those are declared."""

POLICIES = ("Fail", "Ignore")
MATCHING = ("Equivalent", "Exact")
REINVOCATION = ("IfNeeded", "Never")
_SCOPES = ("*", "Cluster", "Namespaced")
_ACTIONS = ("Audit", "Deny", "Warn")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_MOST_CONDITIONS = 64


def names_in(spec: Object) -> frozenset[str]:
    """The variables of a policy's expressions."""
    return VARIABLES | ({"params"} if spec.get("paramKind") else set()) | {"variables"}


def one_of(value: str | None, known: tuple[str, ...], path: str) -> list[FieldError]:
    """Tell of a value outside of a closed list; None is not judged."""
    return [] if value in known or value is None else [not_supported(path, value, known)]


def default_rules(rules: Iterable[Object]) -> None:
    """A rule without a scope means both."""
    for rule in rules:
        rule["scope"] = rule.get("scope") or "*"


_RULED = (("operations", "operations"), ("apiGroups", "API groups"), ("apiVersions", "API versions"), ("resources", ""))


def validate_rule(rule: Object, path: str) -> list[FieldError]:
    """Tell what is wrong with one rule of a policy or a webhook."""
    errors = []
    for name, words in _RULED:
        said = rule.get(name) or []
        if not said:
            errors.append(required(f"{path}.{name}"))
        elif words and "*" in said and len(said) > 1:
            errors.append(invalid(f"{path}.{name}", said, f"if '*' is present, must not specify other {words}"))
        if name == "operations":
            errors += [
                not_supported(f"{path}.{name}[{at}]", each, OPERATIONS)
                for at, each in enumerate(said)
                if each not in OPERATIONS
            ]
        errors += [required(f"{path}.{name}[{at}]") for at, each in enumerate(said) if not each and name != "apiGroups"]
    whole = rule.get("resources") or []
    if "*/*" in whole and len(whole) > 1:
        errors.append(invalid(f"{path}.resources", whole, "if '*/*' is present, must not specify other resources"))
    return [*errors, *one_of(rule.get("scope"), _SCOPES, f"{path}.scope")]


def validate_conditions(conditions: list[Object], names: frozenset[str], path: str) -> list[FieldError]:
    """Tell what is wrong with matchConditions."""
    errors = []
    if len(conditions) > _MOST_CONDITIONS:
        text = f"Too many: {len(conditions)}: must have at most {_MOST_CONDITIONS} items"
        errors.append(FieldError("FieldValueTooMany", path, text))
    seen = set()
    for index, each in enumerate(conditions):
        here = f"{path}[{index}]"
        errors += check_expression(each["expression"], names, f"{here}.expression")
        if not each["name"]:
            errors.append(required(f"{here}.name"))
            continue
        errors += [invalid(f"{here}.name", each["name"], text) for text in qualified_name(each["name"])]
        if each["name"] in seen:
            errors.append(duplicate(f"{here}.name", each["name"]))
        seen.add(each["name"])
    return errors


def _default_matching(matching: Object) -> None:
    matching.setdefault("matchPolicy", "Equivalent")
    for name in ("namespaceSelector", "objectSelector"):
        matching.setdefault(name, {})
    for name in ("resourceRules", "excludeResourceRules"):
        default_rules(matching.get(name) or ())


def _default_policy(obj: Object) -> None:
    obj["spec"].setdefault("failurePolicy", "Fail")
    if matching := obj["spec"].get("matchConstraints"):
        _default_matching(matching)


def _default_binding(obj: Object) -> None:
    if matching := obj["spec"].get("matchResources"):
        _default_matching(matching)


def _validate_matching(matching: Object, path: str, *, of_policy: bool) -> list[FieldError]:
    errors = one_of(matching.get("matchPolicy"), MATCHING, f"{path}.matchPolicy")
    if of_policy and not matching.get("resourceRules"):
        errors.append(required(f"{path}.resourceRules"))
    for name in ("resourceRules", "excludeResourceRules"):
        for at, rule in enumerate(matching.get(name) or ()):
            errors += validate_rule(rule, f"{path}.{name}[{at}]")
    for name in ("namespaceSelector", "objectSelector"):
        if name in matching:
            errors += validate_selector(matching[name] or {}, f"{path}.{name}")
    return errors


def _validate_policy(obj: Object) -> list[FieldError]:
    """What both kinds of policy have in common."""
    spec, errors = obj["spec"], []
    errors += one_of(spec["failurePolicy"], POLICIES, "spec.failurePolicy")
    if kind := spec.get("paramKind"):
        errors += [required(f"spec.paramKind.{name}") for name in ("apiVersion", "kind") if not kind.get(name)]
    if not spec.get("matchConstraints"):
        errors.append(required("spec.matchConstraints"))
    else:
        errors += _validate_matching(spec["matchConstraints"], "spec.matchConstraints", of_policy=True)
    names = names_in(spec)
    conditions = names - {"variables"}
    errors += validate_conditions(spec.get("matchConditions") or [], conditions, "spec.matchConditions")
    for index, each in enumerate(spec.get("variables") or ()):
        path = f"spec.variables[{index}]"
        if not each["name"].isidentifier() or not each["name"].isascii():
            errors.append(invalid(f"{path}.name", each["name"], "name is not a valid CEL identifier"))
        errors += check_expression(each["expression"], names, f"{path}.expression")
    return errors


def _validate_validating(obj: Object) -> list[FieldError]:
    spec, errors = obj["spec"], _validate_policy(obj)
    names = names_in(spec)
    validations, notes = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not notes:
        text = "validations or auditAnnotations must contain at least one item"
        errors += [required("spec.validations", text), required("spec.auditAnnotations", text)]
    for index, each in enumerate(validations):
        path = f"spec.validations[{index}]"
        errors += check_expression(each["expression"], names, f"{path}.expression")
        if text := each.get("messageExpression", ""):
            errors += check_expression(text, names, f"{path}.messageExpression")
        if "\n" in each.get("message", ""):
            errors.append(invalid(f"{path}.message", each["message"], "message must not contain line breaks"))
        errors += one_of(each.get("reason"), _REASONS, f"{path}.reason")
    for index, each in enumerate(notes):
        path = f"spec.auditAnnotations[{index}]"
        errors += [invalid(f"{path}.key", each["key"], text) for text in qualified_name(each["key"])]
        errors += check_expression(each["valueExpression"], names, f"{path}.valueExpression")
    return errors


def _validate_mutating(obj: Object) -> list[FieldError]:
    spec, errors = obj["spec"], _validate_policy(obj)
    names = names_in(spec)
    if not spec.get("mutations"):
        errors.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, each in enumerate(spec.get("mutations") or ()):
        path, kinds = f"spec.mutations[{index}]", {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
        name = kinds.get(each["patchType"])
        if name is None:
            errors.append(not_supported(f"{path}.patchType", each["patchType"], tuple(kinds)))
            continue
        if name not in each:
            text = f"must be specified when patchType is {each['patchType']}"
            errors.append(required(f"{path}.{name}", text))
        else:
            errors += check_expression(each[name].get("expression", ""), names, f"{path}.{name}.expression")
        errors += [
            forbidden(f"{path}.{other}", f"may not be specified when patchType is {each['patchType']}")
            for other in kinds.values()
            if other != name and other in each
        ]
    if not spec.get("reinvocationPolicy"):
        errors.append(required("spec.reinvocationPolicy"))
    return [*errors, *one_of(spec.get("reinvocationPolicy") or None, REINVOCATION, "spec.reinvocationPolicy")]


def _validate_binding(obj: Object, *, validating: bool) -> list[FieldError]:
    spec, errors = obj["spec"], []
    if not spec.get("policyName"):
        errors.append(required("spec.policyName"))
    if ref := spec.get("paramRef"):
        if bool(ref.get("name")) == ("selector" in ref):
            errors.append(forbidden("spec.paramRef.name", "one of name or selector must be specified, and not both"))
        if ref.get("parameterNotFoundAction") not in {"Allow", "Deny"}:
            errors.append(required("spec.paramRef.parameterNotFoundAction"))
    if matching := spec.get("matchResources"):
        errors += _validate_matching(matching, "spec.matchResources", of_policy=False)
    if validating:
        actions = spec.get("validationActions") or []
        if not actions:
            errors.append(required("spec.validationActions"))
        errors += [e for at, a in enumerate(actions) for e in one_of(a, _ACTIONS, f"spec.validationActions[{at}]")]
        if len(set(actions)) < len(actions):
            errors.append(duplicate("spec.validationActions", actions))
        if {"Deny", "Warn"} <= set(actions):
            errors.append(invalid("spec.validationActions", actions, "must not contain both Deny and Warn"))
    return errors


def _prepare_validating(obj: Object) -> None:
    """No types are checked, so there is nothing to wait for: what is read off the status is that the policy has been looked at."""
    obj["status"] = {"observedGeneration": obj["metadata"].get("generation", 1), "typeChecking": {}}


def _prepare_update(new: Object, old: Object) -> None:
    if "status" in old:
        metadata.keep(new, old, "status")
    if new.get("spec") != old.get("spec"):
        metadata.bump_generation(new, old)
        if "status" in new:
            new["status"] = {**new["status"], "observedGeneration": new["metadata"]["generation"]}


def _kind(
    name: str,
    plural: str,
    default: Callable[[Object], None],
    validate: Callable[[Object], list[FieldError]],
    printer: Printer,
    *,
    validating_policy: bool = False,
) -> Kind:
    return Kind(
        group=GROUP,
        version="v1",
        kind=name,
        plural=plural,
        unconditional_update=False,
        singular=name.lower(),
        namespaced=False,
        subresources=("status",) if validating_policy else (),
        has_generation=True,
        printer=printer,
        on_default=default,
        on_prepare_create=_prepare_validating if validating_policy else lambda _: None,
        on_prepare_update=_prepare_update,
        on_validate_create=validate,
        on_validate_update=lambda new, _old: validate(new),
    )


VALIDATING_ADMISSION_POLICY = _kind(
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    _default_policy,
    _validate_validating,
    printers.VALIDATING_POLICY,
    validating_policy=True,
)
VALIDATING_ADMISSION_POLICY_BINDING = _kind(
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    _default_binding,
    lambda obj: _validate_binding(obj, validating=True),
    printers.POLICY_BINDING,
)
MUTATING_ADMISSION_POLICY = _kind(
    "MutatingAdmissionPolicy",
    "mutatingadmissionpolicies",
    _default_policy,
    _validate_mutating,
    printers.MUTATING_POLICY,
)
MUTATING_ADMISSION_POLICY_BINDING = _kind(
    "MutatingAdmissionPolicyBinding",
    "mutatingadmissionpolicybindings",
    _default_binding,
    lambda obj: _validate_binding(obj, validating=False),
    printers.POLICY_BINDING,
)
KINDS = (
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    MUTATING_ADMISSION_POLICY,
    MUTATING_ADMISSION_POLICY_BINDING,
)
