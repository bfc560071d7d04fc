"""Watches over HTTP: resuming, initial events, bookmarks, selectors, 410, and readers that are too slow."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import orjson
import pytest
from embedded_server import ALICE, PATIENCE, Stream, config_map, make_api, names, pod, serving

from pytest_daemonset.embedded.watch import Watches

MAPS = "/api/v1/namespaces/here/configmaps"
PODS = "/api/v1/namespaces/here/pods"


def _run(scenario):
    asyncio.run(asyncio.wait_for(scenario(), PATIENCE))


def test_a_watch_from_a_version_tells_everything_after_it_once_and_in_order():
    async def scenario():
        async with serving() as server:
            api = server.api
            api.create(ALICE, "configmaps", "here", config_map("a"))
            rv = api.store.rv
            api.create(ALICE, "configmaps", "here", config_map("b"))
            async with server.watch(f"{MAPS}?watch=1&resourceVersion={rv}") as stream:
                api.delete(ALICE, "configmaps", "here", "a")
                assert names(await stream.take(2)) == [("ADDED", "b"), ("DELETED", "a")]

    _run(scenario)


@pytest.mark.parametrize("version", ["", "&resourceVersion=0"])
def test_a_watch_without_a_version_begins_with_what_is_there(version):
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            async with server.watch(f"{MAPS}?watch=true{version}") as stream:
                server.api.create(ALICE, "configmaps", "here", config_map("b"))
                assert names(await stream.take(2)) == [("ADDED", "a"), ("ADDED", "b")]

    _run(scenario)


def test_initial_events_end_with_a_bookmark_that_says_so():
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
            async with server.watch(f"{MAPS}?{query}") as stream:
                assert names(await stream.take(1)) == [("ADDED", "a")]
                mark = await stream.next()
                assert mark is not None
                assert mark["type"] == "BOOKMARK"
                assert mark["object"]["metadata"] == {
                    "resourceVersion": str(server.api.store.rv),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                }

    _run(scenario)


def test_initial_events_of_a_version_to_come_end_when_it_has_come():
    async def scenario():
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
            begins = server.api.store.rv + 2
            async with server.watch(f"{MAPS}?{query}&resourceVersion={begins}") as stream:
                assert names(await stream.take(1)) == [("ADDED", "a")]
                server.api.create(ALICE, "configmaps", "here", config_map("b"))
                assert names([await stream.next()]) == [("ADDED", "b")]
                server.api.create(ALICE, "pods", "here", pod("p"))
                mark = await stream.next()
                assert mark["object"]["metadata"] == {
                    "resourceVersion": str(begins),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                }
                # from then on it hears as others do
                server.api.create(ALICE, "pods", "here", pod("q"))
                assert (await stream.next())["object"]["metadata"] == {"resourceVersion": str(begins + 1)}

    _run(scenario)


def test_an_idle_watch_hears_by_bookmark_how_far_the_whole_store_has_come():
    async def scenario():
        async with (
            serving() as server,
            server.watch(
                f"/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion={server.api.store.rv}"
            ) as stream,
        ):
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            mark = await stream.next()
            assert mark == {
                "type": "BOOKMARK",
                "object": {
                    "kind": "Node",
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": str(server.api.store.rv)},
                },
            }

    _run(scenario)


def test_a_bookmark_never_overtakes_an_event():
    async def scenario():
        async with serving(bookmark_interval=0.0) as server:
            rv = server.api.store.rv
            async with server.watch(f"{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={rv}") as stream:
                last, seen = rv, 0
                for turn in range(50):
                    server.api.create(ALICE, "configmaps", "here", config_map(f"m{turn}"))
                    await asyncio.sleep(0)
                while seen < 50:
                    event = await stream.next()
                    assert event is not None
                    version = int(event["object"]["metadata"]["resourceVersion"])
                    assert version >= last if event["type"] == "BOOKMARK" else version > last
                    seen += event["type"] == "ADDED"
                    last = version

    _run(scenario)


def test_leaving_a_selector_is_a_deletion_and_entering_it_an_addition():
    async def scenario():
        async with serving() as server:
            api = server.api
            api.create(ALICE, "configmaps", "here", config_map("a", app="x"))
            rv = api.store.rv
            async with server.watch(f"{MAPS}?watch=1&resourceVersion={rv}&labelSelector=app%3Dx") as stream:
                api.create(ALICE, "configmaps", "here", config_map("b", app="y"))
                api.patch(ALICE, "configmaps", "here", "a", {"metadata": {"labels": {"app": "y"}}})
                api.patch(ALICE, "configmaps", "here", "a", {"metadata": {"labels": {"app": "x"}}})
                api.patch(ALICE, "configmaps", "here", "a", {"data": {"k": "2"}})
                events = await stream.take(3)
            assert names(events) == [("DELETED", "a"), ("ADDED", "a"), ("MODIFIED", "a")]
            assert events[0]["object"]["metadata"]["labels"] == {"app": "x"}
            assert [int(event["object"]["metadata"]["resourceVersion"]) for event in events] == [rv + 2, rv + 3, rv + 4]

    _run(scenario)


def test_a_pod_that_is_bound_enters_the_watch_of_its_node():
    async def scenario():
        async with serving() as server:
            api = server.api
            async with server.watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1") as stream:
                api.create(ALICE, "pods", "here", pod("p"))
                binding = {"metadata": {"name": "p"}, "target": {"name": "n1"}}
                api.create(ALICE, "pods", "here", binding, name="p", subresource="binding")
                assert names(await stream.take(1)) == [("ADDED", "p")]

    _run(scenario)


def test_a_watch_from_a_forgotten_version_is_told_410():
    async def scenario():
        async with serving(ring=2) as server:
            rv = server.api.store.rv
            for name in "abcd":
                server.api.create(ALICE, "configmaps", "here", config_map(name))
            async with server.watch(f"{MAPS}?watch=1&resourceVersion={rv}") as stream:
                event = await stream.next()
                assert event is not None
                assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
                assert await stream.next() is None

    _run(scenario)


def test_a_watch_ends_when_its_time_is_over():
    async def scenario():
        async with serving() as server, server.watch(f"{MAPS}?watch=1&timeoutSeconds=1") as stream:
            assert await stream.next() is None

    _run(scenario)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("watch=1&resourceVersion=abc", 500),
        ("watch=1&sendInitialEvents=true", 422),
        ("watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1", 422),
        ("watch=1&labelSelector=a%3D%3D%3Db", 400),
    ],
)
def test_watch_options_that_make_no_sense_are_refused(query, code):
    async def scenario():
        async with serving() as server:
            status, body = await server.ask("GET", f"{MAPS}?{query}")
            assert (status, body["kind"]) == (code, "Status")

    _run(scenario)


def test_a_slow_reader_is_cut_off_alone():
    async def scenario():
        async with serving(ring=10_000, buffer=1_000_000) as server:
            api = server.api
            async with server.watch(f"{MAPS}?watch=1") as slow, server.watch(f"{MAPS}?watch=1") as quick:
                written, read = 0, 0
                big = {"metadata": {"name": "big"}, "data": {"k": "x" * 100_000}}
                api.create(ALICE, "configmaps", "here", big)
                # whoever is cut off is no longer told: until then, the quick one reads all that is written
                while len(_watching(server)) == 2:
                    written += 1
                    assert written < 1000, "the slow reader was never cut off"
                    api.patch(ALICE, "configmaps", "here", "big", {"data": {"n": str(written)}})
                    read += len(await quick.take(1))
                api.patch(ALICE, "configmaps", "here", "big", {"data": {"n": "last"}})
                events = await quick.take(written + 2 - read)
                assert events[-1]["object"]["data"]["n"] == "last"
                with pytest.raises(aiohttp.ClientError):
                    await slow.take(written + 2)

    _run(scenario)


class Reader:
    """One who reads nothing on its own."""

    def __init__(self, watch):
        self.left, self.cut = 0, False
        watch.on_cut = self.hang_up
        watch.send_to(self.take, lambda: self.left)

    def take(self, data):
        self.left += len(data)
        return self.left

    def hang_up(self):
        self.cut, self.left = True, 0


def test_of_many_slow_readers_the_greediest_are_cut_off_before_memory_is_full():
    async def scenario():
        api, buffer = make_api(), 10_000
        watches = Watches(api.store, 60, buffer)
        now = {"resourceVersion": str(api.store.rv)}
        opened = [watches.open(api.served["configmaps"], "", now) for _ in range(17)]
        readers = [Reader(watch) for watch in opened]
        pods = Reader(watches.open(api.served["pods"], "", now))

        async def write(size):
            api.create(ALICE, "configmaps", "here", {"metadata": {"generateName": "m"}, "data": {"k": "x" * size}})
            await asyncio.sleep(0)

        await write(4_000)
        readers[0].left = 0  # read without a word
        await write(4_700)
        # seventeen times 9 KB would be less than sixteen buffers: nobody was too slow so far
        assert not any(reader.cut for reader in readers)
        readers[1].left += 900
        opened[1].push(b" ")
        opened[1].flush()
        await write(200)
        assert [reader.cut for reader in readers].count(True) == 1
        assert readers[1].cut
        assert opened[1].ended
        # and who is left hears on
        api.create(ALICE, "pods", "here", pod("p"))
        assert (pods.left > 0, pods.cut) == (True, False)
        watches.close()
        assert watches._backlog.total == 0

    _run(scenario)


def test_watchers_hear_of_a_write_before_its_writer_has_an_answer_and_of_others_in_its_turn_together():
    async def scenario():
        api, sent = make_api(), []
        watches = Watches(api.store, 60, 1_000_000)
        watch = watches.open(api.served["configmaps"], "", {"resourceVersion": str(api.store.rv)})
        watch.send_to(lambda data: sent.append(data) or 0, lambda: 0)
        for name in "abc":
            api.create(ALICE, "configmaps", "here", config_map(name))
            assert len(sent) == 1
        await asyncio.sleep(0)
        api.create(ALICE, "configmaps", "here", config_map("d"))
        told = [[orjson.loads(line)["object"]["metadata"]["name"] for line in data.splitlines()] for data in sent]
        assert told == [["a"], ["b", "c"], ["d"]]
        watches.close()

    _run(scenario)


def _watching(server):
    return [watch for fanout in server.http._watches._fanouts.values() for watch in fanout.watches]


def test_a_reader_that_goes_away_is_forgotten():
    async def scenario():
        async with serving() as server:
            async with server.watch(f"{MAPS}?watch=1"):
                (watch,) = _watching(server)
            await watch.wait()
            assert watch.ended
            assert _watching(server) == []

    _run(scenario)


def test_a_watch_of_metadata_tells_no_more():
    async def scenario():
        accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
        async with serving() as server:
            server.api.create(ALICE, "configmaps", "here", config_map("a"))
            async with server._session.get(f"{MAPS}?watch=1", headers={"Accept": accept}) as answer:
                (event,) = await Stream(answer).take(1)
            assert event["type"] == "ADDED"
            assert sorted(event["object"]) == ["apiVersion", "kind", "metadata"]
            assert event["object"]["kind"] == "PartialObjectMetadata"

    _run(scenario)


def test_each_of_many_watches_hears_of_what_it_selects_and_of_nothing_else():
    async def scenario():
        async with serving() as server:
            api = server.api
            api.create(ALICE, "namespaces", "", {"metadata": {"name": "there"}})
            queries = {
                "/api/v1/pods?watch=1": ["one", "two"],
                f"{PODS}?watch=1": ["one"],
                "/api/v1/pods?watch=1&fieldSelector=spec.nodeName=n1": ["one"],
                "/api/v1/pods?watch=1&fieldSelector=spec.nodeName=n2": ["two"],
                f"{PODS}?watch=1&fieldSelector=status.phase=Pending,metadata.name=one": ["one"],
            }
            async with contextlib.AsyncExitStack() as stack:
                heard = [await stack.enter_async_context(server.watch(query)) for query in queries]
                for namespace, name, node in (("here", "one", "n1"), ("there", "two", "n2"), ("here", "end", "")):
                    spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
                    api.create(ALICE, "pods", namespace, {"metadata": {"name": name}, "spec": spec})
                for events, names in zip(heard, queries.values(), strict=True):
                    told = await events.take(len(names))
                    assert [event["object"]["metadata"]["name"] for event in told] == names

    _run(scenario)
