"""The program: its start, its commands, its end, and what it does when the server cuts its watch or says no."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.errors import ClusterError
from pytest_daemonset.keeper import Keeper
from pytest_daemonset.kube.client import Client
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.kube.resources import LEASES, NODES, PODS
from pytest_daemonset.processes import JsonLine, Process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def with_programs(folder: Path, work: Callable[[Process, Client], Awaitable[None]], *more: str) -> None:
    """Runs the embedded server and the kubelets around `work`."""

    async def run() -> None:
        with Keeper(folder / "home") as keeper:
            server = Process(
                [sys.executable, "-m", "pytest_daemonset.embedded", "--dir", str(folder)],
                keeper=keeper, name="embedded server", log=folder / "server.log",
            )  # fmt: skip
            kubelets = Process(
                [sys.executable, "-m", "pytest_daemonset.kubelets", "--kubeconfig", str(folder / "admin.kubeconfig"), *more],
                keeper=keeper, name="kubelets", log=folder / "kubelets.log",
            )  # fmt: skip
            try:
                await server.start(JsonLine())
                assert await kubelets.start(JsonLine()) == {"ready": True}
                async with Client(Kubeconfig.load(folder / "admin.kubeconfig")) as client:
                    await work(kubelets, client)
                await kubelets.stop()
                assert kubelets.returncode == 0, kubelets.tail()
                assert "Traceback" not in kubelets.tail(1000)
            finally:
                await kubelets.stop()
                await server.stop()

    asyncio.run(asyncio.wait_for(run(), 60))


def bound(name: str, node: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "agent:1"}]}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def test_it_tells_what_it_cannot_do(tmp_path: Path) -> None:
    async def work(kubelets: Process, client: Client) -> None:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"do": "fly"}, "fly: there is no such command"),
            ({"do": "crash", "nodes": ["nobody"]}, "no virtual node of that name: nobody"),
            ({"do": "crash"}, "crash: 'nodes' is missing"),
            ({"do": "join", "nodes": [{"name": "a"}, {"name": "a"}]}, "a kubelet of that name already: a"),
            ({"do": "join", "nodes": [{"name": "A_B"}]}, "1 of 1 nodes could not join, first of them A_B: 422"),
            ({"do": "behave", "switches": {"speed": 1}}, "unknown switches: speed"),
        ]
        for command, complaint in wrong:
            with pytest.raises(ClusterError) as caught:
                await kubelets.request(command)
            assert complaint in str(caught.value)
        assert (await kubelets.request({"do": "nodes"}))["nodes"] == {}

    with_programs(tmp_path, work)


def test_without_a_server_it_ends_and_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        with Keeper(tmp_path / "home") as keeper:
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(
                '{"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}], "current-context": "x",'
                ' "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],'
                ' "users": [{"name": "u", "user": {"token": "t"}}]}'
            )
            command = [sys.executable, "-m", "pytest_daemonset.kubelets", "--kubeconfig", str(kubeconfig)]
            kubelets = Process(command, keeper=keeper, name="kubelets", log=tmp_path / "log")
            with pytest.raises(ClusterError, match=r"(?s)kubelets died before it was ready.*127\.0\.0\.1"):
                await kubelets.start(JsonLine())

    asyncio.run(asyncio.wait_for(run(), 60))


def test_where_a_real_lifecycle_loop_runs_nodes_have_leases_and_keep_the_taint_of_admission(tmp_path: Path) -> None:
    async def work(kubelets: Process, client: Client) -> None:
        await kubelets.request({"do": "join", "nodes": [{"name": "n1"}]})
        node = await client.get(NODES, "n1")
        assert [row["key"] for row in node["spec"]["taints"]] == ["node.kubernetes.io/not-ready"]
        lease = await client.get(LEASES, "n1", "kube-node-lease")
        assert lease["spec"]["holderIdentity"] == "n1"
        await kubelets.request({"do": "crash", "nodes": ["n1"]})
        again = await client.get(NODES, "n1")
        assert again["metadata"]["resourceVersion"] == node["metadata"]["resourceVersion"], "that loop is to notice"

    with_programs(tmp_path, work, "--real-lifecycle")


def test_heartbeats_come_only_when_asked_for(tmp_path: Path) -> None:
    async def work(kubelets: Process, client: Client) -> None:
        await kubelets.request({"do": "join", "nodes": [{"name": "n1"}, {"name": "n2"}]})
        assert (await client.list(LEASES, "kube-node-lease"))["items"] == []
        await kubelets.request({"do": "heartbeats", "nodes": ["n1"], "on": True})
        (lease,) = (await client.list(LEASES, "kube-node-lease"))["items"]
        assert lease["metadata"]["name"] == "n1"
        await kubelets.request({"do": "heartbeats", "nodes": ["n1"], "on": False})

    with_programs(tmp_path, work)


def test_one_start_is_one_write_and_one_end_two(tmp_path: Path) -> None:
    async def work(kubelets: Process, client: Client) -> None:
        await kubelets.request({"do": "join", "nodes": [{"name": "n1"}]})
        settled = {"do": "behave", "switches": {"ready": True}}  # is answered when every pod is as it should be
        await client.create(PODS, bound("p", "n1"), "default")
        await kubelets.request(settled)
        assert (await client.get(PODS, "p", "default"))["status"]["phase"] == "Running"
        await client.delete(PODS, "p", "default")
        await kubelets.request(settled)
        assert (await client.list(PODS, "default"))["items"] == []

    with_programs(tmp_path, work)
    entries = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    writes = [
        (entry["verb"], entry["objectRef"].get("subresource"))
        for entry in entries
        if entry["userAgent"].startswith("pytest-daemonset-kubelets")
        and entry["objectRef"]["resource"] == "pods"
        and entry["verb"] in ("create", "update", "patch", "delete")
    ]
    assert writes == [("patch", "status"), ("patch", "status"), ("delete", None)]
