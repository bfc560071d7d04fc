"""Each fault does its one thing, to what it concerns, and tells whether it has."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from behind_a_proxy import JSON_WATCH, PODS, Sending, Stage, echo, play, watched

from pytest_daemonset.proxy.asked import Asked
from pytest_daemonset.proxy.faults import Cut, Fault, Hold, LostAnswers, LostEvents, LostRequests

NODES = PODS.replace("pods", "nodes")
PROTOBUF = {"Accept": "application/vnd.kubernetes.protobuf;stream=watch"}
INITIAL = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
INITIAL_END = "k8s.io/initial-events-end"


def event(name: str) -> bytes:
    return orjson.dumps({"type": "ADDED", "object": {"metadata": {"name": name}}}) + b"\n"


def framed(name: str) -> bytes:
    body = b"\n\x05ADDED" + name.encode() + b"\n"
    return len(body).to_bytes(4, "big") + body


async def opened(stage: Stage, path: str = PODS, **more: Any) -> tuple[aiohttp.ClientResponse, Sending]:
    return await stage.ask(path, **more), await stage.watches.get()


def test_a_fault_says_what_it_is() -> None:
    assert str(Hold("pods")) == "the fault that holds the events of pods"
    assert str(LostAnswers("create", "pods")) == "the fault that loses the answers to writes of pods"


def test_held_events_come_in_order_when_they_are_released_and_others_flow() -> None:
    hold = Hold("pods")

    async def act(stage: Stage) -> None:
        pods, of_pods = await opened(stage)
        nodes, of_nodes = await opened(stage, NODES)
        of_pods.send(event("before"))
        assert await pods.content.readline() == event("before")
        stage.proxy.begin(hold)
        later, of_later = await opened(stage)
        of_pods.send(event("a"), event("b")[:9])
        of_pods.send(event("b")[9:], event("c"))
        of_later.send(event("new"))
        of_pods.finish()
        waiting = asyncio.ensure_future(pods.content.readany())
        of_nodes.send(event("node"))
        assert await nodes.content.readline() == event("node")
        async with stage.ask("/api/v1/pods") as answer:
            assert answer.status == 200
        assert not waiting.done()
        stage.proxy.end(hold)
        assert await waiting + await pods.read() == event("a") + event("b") + event("c")
        assert await later.content.readline() == event("new")
        for one in (nodes, later):
            one.close()

    play(act, watched)
    assert hold.effects >= 2


@pytest.mark.parametrize(("headers", "frame"), [({}, event), (PROTOBUF, framed)], ids=["json", "protobuf"])
@pytest.mark.parametrize("ahead", [True, False], ids=["from before the watch", "from within its list"])
def test_a_watch_that_begins_with_a_list_is_held_from_the_end_of_it(
    headers: dict[str, str], frame: Any, ahead: bool
) -> None:
    hold = Hold("pods")
    first, rest, later = frame("agent-a"), frame("agent-b") + frame(INITIAL_END), frame("agent-c")

    async def act(stage: Stage) -> None:
        if ahead:
            stage.proxy.begin(hold)
        pods, sending = await opened(stage, INITIAL, headers=headers)
        sending.send(first)
        assert await pods.content.readexactly(len(first)) == first
        if not ahead:
            stage.proxy.begin(hold)
        sending.send(rest + later)
        sending.finish()
        assert await pods.content.readexactly(len(rest)) == rest
        waiting = asyncio.ensure_future(pods.read())
        async with stage.ask("/api/v1/pods") as answer:
            assert answer.status == 200
        assert not waiting.done()
        stage.proxy.end(hold)
        assert await waiting == later

    play(act, watched)
    assert hold.effects == (1 if ahead else 2)


def test_a_watch_is_held_from_its_beginning_where_the_end_of_its_list_cannot_be_seen() -> None:
    asked = asyncio.Event()

    class Telling(Hold):
        def holds(self, of: Asked) -> bool:
            asked.set()
            return super().holds(of)

    hold = Telling("pods")

    async def compressed(stage: Stage, request: web.Request) -> web.StreamResponse:
        sending = Sending(request)
        stage.watches.put_nowait(sending)
        return await sending.run(web.StreamResponse(headers={"Content-Encoding": "gzip", **JSON_WATCH}))

    async def act(stage: Stage) -> None:
        stage.proxy.begin(hold)
        pods, sending = await opened(stage, INITIAL)
        sending.send(b"packed")
        sending.finish()
        waiting = asyncio.ensure_future(pods.read())
        await asked.wait()
        assert not waiting.done()
        stage.proxy.end(hold)
        assert await waiting == b"packed"

    play(act, compressed)


def test_a_hold_of_what_nobody_watches_has_no_effect() -> None:
    hold = Hold("daemonsets")

    async def act(stage: Stage) -> None:
        stage.proxy.begin(hold)
        pods, of_pods = await opened(stage)
        of_pods.send(event("a"))
        assert await pods.content.readline() == event("a")
        stage.proxy.end(hold)
        stage.proxy.end(hold)
        pods.close()

    play(act, watched)
    assert hold.effects == 0


@pytest.mark.parametrize("headers", [{}, PROTOBUF], ids=["json", "protobuf"])
def test_a_cut_watch_ends_and_cannot_be_resumed_before_a_list(headers: dict[str, str]) -> None:
    cut, hold = Cut("pods"), Hold("pods")

    async def refused(stage: Stage) -> bool:
        async with stage.ask(PODS, headers=headers) as answer:
            told = orjson.loads(await answer.read())
            status = told if headers else told["object"]
            assert answer.status == (410 if headers else 200)
            return bool((status["code"], status["reason"]) == (410, "Expired"))

    async def act(stage: Stage) -> None:
        pods, of_pods = await opened(stage, headers=headers)
        nodes, of_nodes = await opened(stage, NODES)
        stage.proxy.begin(hold)
        of_pods.send(event("lost"))
        stage.proxy.begin(cut)
        stage.proxy.end(hold)
        with pytest.raises(aiohttp.ClientError):
            await pods.read()
        assert await refused(stage)
        assert await refused(stage)
        async with stage.ask("/api/v1/pods") as answer:
            assert answer.status == 200
        again, of_again = await opened(stage, headers=headers)
        of_again.send(b"x\n")
        of_nodes.send(event("node"))
        assert await nodes.content.readline() == event("node")
        for one in (nodes, again):
            one.close()

    play(act, watched)
    assert cut.effects == 1


@pytest.mark.parametrize(
    "query", ["watch=1", "watch=true&resourceVersion=0", "watch=1&resourceVersion=7&sendInitialEvents=true"]
)
def test_a_watch_that_needs_no_list_is_let_through_after_a_cut(query: str) -> None:
    async def act(stage: Stage) -> None:
        await opened(stage)
        stage.proxy.begin(Cut("pods"))
        again, sending = await opened(stage, f"/api/v1/pods?{query}")
        sending.send(event("a"))
        assert await again.content.readline() == event("a")
        again.close()

    play(act, watched)


async def made(_: Stage, request: web.Request) -> web.StreamResponse:
    return web.json_response({"name": "x"}, status=409 if "taken" in request.path else 201)


@pytest.mark.parametrize(("kind", "arrived"), [(LostAnswers, 2), (LostRequests, 1)])
def test_one_create_loses_its_answer_or_is_lost_itself(kind: type[LostAnswers], arrived: int) -> None:
    fault = kind("create", "pods")

    async def act(stage: Stage) -> None:
        stage.proxy.begin(fault)
        async with stage.ask("/api/v1/namespaces/a/pods/b", "PATCH", data=b"{}") as answer:
            assert answer.status == 201
        stage.asked.clear()
        with pytest.raises(aiohttp.ClientError):
            await stage.ask("/api/v1/namespaces/a/pods", "POST", data=b"{}")
        async with stage.ask("/api/v1/namespaces/a/pods", "POST", data=b"{}") as answer:
            assert answer.status == 201

    assert len(play(act, made).asked) == arrived
    assert fault.effects == 1


def test_an_answer_that_is_a_refusal_is_not_the_one_to_be_lost() -> None:
    fault = LostAnswers("create", "pods")

    async def act(stage: Stage) -> None:
        stage.proxy.begin(fault)
        async with stage.ask("/api/v1/namespaces/taken/pods", "POST", data=b"{}") as answer:
            assert answer.status == 409

    play(act, made)
    assert fault.effects == 0


@pytest.mark.parametrize(("headers", "frame"), [({}, event), (PROTOBUF, framed)], ids=["json", "protobuf"])
def test_events_of_one_object_are_lost_wherever_the_network_cuts_them(headers: dict[str, str], frame: Any) -> None:
    fault = LostEvents("pods", "agent-b")
    stream = b"".join(map(frame, ("agent-a", "agent-b", "agent-c", "agent-b", "agent-d")))

    async def act(stage: Stage) -> None:
        stage.proxy.begin(fault)
        pods, sending = await opened(stage, headers=headers)
        sending.send(*(stream[at : at + 3] for at in range(0, len(stream), 3)))
        sending.finish()
        assert await pods.read() == b"".join(map(frame, ("agent-a", "agent-c", "agent-d")))

    play(act, watched)
    assert fault.effects == 2


def test_what_was_held_can_still_be_lost() -> None:
    hold, lost = Hold("pods"), LostEvents("pods", "agent-b")

    async def act(stage: Stage) -> None:
        pods, sending = await opened(stage)
        stage.proxy.begin(hold)
        sending.send(event("agent-a"), event("agent-b"), event("agent-c"))
        sending.finish()
        stage.proxy.begin(lost)
        stage.proxy.end(hold)
        assert await pods.read() == event("agent-a") + event("agent-c")

    play(act, watched)
    assert lost.effects == 1


def test_a_fault_of_no_kind_changes_nothing() -> None:
    async def act(stage: Stage) -> None:
        stage.proxy.begin(Fault("pods"))
        async with stage.ask("/api/v1/pods", "POST", data=b"{}") as answer:
            assert await answer.read() == b"{}"

    play(act, echo)
