"""A webhook of a row: hears of each write of the controller before it is done, and does something first, or refuses it."""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest
import trustme
from aiohttp import web

from pytest_daemonset.conformance import manifests
from pytest_daemonset.conformance.dry_runs import until_admitted
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import PODS, Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

CONFIGURATIONS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)

_EFFECT: Final = 10.0
"""Seconds in which a webhook takes effect, where the API server reaches it at all."""


class Webhook:
    """Listens on the loopback of this machine until the row is over, and is asked about writes in the row's namespace.

    Where the API server does not reach it, such as one in a container, the row is skipped.

    Args:
        rig: the row's.
        rules: what it is asked about: operation, and resource, such as ``("CREATE", "pods")``.
        hear: is told of a write of the controller, an AdmissionRequest; returns the HTTP status of a refusal, or None.
    """

    def __init__(
        self, rig: Rig, rules: tuple[tuple[str, str], ...], hear: Callable[[Object], Awaitable[int | None]]
    ) -> None:
        self._rig = rig
        self._hear = hear
        self._reached = False
        self._name = f"{rig.namespace}.conformance.pytest-daemonset.io"
        authority = trustme.CA()
        port = rig.do(lambda: self._listen(authority))
        rig.create(CONFIGURATIONS, self._configuration(rules, port, authority.cert_pem.bytes()))
        rig.at_end(lambda: rig.do(self._remove))
        if until_admitted(rig, manifests.pod("probe", labels={"app": "probe"}), self._has_reached, within=_EFFECT):
            pytest.skip("this API server does not reach a webhook that listens on the loopback of this machine")

    async def _listen(self, authority: trustme.CA) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1)
        await runner.setup()
        self._rig.at_end(lambda: self._rig.do(runner.cleanup))
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port: int = runner.addresses[0][1]
        return port

    def _configuration(self, rules: tuple[tuple[str, str], ...], port: int, authority: bytes) -> Object:
        groups = {"pods": "", "controllerrevisions": "apps"}
        asked = [
            {
                "apiGroups": [groups.get(resource, self._rig.sets.group)],
                "apiVersions": ["*"],
                "operations": [operation],
                "resources": [resource],
            }
            for operation, resource in (*rules, ("CREATE", "pods"))
        ]
        hook = {
            "name": self._name,
            "clientConfig": {
                "url": f"https://127.0.0.1:{port}/",
                "caBundle": b64encode(authority).decode(),
            },
            "rules": asked,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._rig.namespace}},
            "sideEffects": "NoneOnDryRun",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore",
            "timeoutSeconds": 10,
        }
        return {
            "apiVersion": CONFIGURATIONS.api_version,
            "kind": CONFIGURATIONS.kind,
            "metadata": {"name": self._name},
            "webhooks": [hook],
        }

    async def _remove(self) -> None:
        await self._rig.client.delete(CONFIGURATIONS, self._name)

    def _has_reached(self, answer: Object | ApiError) -> bool:
        if isinstance(answer, ApiError):
            raise answer
        return self._reached

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        review = orjson.loads(await request.read())
        asked = review["request"]
        self._reached = True
        response: Object = {"uid": asked["uid"], "allowed": True}
        if asked["userInfo"].get("username") == self._rig.writes.user and not asked.get("dryRun"):
            code = await self._hear(asked)
            if code is not None:
                response |= {"allowed": False, "status": {"code": code, "message": "by the conformance suite"}}
        told = {"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response}
        return web.Response(body=orjson.dumps(told), content_type="application/json")


def refuse(rig: Rig, operation: str, resource: str, codes: tuple[int, ...]) -> list[int]:
    """Have the API server refuse the controller's next writes of a kind, one for each of these HTTP statuses.

    Args:
        rig: the row's.
        operation: ``CREATE``, ``UPDATE`` or ``DELETE``.
        resource: plural, with the subresource, such as ``daemonsets/status``.
        codes: the statuses, in order.

    Returns:
        Those that are still to come; empty once all have been.
    """
    left = list(codes)

    async def hear(request: Object) -> int | None:
        what = "/".join(part for part in (request["resource"]["resource"], request.get("subResource")) if part)
        return left.pop(0) if left and (request["operation"], what) == (operation, resource) else None

    Webhook(rig, ((operation, resource),), hear)
    return left


def remove_first(rig: Rig) -> list[str]:
    """Have each pod that the controller deletes be gone by itself before the API server comes to it: the answer is "not found".

    Returns:
        The names of those pods, as they come.
    """
    gone: list[str] = []

    async def hear(request: Object) -> int | None:
        if request["operation"] == "DELETE":
            try:
                await rig.client.delete(PODS, request["name"], rig.namespace, options={"gracePeriodSeconds": 0})
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                gone.append(request["name"])
        return None

    Webhook(rig, (("DELETE", "pods"),), hear)
    return gone
