"""Namespaces are emptied before they go, and have a service account while they live."""

from __future__ import annotations

import asyncio

import pytest
from control_plane import ME, control_plane

from pytest_daemonset.embedded.loops.holding import HOLD
from pytest_daemonset.embedded.loops.namespaces import Emptier
from pytest_daemonset.embedded.statuses import StatusError


def test_a_deleted_namespace_goes_with_all_that_is_in_it() -> None:
    async def play() -> None:
        async with control_plane("namespaces", "service-accounts", "garbage") as plane:
            plane.daemon_set("d")
            plane.pod("p")
            plane.create("configmaps", {"metadata": {"name": "c", "namespace": "y"}})
            plane.delete("namespaces", "y", namespace="")
            await plane.settle()
            assert plane.api.get("namespaces", "", "y") is None
            assert [name for name in plane.api.served if name != "namespaces" and plane.names(name)] == []

    asyncio.run(play())


def test_a_namespace_waits_for_what_is_held_in_it() -> None:
    async def play() -> None:
        async with control_plane("namespaces") as plane:
            plane.pod("held", meta={"finalizers": ["example.com/hold"]})
            plane.create("configmaps", {"metadata": {"name": "c", "namespace": "y"}})
            plane.delete("namespaces", "y", namespace="")
            await plane.settle()
            assert plane.names("configmaps") == []
            assert plane.get("namespaces", "y", "")["status"]["phase"] == "Terminating"
            plane.release("pods", "held")
            await plane.settle()
            assert plane.api.get("namespaces", "", "y") is None

    asyncio.run(play())


def test_nothing_new_comes_into_a_namespace_that_leaves() -> None:
    async def play() -> None:
        async with control_plane() as plane:
            emptier = Emptier(plane.api, delay=5)
            plane.delete("namespaces", "y", namespace="")
            emptier.begin("y", now=0)
            emptier.empty(now=4.9)
            assert emptier.wait(now=4) == 1
            with pytest.raises(StatusError) as refused:
                plane.pod("late")
            assert refused.value.code == 403
            emptier.empty(now=5)
            assert plane.api.get("namespaces", "", "y") is None

    asyncio.run(play())


def test_every_namespace_has_a_default_service_account_again_and_again() -> None:
    async def play() -> None:
        async with control_plane("service-accounts") as plane:
            plane.create("namespaces", {"metadata": {"name": "z"}})
            await plane.settle()
            assert plane.names("serviceaccounts") == ["default"]
            assert plane.api.get("serviceaccounts", "z", "default") is not None
            plane.api.delete(ME, "serviceaccounts", "y", "default")
            await plane.settle()
            assert plane.names("serviceaccounts") == ["default"]

    asyncio.run(play())


def test_a_namespace_that_leaves_gets_no_service_account_any_more() -> None:
    async def play() -> None:
        async with control_plane("service-accounts") as plane:
            plane.delete("namespaces", "y", namespace="")
            await plane.settle()
            plane.api.delete(ME, "serviceaccounts", "y", "default")
            await plane.settle()
            assert plane.names("serviceaccounts") == []
            plane.create("namespaces", {"metadata": {"name": "z"}})
            await plane.settle()
            assert plane.api.get("serviceaccounts", "z", "default") is not None

    asyncio.run(play())


def test_a_namespace_that_holds_the_loop_back_stays_as_it_is_until_it_does_no_more() -> None:
    async def play() -> None:
        async with control_plane("namespaces") as plane:
            plane.create("configmaps", {"metadata": {"name": "c", "namespace": "y"}})
            said = {"metadata": {"annotations": {HOLD: "namespaces"}}}
            plane.api.patch(ME, "namespaces", "", "y", said, "application/merge-patch+json")
            plane.delete("namespaces", "y", namespace="")
            await plane.settle()
            assert plane.names("configmaps") == ["c"]
            said["metadata"]["annotations"][HOLD] = ""
            plane.api.patch(ME, "namespaces", "", "y", said, "application/merge-patch+json")
            await plane.settle()
            assert plane.api.get("namespaces", "", "y") is None

    asyncio.run(play())
