"""The controller in this process, with a client between it and the server that refuses, loses and delays."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

from reference_rig import story, target

from pytest_daemonset.reference.client import ApiError, Client
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.events import Filter, Recorder
from pytest_daemonset.reference.expectations import Expectations
from pytest_daemonset.reference.kubeconfig import Access
from pytest_daemonset.reference.pods import owner_reference
from pytest_daemonset.reference.revisions import data_of, revision_for
from pytest_daemonset.reference.writer import Writer


class Faulty(Client):
    """Asks `fault` before each write, and `lost` after it; events of kinds in `held` wait until they are let go."""

    def __init__(self, access):
        super().__init__(access)
        self.fault = self.lost = lambda *_: None
        self.flowing = {}
        self.sent = []

    async def request(self, method, path, body=None, query=None, content="application/json"):
        if method == "GET":
            return await super().request(method, path, body, query, content)
        self.sent.append((method, path, body))
        self._raise(await _maybe(self.fault(method, path, body)))
        answer = await super().request(method, path, body, query, content)
        self._raise(self.lost(method, path, body))
        return answer

    def hold(self, path):
        self.flowing[path] = asyncio.Event()

    async def watch(self, path, resource_version, seconds):
        async with aclosing(super().watch(path, resource_version, seconds)) as watch:
            async for events in watch:
                if path in self.flowing:
                    await self.flowing[path].wait()
                yield events

    @staticmethod
    def _raise(error):
        if error is not None:
            raise error


async def _maybe(result):
    return await result if asyncio.iscoroutine(result) else result


@asynccontextmanager
async def controlled(cluster, client_class=Faulty):
    async with client_class(Access.load(cluster.folder / "controller.kubeconfig")) as client:
        ready = asyncio.Event()
        running = asyncio.ensure_future(Controller(client).run(ready))
        try:
            await asyncio.wait_for(ready.wait(), 60)
            yield client
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def creates(client):
    return [target(body) for method, path, body in client.sent if method == "POST" and path.endswith("/pods")]


def test_with_pod_events_delayed_no_second_pod_is_created(cluster):
    async def tell(world):
        cluster.join("a", "b")
        async with controlled(cluster) as client:
            client.hold("/api/v1/pods")
            await world.apply()
            await world.until(lambda: len(world.pods()) == 2)
            for name in ("x", "y"):
                # Whatever else happens to the set: a node it wants, and changes of its spec.
                cluster.join(name)
                await world.patch("daemonsets", "agent", {"spec": {"minReadySeconds": len(client.sent)}})
            await world.apply("sentinel")
            await world.until(lambda: len(world.pods("sentinel")) == 4)
            assert sorted(creates(client)).count("a") == 2
            await world.merge("daemonsets", "agent", {"spec": {"minReadySeconds": 0}})
            client.flowing["/api/v1/pods"].set()
            await world.settled(4)
            assert world.most_active() == 1

    story(cluster, tell)


def test_a_create_without_an_answer_leads_to_no_second_pod(cluster):
    async def tell(world):
        cluster.join("a", "b", "c")
        async with controlled(cluster) as client:
            client.hold("/api/v1/pods")
            lost = iter([ApiError(0, "ServerDisconnectedError", "reset"), ApiError(504, "Timeout", "late")])
            client.lost = lambda method, path, _: (
                next(lost, None) if path.endswith("/pods") and method == "POST" else None
            )
            await world.apply()
            await world.until(lambda: len(world.pods()) >= 1)
            await world.apply("sentinel")
            await world.until(lambda: len(world.pods("sentinel")) >= 1)
            client.flowing["/api/v1/pods"].set()
            await world.settled(3)
            assert world.most_active() == 1

    story(cluster, tell)


def test_a_refused_create_stops_no_other_node_and_is_repeated_until_it_succeeds(cluster):
    async def tell(world):
        cluster.join(*"abcdef")
        async with controlled(cluster) as client:
            refused = ApiError(403, "Forbidden", "quota")
            client.fault = lambda method, path, body: (
                refused if method == "POST" and path.endswith("/pods") and target(body) == "a" else None
            )
            await world.apply()
            await world.until(lambda: world.status() == (6, 5, 0, 5, 5, 5))
            assert creates(client).count("a") < 20
            client.fault = lambda *_: None
            await world.settled(6)
            assert [p for _, p, b in client.sent if p.endswith("/events") and b["reason"] == "FailedCreate"]

    story(cluster, tell)


def test_a_status_of_an_older_generation_never_replaces_one_of_a_newer_as_after_a_fail_over(cluster):
    async def tell(world):
        cluster.join("a")
        async with controlled(cluster) as client:
            await world.apply()
            await world.settled(1)
            stale = world.set()
            path = world.path("daemonsets", "agent", "default")
            spec = {"spec": {"revisionHistoryLimit": 3}}
            await world.client.request("PATCH", path, spec, content="application/merge-patch+json")
            # what it was settled with before the patch would do as well for `settled`
            await world.until(lambda: world.set()["status"]["observedGeneration"] == 2)
            await world.settled(1)
            # Another process that led before, with what it saw then: the write conflicts, and is given up on fresh data.
            former = Writer(client, Expectations(time.monotonic), Recorder(client, Filter(time.monotonic)))
            await former.write_counters(stale, {**stale["status"], "numberReady": 9, "numberUnavailable": 0})
            now = await world.client.get(path)
            assert (now["status"]["observedGeneration"], now["status"]["numberReady"]) == (2, 1)

    story(cluster, tell)


def test_a_conflicting_status_write_is_repeated_on_fresh_data(cluster):
    async def tell(world):
        cluster.join("a")
        async with controlled(cluster) as client:
            conflicts = iter([ApiError(409, "Conflict", "stale")])
            client.fault = lambda _, path, __: next(conflicts, None) if path.endswith("/status") else None
            await world.apply()
            await world.settled(1)
            mine = {"type": "Mine", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z"}
            path = world.path("daemonsets", "agent", "default") + "/status"
            await world.client.request(
                "PATCH", path, {"status": {"conditions": [mine]}}, content="application/merge-patch+json"
            )
            cluster.join("b")
            await world.settled(2)
            assert [c["type"] for c in world.set()["status"]["conditions"]] == ["Mine"]

    story(cluster, tell)


def test_a_delete_answered_not_found_counts_as_done(cluster):
    async def tell(world):
        cluster.join("a", "b")
        async with controlled(cluster) as client:
            await world.apply()
            await world.settled(2)

            async def first(method, path, _):
                if method == "DELETE" and "/pods/" in path:
                    await world.client.delete(path, {"gracePeriodSeconds": 0})

            client.fault = first
            await world.update("two")
            await world.settled(2)
            assert world.images() == ["two", "two"]

    story(cluster, tell)


def test_whatever_write_fails_once_the_end_is_the_same(cluster):
    async def tell(world):
        cluster.join("a", "b", "c")
        async with controlled(cluster) as client:
            seen = set()

            def each_once(method, path, _):
                kind = (method, path.split("/default/")[-1].split("/")[0], path.endswith("/status"))
                if kind in seen:
                    return None
                seen.add(kind)
                return ApiError(500, "InternalError", f"{kind} once")

            client.fault = each_once
            await world.apply()
            await world.settled(3)
            await world.update("two")
            await world.settled(3)
            assert world.most_active() == 1
            assert {method for method, *_ in seen} == {"POST", "PUT", "DELETE"}

    story(cluster, tell)


class Forgetful(Faulty):
    """Its watches end with 410 after every batch, and the batch is lost: only lists tell what happened."""

    async def watch(self, path, resource_version, seconds):
        async with aclosing(super().watch(path, resource_version, seconds)) as watch:
            async for events in watch:
                if any(event["type"] != "BOOKMARK" for event in events):
                    raise ApiError(410, "Expired", "too old")
                yield events


def test_changes_seen_only_in_a_new_list_count_as_any_other(cluster):
    async def tell(world):
        cluster.join("a", "b")
        async with controlled(cluster, Forgetful):
            await world.apply()
            await world.settled(2)
            for pod in world.pods():
                await world.delete("pods", pod["metadata"]["name"], gracePeriodSeconds=0)
            await world.until(
                lambda: sum(1 for kind, what, _ in world.events if (kind, what) == ("DELETED", "pods")) == 2
            )
            await world.settled(2)

    story(cluster, tell)


class Stripping(Faulty):
    """Takes the selector's labels off new pods, as a mutating webhook may."""

    def __init__(self, access):
        super().__init__(access)
        self.made_for_a = []

    async def create(self, path, body):
        if path.endswith("/pods"):
            if target(body) == "a":
                self.made_for_a.append(time.monotonic())
            body = {**body, "metadata": {**body["metadata"], "labels": {"stripped": "yes"}}}
        return await super().create(path, body)


def test_pods_stripped_of_their_labels_are_let_go_and_not_made_without_end(cluster):
    async def tell(world):
        cluster.join("a")
        async with controlled(cluster, Stripping) as client:
            await world.apply()

            def released():
                pods = world.objects["pods"].values()
                return [
                    p for p in pods if "stripped" in p["metadata"]["labels"] and "ownerReferences" not in p["metadata"]
                ]

            await world.until(lambda: len(released()) == 2)
            for _ in range(5):
                await world.patch("daemonsets", "agent", {"metadata": {"annotations": {"n": str(len(client.sent))}}})
            cluster.join("b")
            await world.until(lambda: "b" in creates(client))
            pauses = [after - before for before, after in pairwise(client.made_for_a)]
            assert all(pause >= 2**nth for nth, pause in enumerate(pauses)), pauses

    story(cluster, tell)


def test_a_taken_revision_name_raises_the_collision_count_and_the_update_goes_through(cluster):
    async def tell(world):
        cluster.join("a")
        async with controlled(cluster):
            await world.apply()
            await world.settled(1)
            future = {**world.set(), "spec": {**world.set()["spec"]}}
            template = future["spec"]["template"]
            container = {**template["spec"]["containers"][0], "image": "two"}
            future["spec"]["template"] = {**template, "spec": {**template["spec"], "containers": [container]}}
            data = data_of(future)
            squatter = revision_for(future, data, 7, owner_reference(future))
            squatter["metadata"] = {"name": squatter["metadata"]["name"], "namespace": "default"}
            squatter["data"] = {"spec": {"template": {"other": "content"}}}
            await world.client.create("/apis/apps/v1/namespaces/default/controllerrevisions", squatter)
            await world.update("two")
            await world.settled(1)
            assert world.images() == ["two"]
            assert world.set()["status"]["collisionCount"] == 1

    story(cluster, tell)
