"""Whatever kills a run, in whichever phase: afterwards no process, folder or port of ours is left."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from dying_run import PATIENCE, PHASES, WAYS, DyingRun

CONFTEST = """
from pytest_daemonset import processes

real_connect, real_stop = processes.Process._connect, processes.Process.stop

async def connect(self, ready):
    await real_connect(self, ready)
    if PHASE == "starting" and "kubelets" in self.name:
        await stay()

async def stop(self, *args, **kwargs):
    if PHASE == "tearing down" and "server" in self.name.lower():
        await stay()
    await real_stop(self, *args, **kwargs)

processes.Process._connect, processes.Process.stop = connect, stop
"""
TEST = """
import threading
import conftest

def test_it(daemonsets, nodes, cluster):
    daemonsets.apply("agent.yaml").wait()
    if conftest.PHASE == "running":
        conftest.arrived(cluster.kubeconfig.read_text())
        threading.Event().wait()
"""


class EmbeddedRun(DyingRun):
    """A run on the embedded cluster."""

    def left(self) -> list[str]:
        """The port too, where the run got so far as to tell it."""
        found = super().left()
        if self.told:
            server = urlsplit(orjson.loads(self.told)["clusters"][0]["cluster"]["server"])
            with socket.socket() as probe:
                if probe.connect_ex((server.hostname, server.port)) == 0:
                    found.append(f"port {server.port}")
        return found


@pytest.fixture(params=PHASES)
def run(tmp_path: Path, request: pytest.FixtureRequest) -> EmbeddedRun:
    return EmbeddedRun(tmp_path, request.param, CONFTEST, TEST)


@pytest.mark.parametrize("way", WAYS)
def test_whatever_kills_a_run(run: EmbeddedRun, way: str) -> None:
    WAYS[way](run)
    assert run.left() == [], run.log


@pytest.mark.parametrize("run", ["running"], indirect=True)
def test_what_a_killed_keeper_left_is_swept_by_the_next_run(run: EmbeddedRun) -> None:
    run.start_and_kill_the_keeper()
    assert any(text.startswith("file") for text in run.left()), "with no keeper something is left: the check can fail"
    second = run.start()
    second.kill()
    second.wait(timeout=PATIENCE)
    assert run.left() == []
