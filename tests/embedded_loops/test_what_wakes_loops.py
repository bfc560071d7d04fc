"""A write wakes the loops that it concerns, and no others: what a kubelet writes of a pod concerns none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane import ME, control_plane

from pytest_daemonset.embedded.api import Api, Subscription

if TYPE_CHECKING:
    import pytest

STRATEGIC = "application/strategic-merge-patch+json"


def test_a_write_wakes_the_loops_that_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[str, Subscription] = {}
    subscribe = Api.subscribe

    def noted(api: Api, *resources: str, **only: Any) -> Subscription:
        task = asyncio.current_task()
        assert task is not None
        subscription = subscribe(api, *resources, **only)
        heard[Path(task.get_coro().cr_code.co_filename).stem] = subscription  # type: ignore[union-attr]
        return subscription

    monkeypatch.setattr(Api, "subscribe", noted)

    def woken() -> set[str]:
        return {name for name, subscription in heard.items() if subscription.waiting()}

    async def scenario() -> None:
        async with control_plane("garbage", "namespaces", "binder", "budgets") as plane:
            plane.node("n1")
            owner = plane.daemon_set("d")
            plane.pod("p", owner, nodeName="n1")
            plane.pod("waits", pinned="n2")
            await plane.settle()
            assert (len(heard), woken()) == (4, set())

            def patch(resource: str, name: str, patch: dict[str, Any], subresource: str = "") -> set[str]:
                namespace = "" if resource in {"nodes", "namespaces"} else "y"
                plane.api.patch(ME, resource, namespace, name, patch, STRATEGIC, subresource)
                return woken()

            plane.create("configmaps", {"metadata": {"name": "plain", "namespace": "y"}})
            assert woken() == set()
            assert patch("pods", "p", {"status": {"phase": "Running"}}, "status") == set()
            assert patch("pods", "p", {"metadata": {"labels": {"a": "b"}}}) == set()
            assert patch("daemonsets.apps", "d", {"status": {"numberReady": 1}}, "status") == set()
            assert patch("nodes", "n1", {"metadata": {"labels": {"a": "b"}}}) == {"binder"}
            assert patch("pods", "waits", {"metadata": {"labels": {"a": "b"}}}) == {"binder"}
            assert patch("pods", "p", {"metadata": {"finalizers": ["example.com/f"]}}) == {"garbage"}
            assert patch("namespaces", "y", {"metadata": {"labels": {"a": "b"}}}) == {"namespaces"}
            plane.create(
                "resourcequotas", {"metadata": {"name": "q", "namespace": "y"}, "spec": {"hard": {"pods": "9"}}}
            )
            assert "budgets" in woken()
            assert patch("pods", "p", {"status": {"phase": "Failed"}}, "status") == {"budgets"}

    asyncio.run(scenario())
