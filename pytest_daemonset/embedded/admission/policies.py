"""Policies: expressions that judge a write, and expressions that change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import patches, statuses
from pytest_daemonset.embedded.admission import conditions
from pytest_daemonset.embedded.apply import Live, Managers, ShapeError, Writer, apply
from pytest_daemonset.embedded.cel import LONGEST_MESSAGE, CelError, Program, Struct, compiled, plain
from pytest_daemonset.embedded.kinds.admission import names_in
from pytest_daemonset.embedded.kinds.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_daemonset.embedded.admission.request import Request
    from pytest_daemonset.embedded.calls import Answer, Served

Object = dict[str, Any]

FAILURES = "validation.policy.admission.k8s.io/validation_failure"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


class _Lazy(dict[str, Any]):
    """The declared variables of a policy; each is worked out when it is first asked for."""

    def __init__(self, programs: Mapping[str, Program], others: Mapping[str, Any]) -> None:
        super().__init__()
        self._programs = programs
        self._others = others

    def __contains__(self, name: object) -> bool:
        return name in self._programs

    def __getitem__(self, name: str) -> Any:
        if not dict.__contains__(self, name):
            self[name] = self._programs[name]({**self._others, "variables": self})
        return dict.__getitem__(self, name)


@dataclass(frozen=True)
class Policy:
    """A policy with one of its bindings."""

    object: Object
    binding: Object

    @property
    def name(self) -> str:
        """Of the policy."""
        return str(self.object["metadata"]["name"])

    @property
    def spec(self) -> Object:
        """Of the policy."""
        found: Object = self.object["spec"]
        return found

    @property
    def reinvoked(self) -> bool:
        """Whether it wants to look again at what others have changed."""
        return self.spec.get("reinvocationPolicy") == "IfNeeded"

    @property
    def who(self) -> str:
        """As refusals name it."""
        return f"'{self.name}' with binding '{self.binding['metadata']['name']}'"

    def means(self, request: Request) -> bool:
        """Whether rules and selectors of both, policy and binding, mean the request."""
        constraints = self.spec["matchConstraints"]
        if not request.meant_by(constraints, constraints.get("resourceRules") or ()):
            return False
        narrowed = self.binding["spec"].get("matchResources")
        return narrowed is None or request.meant_by(narrowed, narrowed.get("resourceRules") or None)

    def program(self, text: str) -> Program:
        """One of its expressions."""
        return compiled(text, names_in(self.spec))

    def scopes(self, request: Request) -> Iterator[dict[str, Any]]:
        """The variables of its expressions, once for each parameter, where its conditions hold.

        Raises:
            CelError: a condition has no value, or a parameter is not there.
        """
        base: dict[str, Any] = {
            "object": request.object,
            "oldObject": request.old,
            "request": request.told(),
            "namespaceObject": request.namespace,
        }
        for params in self._params(request):
            scope = {**base, "params": params}
            if self._conditions_hold(scope):
                programs = {each["name"]: self.program(each["expression"]) for each in self.spec.get("variables") or ()}
                yield {**scope, "variables": _Lazy(programs, scope)}

    def _conditions_hold(self, scope: dict[str, Any]) -> bool:
        held, failed = conditions.judge(self.spec, names_in(self.spec) - {"variables"}, scope)
        if held and failed:
            condition, error = failed[-1]
            raise CelError(f"matchCondition {condition['name']}: {error}")
        return held

    def _params(self, request: Request) -> list[Object | None]:
        kind, ref = self.spec.get("paramKind"), self.binding["spec"].get("paramRef")
        if not kind or not ref:
            return [None]
        served = next(
            (
                each
                for each in request.served.values()
                if (each.kind.api_version, each.kind.kind) == (kind["apiVersion"], kind["kind"])
            ),
            None,
        )
        if served is None:
            raise CelError(
                f"failed to configure policy: failed to find resource referenced by paramKind: '{kind['apiVersion']}, Kind={kind['kind']}'"
            )
        found: list[Object | None] = list(_chosen(served, ref, request))
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            raise CelError(
                "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
            )
        return found


def _chosen(served: Served, ref: Object, request: Request) -> Iterator[Object]:
    if served.mirror is not None:
        served.mirror.activate()
    namespace = ref.get("namespace") or request.call.namespace if served.kind.namespaced else ""
    if served.kind.namespaced and not namespace:
        raise CelError(
            "failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    if name := ref.get("name"):
        entry = served.table.entries.get((namespace, name))
        if entry is not None:
            yield entry.object
        return
    for entry in served.table.within(namespace):
        if matches(ref.get("selector") or {}, dict(entry.labels)):
            yield entry.object


def judge(policy: Policy, request: Request, answer: Answer) -> statuses.StatusError | None:
    """Evaluate a validating policy: warn, note, and tell how it refuses (None: it does not)."""
    actions = policy.binding["spec"].get("validationActions") or []
    try:
        found = [failure for scope in policy.scopes(request) for failure in _failures(policy, scope, answer)]
    except CelError as error:
        found = [] if policy.spec["failurePolicy"] == "Ignore" else [(-1, "Invalid", str(error))]
    refused: statuses.StatusError | None = None
    for index, reason, message in found:
        if "Warn" in actions:
            answer.warnings.append(f"Validation failed for ValidatingAdmissionPolicy {policy.who}: {message}")
        if "Audit" in actions:
            _note(answer, policy, index, message, actions)
        if "Deny" in actions and refused is None:
            refused = refusal(request, f"ValidatingAdmissionPolicy {policy.who} denied request: {message}", reason)
    return refused


def _failures(policy: Policy, scope: Mapping[str, Any], answer: Answer) -> Iterator[tuple[int, str, str]]:
    ignoring = policy.spec["failurePolicy"] == "Ignore"
    for index, each in enumerate(policy.spec.get("validations") or ()):
        text = each["expression"]
        try:
            if policy.program(text).truth(scope):
                continue
        except CelError as error:
            if not ignoring:
                yield index, "Invalid", f"expression '{text}' resulted in error: {error}"
            continue
        yield index, each.get("reason") or "Invalid", _message(policy, each, scope)
    for each in policy.spec.get("auditAnnotations") or ():
        try:
            value = policy.program(each["valueExpression"])(scope)
        except CelError as error:
            if not ignoring:
                yield -1, "Invalid", f"expression '{each['valueExpression']}' resulted in error: {error}"
            continue
        if isinstance(value, str) and value:
            answer.annotations.setdefault(f"{policy.name}/{each['key']}", value[: 2 * LONGEST_MESSAGE])


def _message(policy: Policy, validation: Object, scope: Mapping[str, Any]) -> str:
    if (text := validation.get("messageExpression")) and (said := policy.program(text).message(scope)):
        return said
    return str(validation.get("message", "")).strip() or f"failed expression: {validation['expression'].strip()}"


def _note(answer: Answer, policy: Policy, index: int, message: str, actions: list[str]) -> None:
    told = orjson.loads(answer.annotations.get(FAILURES, "[]"))
    told.append(
        {
            "message": message,
            "policy": policy.name,
            "binding": policy.binding["metadata"]["name"],
            "expressionIndex": index,
            "validationActions": actions,
        }
    )
    answer.annotations[FAILURES] = orjson.dumps(told).decode()


def refusal(request: Request, why: str, reason: str) -> statuses.StatusError:
    """How a refused request is answered."""
    kind = request.call.kind
    forbidden = statuses.forbidden(kind.group, kind.plural, request.name, why)
    details = {**(forbidden.details or {}), "causes": [{"message": why}]}
    return statuses.StatusError(_CODES[reason], reason, forbidden.message, details)


def change(policy: Policy, request: Request) -> Object:
    """The object as a mutating policy makes it.

    Raises:
        StatusError: 422, the policy could not be evaluated, and it is to fail then.
    """
    assert request.object is not None  # noqa: S101 - who calls has looked
    whole: Object = orjson.loads(orjson.dumps(request.object))
    changed = whole
    try:
        for scope in policy.scopes(request):
            for mutation in policy.spec.get("mutations") or ():
                changed = _mutated(policy, request, mutation, {**scope, "object": changed})
    except (CelError, ShapeError, statuses.StatusError) as error:
        if policy.spec["failurePolicy"] == "Ignore":
            return request.object
        raise refusal(request, f"policy {policy.who} denied request: {error}", "Invalid") from None
    return changed


def _mutated(policy: Policy, request: Request, mutation: Object, scope: dict[str, Any]) -> Object:
    obj: Object = orjson.loads(orjson.dumps(scope["object"]))
    if mutation["patchType"] == "JSONPatch":
        found = policy.program(mutation["jsonPatch"]["expression"])(scope)
        if not isinstance(found, list) or not all(isinstance(each, Struct) for each in found):
            raise CelError("type mismatch: JSONPatchType.operations should be list of JSONPatch")
        return patches.apply(obj, orjson.dumps(plain(found)), patches.JSON, {})
    wanted = policy.program(mutation["applyConfiguration"]["expression"])(scope)
    if not isinstance(wanted, Struct) or wanted.name != "Object":
        raise CelError("must evaluate to Object")
    config = plain(wanted)
    writer = Writer(policy.name, "Apply", request.call.kind.api_version)
    return apply(request.call.served.shape, Live(obj, Managers()), config, writer, force=True, time="")
