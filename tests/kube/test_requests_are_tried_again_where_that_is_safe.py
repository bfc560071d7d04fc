"""The client: what it retries, what it remembers, how it watches, and what its errors say."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from pytest_daemonset.kube.client import STRATEGIC_PATCH, Client
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import DAEMONSETS, NODES, PODS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def pod(name: str, version: int) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "work", "resourceVersion": str(version)}}


def status(code: int, reason: str, **more: Any) -> dict[str, Any]:
    return {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no", **more}


def talk(answer: Answer, ask: Callable[[Client, list[web.Request]], Awaitable[Any]]) -> Any:
    """Run `ask` against a server that answers every request with `answer`; the requests are collected."""

    async def body() -> Any:
        requests: list[web.Request] = []

        async def handle(request: web.Request) -> web.StreamResponse:
            await request.read()
            requests.append(request)
            return await answer(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            config = Kubeconfig(server=f"http://127.0.0.1:{runner.addresses[0][1]}", token="secret")
            async with Client(config, user_agent="tester/1") as client:
                return await ask(client, requests)
        finally:
            await runner.cleanup()

    return asyncio.run(asyncio.wait_for(body(), 60))


def in_turn(*answers: Any) -> Answer:
    """Answers one after the other; an int is a failure's status, a dict a success, an exception a lost connection."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        now = left.pop(0)
        if isinstance(now, Exception):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(now, int):
            headers = {"Retry-After": "0"} if now == 429 else {}
            return web.json_response(status(now, "Refused"), status=now, headers=headers)
        return web.json_response(now)

    return answer


def test_reads_are_tried_again_after_failures_that_pass() -> None:
    async def ask(client: Client, requests: list[web.Request]) -> None:
        assert (await client.get(PODS, "p", "work"))["metadata"]["name"] == "p"
        assert len(requests) == 5
        assert {request.headers["Authorization"] for request in requests} == {"Bearer secret"}
        assert {request.headers["User-Agent"] for request in requests} == {"tester/1"}

    talk(in_turn(429, 500, 503, ConnectionResetError(), pod("p", 1)), ask)


def test_writes_are_tried_again_only_where_they_cannot_have_happened() -> None:
    async def ask(client: Client, requests: list[web.Request]) -> None:
        assert (await client.create(PODS, pod("p", 0)))["metadata"]["name"] == "p"
        assert [request.path for request in requests] == ["/api/v1/namespaces/work/pods"] * 2
        for lost in (ApiError, aiohttp.ClientError):
            with pytest.raises(lost):
                await client.create(PODS, pod("p", 0))
        assert len(requests) == 4

    talk(in_turn(429, pod("p", 1), 500, ConnectionResetError()), ask)


def test_a_write_waits_for_a_server_that_is_not_up_yet() -> None:
    async def body() -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
        served = asyncio.Event()

        async def handle(request: web.Request) -> web.Response:
            served.set()
            return web.json_response(pod("p", 1))

        async with Client(Kubeconfig(server=f"http://127.0.0.1:{port}")) as client:
            asking = asyncio.ensure_future(client.create(PODS, pod("p", 0)))
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(app)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", port).start()
                await asking
                assert served.is_set()
            finally:
                await runner.cleanup()

    asyncio.run(asyncio.wait_for(body(), 60))


def test_the_highest_version_written_is_remembered() -> None:
    async def ask(client: Client, requests: list[web.Request]) -> None:
        await client.patch(PODS, "p", {}, "work", kind=STRATEGIC_PATCH)
        await client.replace(PODS, "q", {}, "work")
        assert client.wrote == 7
        assert requests[0].headers["Content-Type"] == STRATEGIC_PATCH
        await client.get(PODS, "p", "work")
        assert client.wrote == 7
        client.wrote_at("3")
        client.wrote_at(None)
        client.wrote_at("not-a-number")
        assert client.wrote == 7
        client.wrote_at(12)
        assert client.wrote == 12

    talk(in_turn(pod("p", 7), pod("q", 5), pod("p", 99)), ask)


def test_a_removal_counts_as_written_although_its_answer_tells_no_version() -> None:
    async def ask(client: Client, requests: list[web.Request]) -> None:
        await client.delete(NODES, "w1")
        assert client.wrote == 41
        assert [(request.method, request.path) for request in requests] == [
            ("DELETE", "/api/v1/nodes/w1"),
            ("GET", "/api/v1/nodes"),
        ]

    talk(in_turn({"kind": "Status", "status": "Success"}, {"metadata": {"resourceVersion": "41"}, "items": []}), ask)


def test_a_list_of_several_pages_is_one_snapshot() -> None:
    first = {"metadata": {"resourceVersion": "9", "continue": "abc", "remainingItemCount": 1}, "items": [pod("p", 1)]}
    second = {"metadata": {"resourceVersion": "9"}, "items": [pod("q", 2)]}

    async def ask(client: Client, requests: list[web.Request]) -> None:
        listed = await client.list(PODS, "work", label_selector="a=b", resource_version="0")
        assert [item["metadata"]["name"] for item in listed["items"]] == ["p", "q"]
        assert listed["metadata"] == {"resourceVersion": "9"}
        assert dict(requests[0].query) == {"labelSelector": "a=b", "limit": "500", "resourceVersion": "0"}
        assert dict(requests[1].query) == {"labelSelector": "a=b", "limit": "500", "continue": "abc"}

    talk(in_turn(first, second), ask)


def test_an_error_can_be_read() -> None:
    causes = [{"field": "spec.selector", "message": "required"}]

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(status(422, "Invalid", details={"causes": causes}), status=422)

    async def ask(client: Client, requests: list[web.Request]) -> None:
        with pytest.raises(ApiError) as caught:
            await client.create(DAEMONSETS, {"metadata": {"namespace": "work"}})
        assert (caught.value.status, caught.value.reason) == (422, "Invalid")
        text = str(caught.value)
        assert text.startswith("POST /apis/apps/v1/namespaces/work/daemonsets: 422 Invalid: no")
        assert "spec.selector: required" in text

    talk(answer, ask)


def test_a_watch_hands_on_events_that_arrive_in_pieces_and_raises_errors() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (
            b'{"type":"ADDED","object":{"n":1}}\n{"type":"MOD',
            b'IFIED","object":{"n":2}}\n',
            b'{"type":"BOOKMARK","object":{"n":3}}\n{"type":"ERROR","object":{"code":410,"reason":"Expired"}}\n',
        ):
            await response.write(piece)
        return response

    async def ask(client: Client, requests: list[web.Request]) -> None:
        seen = []
        with pytest.raises(ApiError, match="410 Expired"):  # noqa: PT012  (the events before it are wanted too)
            async with aclosing(client.watch(PODS, "work", resource_version="5")) as events:
                async for type_, object_ in events:
                    seen.append((type_, object_["n"]))
        assert seen == [("ADDED", 1), ("MODIFIED", 2), ("BOOKMARK", 3)]
        assert requests[0].query["allowWatchBookmarks"] == "true"

    talk(answer, ask)


def test_a_watch_that_is_refused_says_so() -> None:
    async def ask(client: Client, requests: list[web.Request]) -> None:
        with pytest.raises(ApiError, match="403"):
            async with aclosing(client.watch(PODS, "work", initial_events=True)) as events:
                await anext(events)
        assert requests[0].query["resourceVersionMatch"] == "NotOlderThan"
        assert requests[0].query["sendInitialEvents"] == "true"

    talk(in_turn(403), ask)
