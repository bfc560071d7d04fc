"""The same objects under another name: events of the core group and of events.k8s.io."""

from __future__ import annotations

import asyncio
from typing import Any

from embedded_server import ALICE, make_api, serving

OLD, NEW = "/api/v1/namespaces/here/events", "/apis/events.k8s.io/v1/namespaces/here/events"


def core(name: str) -> dict[str, Any]:
    about = {"kind": "Pod", "namespace": "here", "name": "p"}
    return {"metadata": {"name": name}, "involvedObject": about, "message": "said", "reason": "R", "type": "Normal"}


def new(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "reportingController": "example.com/agent",
        "reportingInstance": "agent-1",
        "action": "Did",
        "reason": "R",
        "note": "said",
        "type": "Normal",
        "regarding": {"kind": "Pod", "namespace": "here", "name": "p"},
    }


def test_an_event_is_seen_in_both_groups_whichever_it_was_written_to() -> None:
    async def scenario() -> None:
        async with serving() as server:
            await server.ask("POST", OLD, core("old"))
            status, made = await server.ask("POST", NEW, new("new"))
            assert status == 201, made
            assert made["note"] == "said"
            _, seen = await server.ask("GET", f"{NEW}/old")
            assert (seen["note"], seen["regarding"]["name"], seen["apiVersion"]) == ("said", "p", "events.k8s.io/v1")
            _, kept = await server.ask("GET", f"{OLD}/new")
            assert (kept["message"], kept["reportingComponent"], kept["apiVersion"]) == (
                "said",
                "example.com/agent",
                "v1",
            )
            assert kept["metadata"]["uid"] == made["metadata"]["uid"]
            assert kept["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
            _, patched = await server.ask(
                "PATCH", f"{NEW}/new", {"note": "more"}, Content_Type="application/merge-patch+json"
            )
            assert patched["note"] == "more"
            assert (await server.ask("GET", f"{OLD}/new"))[1]["message"] == "more"
            assert (await server.ask("DELETE", f"{NEW}/new"))[0] == 200
            assert (await server.ask("GET", f"{OLD}/new"))[0] == 404
            _, listed = await server.ask("GET", NEW)
            assert [each["metadata"]["name"] for each in listed["items"]] == ["old"]

    asyncio.run(scenario())


def test_a_watch_of_one_group_sees_what_is_written_to_the_other_and_resumes_before_it_was_asked() -> None:
    async def scenario() -> None:
        async with serving() as server:
            _, first = await server.ask("POST", OLD, core("a"))
            await server.ask("POST", OLD, core("b"))
            version = first["metadata"]["resourceVersion"]
            async with server.watch(f"{NEW}?watch=1&resourceVersion={version}") as events:
                assert (await events.next())["object"]["metadata"]["name"] == "b"
                await server.ask("POST", OLD, core("c"))
                event = await events.next()
                assert (event["type"], event["object"]["note"]) == ("ADDED", "said")
                await server.ask("DELETE", f"{OLD}/c")
                assert (await events.next())["type"] == "DELETED"

    asyncio.run(scenario())


def test_the_new_group_wants_more_to_be_said() -> None:
    async def scenario() -> None:
        async with serving() as server:
            incomplete = {"metadata": {"name": "e"}, "regarding": {"namespace": "here"}, "type": "Normal"}
            status, refused = await server.ask("POST", NEW, incomplete)
            assert status == 422
            fields = {cause["field"] for cause in refused["details"]["causes"]}
            assert fields == {"eventTime", "reportingController", "reportingInstance", "action", "reason"}

    asyncio.run(scenario())


def test_another_version_costs_nothing_until_it_is_asked_for() -> None:
    api = make_api()
    api.create(ALICE, "events", "here", core("a"))
    assert not api.served["events.events.k8s.io"].table.entries
