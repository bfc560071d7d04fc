"""Calls of webhooks over HTTPS, in the words of kube-apiserver (client-go) where they fail."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from yarl import URL

from pytest_daemonset.embedded.admission.conversation import Failed, Said
from pytest_daemonset.embedded.kinds.fielderrors import DecodeError
from pytest_daemonset.embedded.kinds.fields import MESSAGES, decode
from pytest_daemonset.embedded.kinds.scalars import json_type
from pytest_daemonset.embedded.uids import new_uid

if TYPE_CHECKING:
    from pytest_daemonset.embedded.admission.conversation import Question

Object = dict[str, Any]

_GROUP = "admission.k8s.io"
_LIMIT = 3 * 1024 * 1024  # bytes of an answer
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, */*",
    "User-Agent": "kube-apiserver-admission",
}
_GO = 'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_WRONG_HOST, _WRONG_ADDRESS, _EXPIRED = 62, 64, 10
_WORDS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    403: "unknown",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


class Webhooks:
    """Asks webhooks; connections are kept for the next question."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def ask(self, question: Question) -> Said | Failed:
        """Ask, and check that the answer is one."""
        uid = new_uid()
        try:
            context = self._context(question.authorities)
        except (ssl.SSLError, ValueError):
            return Failed(
                "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block"
            )
        review = {
            "kind": "AdmissionReview",
            "apiVersion": f"{_GROUP}/{question.version}",
            "request": {"uid": uid, **question.request},
        }
        try:
            code, body = await self._post(question, context, orjson.dumps(review))
            told = _read(code, body, question.version)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            return Failed(f'failed to call webhook: Post "{question.url}": {_in_words(error, question.url)}')
        except (DecodeError, _NoReviewError) as error:
            return Failed(f"failed to call webhook: {error}")
        wrong = _wrong(told, uid, question)
        return Failed(f"received invalid webhook response: {wrong}") if wrong else Said(told["response"])

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, question: Question, context: ssl.SSLContext, data: bytes) -> tuple[int, bytes]:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(headers=_HEADERS)
        timeout = aiohttp.ClientTimeout(total=question.timeout)
        url = URL(question.url, encoded=True)
        async with self._session.post(url, data=data, ssl=context, timeout=timeout, allow_redirects=False) as answer:
            body = await answer.content.read(_LIMIT)
            while len(body) < _LIMIT and (more := await answer.content.read(_LIMIT - len(body))):
                body += more
            return answer.status, body

    def _context(self, authorities: str) -> ssl.SSLContext:
        if authorities not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if authorities:
                context.load_verify_locations(cadata=authorities)
                # as in Go, a certificate that stands there itself is trusted
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            else:
                context.load_default_certs()
            self._contexts[authorities] = context
        return self._contexts[authorities]


class _NoReviewError(ValueError):
    """The answer is no AdmissionReview."""


def _read(code: int, body: bytes, version: str) -> Object:
    """Read an answer.

    Raises:
        _NoReviewError: it is none, or one of failure.
        DecodeError: a field is of another type.
    """
    if not 200 <= code < 300:
        raise _NoReviewError(_said_by_status(body) or _WORDS.get(code) or _of_code(code))
    if not body:
        raise _NoReviewError(f"0-length response with status code: {code} and content type: application/json")
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = ""  # as YAML, which is tried next, most texts are strings
    if not isinstance(told, dict):
        why = f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_type(told)} into {_GO}"
        raise _NoReviewError(why)
    decode(MESSAGES["AdmissionReview"], told)
    group, _, other = str(told.get("apiVersion", "")).rpartition("/")
    if (group, told.get("kind")) == (_GROUP, "AdmissionReview") and other != version:
        raise _NoReviewError(f"converting ({other}.AdmissionReview) to ({version}.AdmissionReview): unknown conversion")
    return told


def _said_by_status(body: bytes) -> str:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return str(told.get("message", "")) if isinstance(told, dict) and told.get("kind") == "Status" else ""


def _of_code(code: int) -> str:
    if code >= 500:
        return 'an error on the server ("unknown") has prevented the request from succeeding'
    return f"the server responded with the status code {code} but did not return more information"


def _wrong(told: Object, uid: str, question: Question) -> str:
    """What is wrong with a review that could be read; "" for nothing."""
    response = told.get("response")
    if response is None:
        return "webhook response was absent"
    v1 = question.version == "v1"
    if response["uid"] != uid and (v1 or response["uid"]):
        return f'expected response.uid="{uid}", got "{response["uid"]}"'
    kind, version = told.get("kind", ""), told.get("apiVersion", "")
    if v1 and (kind, version) != ("AdmissionReview", f"{_GROUP}/v1"):
        return f"expected webhook response of {_GROUP}/v1, Kind=AdmissionReview, got {version}, Kind={kind}"
    patch, how = response.get("patch"), response.get("patchType")
    if not question.mutating:
        if patch and v1:
            return "validating webhook may not return response.patch"
        return "validating webhook may not return response.patchType" if how is not None and v1 else ""
    if v1 and patch and how is None:
        return "webhook returned response.patch but not response.patchType"
    if v1 and not patch and how is not None:
        return "webhook returned response.patchType but not response.patch"
    if how == "":
        return f'webhook returned invalid response.patchType of "{how}"'
    return ""


def _in_words(error: BaseException, url: str) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_of_certificate(error.certificate_error, error.host)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return f"dial tcp {error.host}:{error.port}: connect: connection refused"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"tls: {error.os_error.strerror or error}: is {URL(url).host} an HTTPS server?"
    return str(error) or type(error).__name__


def _of_certificate(error: Exception, host: str) -> str:
    code = getattr(error, "verify_code", 0)
    if code in {_WRONG_HOST, _WRONG_ADDRESS}:
        return f"certificate is not valid for any names, but wanted to match {host}"
    if code == _EXPIRED:
        return "certificate has expired or is not yet valid"
    return "certificate signed by unknown authority"
