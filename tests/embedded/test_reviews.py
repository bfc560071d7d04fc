"""Questions about access and identity: asked by POST, answered at once, never kept."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from embedded_server import ALICE, TOKEN, pod, serving

from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.media import PROTOBUF
from pytest_daemonset.embedded.protobuf import decoder, encoder, enveloped, opened

API = "https://kubernetes.default.svc"
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
    assert known["status"]["audiences"] == [API]
    assert known["status"]["user"]["username"] == "alice"
    _, unknown = _ask(path, {"spec": {"token": "another"}})
    assert unknown["status"] == {"user": {}, "error": "invalid bearer token"}


@pytest.mark.parametrize(
    ("path", "metadata", "code"),
    [
        (SELF, {"name": "x"}, 422),
        (SELF, {"labels": {"a": "b"}}, 422),
        (SELF, {"managedFields": [{}], "labels": {}}, 201),
        (f"{ACCESS}/subjectaccessreviews", {"namespace": "here"}, 422),
        (f"{ACCESS}/namespaces/here/localsubjectaccessreviews", {"namespace": "here"}, 201),
        (f"{ACCESS}/namespaces/here/localsubjectaccessreviews", {"namespace": "there"}, 400),
        (f"{ACCESS}/namespaces/here/localsubjectaccessreviews", {"name": "x"}, 422),
    ],
)
def test_a_question_has_no_metadata(path, metadata, code):
    spec = {"user": "bob", "resourceAttributes": {"namespace": "here", "verb": "get", "resource": "pods"}}
    if path == SELF:
        del spec["user"]
    assert _ask(path, {"metadata": metadata, "spec": spec})[0] == code


def test_a_token_review_has_a_token():
    for body in ({}, {"spec": {"token": ""}}):
        status, answer = _ask("/apis/authentication.k8s.io/v1/tokenreviews", body)
        assert (status, answer["message"]) == (400, "token is required for TokenReview in authentication")


def test_reviews_can_be_nothing_but_created():
    assert _ask(SELF, None, "GET")[0] == 405
    assert _ask(f"{SELF}/name", {"spec": {}})[0] == 405
    assert _ask(f"{ACCESS}/localsubjectaccessreviews", {"spec": {}})[0] == 405
    assert _ask(SELF, {"spec": []})[0] == 400


ACCOUNTS = "/api/v1/namespaces/here/serviceaccounts"


@contextlib.asynccontextmanager
async def bindable():
    """A server with an account, and a pod of it, a secret and a node to bind tokens to."""
    async with serving() as server:
        server.api.create(ALICE, "serviceaccounts", "here", {"metadata": {"name": "robot"}})
        server.api.create(ALICE, "nodes", "", {"metadata": {"name": "n"}})
        server.api.create(ALICE, "secrets", "here", {"metadata": {"name": "s"}})
        server.api.create(ALICE, "pods", "here", pod("default", "n"))
        mine = pod("p", "n")
        mine["spec"]["serviceAccountName"] = "robot"
        server.api.create(ALICE, "pods", "here", mine)
        yield server


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"kind": "Pod"}, 400, "cannot be handled as a TokenRequest"),
        ({"apiVersion": "v1", "kind": "TokenRequest"}, 400, "cannot be handled as a TokenRequest"),
        ({"metadata": {"name": "other"}}, 422, "must match the service account name if specified"),
        ({"metadata": {"namespace": "there"}}, 422, "must match the service account namespace if specified"),
        ({"metadata": {"uid": "x"}}, 409, "does not match the UID of the service account"),
        ({"spec": {"boundObjectRef": {}}}, 400, "cannot bind token to object of type"),
        ({"spec": {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Pod", "name": "p"}}}, 400, "apps/v1, Kind=Pod"),
        ({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "x"}}}, 404, 'pods "x" not found'),
        ({"spec": {"boundObjectRef": {"kind": "Node", "apiVersion": "v1", "name": "x"}}}, 404, 'nodes "x" not found'),
        ({"spec": {"boundObjectRef": {"kind": "Pod", "name": "default"}}}, 400, "different serviceaccount name"),
        ({"spec": {"boundObjectRef": {"kind": "Secret", "name": "s", "uid": "x"}}}, 409, "UID in record"),
    ],
)
def test_a_token_request_that_fits_nothing_is_refused(request_, code, words):
    async def scenario():
        async with bindable() as server:
            status, refused = await server.ask("POST", f"{ACCOUNTS}/robot/token", request_)
            assert (status, words in refused["message"]) == (code, True), refused

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Pod", "p", "/api/v1/namespaces/here/pods/p?gracePeriodSeconds=0"),
        ("Secret", "s", "/api/v1/namespaces/here/secrets/s"),
        ("Node", "n", "/api/v1/nodes/n"),
    ],
)
def test_a_token_ends_with_what_it_is_bound_to(kind, name, path):
    async def scenario():
        async with bindable() as server:
            wanted = {"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}}}
            status, told = await server.ask("POST", f"{ACCOUNTS}/robot/token", wanted)
            assert (status, told["spec"]["boundObjectRef"]["name"]) == (201, name)
            bearer = f"Bearer {told['status']['token']}"
            who = ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
            status, review = await server.ask(*who, Authorization=bearer)
            user = review["status"]["userInfo"]
            account = server.api.get("serviceaccounts", "here", "robot")
            assert (status, user["uid"]) == (201, account["metadata"]["uid"])
            extra = {key.partition("/")[2]: values[0] for key, values in user["extra"].items()}
            assert (extra.get("pod-name"), extra.get("node-name")) == {
                "Pod": ("p", "n"),
                "Secret": (None, None),
                "Node": (None, "n"),
            }[kind]
            # one of the same name is another one
            assert (await server.ask("DELETE", path))[0] == 200
            if kind == "Secret":
                server.api.create(ALICE, "secrets", "here", {"metadata": {"name": "s"}})
            assert (await server.ask(*who, Authorization=bearer))[0] == 401

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("given", "asked", "counts"),
    [
        ([], [], [API]),
        ([], ["vault"], None),
        ([], ["vault", API], [API]),
        (["vault"], [], None),
        (["vault"], ["vault"], ["vault"]),
        (["vault", API], ["vault", "other"], ["vault"]),
        (["vault", API], [], [API]),
    ],
)
def test_a_token_counts_before_its_audiences(given, asked, counts):
    async def scenario():
        async with bindable() as server:
            _, told = await server.ask("POST", f"{ACCOUNTS}/robot/token", {"spec": {"audiences": given}})
            token = told["status"]["token"]
            review = {"spec": {"token": token, "audiences": asked}}
            _, told = await server.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
            assert told["status"].get("audiences") == counts
            assert told["status"].get("authenticated", False) is (counts is not None)
            # the server lets in whom a token was made for it
            status, _ = await server.ask("GET", "/api/v1/nodes", Authorization=f"Bearer {token}")
            assert status == (200 if API in (given or [API]) else 401)

    asyncio.run(scenario())


def test_a_token_given_out_at_the_start_is_for_the_server():
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    assert "authenticated" not in _ask(path, {"spec": {"token": TOKEN, "audiences": ["vault"]}})[1]["status"]
    assert _ask(path, {"spec": {"token": TOKEN, "audiences": [API, "vault"]}})[1]["status"]["audiences"] == [API]
