"""Questions about access and identity: asked by POST, answered at once, never kept."""

from __future__ import annotations

import asyncio

import pytest
from embedded_server import TOKEN, serving

from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.media import PROTOBUF
from pytest_daemonset.embedded.protobuf import decoder, encoder, enveloped, opened

ACCESS = "/apis/authorization.k8s.io/v1"
SELF = f"{ACCESS}/selfsubjectaccessreviews"


def _ask(path, body, method="POST", **headers):
    async def scenario():
        async with serving() as server:
            return await server.ask(method, path, body, **headers)

    return asyncio.run(scenario())


def test_whoever_has_a_token_may_do_everything():
    about = {"verb": "delete", "group": "apps", "resource": "daemonsets", "namespace": "here"}
    status, review = _ask(SELF, {"spec": {"resourceAttributes": about}})
    assert (status, review["kind"], review["status"]) == (201, "SelfSubjectAccessReview", {"allowed": True})
    assert review["spec"] == {"resourceAttributes": about}


def test_kubectl_asks_in_protobuf():
    message = MESSAGES["SelfSubjectAccessReview"]
    asked = encoder(message)({"metadata": {}, "spec": {"nonResourceAttributes": {"verb": "get", "path": "/healthz"}}})
    body = enveloped("authorization.k8s.io/v1", "SelfSubjectAccessReview", asked)
    status, answer = _ask(SELF, body, Content_Type=PROTOBUF, Accept=f"{PROTOBUF},application/json")
    assert (status, decoder(message)(opened(answer).raw)["status"]["allowed"]) == (201, True)


def test_rules_and_identity_are_told():
    _, rules = _ask(f"{ACCESS}/selfsubjectrulesreviews", {"spec": {"namespace": "here"}})
    assert rules["status"]["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert rules["status"]["incomplete"] is False
    assert _ask(f"{ACCESS}/selfsubjectrulesreviews", {"spec": {}})[0] == 400
    _, who = _ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert who["status"]["userInfo"] == {"username": "alice", "groups": ["testers", "system:authenticated"]}


@pytest.mark.parametrize(
    ("path", "spec", "fields"),
    [
        (SELF, {}, ["spec.resourceAttributes"]),
        (SELF, {"resourceAttributes": {}, "nonResourceAttributes": {}}, ["spec.nonResourceAttributes"]),
        (f"{ACCESS}/subjectaccessreviews", {"resourceAttributes": {"verb": "get"}}, ["spec.user"]),
        (
            f"{ACCESS}/namespaces/here/localsubjectaccessreviews",
            {"user": "bob", "resourceAttributes": {"namespace": "there"}},
            ["spec.resourceAttributes.namespace"],
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_invalid(path, spec, fields):
    status, answer = _ask(path, {"spec": spec})
    assert (status, [each["field"] for each in answer["details"]["causes"]]) == (422, fields)


def test_a_token_is_known_or_not():
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, known = _ask(path, {"spec": {"token": TOKEN}})
    assert known["status"]["authenticated"] is True
    assert known["status"]["user"]["username"] == "alice"
    _, unknown = _ask(path, {"spec": {"token": "another"}})
    assert unknown["status"] == {"user": {}}


def test_reviews_can_be_nothing_but_created():
    assert _ask(SELF, None, "GET")[0] == 405
    assert _ask(f"{SELF}/name", {"spec": {}})[0] == 405
    assert _ask(f"{ACCESS}/localsubjectaccessreviews", {"spec": {}})[0] == 405
    assert _ask(SELF, {"spec": []})[0] == 400
