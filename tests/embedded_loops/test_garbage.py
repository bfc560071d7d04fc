"""The garbage collector deletes what its owners are gone for, and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from control_plane import ME, control_plane
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

HOLD = {"finalizers": ["example.com/hold"]}


def test_background_deletion_takes_the_dependents_along() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner, other = plane.daemon_set("d"), plane.daemon_set("e")
            plane.pod("p", owner)
            plane.pod("q", owner)
            plane.pod("other", other)
            plane.delete("daemonsets.apps", "d")
            await plane.settle()
            assert plane.names("pods") == ["other"]

    asyncio.run(play())


def test_foreground_deletion_waits_for_the_dependents_that_block() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = plane.daemon_set("d")
            plane.pod("held", owner, meta=HOLD)
            plane.pod("free", owner)
            plane.delete("daemonsets.apps", "d", "Foreground")
            await plane.settle()
            assert plane.names("pods") == ["held"]
            assert plane.get("daemonsets.apps", "d")["metadata"]["finalizers"] == ["foregroundDeletion"]
            plane.release("pods", "held")
            await plane.settle()
            assert plane.names("daemonsets.apps") == []

    asyncio.run(play())


def test_foreground_deletion_does_not_wait_for_those_that_do_not_block() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = plane.daemon_set("d")
            plane.pod("held", {**owner, "blocks": False}, meta=HOLD)
            plane.delete("daemonsets.apps", "d", "Foreground")
            await plane.settle()
            assert plane.names("daemonsets.apps") == []
            assert "deletionTimestamp" in plane.get("pods", "held")["metadata"]

    asyncio.run(play())


def test_a_dependent_that_stops_blocking_lets_its_owner_go() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = plane.daemon_set("d")
            plane.pod("held", owner, meta=HOLD)
            plane.delete("daemonsets.apps", "d", "Foreground")
            await plane.settle()
            plane.api.patch(ME, "pods", "y", "held", {"metadata": {"ownerReferences": None}})
            await plane.settle()
            assert plane.names("daemonsets.apps") == []

    asyncio.run(play())


def test_orphans_stay_untouched_but_for_their_owner() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = plane.daemon_set("d")
            before = plane.pod("p", owner, meta={"labels": {"a": "b"}})
            plane.delete("daemonsets.apps", "d", "Orphan")
            await plane.settle()
            assert plane.names("daemonsets.apps") == []
            after = plane.get("pods", "p")
            for obj in (before, after):
                obj["metadata"].pop("resourceVersion")
                obj["metadata"].pop("ownerReferences", None)
            assert after == before

    asyncio.run(play())


def test_an_owner_is_known_by_its_uid_not_by_its_name() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = plane.daemon_set("d")
            imposter = {**owner, "metadata": {**owner["metadata"], "uid": "11111111-1111-1111-1111-111111111111"}}
            plane.pod("imposter", imposter)
            plane.pod("real", owner)
            await plane.settle()
            assert plane.names("pods") == ["real"]

    asyncio.run(play())


def test_a_second_living_owner_saves_the_dependent() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            first, second = plane.daemon_set("d"), plane.daemon_set("e")
            plane.pod("p", first, second)
            plane.delete("daemonsets.apps", "d")
            await plane.settle()
            owners = plane.get("pods", "p")["metadata"]["ownerReferences"]
            assert [each["uid"] for each in owners] == [second["metadata"]["uid"]]
            plane.delete("daemonsets.apps", "e")
            await plane.settle()
            assert plane.names("pods") == []

    asyncio.run(play())


def test_an_owner_in_another_namespace_is_no_owner() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            plane.create("namespaces", {"metadata": {"name": "z"}})
            owner = plane.create("configmaps", {"metadata": {"name": "c", "namespace": "z"}})
            plane.pod("p", owner)
            await plane.settle()
            assert plane.names("pods") == []

    asyncio.run(play())


def test_an_owner_of_a_kind_that_is_not_served_is_never_absent() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = {
                "apiVersion": "apps.kruise.io/v1alpha1",
                "kind": "DaemonSet",
                "metadata": {"name": "d", "uid": "u"},
            }
            plane.pod("p", owner)
            await plane.settle()
            assert plane.names("pods") == ["p"]

    asyncio.run(play())


def test_a_cluster_wide_owner_takes_along_what_is_in_namespaces() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            plane.pod("p", plane.node("n"))
            await plane.settle()
            assert plane.names("pods") == ["p"]
            plane.delete("nodes", "n", namespace="")
            await plane.settle()
            assert plane.names("pods") == []

    asyncio.run(play())


def test_a_chain_of_owners_goes_link_by_link() -> None:
    async def play() -> None:
        async with control_plane("garbage") as plane:
            owner = plane.daemon_set("d")
            for index in range(20):
                reference = {
                    "apiVersion": owner["apiVersion"],
                    "kind": owner["kind"],
                    "name": owner["metadata"]["name"],
                }
                meta = {"ownerReferences": [{**reference, "uid": owner["metadata"]["uid"]}]}
                owner = plane.create("configmaps", {"metadata": {"name": f"c{index}", "namespace": "y", **meta}})
            plane.delete("daemonsets.apps", "d")
            await plane.settle()
            assert plane.names("configmaps") == []

    asyncio.run(play())


def test_what_was_there_before_the_collector_started_is_collected_too(tmp_path: Path) -> None:
    async def play() -> None:
        async with control_plane(audit=tmp_path / "audit.log") as plane:
            owner = plane.daemon_set("d")
            plane.pod("p", owner)
            plane.delete("daemonsets.apps", "d")
            assert plane.names("pods") == ["p"]
            from pytest_daemonset.embedded.loops.garbage import Collector

            collector = Collector(plane.api)
            collector.start()
            collector.work()
            assert plane.names("pods") == []

    asyncio.run(play())
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    user = "system:serviceaccount:kube-system:generic-garbage-collector"
    assert [each["verb"] for each in lines if each["user"]["username"] == user] == ["delete"]


@settings(max_examples=40, deadline=None)
@given(
    owners=st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=8, max_size=8),
    gone=st.lists(st.integers(0, 7), max_size=4, unique=True),
    policy=st.sampled_from(["Background", "Foreground", "Orphan"]),
)
def test_in_any_graph_what_is_left_has_only_living_owners(owners: list[set[int]], gone: list[int], policy: str) -> None:
    """Owners point to earlier objects only, as they must exist first; so every graph is one that can come to be."""

    async def play() -> None:
        async with control_plane("garbage") as plane:
            objects = []
            for index, each in enumerate(owners):
                references = [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "name": f"c{at}",
                        "uid": objects[at]["metadata"]["uid"],
                        "blockOwnerDeletion": True,
                    }
                    for at in sorted(each)
                    if at < index
                ]
                meta = {"name": f"c{index}", "namespace": "y", "ownerReferences": references}
                objects.append(plane.create("configmaps", {"metadata": meta}))
            for index in gone:
                if plane.api.get("configmaps", "y", f"c{index}") is not None:
                    plane.delete("configmaps", f"c{index}", policy)
                await plane.settle()
            left = plane.api.list("configmaps", "y")
            uids = {each["metadata"]["uid"] for each in left}
            for each in left:
                assert "deletionTimestamp" not in each["metadata"]
                assert {ref["uid"] for ref in each["metadata"].get("ownerReferences", ())} <= uids
            if policy == "Orphan":
                assert len(left) == 8 - len(gone)

    asyncio.run(play())
