"""Kubelets when the API server is in trouble: a watch that is cut or too old, writes that fail for a while or for good."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from pytest_daemonset.kubelets.api import ApiError
from pytest_daemonset.kubelets.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]


def pod(uid: str, version: int, node: str = "n1", **more: Any) -> Object:
    metadata = {"name": uid, "namespace": "default", "uid": uid, "resourceVersion": str(version), **more}
    return {"metadata": metadata, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}, "status": {}}


class ScriptedApi:
    """Answers lists and watches from a script, and takes writes; `troubles` are raised by the next pod writes."""

    def __init__(self) -> None:
        self.lists: list[Object] = []
        self.watches: list[list[Object | BaseException]] = []
        self.troubles: list[BaseException] = []
        self.writes: list[tuple[str, str]] = []
        self.versions: list[str] = []
        self.wrote = 0
        self.stored: dict[str, Object] = {}
        self.exhausted = asyncio.Event()

    async def request(self, method: str, path: str, body: Object | None = None, **_: Any) -> Object:
        if method == "GET" and path == "/api/v1/pods":
            answer = self.lists.pop(0)
            self.stored.update({one["metadata"]["uid"]: one for one in answer["items"]})
            return answer
        if "/pods/" in path:
            if self.troubles:
                raise self.troubles.pop(0)
            self.writes.append((method, path.rpartition("pods/")[2]))
            if method == "DELETE":
                return {"kind": "Status"}
            assert body is not None
            before = self.stored[body["metadata"]["uid"]]
            metadata = {**before["metadata"], "resourceVersion": "100"}
            return {**before, "metadata": metadata, "status": body["status"]}
        return node_answer()

    async def watch(self, _path: str, version: str) -> AsyncIterator[Object]:
        self.versions.append(version)
        if not self.watches:
            self.exhausted.set()
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, BaseException):
                raise event
            self.stored[event["object"]["metadata"].get("uid", "")] = event["object"]
            yield event


def node_answer() -> Object:
    return {"metadata": {"name": "n1", "uid": "node-uid", "resourceVersion": "1"}, "spec": {}}


def listed(version: int, *pods: Object) -> Object:
    return {"metadata": {"resourceVersion": str(version)}, "items": list(pods)}


def event(kind: str, found: Object) -> Object:
    return {"type": kind, "object": found}


async def played(api: ScriptedApi) -> Fleet:
    """A fleet with one node that has seen all of the script."""
    fleet = Fleet(api)  # type: ignore[arg-type]
    await fleet.join([{"name": "n1"}])
    watching = asyncio.create_task(fleet.watch())
    await api.exhausted.wait()
    await fleet.machines["n1"].kubelet.quiet()
    watching.cancel()
    await asyncio.wait([watching])
    return fleet


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


def test_a_watch_that_was_cut_goes_on_where_it_was() -> None:
    async def work() -> None:
        api = ScriptedApi()
        api.lists = [listed(5)]
        bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
        api.watches = [[event("ADDED", pod("a", 7)), bookmark, aiohttp.ClientPayloadError("cut")], []]
        await played(api)
        assert api.versions[:2] == ["5", "9"]
        assert api.writes == [("PATCH", "a/status")]

    run(work)


def test_after_a_version_that_is_too_old_it_lists_anew_and_forgets_what_is_gone() -> None:
    async def work() -> None:
        api = ScriptedApi()
        api.lists = [listed(5, pod("a", 3), pod("b", 4)), listed(20, pod("b", 4), pod("c", 19))]
        api.watches = [[ApiError(410, "Expired", "too old")]]
        fleet = await played(api)
        assert sorted(fleet.machines["n1"].kubelet.pods) == ["b", "c"]
        assert api.writes.count(("PATCH", "b/status")) == 1
        assert api.writes.count(("PATCH", "c/status")) == 1

    run(work)


def test_a_write_that_fails_for_a_while_is_tried_again() -> None:
    async def work() -> None:
        api = ScriptedApi()
        api.lists = [listed(5, pod("a", 3, deletionTimestamp="2026-01-01T00:00:00Z"))]
        down = [ApiError(503, "", "down"), aiohttp.ServerDisconnectedError()]
        api.troubles = [*down]
        fleet = await played(api)
        assert api.writes == [("PATCH", "a/status"), ("DELETE", "a")]
        assert fleet.problems == []

    run(work)


def test_a_write_that_is_refused_for_good_is_told() -> None:
    async def work() -> None:
        api = ScriptedApi()
        api.lists = [listed(5, pod("a", 3))]
        api.troubles = [ApiError(403, "Forbidden", "not for you")]
        fleet = await played(api)
        assert api.writes == []
        assert "not for you" in fleet.problems[0]

    run(work)


def test_what_the_watch_tells_late_of_a_removed_pod_is_not_acted_upon() -> None:
    async def work() -> None:
        api = ScriptedApi()
        ending = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
        api.lists = [listed(5, pod("a", 3, **ending))]
        api.watches = [[]]
        fleet = await played(api)
        before = list(api.writes)
        fleet._saw(pod("a", 101, **ending))
        await fleet.machines["n1"].kubelet.quiet()
        assert api.writes == before
        fleet._gone("a")
        api.stored["a2"] = pod("a2", 90)
        fleet._saw(api.stored["a2"])
        await fleet.machines["n1"].kubelet.quiet()
        assert api.writes[-1] == ("PATCH", "a2/status")

    run(work)


def test_a_pod_that_ends_while_all_are_read_is_not_brought_back_by_that() -> None:
    async def work() -> None:
        api = ScriptedApi()
        api.lists = [listed(5, pod("a", 3))]
        fleet = await played(api)
        stale = listed(6, pod("a", 3))

        async def slow(*_: Any, **__: Any) -> Object:
            fleet._gone("a")  # the watch tells the end while the answer is on its way
            return stale

        api.request = slow  # type: ignore[method-assign]
        await fleet.refresh()
        assert fleet.machines["n1"].kubelet.pods == {}

    run(work)


def test_the_late_answer_to_a_write_does_not_undo_a_deletion_that_the_watch_told_meanwhile() -> None:
    async def work() -> None:
        api = ScriptedApi()
        api.lists = [listed(5)]
        fleet = await played(api)
        answered = api.request
        ending = pod("a", 101, deletionTimestamp="2026-01-01T00:00:00Z")

        async def overtaken(*arguments: Any, **more: Any) -> Object:
            answer = await answered(*arguments, **more)
            if len(api.writes) == 1:
                api.stored["a"] = {**ending, "status": answer["status"]}
                fleet._saw(api.stored["a"])
            return {**answer, "metadata": {**answer["metadata"], "resourceVersion": str(98 + 2 * len(api.writes))}}

        api.request = overtaken  # type: ignore[method-assign]
        api.stored["a"] = pod("a", 90)
        fleet._saw(api.stored["a"])
        await fleet.machines["n1"].kubelet.quiet()
        assert [verb for verb, _ in api.writes] == ["PATCH", "PATCH", "DELETE"]

    run(work)
