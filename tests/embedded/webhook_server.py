"""A webhook inside of a test: an HTTPS server on 127.0.0.1 that answers AdmissionReviews as a test says."""

from __future__ import annotations

import contextlib
import inspect
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import orjson
import trustme
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from embedded_server import Session

Object = dict[str, Any]

GROUP = "/apis/admissionregistration.k8s.io/v1"
ALLOWED: Object = {"allowed": True}


def patch(*operations: Object) -> Object:
    return {"allowed": True, "patchType": "JSONPatch", "patch": b64encode(orjson.dumps(operations)).decode()}


class Hooks:
    """Webhooks of one server. `said` are the requests, in the order in which they came in."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._authority = trustme.CA()
        self._answers: dict[str, Any] = {}
        self.said: list[tuple[str, Object]] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Hooks]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1").configure_cert(context)
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            # Who asks hangs up first: Python 3.10 takes a TLS connection that the other side ends for one that was forgotten.
            await self._session.api.close()
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        review = orjson.loads(await request.read())
        name = request.path.strip("/")
        self.said.append((name, review["request"]))
        answer = self._answers[name](review["request"])
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, web.Response):
            return answer
        told = {"kind": "AdmissionReview", "apiVersion": review["apiVersion"]}
        told |= {"response": {"uid": review["request"]["uid"], **answer}}
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    def told(self) -> list[tuple[str, str, str]]:
        """Who was asked, of which operation, on what."""
        return [(name, request["operation"], request.get("name", "")) for name, request in self.said]

    async def add(self, name: str, answer: Callable[[Object], Any] = lambda _: ALLOWED, **hook: Any) -> None:
        """Configure a webhook; with `mutating=True` one that changes. By default it is asked about new and changed ConfigMaps."""
        kind = "MutatingWebhookConfiguration" if hook.pop("mutating", False) else "ValidatingWebhookConfiguration"
        self._answers[name] = answer
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"],
        }
        bundle = b64encode(self._authority.cert_pem.bytes()).decode()
        whole = {
            "name": f"{name}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/{name}", "caBundle": bundle},
            "rules": [{**rule, **hook.pop("rule", {})}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **hook,
        }
        path = f"{GROUP}/{kind.lower()}s"
        code, said = await self._session.ask("POST", path, {"metadata": {"name": name}, "webhooks": [whole]})
        assert code == 201, said
