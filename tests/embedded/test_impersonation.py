"""Requests in somebody else's name: who may make them, whose they count as, and what the audit log tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from embedded_server import ROOT, Object, Session, config_map, serving

from pytest_daemonset.embedded.audit import AuditLog
from pytest_daemonset.embedded.calls import Caller

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

TOKENS = {"root": ROOT, "deputy": Caller("deputy"), "nobody": Caller("nobody")}
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
MAPS = "/api/v1/namespaces/here/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def ask(
    session: Session, token: str, method: str, path: str, body: Any = None, *headers: tuple[str, str]
) -> tuple[int, Object]:
    said = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"), *headers]
    data = None if body is None else orjson.dumps(body)
    async with session._session.request(method, path, data=data, headers=said) as answer:
        return answer.status, orjson.loads(await answer.read())


async def who(session: Session, token: str, *headers: tuple[str, str]) -> Object:
    code, told = await ask(session, token, "POST", WHO, {}, *headers)
    found: Object = told["status"]["userInfo"] if code == 201 else told
    return found


async def test_masters_are_whom_they_say() -> None:
    async with serving(tokens=TOKENS) as session:
        assert await who(session, "root", ("Impersonate-User", "bob")) == {
            "username": "bob",
            "groups": ["system:authenticated"],
        }
        headers = [("Impersonate-User", "bob"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")]
        headers += [("Impersonate-Uid", "u1"), ("Impersonate-Extra-Scopes", "x"), ("Impersonate-Extra-Scopes", "y")]
        assert await who(session, "root", *headers, ("Impersonate-Extra-acme.com%2Fproject", "p")) == {
            "username": "bob",
            "uid": "u1",
            "groups": ["a", "b", "system:authenticated"],
            "extra": {"acme.com/project": ["p"], "scopes": ["x", "y"]},
        }
        account = await who(session, "root", ("Impersonate-User", "system:serviceaccount:here:agent"))
        assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:here", "system:authenticated"]


async def test_a_group_alone_is_nobody() -> None:
    async with serving(tokens=TOKENS) as session:
        said = await who(session, "root", ("Impersonate-Group", "a"))
        assert said["code"] == 400
        assert said["message"] == (
            'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, Extra:map[string][]string(nil)} '
            "without impersonating a user name"
        )


async def test_each_header_takes_a_right_of_its_own() -> None:
    async with serving(tokens=TOKENS) as session:
        rules = [
            {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"]},
            {
                "verbs": ["impersonate"],
                "apiGroups": ["authentication.k8s.io"],
                "resources": ["userextras/scopes"],
                "resourceNames": ["x"],
            },
        ]
        await ask(session, "root", "POST", f"{RBAC}/clusterroles", {"metadata": {"name": "bob"}, "rules": rules})
        binding = {
            "metadata": {"name": "bob"},
            "roleRef": {"kind": "ClusterRole", "name": "bob"},
            "subjects": [{"kind": "User", "name": "deputy"}],
        }
        assert (await ask(session, "root", "POST", f"{RBAC}/clusterrolebindings", binding))[0] == 201
        bob = ("Impersonate-User", "bob")
        assert (await who(session, "deputy", bob))["username"] == "bob"
        assert (await who(session, "deputy", bob, ("Impersonate-Extra-Scopes", "x")))["extra"] == {"scopes": ["x"]}
        refused = {
            'users "eve" is forbidden: User "deputy" cannot impersonate resource "users" in API group "" at the cluster scope': [
                ("Impersonate-User", "eve")
            ],
            'groups "g" is forbidden: User "deputy" cannot impersonate resource "groups" in API group "" at the cluster scope': [
                bob,
                ("Impersonate-Group", "g"),
            ],
            'uids.authentication.k8s.io "u" is forbidden: User "deputy" cannot impersonate resource "uids" in API group '
            '"authentication.k8s.io" at the cluster scope': [bob, ("Impersonate-Uid", "u")],
            'userextras.authentication.k8s.io "z" is forbidden: User "deputy" cannot impersonate resource "userextras/scopes" in API '
            'group "authentication.k8s.io" at the cluster scope': [bob, ("Impersonate-Extra-Scopes", "z")],
            'serviceaccounts "agent" is forbidden: User "deputy" cannot impersonate resource "serviceaccounts" in API group "" in the '
            'namespace "here"': [("Impersonate-User", "system:serviceaccount:here:agent")],
        }
        for message, headers in refused.items():
            said = await who(session, "deputy", *headers)
            assert (said["code"], said["message"]) == (403, message)
        assert (await who(session, "nobody", bob))["code"] == 403


async def test_a_request_has_the_rights_of_the_user_that_it_names_and_no_others() -> None:
    async with serving(tokens=TOKENS) as session:
        code, said = await ask(session, "root", "POST", MAPS, config_map("a"), ("Impersonate-User", "bob"))
        text = 'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group "" in the namespace "here"'
        assert (code, said["message"]) == (403, text)
        masters = [("Impersonate-User", "bob"), ("Impersonate-Group", "system:masters")]
        assert (await ask(session, "root", "POST", MAPS, config_map("a"), *masters))[0] == 201


async def test_the_audit_log_tells_who_asked_and_in_whose_name(tmp_path: Path) -> None:
    async with serving() as session:
        session.api.audit = AuditLog(tmp_path / "audit.log")
        await session.ask("POST", MAPS, config_map("a"), Impersonate_User="bob")
        session.api.audit.close()
    line = orjson.loads((tmp_path / "audit.log").read_bytes())
    assert (line["user"]["username"], line["impersonatedUser"]["username"]) == ("alice", "bob")
