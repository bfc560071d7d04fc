"""The pod garbage collector ends pods whose node is gone, after the quarantine and not before."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from control_plane import ME, ControlPlane, control_plane

from pytest_daemonset.embedded.loops.holding import HOLD
from pytest_daemonset.embedded.loops.podgc import PodCollector

if TYPE_CHECKING:
    from pathlib import Path


def bound(plane: ControlPlane, name: str, node: str, **more: Any) -> None:
    plane.pod(name, nodeName=node, **more)


def test_pods_of_a_vanished_node_go_after_the_quarantine(tmp_path: Path) -> None:
    async def play() -> None:
        async with control_plane(audit=tmp_path / "audit.log") as plane:
            plane.node("stays")
            bound(plane, "kept", "stays")
            bound(plane, "stranded", "gone")
            collector = PodCollector(plane.api, quarantine=40)
            collector.tick(0)
            collector.tick(39.9)
            assert plane.names("pods") == ["kept", "stranded"]
            collector.tick(40)
            assert plane.names("pods") == ["kept"]

    asyncio.run(play())
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    mine = [
        each for each in lines if each["user"]["username"] == "system:serviceaccount:kube-system:pod-garbage-collector"
    ]
    assert [(each["verb"], each["objectRef"].get("subresource", "")) for each in mine] == [
        ("patch", "status"),
        ("delete", ""),
    ]
    assert mine[0]["requestObject"]["status"]["phase"] == "Failed"
    assert mine[0]["requestObject"]["status"]["conditions"][0]["type"] == "DisruptionTarget"


def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    async def play() -> None:
        async with control_plane() as plane:
            bound(plane, "p", "n")
            collector = PodCollector(plane.api, quarantine=40)
            collector.tick(0)
            plane.node("n")
            collector.tick(50)
            plane.api.delete(ME, "nodes", "", "n")
            collector.tick(60)
            collector.tick(99)
            assert plane.names("pods") == ["p"]
            collector.tick(100)
            assert plane.names("pods") == []

    asyncio.run(play())


def test_a_pod_that_a_finalizer_holds_is_deleted_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with control_plane(audit=tmp_path / "audit.log") as plane:
            bound(plane, "held", "gone", meta={"finalizers": ["example.com/hold"]})
            collector = PodCollector(plane.api, quarantine=0)
            for now in range(5):
                collector.tick(now)
            assert plane.get("pods", "held")["metadata"]["deletionGracePeriodSeconds"] == 0
            plane.release("pods", "held")
            assert plane.names("pods") == []

    asyncio.run(play())
    text = (tmp_path / "audit.log").read_text()
    assert text.count('"verb":"delete"') == 1


def test_the_loop_collects_by_itself() -> None:
    async def play() -> None:
        async with control_plane("pod-gc", pod_gc_period=0.01, pod_gc_quarantine=0.01) as plane:
            with plane.api.subscribe("pods") as changes:
                bound(plane, "stranded", "gone")
                async for _, change in changes:
                    if change.type == "DELETED":
                        break

    asyncio.run(asyncio.wait_for(play(), 60))


def test_a_namespace_that_holds_the_loop_back_keeps_its_pods() -> None:
    async def play() -> None:
        async with control_plane() as plane:
            bound(plane, "stranded", "gone")
            said = {"metadata": {"annotations": {HOLD: "namespaces,pod-gc"}}}
            plane.api.patch(ME, "namespaces", "", "y", said, "application/merge-patch+json")
            collector = PodCollector(plane.api, quarantine=1)
            for now in range(3):
                collector.tick(now)
            assert plane.names("pods") == ["stranded"]
            said["metadata"]["annotations"][HOLD] = ""
            plane.api.patch(ME, "namespaces", "", "y", said, "application/merge-patch+json")
            collector.tick(3)
            assert plane.names("pods") == []

    asyncio.run(play())
