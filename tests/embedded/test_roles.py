"""Roles and their bindings, and the tokens of service accounts: who is let in, and to what."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from embedded_server import ALICE, ROOT, make_api

from pytest_daemonset.embedded import roles
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.authorization import Attributes
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.http import Http, server
from pytest_daemonset.embedded.rbac import Rbac
from pytest_daemonset.embedded.statuses import StatusError
from pytest_daemonset.embedded.watch import Watches

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
CONTROLLER = Caller("system:serviceaccount:kube-system:daemon-set-controller")
AGENT = Caller("system:serviceaccount:here:agent")


def policies() -> tuple[Api, Rbac]:
    api = make_api()
    roles.provide(api, ALICE)
    return api, Rbac(api)


def bind(api: Api, role: str, of: str = "ClusterRole", where: str = "", **subject: str) -> None:
    resource = f"{'rolebindings' if where else 'clusterrolebindings'}.{GROUP}"
    binding = {"metadata": {"name": role}, "subjects": [subject], "roleRef": {"kind": of, "name": role}}
    api.create(ROOT, resource, where, binding)


def allowed(
    rbac: Rbac, who: Caller, verb: str, resource: str, group: str = "", namespace: str = "here", name: str = ""
) -> bool:
    plural, _, part = resource.partition("/")
    return rbac.decide(who, Attributes(verb, group, "v1", plural, part, namespace, name)).allowed


def test_the_daemonset_controller_may_do_what_it_does_in_kubernetes_and_no_more() -> None:
    _, rbac = policies()
    assert allowed(rbac, CONTROLLER, "create", "pods")
    assert allowed(rbac, CONTROLLER, "update", "daemonsets/status", "apps")
    assert not allowed(rbac, CONTROLLER, "update", "daemonsets", "apps")
    assert not allowed(rbac, CONTROLLER, "update", "pods")
    assert not allowed(rbac, CONTROLLER, "get", "secrets")


def test_a_stranger_may_nothing_but_discover_and_masters_may_everything() -> None:
    _, rbac = policies()
    stranger = Caller("stranger")
    assert not allowed(rbac, stranger, "list", "pods")
    assert rbac.decide(stranger, Attributes("get", path="/apis/apps/v1")).allowed
    assert not rbac.decide(stranger, Attributes("get", path="/metrics")).allowed
    assert allowed(rbac, Caller("root", ("system:masters",)), "delete", "nodes", namespace="")


def test_a_role_counts_in_its_namespace_and_a_cluster_role_can_be_bound_to_one() -> None:
    api, rbac = policies()
    api.create(ALICE, "namespaces", "", {"metadata": {"name": "there"}})
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["mine"]}
    api.create(ALICE, f"roles.{GROUP}", "here", {"metadata": {"name": "reader"}, "rules": [rule]})
    assert not allowed(rbac, AGENT, "get", "pods", name="mine")
    bind(api, "reader", "Role", "here", kind="ServiceAccount", name="agent", namespace="here")
    assert allowed(rbac, AGENT, "get", "pods", name="mine")
    assert not allowed(rbac, AGENT, "get", "pods", name="other")
    assert not allowed(rbac, AGENT, "get", "pods", namespace="there", name="mine")
    bind(api, "view", "ClusterRole", "there", kind="Group", name="system:serviceaccounts:here")
    assert allowed(rbac, AGENT, "list", "pods", namespace="there")
    api.delete(ALICE, f"rolebindings.{GROUP}", "there", "view")
    assert not allowed(rbac, AGENT, "list", "pods", namespace="there")


def test_aggregated_roles_grant_what_their_parts_grant() -> None:
    api, rbac = policies()
    part = {
        "metadata": {"name": "part", "labels": {"to": "whole"}},
        "rules": [{"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["*"]}],
    }
    api.create(ALICE, f"clusterroles.{GROUP}", "", part)
    whole = {
        "metadata": {"name": "whole"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "whole"}}]},
    }
    api.create(ALICE, f"clusterroles.{GROUP}", "", whole)
    bind(api, "whole", kind="User", name="bob")
    assert allowed(rbac, Caller("bob"), "get", "nodeagents/status", "example.com")


def test_what_makes_no_sense_is_refused() -> None:
    api, _ = policies()
    with pytest.raises(StatusError, match="resource rules must supply at least one api group"):
        api.create(
            ALICE,
            f"clusterroles.{GROUP}",
            "",
            {"metadata": {"name": "a:b"}, "rules": [{"verbs": ["get"], "resources": ["pods"]}]},
        )
    bind(api, "view", kind="User", name="bob")
    with pytest.raises(StatusError, match="cannot change roleRef"):
        api.patch(ALICE, f"clusterrolebindings.{GROUP}", "", "view", {"roleRef": {"name": "edit"}})


def test_a_service_account_gets_a_token_and_is_held_to_its_role() -> None:
    async def scenario() -> None:
        api = make_api()
        roles.provide(api, ALICE)
        api.create(ALICE, "serviceaccounts", "here", {"metadata": {"name": "agent"}})
        watches = Watches(api.store, 0.005, 1 << 20)
        runs = server(Http(api, {"root": Caller("root", ("system:masters",))}, watches, Rbac(api)))
        serving = await asyncio.get_running_loop().create_server(runs, "127.0.0.1", 0)
        port = serving.sockets[0].getsockname()[1]
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

                async def ask(token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
                    headers = {"Authorization": f"Bearer {token}"}
                    async with session.request(method, path, json=body, headers=headers) as answer:
                        return answer.status, await answer.json()

                path = "/api/v1/namespaces/here/serviceaccounts/agent"
                status, told = await ask("root", "POST", f"{path}/token", {"spec": {"expirationSeconds": 600}})
                assert (status, told["kind"]) == (201, "TokenRequest")
                token = told["status"]["token"]
                assert token.count(".") == 2
                pods = "/api/v1/namespaces/here/pods"
                status, refused = await ask(token, "GET", pods)
                assert (status, refused["reason"]) == (403, "Forbidden")
                assert refused["message"] == (
                    'pods is forbidden: User "system:serviceaccount:here:agent" cannot list resource "pods" '
                    'in API group "" in the namespace "here"'
                )
                bind(api, "view", "ClusterRole", "here", kind="ServiceAccount", name="agent", namespace="here")
                assert (await ask(token, "GET", pods))[0] == 200
                assert (await ask(token, "GET", "/api/v1/pods"))[0] == 403
                assert (await ask(token, "DELETE", f"{pods}/p"))[0] == 403
                review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
                asked = {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "here"}}
                status, told = await ask(token, "POST", review, {"spec": asked})
                assert (status, told["status"]["allowed"]) == (201, True)
                whose = "/apis/authentication.k8s.io/v1/tokenreviews"
                status, told = await ask("root", "POST", whose, {"spec": {"token": token}})
                assert told["status"]["user"]["username"] == "system:serviceaccount:here:agent"
                assert (await ask("root", "POST", f"{path}/token", {"spec": {"expirationSeconds": 5}}))[0] == 422
                await ask("root", "DELETE", path)
                assert (await ask(token, "GET", pods))[0] == 401
        finally:
            serving.close()
            watches.close()
            await runs.shutdown(0.1)

    asyncio.run(scenario())
