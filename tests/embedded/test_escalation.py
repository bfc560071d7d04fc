"""Nobody grants more than he has, unless he may escalate or bind."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from embedded_server import ROOT, Object, Session, serving

from pytest_daemonset.embedded.calls import Caller

pytestmark = pytest.mark.asyncio

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"
TOKENS = {"root": ROOT, "deputy": Caller("deputy")}
HELD = "is attempting to grant RBAC permissions not currently held:"


async def ask(session: Session, token: str, method: str, path: str, body: Any = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with session._session.request(method, f"{RBAC}/{path}", data=orjson.dumps(body), headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read()).get("message", "")


def rule(verbs: str, resources: str, group: str = "", *names: str) -> Object:
    said: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**said, "resourceNames": list(names)} if names else said


def role(name: str, *rules: Object) -> Object:
    return {"metadata": {"name": name}, "rules": list(rules)}


def binding(name: str, of: str) -> Object:
    subject = {"kind": "User", "apiGroup": GROUP, "name": "deputy"}
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": of},
        "subjects": [subject],
    }


async def grant(session: Session, name: str, *rules: Object) -> None:
    assert (await ask(session, "root", "POST", "clusterroles", role(name, *rules)))[0] == 201
    assert (await ask(session, "root", "POST", "clusterrolebindings", binding(name, name)))[0] == 201


async def prepare(session: Session) -> None:
    writes = rule("create update patch get", "roles clusterroles rolebindings clusterrolebindings", GROUP)
    await grant(session, "base", rule("get list", "pods"), writes)
    more = role("more", rule("delete", "pods"), {"verbs": ["get"], "nonResourceURLs": ["/metrics"]})
    assert (await ask(session, "root", "POST", "clusterroles", more))[0] == 201


async def test_a_role_grants_what_its_writer_holds_and_no_more() -> None:
    async with serving(tokens=TOKENS) as session:
        await prepare(session)
        assert (await ask(session, "deputy", "POST", "clusterroles", role("x", rule("get", "pods"))))[0] == 201
        refused = await ask(session, "deputy", "POST", "clusterroles", role("z", rule("get delete", "pods secrets")))
        assert refused == (
            403,
            (
                f'clusterroles.{GROUP} "z" is forbidden: user "deputy" (groups=["system:authenticated"]) {HELD}\n'
                '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
                '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}'
            ),
        )
        _, said = await ask(session, "deputy", "POST", "clusterroles", role("z", rule("get", "secrets", "", "a")))
        assert said.endswith('{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}')
        assert (await ask(session, "deputy", "PUT", "clusterroles/x", role("x", rule("get delete", "pods"))))[0] == 403
        assert (await ask(session, "deputy", "PUT", "clusterroles/x", role("x", rule("list", "pods"))))[0] == 200


@pytest.mark.parametrize("where", ["clusterrolebindings", "namespaces/here/rolebindings"])
async def test_a_binding_grants_what_its_writer_holds_and_no_more(where: str) -> None:
    async with serving(tokens=TOKENS) as session:
        await prepare(session)
        assert (await ask(session, "deputy", "POST", where, binding("own", "base")))[0] == 201
        code, said = await ask(session, "deputy", "POST", where, binding("z", "more"))
        assert (code, HELD in said) == (403, True)
        assert said.endswith('{NonResourceURLs:["/metrics"], Verbs:["get"]}')
        assert (await ask(session, "deputy", "POST", where, binding("z", "nothing")))[0] == 404


async def test_who_may_escalate_or_bind_grants_what_he_has_not() -> None:
    async with serving(tokens=TOKENS) as session:
        await prepare(session)
        await grant(session, "trusted", rule("escalate bind", "clusterroles", GROUP))
        assert (await ask(session, "deputy", "POST", "clusterroles", role("z", rule("delete", "secrets"))))[0] == 201
        assert (await ask(session, "deputy", "POST", "clusterrolebindings", binding("z", "more")))[0] == 201


async def test_a_change_that_grants_nothing_new_needs_nothing() -> None:
    async with serving(tokens=TOKENS) as session:
        await prepare(session)
        more = role("more", rule("delete", "pods"), {"verbs": ["get"], "nonResourceURLs": ["/metrics"]})
        more["metadata"]["labels"] = {"a": "b"}
        assert (await ask(session, "deputy", "PUT", "clusterroles/more", more))[0] == 200
