"""The server on the network: from an HTTP request to a call, and from an answer to HTTP."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import HttpVersion11, web

from pytest_daemonset.embedded import discovery, escalation, forms, lists, logs, media, rbac, reviews, statuses, watch
from pytest_daemonset.embedded.answers import NOT_KEPT, Body, unsent
from pytest_daemonset.embedded.authorization import Authorizer, Everything, attributes, refusal
from pytest_daemonset.embedded.calls import Call, Caller
from pytest_daemonset.embedded.compression import compressed
from pytest_daemonset.embedded.custom import scale
from pytest_daemonset.embedded.health import CHECKS, healthy
from pytest_daemonset.embedded.impersonation import impersonated
from pytest_daemonset.embedded.openapi import OpenApi
from pytest_daemonset.embedded.paths import Paths, Target
from pytest_daemonset.embedded.rbac import Rbac
from pytest_daemonset.embedded.tokens import Holders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.kinds import Kind
    from pytest_daemonset.embedded.openapi.documents import Document

BODY_LIMIT = 3 * 1024 * 1024
_ANONYMOUS = Caller("system:anonymous", ("system:unauthenticated",))
_PUBLIC = frozenset({*(f"/{endpoint}" for endpoint in CHECKS), "/version", "/version/"})
_DEFAULT_WATCH_SECONDS = 1800.0
_KEEPALIVE_SECONDS = (
    3600.0  # a server that closes first makes clients lose requests on connections that they took for alive
)
_LINE_LIMIT = 64 * 1024
_YEAR = 365 * 24 * 3600  # seconds
HEAD_SECONDS, BODY_SECONDS = 32.0, 60.0  # kube-apiserver's
_WARNING_RUNES, _WARNING_ITEM_RUNES = 4 * 1024, 256

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Http:
    """Answers HTTP requests from an `Api`.

    Args:
        tokens: bearer token -> who it stands for.
        watches: opens the watches.
        authorizer: answers who may do what.
        patience: seconds in which a body has to come.
    """

    def __init__(
        self,
        api: Api,
        tokens: Mapping[str, Caller],
        watches: watch.Watches,
        authorizer: Authorizer = Everything(),  # noqa: B008 - it has no state
        patience: float = BODY_SECONDS,
    ) -> None:
        self._api = api
        self._tokens = Holders(tokens, api.tokens)
        self._watches = watches
        self._authorizer = authorizer
        self._patience = patience
        if isinstance(authorizer, Rbac):
            api.guard(rbac.GROUP, partial(escalation.check, authorizer))
        self._learn()
        api.on_served.append(self._learn)
        api.on_withdrawn.append(watches.end)
        self.unimitated: Counter[str] = Counter()

    def _learn(self) -> None:
        """What is served has changed."""
        self._paths = Paths(self._api.served)
        self._discovery = discovery.Discovery(self._api.served)
        self._openapi = OpenApi(self._discovery.kinds)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, whatever it is: a Status is the worst that it gets."""
        response = await self._answered(request)
        if not response.prepared and not isinstance(response, Body):
            response.headers.setdefault("Cache-Control", NOT_KEPT)
        if "Upgrade" in request.headers:
            response.force_close()  # the parser takes what follows for another protocol, and would never read it
        return response

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._route(request)
        except statuses.StatusError as refused:
            if refused.code == 501:
                self.unimitated[f"{request.method} {request.path}: {refused.message}"] += 1
            return _refusal(request, refused)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except (RecursionError, orjson.JSONEncodeError) as error:
            if "ecursion" in str(error):
                return _refusal(request, statuses.bad_request("json: exceeded max depth"))
            return self._failed(request, error)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            return self._failed(request, error)

    def _failed(self, request: web.BaseRequest, error: Exception) -> web.Response:
        """Our own mistake: the client gets a Status, the log the traceback."""
        logging.getLogger(logs.NAME).error("%s %s", request.method, request.path_qs, exc_info=error)
        return _refusal(request, statuses.StatusError(500, "InternalError", f"Internal error occurred: {error!r}", {}))

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        caller = self._caller(request)
        if caller is None:
            return self._anonymous(request)
        if request.method == "CONNECT":
            return web.Response(status=404, text="404 page not found\n")
        caller = impersonated(caller, request.headers, self._authorizer)
        target = self._paths.read(path)
        if not isinstance(self._authorizer, Everything):
            self._authorize(request, caller, target)
        if target is not None and (review := reviews.find(target.group, target.version, target.plural)):
            return await self._review(request, caller, target, review)
        if target is None or (target.group, target.version) not in self._paths.versions or not target.plural:
            if (document := self._openapi.find(path, request.headers.get("Accept", ""))) is not None:
                return await compressed(request, _document(request, document))
            return self._outside(request, path)
        if target.served is None:
            if (target.group, target.plural) in discovery.UNIMITATED:
                raise statuses.not_imitated(f"{target.plural} of {target.group or 'the core group'}")
            raise statuses.no_such_resource()
        return await self._resource(request, caller, target)

    def _caller(self, request: web.BaseRequest) -> Caller | None:
        said = request.headers.get("Authorization", "")
        if not said:
            return None
        scheme, _, token = said.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None  # nobody reads it
        known = self._tokens.get(token)
        if known is None:
            raise statuses.unauthorized()
        agent = request.headers.get("User-Agent", "")
        return Caller(known.user, known.groups, agent, known.credential, known.uid, known.extra)

    def _authorize(self, request: web.BaseRequest, caller: Caller, target: Target | None) -> None:
        wanted = attributes(request.method, request.path, target, watching=watch.asks_to_watch(_query(request)))
        if not self._authorizer.decide(caller, wanted).allowed:
            refused = refusal(caller.user, wanted)
            if self._api.audit is not None:
                self._api.audit.refuse(caller, wanted, request.path_qs, refused.status)
            raise refused

    def _anonymous(self, request: web.BaseRequest) -> web.StreamResponse:
        method, path = request.method, request.path
        if path in _PUBLIC and method == "GET":
            return _health(request) or Body(200, discovery.VERSION)
        raise refusal(_ANONYMOUS.user, attributes(method, path, self._paths.read(path), watching=False))

    def _outside(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if (told := _health(request)) is not None:
            return told
        if path == "/debug/unimitated":
            return Body(200, orjson.dumps(self.unimitated))
        found = self._discovery.find(path, request.headers.get("Accept", ""))
        if found is not None:
            if request.method != "GET" and path.strip("/") not in {"", "apis"}:
                raise statuses.method_not_allowed()
            body, content_type = found
            return web.Response(body=body, headers={"Content-Type": content_type})
        if what := discovery.unimitated_path(path):
            raise statuses.not_imitated(what)
        # of what is a part of the API there is a Status, of the rest a text
        if path.startswith("/api/") or (path.startswith("/apis/") and path.split("/")[2] in self._paths.groups):
            raise statuses.no_such_resource()
        return web.Response(status=404, text="404 page not found\n")

    async def _review(self, request: web.BaseRequest, caller: Caller, target: Target, kind: Kind) -> web.StreamResponse:
        if request.method != "POST" or target.name or bool(target.namespace) != kind.namespaced:
            raise statuses.method_not_allowed()
        form = media.negotiate(request.headers.get("Accept", ""), shapes=False)
        body, content_type = await _body(request, self._patience)
        query = _query(request)
        told, warnings = reviews.answer(
            kind, target.namespace, caller, self._authorizer, self._tokens, body, content_type, query
        )
        response = Body(201, forms.encode(form, told, kind.fields), form.media_type)
        _warn(response, warnings)
        return response

    async def _resource(self, request: web.BaseRequest, caller: Caller, target: Target) -> web.StreamResponse:
        assert target.served is not None  # noqa: S101 - told apart in _route
        if target.served.mirror is not None:
            target.served.mirror.activate()
        kind, method = target.served.kind, request.method
        if target.subresource and target.subresource not in kind.subresources:
            if (target.group, f"{target.plural}/{target.subresource}") in discovery.UNIMITATED:
                raise statuses.not_imitated(f"{target.plural}/{target.subresource}")
            raise statuses.no_such_resource()
        query = _query(request)
        if not target.name:
            verb = _COLLECTION_VERBS.get(method)
            if (kind.namespaced and not target.namespace and verb != "list") or verb not in discovery.verbs(kind):
                verb = None
        elif kind.namespaced and not target.namespace:
            raise statuses.no_such_resource()
        else:
            verb = _OBJECT_VERBS.get(method)
            if target.subresource in {"binding", "eviction", "token"}:
                verb = "create" if method == "POST" else None
            elif target.subresource and verb == "delete":
                verb = None
        if verb is None:
            raise statuses.method_not_allowed()
        streams = verb == "list" and watch.asks_to_watch(query)
        if verb == "list":
            lists.check_timeout(query)
        if not streams:
            lists.check_deadline(query)
        custom = kind.table is None
        form = media.negotiate(request.headers.get("Accept", ""), stream=streams, custom=custom)
        # most want plain JSON, whose bytes are there already
        writer = None
        if form != media.PLAIN:
            include = forms.included(query) if form.shape == "table" else ""
            writer = forms.Writer(form, target.served, include, self._api.now)
        if streams:
            return await self._watch(request, target, query, writer)
        if verb in {"get", "list"}:
            body = self._read(target, query, verb, writer)
            return await compressed(request, Body(200, body, form.media_type))
        response = await self._write(request, caller, target, query, verb, writer)
        return await compressed(request, response)

    def _read(self, target: Target, query: Mapping[str, str], verb: str, writer: forms.Writer | None) -> bytes:
        assert target.served is not None  # noqa: S101 - told apart in _route
        if verb == "list":
            found = lists.listing(self._api.store, target.served, target.namespace, query)
            return lists.encode(target.served, found) if writer is None else writer.listing(found)
        wanted = lists.resource_version(query.get("resourceVersion", ""), of_list=False)
        if wanted > self._api.store.rv:
            raise statuses.too_new(wanted, self._api.store.rv)
        entry = target.served.table.entries.get((target.namespace, target.name))
        if entry is None:
            raise statuses.not_found(target.group, target.plural, target.name)
        body = entry.encoded
        if target.subresource == "scale":
            body = orjson.dumps(scale.seen(target.served.kind, entry.object))
        return body if writer is None else writer.answer(body)

    async def _write(
        self,
        request: web.BaseRequest,
        caller: Caller,
        target: Target,
        query: Mapping[str, str],
        verb: str,
        writer: forms.Writer | None,
    ) -> web.Response:
        assert target.served is not None  # noqa: S101 - told apart in _route
        body, content_type = await _body(request, self._patience)
        call = Call(
            caller,
            verb,
            target.served,
            target.namespace,
            target.name,
            target.subresource,
            body,
            content_type,
            query,
            request.path_qs,
        )
        if self._api.consults:
            answer = await self._api.consulting(partial(self._api.write, call))
        else:
            answer = self._api.write(call)
        if writer is None:
            response = Body(answer.code, answer.body)
        else:
            response = Body(answer.code, writer.answer(answer.body), writer.form.media_type)
        _warn(response, answer.warnings)
        return response

    async def _watch(
        self, request: web.BaseRequest, target: Target, query: Mapping[str, str], writer: forms.Writer | None
    ) -> web.StreamResponse:
        assert target.served is not None  # noqa: S101 - told apart in _route
        framing: watch.Framing = writer or watch.LINES
        content_type = media.JSON if writer is None else writer.form.stream_type
        response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        try:
            opened = self._watches.open(target.served, target.namespace, query, framing)
        except statuses.StatusError as refused:
            if refused.code != 410:
                raise
            # a watch cache tells it as an event, on a stream that began well
            await response.prepare(request)
            await response.write(framing.error(refused.status))
            return response
        opened.on_cut = partial(_cut_off, request)
        ending = asyncio.get_running_loop().call_later(_watch_seconds(query), opened.close)
        try:
            await response.prepare(request)
            if request.transport is not None:
                transport = request.transport
                opened.send_to(partial(_send, transport, response.chunked), transport.get_write_buffer_size)
                await opened.wait()
                opened.flush()
        except ConnectionError:
            pass  # the reader is gone: nobody is left to be told
        finally:
            ending.cancel()
            opened.close()
        return response


def _health(request: web.BaseRequest) -> web.Response | None:
    """The answer of a health check; None where the path is none."""
    query = request.query
    told = healthy(request.path, verbose="verbose" in query, excluded=query.getall("exclude", []))
    return None if told is None else web.Response(text=told)


def _document(request: web.BaseRequest, document: Document) -> web.Response:
    """An OpenAPI document, unless the reader has it already; one that was asked for by its hash may be kept for ever."""
    if not document.tag:
        return web.Response(body=document.body, headers={"Content-Type": "text/plain; charset=utf-8"})
    if document.media_type == media.JSON and not media.pick(request.headers.get("Accept", ""), (media.JSON,)):
        return web.Response(status=406)
    headers = {"Etag": f'"{document.tag}"', "Vary": "Accept", "Cache-Control": "no-cache, private"}
    if asked := _query(request).get("hash"):
        if asked != document.tag:
            return web.Response(status=301, headers={**headers, "Location": f"{request.path}?hash={document.tag}"})
        headers["Cache-Control"] = "public, immutable"
        headers["Expires"] = formatdate(time.time() + _YEAR, usegmt=True)
    if request.headers.get("If-None-Match") == headers["Etag"]:
        return web.Response(status=304, headers=headers)
    return web.Response(body=document.body, headers={"Content-Type": document.media_type, **headers})


def _query(request: web.BaseRequest) -> dict[str, str]:
    if not request.rel_url.raw_query_string:
        return {}
    said = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True, errors="replace")
    return dict(reversed(said))  # Go takes the first of several


async def _body(request: web.BaseRequest, seconds: float) -> tuple[bytes, str]:
    """The body, which has so long to come, and its media type without parameters."""
    if (request.content_length or 0) > BODY_LIMIT:
        raise statuses.too_large(BODY_LIMIT)
    try:
        # the task that a timeout takes is not for those, nearly all, that came whole
        if request.content.is_eof():
            body = request.content.read_nowait()
        else:
            body = await asyncio.wait_for(request.read(), seconds)
    except asyncio.TimeoutError:
        raise statuses.too_slow() from None
    except web.HTTPRequestEntityTooLarge:
        raise statuses.too_large(BODY_LIMIT) from None
    except web.RequestPayloadError as error:
        raise statuses.bad_request(f"the body cannot be read: {error}") from None
    if len(body) > BODY_LIMIT:
        raise statuses.too_large(BODY_LIMIT)
    return body, request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _warn(response: web.Response, warnings: Iterable[str]) -> None:
    """Warnings are headers, of which there is no room for any number (kubernetes/apiserver, pkg/endpoints/filters/warning.go)."""
    texts = list(dict.fromkeys(warnings))
    if sum(map(len, texts)) > _WARNING_RUNES:
        texts = [text[:_WARNING_ITEM_RUNES] for text in texts]
        before = itertools.accumulate(map(len, texts), initial=0)
        texts = [text for text, written in zip(texts, before, strict=False) if written < _WARNING_RUNES]
    for text in texts:
        response.headers.add("Warning", f"299 - {orjson.dumps(text).decode()}")


def _watch_seconds(query: Mapping[str, str]) -> float:
    said = query.get("timeoutSeconds", "")
    return float(lists.whole_number(said) or _DEFAULT_WATCH_SECONDS)


def _send(transport: asyncio.Transport, chunked: bool, data: bytes) -> int:
    """Write a part of a stream, without waking up a task that would write it; returns how many bytes the network has not taken yet."""
    if transport.is_closing():
        return 0
    transport.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
    return unsent(transport)


def _cut_off(request: web.BaseRequest) -> None:
    agent = request.headers.get("User-Agent", "no user agent")
    logging.getLogger(logs.NAME).warning("cut off %s: its reader is too slow (%s)", request.path_qs, agent)
    if request.transport is not None:
        request.transport.abort()


def _refusal(request: web.BaseRequest, refused: statuses.StatusError) -> web.Response:
    """A Status, in the form that is wanted if it is one that is written, else as JSON."""
    try:
        form = media.negotiate(request.headers.get("Accept", ""))
    except statuses.StatusError:
        form = media.PLAIN
    response = Body(refused.code, forms.encode_status(form, refused.status), form.media_type)
    _warn(response, refused.warnings)
    if seconds := (refused.details or {}).get("retryAfterSeconds"):
        response.headers["Retry-After"] = str(seconds)
    return response


class _Patient(web.Server):
    """Hangs up on who does not say what he wants in time, as kube-apiserver does: connections are not to be had without end.

    Args:
        seconds: from the beginning of a connection to the end of the headers of its first request.
    """

    def __init__(self, http: Http, seconds: float, **more: Any) -> None:
        super().__init__(http.handle, request_factory=self._make, **more)
        self._seconds = seconds
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._silent[handler] = asyncio.get_running_loop().call_later(self._seconds, transport.abort)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._heard(handler)
        super().connection_lost(handler, exc)

    def _heard(self, handler: web.RequestHandler) -> None:
        if (waiting := self._silent.pop(handler, None)) is not None:
            waiting.cancel()

    def _make(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        self._heard(protocol)
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT)


def server(http: Http, patience: float = HEAD_SECONDS) -> web.Server:
    """The aiohttp server that runs it: low level, no router.

    Args:
        patience: seconds in which the headers of the first request of a connection have to come.
    """
    return _Patient(
        http,
        patience,
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,  # kube-apiserver does not unpack what it is sent either, and so no bomb goes off
        tcp_keepalive=True,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        max_line_size=_LINE_LIMIT,
        max_field_size=_LINE_LIMIT,
    )
