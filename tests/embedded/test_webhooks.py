"""Admission webhooks: what they are asked, what their answers do, and that nobody waits for them but the request that needs them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from aiohttp import web
from control_loops import collecting
from embedded_server import Object, Session, config_map, pod, serving
from webhook_server import ALLOWED, GROUP, Hooks, patch

from pytest_daemonset.embedded.audit import AuditLog

pytestmark = pytest.mark.asyncio

MAPS = "/api/v1/namespaces/here/configmaps"
PODS = "/api/v1/namespaces/here/pods"
MERGE = "application/merge-patch+json"


def denies(**status: Any) -> Any:
    return lambda _: {"allowed": False, "status": status}


async def refused(session: Session, method: str, path: str, body: Any = None, **headers: str) -> Object:
    code, said = await session.ask(method, path, body, **headers)
    assert code == said["code"]
    return said


async def test_the_third_pod_is_refused_as_kubernetes_words_it() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        made = 0

        def judge(request: Object) -> Object:
            nonlocal made
            made += 1
            status = {"message": f"{request['name']} is one too many", "code": 403, "reason": "Forbidden"}
            return {"allowed": made < 3, "status": status}

        await hooks.add("most", judge, rule={"resources": ["pods"]})
        assert [(await session.ask("POST", PODS, pod(name)))[0] for name in ("a", "b", "c", "d")] == [
            201,
            201,
            403,
            403,
        ]
        assert (await refused(session, "POST", PODS, pod("e"))) == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'admission webhook "most.example.com" denied the request: e is one too many',
            "reason": "Forbidden",
            "code": 403,
        }
        assert made == 5


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ({}, 400, " without explanation"),
        ({"reason": "Forbidden"}, 400, ": Forbidden"),
        ({"message": "no", "code": 200, "status": "Success"}, 400, ": no"),
        ({"message": "no", "code": 422}, 422, ": no"),
    ],
)
async def test_a_refusal_is_never_a_success(status: Object, code: int, message: str) -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("no", denies(**status))
        said = await refused(session, "POST", MAPS, config_map("a"))
        assert (said["code"], said["message"]) == (
            code,
            f'admission webhook "no.example.com" denied the request{message}',
        )


async def test_a_request_is_told_in_full() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("ask", rule={"operations": ["*"]})
        await session.ask("POST", f"{MAPS}?fieldManager=me&fieldValidation=Strict", config_map("a"))
        await session.ask("PATCH", f"{MAPS}/a?dryRun=All", {"data": {"k": "w"}}, Content_Type=MERGE)
        await session.ask("DELETE", f"{MAPS}/a", {"propagationPolicy": "Foreground"})
    (_, new), (_, changed), (_, gone) = hooks.said
    kept = new.pop("object")
    assert (kept["kind"], kept["apiVersion"], kept["data"]) == ("ConfigMap", "v1", {"k": "v"})
    assert kept["metadata"]["uid"]
    assert kept["metadata"]["creationTimestamp"]
    assert new.pop("uid") != changed["uid"]
    assert new == {
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "requestKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
        "name": "a",
        "namespace": "here",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["testers", "system:authenticated"]},
        "oldObject": None,
        "dryRun": False,
        "options": {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "fieldManager": "me",
            "fieldValidation": "Strict",
        },
    }
    assert (changed["oldObject"]["data"], changed["object"]["data"], changed["dryRun"]) == (
        {"k": "v"},
        {"k": "w"},
        True,
    )
    assert changed["options"] == {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"]}
    assert (gone["object"], gone["oldObject"]["data"], gone["operation"]) == (None, {"k": "v"}, "DELETE")
    assert gone["options"] == {
        "kind": "DeleteOptions",
        "apiVersion": "meta.k8s.io/v1",
        "propagationPolicy": "Foreground",
    }


async def test_a_generated_name_is_drawn_once_and_the_judged_object_is_the_one_kept() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("change", mutating=True)
        await hooks.add("judge")
        body = {"metadata": {"generateName": "x-"}}
        _, kept = await session.ask("POST", MAPS, body)
    (_, changing), (_, judging) = hooks.said
    assert "name" not in changing
    assert "name" not in changing["object"]["metadata"]
    assert judging["name"] == kept["metadata"]["name"]
    assert judging["object"]["metadata"]["uid"] == kept["metadata"]["uid"]


async def test_parts_of_objects_are_asked_about_by_their_own_rules() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("parts", rule={"resources": ["pods/*"], "operations": ["*"]})
        await session.ask("POST", PODS, pod("a"))
        await session.ask("PATCH", f"{PODS}/a/status", {"status": {"phase": "Running"}}, Content_Type=MERGE)
        await session.ask("POST", f"{PODS}/a/binding", {"metadata": {"name": "a"}, "target": {"name": "n1"}})
        await session.ask("POST", f"{PODS}/a/eviction", {"metadata": {"name": "a"}})
    asked = [(request["operation"], request.get("subResource"), request["kind"]["kind"]) for _, request in hooks.said]
    assert asked == [
        ("CREATE", None, "Pod"),  # as in Kubernetes, `pods/*` means the pods too
        ("UPDATE", "status", "Pod"),
        ("CREATE", "binding", "Binding"),
        ("CREATE", "eviction", "Eviction"),
    ]


async def test_rules_scopes_selectors_and_conditions_choose() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await session.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "strict", "labels": {"strict": "yes"}}})
        everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}
        await hooks.add("cluster", rule={**everything, "scope": "Cluster"})
        await hooks.add("space", rule=everything, namespaceSelector={"matchLabels": {"strict": "yes"}})
        await hooks.add("label", objectSelector={"matchLabels": {"app": "x"}})
        condition = {"name": "named", "expression": "object.metadata.name == 'c' && request.operation == 'CREATE'"}
        await hooks.add("condition", matchConditions=[condition])
        hooks.said.clear()
        await session.ask("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
        await session.ask("POST", "/api/v1/namespaces/strict/configmaps", config_map("a"))
        await session.ask("POST", MAPS, config_map("b", app="x"))
        await session.ask("POST", MAPS, config_map("c"))
    asked = sorted((name, request["name"]) for name, request in hooks.said)
    # as in Kubernetes, what lives in no namespace is meant by every namespaceSelector
    assert asked == [("cluster", "n"), ("condition", "c"), ("label", "b"), ("space", "a"), ("space", "n")]


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_condition_without_a_value_refuses_unless_failures_are_ignored(policy: str) -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        condition = {"name": "odd", "expression": "object.nothing.there == 1"}
        await hooks.add("odd", matchConditions=[condition], failurePolicy=policy)
        code, said = await session.ask("POST", MAPS, config_map("a"))
        text = "expression 'object.nothing.there == 1' resulted in error: no such key: nothing"
        assert (code, said.get("message")) == {
            "Fail": (403, f'configmaps "a" is forbidden: {text}'),
            "Ignore": (201, None),
        }[policy]
        assert not hooks.said


async def test_another_version_of_the_same_object_is_meant_too_unless_the_match_is_exact() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        other = {"apiGroups": ["events.k8s.io"], "resources": ["events"]}
        await hooks.add(
            "same", lambda _: patch({"op": "add", "path": "/note", "value": "n"}), mutating=True, rule=other
        )
        await hooks.add("exact", rule=other, matchPolicy="Exact")
        event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "here"}, "reason": "R", "message": "m"}
        code, kept = await session.ask("POST", "/api/v1/namespaces/here/events", event)
    ((name, request),) = hooks.said
    assert (name, request["kind"]["group"], request["requestKind"]["group"]) == ("same", "events.k8s.io", "")
    assert (request["object"]["apiVersion"], request["object"]["note"]) == ("events.k8s.io/v1", "m")
    assert (code, kept["apiVersion"], kept["message"]) == (201, "v1", "n")


async def test_what_changes_comes_first_in_turn_and_what_it_leaves_out_is_filled_in() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        container = {"name": "proxy", "image": "proxy:1"}
        pods = {"resources": ["pods"]}
        await hooks.add(
            "b",
            lambda _: patch({"op": "add", "path": "/spec/containers/-", "value": container}),
            mutating=True,
            rule=pods,
        )
        await hooks.add(
            "a",
            lambda _: patch({"op": "add", "path": "/metadata/labels", "value": {"a": "1"}}),
            mutating=True,
            rule=pods,
        )
        await hooks.add("judge", rule=pods)
        code, kept = await session.ask("POST", PODS, pod("p"))
        assert code == 201
    assert [name for name, _ in hooks.said] == ["a", "b", "judge"]
    assert hooks.said[1][1]["object"]["metadata"]["labels"] == {"a": "1"}
    assert hooks.said[2][1]["object"]["spec"] == kept["spec"]
    assert kept["spec"]["containers"][1]["terminationMessagePolicy"] == "File"


async def test_who_wants_to_looks_again_at_what_a_later_one_changed() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:

        def count(request: Object) -> Object:
            seen = len(request["object"]["data"])
            return patch({"op": "add", "path": "/metadata/annotations", "value": {"seen": str(seen)}})

        await hooks.add("a-count", count, mutating=True, reinvocationPolicy="IfNeeded")
        await hooks.add("b-never", mutating=True)
        await hooks.add("c-add", lambda _: patch({"op": "add", "path": "/data/more", "value": "1"}), mutating=True)
        _, kept = await session.ask("POST", MAPS, config_map("x"))
    assert [name for name, _ in hooks.said] == ["a-count", "b-never", "c-add", "a-count"]
    assert kept["metadata"]["annotations"] == {"seen": "2"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"allowed": True, "patch": "W10="}, "webhook returned response.patch but not response.patchType"),
        ({"allowed": True, "patchType": "JSONPatch"}, "webhook returned response.patchType but not response.patch"),
        ({**ALLOWED, "uid": "other"}, 'got "other"'),
        (patch({"op": "remove", "path": "/nothing"}), "nothing"),
        (patch({"op": "add", "path": "/data", "value": 5}), "data"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_internal_error(answer: Object, message: str) -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("odd", lambda _: answer, mutating=True)
        said = await refused(session, "POST", MAPS, config_map("a"))
        assert (said["code"], said["reason"]) == (500, "InternalError")
        assert message in said["message"]
        assert (await session.ask("GET", f"{MAPS}/a"))[0] == 404


async def test_a_change_is_judged_like_any_other_object() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("bad", lambda _: patch({"op": "add", "path": "/data/a b", "value": "x"}), mutating=True)
        said = await refused(session, "POST", MAPS, config_map("a"))
        assert (said["code"], said["details"]["causes"][0]["field"]) == (422, "data[a b]")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            web.Response(status=500, text="oops"),
            'an error on the server ("unknown") has prevented the request from succeeding',
        ),
        (web.Response(text=""), "0-length response with status code: 200 and content type: application/json"),
        (web.Response(text="{}"), "webhook response was absent"),
    ],
)
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_webhook_that_fails_refuses_unless_failures_are_ignored(
    answer: web.Response, why: str, policy: str
) -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("odd", lambda _: answer.__class__(status=answer.status, text=answer.text), failurePolicy=policy)
        code, said = await session.ask("POST", MAPS, config_map("a"))
        if policy == "Ignore":
            assert code == 201
        else:
            assert code == 500
            assert said["message"].startswith('Internal error occurred: failed calling webhook "odd.example.com": ')
            assert said["message"].endswith(why)


async def test_a_webhook_that_cannot_be_reached_or_trusted_is_told_as_by_kubernetes() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await hooks.add("gone", clientConfig={"url": "https://127.0.0.1:1/x"})
        said = await refused(session, "POST", MAPS, config_map("a"))
        assert said["message"] == (
            'Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: '
            'Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused'
        )
        await session.ask("DELETE", f"{GROUP}/validatingwebhookconfigurations/gone")
        await hooks.add("odd", clientConfig={"url": f"https://127.0.0.1:{hooks.port}/odd"})
        said = await refused(session, "POST", MAPS, config_map("a"))
        assert said["message"].endswith(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        )


async def test_a_webhook_that_is_too_slow_has_failed() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        never = asyncio.Event()

        async def think(_: Object) -> Object:
            await never.wait()
            return ALLOWED

        await hooks.add("slow", think, timeoutSeconds=1)
        said = await refused(session, "POST", MAPS, config_map("a"))
        assert said["message"].endswith('/slow?timeout=1s": context deadline exceeded')
        never.set()


async def test_a_webhook_that_thinks_holds_its_own_request_only_and_may_ask_back() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        asked, go = asyncio.Event(), asyncio.Event()

        async def think(request: Object) -> Object:
            if request["name"] != "held":
                return ALLOWED
            asked.set()
            await go.wait()
            # a write that goes through this very webhook
            code, _ = await session.ask("POST", MAPS, config_map("from-the-webhook"))
            return {"allowed": code == 201}

        await hooks.add("slow", think)
        held = asyncio.ensure_future(session.ask("POST", MAPS, config_map("held")))
        await asked.wait()
        assert (await session.ask("POST", MAPS, config_map("other")))[0] == 201
        assert (await session.ask("GET", f"{MAPS}/held"))[0] == 404
        assert not held.done()
        go.set()
        assert (await held)[0] == 201
        assert (await session.ask("GET", f"{MAPS}/from-the-webhook"))[0] == 200


async def test_what_changed_while_a_webhook_thought_is_judged_again_and_not_lost() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        await session.ask("POST", MAPS, config_map("a"))
        asked, go = asyncio.Event(), asyncio.Event()

        async def think(request: Object) -> Object:
            if "slow" in request["object"]["data"] and not asked.is_set():
                asked.set()
                await go.wait()
            return ALLOWED

        await hooks.add("slow", think)
        held = asyncio.ensure_future(session.ask("PATCH", f"{MAPS}/a", {"data": {"slow": "1"}}, Content_Type=MERGE))
        await asked.wait()
        await session.ask("PATCH", f"{MAPS}/a", {"data": {"quick": "1"}}, Content_Type=MERGE)
        go.set()
        _, kept = await held
    assert kept["data"] == {"k": "v", "slow": "1", "quick": "1"}
    assert hooks.said[-1][1]["object"]["data"] == kept["data"]


async def test_warnings_and_notes_reach_the_client_and_the_audit_log(tmp_path: Any) -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        session.api.audit = AuditLog(tmp_path / "audit.log")
        notes = {"auditAnnotations": {"why": "because"}, "warnings": ["look out", "two\nlines"]}
        await hooks.add("no", lambda _: {"allowed": False, **notes})
        await hooks.add("label", lambda _: {**patch({"op": "add", "path": "/data/x", "value": "1"})}, mutating=True)
        async with session._session.post(MAPS, json=config_map("a")) as answer:
            assert (answer.status, answer.headers.getall("Warning")) == (400, ['299 - "look out"'])
        session.api.audit.close()
    line = orjson.loads((tmp_path / "audit.log").read_bytes().splitlines()[-1])
    assert line["responseStatus"]["code"] == 400
    told = {"configuration": "label", "webhook": "label.example.com"}
    assert {key: orjson.loads(text) if text[0] == "{" else text for key, text in line["annotations"].items()} == {
        "no.example.com/why": "because",
        "mutation.webhook.admission.k8s.io/round_0_index_0": {**told, "mutated": True},
        "patch.webhook.admission.k8s.io/round_0_index_0": {
            **told,
            "patch": [{"op": "add", "path": "/data/x", "value": "1"}],
            "patchType": "JSONPatch",
        },
    }


async def test_quotas_are_asked_after_webhooks() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
        await session.ask("POST", "/api/v1/namespaces/here/resourcequotas", quota)
        await hooks.add("ask", rule={"resources": ["pods"]})
        said = await refused(session, "POST", PODS, pod("a"))
        assert "exceeded quota" in said["message"]
    assert hooks.told() == [("ask", "CREATE", "a")]


async def test_a_collection_goes_whole_or_not_at_all() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        for name in ("a", "b", "c"):
            await session.ask("POST", MAPS, config_map(name))
        await hooks.add(
            "keep-b",
            lambda told: {"allowed": told["oldObject"]["metadata"]["name"] != "b"},
            rule={"operations": ["DELETE"]},
        )
        assert (await session.ask("DELETE", MAPS))[0] == 400
        assert len(hooks.said) == 3
        assert len((await session.ask("GET", MAPS))[1]["items"]) == 3


async def test_webhooks_are_never_asked_about_webhooks() -> None:
    async with serving() as session, Hooks(session).listening() as hooks:
        everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
        await hooks.add("never", denies(), rule=everything)
        assert (await session.ask("DELETE", "/api/v1/namespaces/here"))[0] == 400
        assert (await session.ask("DELETE", f"{GROUP}/validatingwebhookconfigurations/never"))[0] == 200
        assert (await session.ask("DELETE", "/api/v1/namespaces/here"))[0] == 200


async def test_a_webhook_behind_a_service_is_refused_when_it_is_configured() -> None:
    async with serving() as session:
        service = {"namespace": "here", "name": "hook"}
        hook = {
            "name": "a.b.c",
            "clientConfig": {"service": service},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        body = {"metadata": {"name": "x"}, "webhooks": [hook]}
        said = await refused(session, "POST", f"{GROUP}/validatingwebhookconfigurations", body)
        assert said["code"] == 501
        assert "clientConfig.url" in said["message"]


async def test_a_configuration_that_makes_no_sense_is_told_field_by_field() -> None:
    async with serving() as session:
        hook = {
            "name": "short",
            "clientConfig": {"url": "http://me@x/y?q#f"},
            "rules": [{"apiGroups": ["*", "a"], "apiVersions": [], "resources": ["pods"], "operations": ["FOO"]}],
            "timeoutSeconds": 40,
            "matchConditions": [{"name": "", "expression": "nobody"}],
        }
        body = {"metadata": {"name": "x"}, "webhooks": [hook]}
        said = await refused(session, "POST", f"{GROUP}/mutatingwebhookconfigurations", body)
    assert [cause["field"].removeprefix("webhooks[0].") for cause in said["details"]["causes"]] == [
        "name",
        "rules[0].operations[0]",
        "rules[0].apiGroups",
        "rules[0].apiVersions",
        "sideEffects",
        "timeoutSeconds",
        *["clientConfig.url"] * 4,
        "matchConditions[0].expression",
        "matchConditions[0].name",
        "admissionReviewVersions",
    ]


async def test_a_loop_whose_writes_are_refused_goes_on_and_does_them_later() -> None:
    async with serving() as session, Hooks(session).listening() as hooks, collecting(session.api):
        allowed = False

        asked = asyncio.Event()

        def judge(_: Object) -> Object:
            asked.set()
            return {"allowed": allowed}

        await hooks.add("keep", judge, rule={"operations": ["DELETE"]})
        _, owner = await session.ask("POST", PODS, pod("owner"))
        reference = {"apiVersion": "v1", "kind": "Pod", "name": "owner", "uid": owner["metadata"]["uid"]}
        owned = config_map("owned")
        owned["metadata"]["ownerReferences"] = [reference]
        await session.ask("POST", MAPS, owned)
        async with session.watch(f"{MAPS}?watch=true") as stream:
            await stream.take(1)
            await session.ask("DELETE", f"{PODS}/owner", {"gracePeriodSeconds": 0})
            await asked.wait()
            allowed = True
            (event,) = await stream.take(1)
        assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "owned")
