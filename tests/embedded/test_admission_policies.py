"""Policies in CEL that refuse, warn and change: how a create fails in real life."""

from __future__ import annotations

from typing import Any

import pytest
from embedded_server import ALICE, Object, config_map, make_api, pod, serving

from pytest_daemonset.embedded.statuses import StatusError

GROUP = "admissionregistration.k8s.io"
POLICIES, BINDINGS = f"validatingadmissionpolicies.{GROUP}", f"validatingadmissionpolicybindings.{GROUP}"
MUTATING, MUTATING_BINDINGS = f"mutatingadmissionpolicies.{GROUP}", f"mutatingadmissionpolicybindings.{GROUP}"


def rules(resources: str = "pods", *operations: str, group: str = "") -> Object:
    rule = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "resources": [resources],
        "operations": operations or ["CREATE"],
    }
    return {"resourceRules": [rule]}


def policy(name: str, *expressions: str | Object, **spec: Any) -> Object:
    said = [{"expression": each} if isinstance(each, str) else each for each in expressions]
    return {"metadata": {"name": name}, "spec": {"matchConstraints": rules(), "validations": said, **spec}}


def bound(name: str, *actions: str, **spec: Any) -> Object:
    return {
        "metadata": {"name": f"{name}-here"},
        "spec": {"policyName": name, "validationActions": actions or ["Deny"], **spec},
    }


def put(api: Any, *objects: Object) -> None:
    for each in objects:
        spec = each["spec"]
        kinds = (MUTATING, MUTATING_BINDINGS) if "mutations" in spec or spec.get("mutating") else (POLICIES, BINDINGS)
        spec.pop("mutating", None)
        api.create(ALICE, kinds["policyName" in spec], "", each)


def test_a_policy_refuses_as_kubernetes_words_it() -> None:
    api = make_api()
    put(api, policy("no-x", "!object.spec.?nodeName.orValue('').startsWith('x')"), bound("no-x"))
    api.create(ALICE, "pods", "here", pod("fine", "y1"))
    with pytest.raises(StatusError) as refused:
        api.create(ALICE, "pods", "here", pod("bad", "x1"))
    why = (
        "ValidatingAdmissionPolicy 'no-x' with binding 'no-x-here' denied request: "
        "failed expression: !object.spec.?nodeName.orValue('').startsWith('x')"
    )
    assert refused.value.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'pods "bad" is forbidden: {why}',
        "reason": "Invalid",
        "details": {"name": "bad", "kind": "pods", "causes": [{"message": why}]},
        "code": 422,
    }
    assert api.get("pods", "here", "bad") is None


def test_a_policy_without_a_binding_and_one_that_was_taken_away_refuse_nothing() -> None:
    api = make_api()
    put(api, policy("never", "false"))
    api.create(ALICE, "pods", "here", pod("a"))
    put(api, bound("never"))
    with pytest.raises(StatusError):
        api.create(ALICE, "pods", "here", pod("b"))
    api.delete(ALICE, BINDINGS, "", "never-here")
    api.create(ALICE, "pods", "here", pod("b"))


@pytest.mark.parametrize(
    ("reason", "code"), [("Forbidden", 403), ("Invalid", 422), ("Unauthorized", 401), ("RequestEntityTooLarge", 413)]
)
def test_reason_and_message_are_the_policys_own(reason: str, code: int) -> None:
    api = make_api()
    said = {
        "expression": "false",
        "reason": reason,
        "message": "plain",
        "messageExpression": "'not ' + object.metadata.name",
    }
    put(api, policy("p", said), bound("p"))
    with pytest.raises(StatusError, match=r"denied request: not a$") as refused:
        api.create(ALICE, "pods", "here", pod("a"))
    assert (refused.value.code, refused.value.reason) == (code, reason)


def test_an_expression_that_fails_refuses_unless_failures_are_ignored() -> None:
    api = make_api()
    put(api, policy("p", "object.spec.nothing == 1"), bound("p"))
    with pytest.raises(StatusError, match="resulted in error: no such key: nothing"):
        api.create(ALICE, "pods", "here", pod("a"))
    api.patch(ALICE, POLICIES, "", "p", {"spec": {"failurePolicy": "Ignore"}})
    api.create(ALICE, "pods", "here", pod("a"))


def test_updates_deletions_status_and_scope_are_told_apart() -> None:
    api = make_api()
    matching = {"matchConstraints": rules("configmaps", "UPDATE", "DELETE")}
    expression = "request.operation == 'DELETE' ? oldObject.data.k == 'gone' : object.data.k != oldObject.data.k"
    put(api, policy("p", expression, **matching), bound("p"))
    api.create(ALICE, "configmaps", "here", config_map("c"))
    with pytest.raises(StatusError):
        api.patch(ALICE, "configmaps", "here", "c", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(StatusError):
        api.delete(ALICE, "configmaps", "here", "c")
    api.patch(ALICE, "configmaps", "here", "c", {"data": {"k": "gone"}})
    api.delete(ALICE, "configmaps", "here", "c")
    put(api, policy("binding", "object.target.name != 'n1'", matchConstraints=rules("pods/binding")), bound("binding"))
    api.create(ALICE, "pods", "here", pod("a"))
    with pytest.raises(StatusError, match="denied"):
        api.create(ALICE, "pods", "here", {"metadata": {"name": "a"}, "target": {"name": "n1"}}, "a", "binding")
    api.create(ALICE, "pods", "here", {"metadata": {"name": "a"}, "target": {"name": "n2"}}, "a", "binding")


def test_selectors_conditions_and_bindings_narrow_what_is_judged() -> None:
    api = make_api()
    api.create(ALICE, "namespaces", "", {"metadata": {"name": "there", "labels": {"strict": "yes"}}})
    condition = [{"name": "not-bob", "expression": "request.userInfo.username != 'bob'"}]
    selector = {"matchResources": {"namespaceSelector": {"matchLabels": {"strict": "yes"}}}}
    matching = {**rules(), "objectSelector": {"matchLabels": {"app": "x"}}}
    put(api, policy("p", "false", matchConstraints=matching, matchConditions=condition), bound("p", **selector))
    labelled = {"labels": {"app": "x"}}
    api.create(ALICE, "pods", "here", pod("a", **labelled))
    api.create(ALICE, "pods", "there", pod("a"))
    bob = type(ALICE)("bob", (), "")
    api.create(bob, "pods", "there", pod("b", **labelled))
    with pytest.raises(StatusError):
        api.create(ALICE, "pods", "there", pod("c", **labelled))


def test_parameters_and_declared_variables_reach_the_expressions() -> None:
    api = make_api()
    kind = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
    variables = [
        {"name": "most", "expression": "int(params.data.most)"},
        {"name": "n", "expression": "variables.most + 0"},
    ]
    put(api, policy("p", "object.spec.containers.size() <= variables.n", variables=variables, **kind))
    put(api, bound("p", paramRef={"name": "limits", "parameterNotFoundAction": "Deny"}))
    with pytest.raises(StatusError, match="no params found"):
        api.create(ALICE, "pods", "here", pod("a"))
    api.create(ALICE, "configmaps", "here", {"metadata": {"name": "limits"}, "data": {"most": "0"}})
    with pytest.raises(StatusError, match="failed expression"):
        api.create(ALICE, "pods", "here", pod("a"))
    api.patch(ALICE, "configmaps", "here", "limits", {"data": {"most": "1"}})
    api.create(ALICE, "pods", "here", pod("a"))


@pytest.mark.asyncio
async def test_warnings_are_headers() -> None:
    async with serving() as session:
        put(session.api, policy("p", "false"), bound("p", "Warn", "Audit"))
        async with session._session.post("/api/v1/namespaces/here/pods", json=pod("a")) as answer:
            assert answer.status == 201
            warned = answer.headers.getall("Warning")
        assert warned == [
            "299 - \"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-here': failed expression: false\""
        ]


@pytest.mark.parametrize(
    ("expression", "code", "why"),
    [
        ("object.spec.", 422, "Syntax error"),
        ("nobody == 1", 422, "undeclared reference to 'nobody'"),
        ("object.x.frobnicate()", 422, "undeclared reference to 'frobnicate'"),
        ("authorizer.path('/x').check('get').allowed()", 501, "does not imitate"),
    ],
)
def test_an_expression_that_cannot_be_read_is_refused_at_once(expression: str, code: int, why: str) -> None:
    with pytest.raises(StatusError, match=why) as refused:
        put(make_api(), policy("p", expression))
    assert refused.value.code == code


def mutating(name: str, *mutations: Object, **spec: Any) -> list[Object]:
    base = {"matchConstraints": rules(), "mutations": mutations, "reinvocationPolicy": "Never", **spec}
    binding = {"metadata": {"name": f"{name}-here"}, "spec": {"policyName": name, "mutating": True}}
    return [{"metadata": {"name": name}, "spec": base}, binding]


STRIP = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/metadata/labels'}]"}}


def test_a_policy_strips_labels_from_new_pods() -> None:
    api = make_api()
    condition = [{"name": "labelled", "expression": "has(object.metadata.labels)"}]
    put(api, *mutating("strip", STRIP, matchConditions=condition))
    kept = api.create(ALICE, "pods", "here", pod("a", labels={"app": "x"}))
    assert "labels" not in kept["metadata"]
    assert api.list("pods", "here", "app=x") == []
    api.create(ALICE, "pods", "here", pod("b"))


def test_a_policy_applies_a_configuration_and_what_it_leaves_out_is_filled_in() -> None:
    api = make_api()
    expression = (
        "Object{metadata: Object.metadata{labels: {'made': 'so'}}, spec: Object.spec{initContainers: "
        "[Object.spec.initContainers{name: 'proxy', image: 'proxy:1'}]}}"
    )
    put(api, *mutating("more", {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}))
    kept = api.create(ALICE, "pods", "here", pod("a", labels={"app": "x"}))
    assert kept["metadata"]["labels"] == {"app": "x", "made": "so"}
    assert kept["spec"]["initContainers"][0]["terminationMessagePolicy"] == "File"


def test_what_changes_comes_before_what_judges_and_may_come_twice() -> None:
    api = make_api()
    add = "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'seen': string(has(object.metadata.labels))}}]"
    look = {"patchType": "JSONPatch", "jsonPatch": {"expression": add}}
    put(api, *mutating("a-look", look, reinvocationPolicy="IfNeeded"), *mutating("b-strip", STRIP))
    put(api, policy("p", "!has(object.metadata.labels)"), bound("p"))
    kept = api.create(ALICE, "pods", "here", pod("a", labels={"app": "x"}))
    assert kept["metadata"]["annotations"] == {"seen": "false"}


def test_a_mutation_that_fails_refuses_unless_failures_are_ignored() -> None:
    api = make_api()
    put(api, *mutating("strip", STRIP))
    with pytest.raises(StatusError, match="policy 'strip' with binding 'strip-here' denied request"):
        api.create(ALICE, "pods", "here", pod("a"))
    api.patch(ALICE, MUTATING, "", "strip", {"spec": {"failurePolicy": "Ignore"}})
    api.create(ALICE, "pods", "here", pod("a"))


def test_policies_never_judge_policies() -> None:
    api = make_api()
    everything = {
        "resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}]
    }
    put(api, policy("never", "false", matchConstraints=everything), bound("never"))
    with pytest.raises(StatusError):
        api.delete(ALICE, "namespaces", "", "here")
    api.delete(ALICE, BINDINGS, "", "never-here")
    api.delete(ALICE, "namespaces", "", "here")
