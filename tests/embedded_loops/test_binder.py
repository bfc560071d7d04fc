"""The binder puts pending pods where they may be."""

from __future__ import annotations

import asyncio
from typing import Any

from control_plane import ME, ControlPlane, control_plane

TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}


def place(plane: ControlPlane, name: str) -> str:
    return str(plane.get("pods", name)["spec"].get("nodeName", ""))


def scheduled(plane: ControlPlane, name: str) -> tuple[str, str]:
    conditions = plane.get("pods", name)["status"].get("conditions", ())
    return next(
        ((each["status"], each.get("reason", "")) for each in conditions if each["type"] == "PodScheduled"), ("", "")
    )


def test_a_pinned_pod_goes_to_its_node() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.node("a")
            plane.node("b")
            plane.pod("p", pinned="b")
            await plane.settle()
            assert place(plane, "p") == "b"
            assert scheduled(plane, "p") == ("True", "")

    asyncio.run(play())


def test_a_pinned_pod_waits_for_its_node_to_join() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.node("a")
            plane.pod("p", pinned="late")
            await plane.settle()
            assert place(plane, "p") == ""
            assert scheduled(plane, "p") == ("False", "Unschedulable")
            plane.node("late")
            await plane.settle()
            assert place(plane, "p") == "late"
            assert scheduled(plane, "p") == ("True", "")

    asyncio.run(play())


def test_a_pod_waits_until_its_nodes_taint_is_lifted_unless_it_tolerates_it() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.node("a", taints=[TAINT])
            plane.pod("p", pinned="a")
            plane.pod("tolerant", pinned="a", tolerations=[{"key": "k", "operator": "Exists"}])
            await plane.settle()
            assert (place(plane, "p"), place(plane, "tolerant")) == ("", "a")
            plane.api.patch(ME, "nodes", "", "a", {"spec": {"taints": None}})
            await plane.settle()
            assert place(plane, "p") == "a"

    asyncio.run(play())


def test_a_cordoned_node_takes_only_pods_that_tolerate_it() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.node("a", unschedulable=True)
            plane.pod("plain")
            plane.pod(
                "daemon", pinned="a", tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]
            )
            await plane.settle()
            assert (place(plane, "plain"), place(plane, "daemon")) == ("", "a")

    asyncio.run(play())


def test_a_plain_pod_goes_to_the_first_node_that_its_selector_admits() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.pod("p", nodeSelector={"zone": "b"})
            plane.node("a")
            plane.node("b")
            await plane.settle()
            assert place(plane, "p") == ""
            plane.api.patch(ME, "nodes", "", "b", {"metadata": {"labels": {"zone": "b"}}})
            await plane.settle()
            assert place(plane, "p") == "b"

    asyncio.run(play())


def test_pods_that_are_somebody_elses_are_left_alone() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.node("a")
            plane.pod("other", schedulerName="other")
            plane.pod("gated", schedulingGates=[{"name": "example.com/gate"}])
            plane.pod("direct", nodeName="elsewhere")
            await plane.settle()
            assert [place(plane, name) for name in ("other", "gated", "direct")] == ["", "", "elsewhere"]
            plane.api.patch(ME, "pods", "y", "gated", {"spec": {"schedulingGates": None}})
            await plane.settle()
            assert place(plane, "gated") == "a"

    asyncio.run(play())


def test_a_pod_made_anew_under_an_old_name_is_bound_anew() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.pod("p", pinned="a")
            await plane.settle()
            plane.delete("pods", "p")
            plane.pod("p", pinned="b")
            plane.node("b")
            plane.node("a")
            await plane.settle()
            assert place(plane, "p") == "b"

    asyncio.run(play())


def test_a_waiting_pod_is_told_so_once() -> None:
    async def play() -> None:
        async with control_plane("binder") as plane:
            plane.pod("p", pinned="a")
            await plane.settle()
            before: Any = plane.get("pods", "p")["metadata"]["resourceVersion"]
            for name in ("b", "c", "d"):
                plane.node(name)
            await plane.settle()
            assert plane.get("pods", "p")["metadata"]["resourceVersion"] == before

    asyncio.run(play())
