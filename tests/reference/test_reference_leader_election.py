from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import aclosing

import pytest
from reference_rig import story

from pytest_daemonset.reference.client import Client
from pytest_daemonset.reference.election import Election, LeadershipLostError, Terms
from pytest_daemonset.reference.kubeconfig import Access

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NAME = "pytest-daemonset-reference"
DURATION = 4.0
QUICK = (
    "--leader-elect",
    f"--leader-elect-lease-duration={DURATION:g}",
    "--leader-elect-renew-deadline=3",
    "--leader-elect-retry-period=0.3",
)


def candidate(cluster, name):
    return cluster.start(flags=(*QUICK, f"--leader-elect-identity={name}"))


async def holder(client, wanted):
    """Wait until the Lease is held by who is wanted, and return its spec."""
    listed = await client.get(LEASES)
    for one in listed["items"]:
        if wanted(one["spec"]["holderIdentity"]):
            return one["spec"]
    async with aclosing(client.watch(LEASES, listed["metadata"]["resourceVersion"], 60)) as watch:
        async for events in watch:
            for event in events:
                if event["type"] != "BOOKMARK" and wanted(event["object"]["spec"]["holderIdentity"]):
                    return event["object"]["spec"]
    raise AssertionError("the watch ended before the lease was held")


def test_a_candidate_is_ready_at_once_and_works_only_once_it_leads(cluster):
    first = candidate(cluster, "first")
    candidate(cluster, "second")

    async def tell(world):
        spec = await holder(world.client, bool)
        assert spec["holderIdentity"] == "first"
        assert spec["leaseDurationSeconds"] == DURATION
        await asyncio.to_thread(cluster.join, "a", "b")
        await world.apply()
        await world.settled(2)
        await asyncio.to_thread(first.process.send_signal, signal.SIGTERM)
        spec = await holder(world.client, lambda who: who == "second")
        assert spec["leaseTransitions"] >= 1
        await asyncio.to_thread(cluster.join, "c")
        await world.settled(3)
        assert world.most_active() == 1

    story(cluster, tell)
    assert first.process.wait(timeout=60) == 0
    first.stop()


def test_a_leader_that_is_frozen_beyond_its_lease_writes_nothing_when_it_wakes_up_and_ends(cluster):
    cluster.join("a")
    first = candidate(cluster, "first")
    candidate(cluster, "second")

    async def tell(world):
        await world.apply()
        await world.settled(1)
        os.kill(first.process.pid, signal.SIGSTOP)
        # What it will find when it wakes up, all at once.
        await asyncio.to_thread(cluster.join, "b", "c")
        await holder(world.client, lambda who: who == "second")
        await world.settled(3)
        before = cluster.mark()
        os.kill(first.process.pid, signal.SIGCONT)
        assert await asyncio.to_thread(first.process.wait, 60) == 1
        await world.nudge()
        assert {resource for _, resource, _ in cluster.writes(before)} <= {"leases", "daemonsets/status"}
        assert world.most_active() == 1

    story(cluster, tell)
    first.stop()
    assert "leader election lost" in (cluster.folder / "controller.log").read_text()


def test_no_write_is_sent_by_who_has_not_renewed_in_time(cluster):
    async def tell():
        access = Access.load(cluster.folder / "controller.kubeconfig")
        async with Client(access) as apart:
            election = Election(apart, Terms(identity="me"))
            async with Client(access, fence=election.check) as client:
                with pytest.raises(LeadershipLostError):
                    await client.create("/api/v1/namespaces", {"metadata": {"name": "too-early"}})
                await election.acquire()
                await client.create("/api/v1/namespaces", {"metadata": {"name": "in-time"}})
                assert (await client.get(f"{LEASES}/{NAME}"))["spec"]["holderIdentity"] == "me"
                await election.release()
                assert (await client.get(f"{LEASES}/{NAME}"))["spec"]["holderIdentity"] == ""
                with pytest.raises(LeadershipLostError):
                    await client.delete("/api/v1/namespaces/in-time", {})
                names = {one["metadata"]["name"] for one in (await client.get("/api/v1/namespaces"))["items"]}
                assert "in-time" in names
                assert "too-early" not in names

    asyncio.run(tell())


def test_times_that_cannot_keep_two_leaders_apart_are_refused(tmp_path):
    (tmp_path / "config").write_text("{}")
    command = [sys.executable, "-m", "pytest_daemonset.reference", "--kubeconfig", str(tmp_path / "config")]
    with pytest.raises(ValueError, match="each must be longer than the next"):
        Terms(lease_duration=5, renew_deadline=5)
    run = subprocess.run(
        [*command, "--leader-elect", "--leader-elect-lease-duration=1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
