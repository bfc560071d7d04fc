"""Whatever kills a run on k3s, in whichever phase: afterwards no container, network, volume, process or folder of ours is left."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import docker_here
import pytest
from dying_run import PATIENCE, PHASES, WAYS, DyingRun

pytestmark = pytest.mark.docker

CONFTEST = """
from pytest_daemonset.engine import engine

real_start, real_close = engine.Engine.start, engine.Engine.close

async def start(self, name):
    await real_start(self, name)
    if PHASE == "starting" and name.endswith("server"):
        await stay()

async def close(self):
    if PHASE == "tearing down":
        await stay()
    await real_close(self)

engine.Engine.start, engine.Engine.close = start, close
"""
TEST = """
import threading
import conftest

def test_it(daemonsets, nodes):
    nodes.join().wait()
    daemonsets.apply("agent.yaml").wait()
    if conftest.PHASE == "running":
        conftest.arrived()
        threading.Event().wait()
"""


class K3sRun(DyingRun):
    """A run on k3s."""

    def __init__(self, folder: Path, phase: str, image: str) -> None:
        ini = "daemonset_cluster = k3s\ndaemonset_nodes = 1\ndaemonset_k3s_privileged = no\n"
        super().__init__(folder, phase, CONFTEST, TEST, f"{ini}daemonset_k3s_image = {image}\n")
        self._before = set(docker_here.ours())

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start it, and see that there is something to leave."""
        popen = super().start(*command)
        assert set(docker_here.ours()) - self._before, "there is something to leave"
        return popen

    def left(self) -> list[str]:
        """What Docker has too."""
        return super().left() + sorted(set(docker_here.ours()) - self._before)


@pytest.fixture(params=PHASES)
def run(tmp_path: Path, request: pytest.FixtureRequest, image: str) -> K3sRun:
    return K3sRun(tmp_path, request.param, image)


@pytest.mark.parametrize("way", WAYS)
def test_whatever_kills_a_run(run: K3sRun, way: str) -> None:
    WAYS[way](run)
    assert run.left() == [], run.log


@pytest.mark.parametrize("by", ["its list", "the labels"])
@pytest.mark.parametrize("run", ["running"], indirect=True)
def test_what_a_killed_keeper_left_is_swept_by_the_next_run(run: K3sRun, by: str) -> None:
    run.start_and_kill_the_keeper()
    left = run.left()
    assert any(text.startswith("container") for text in left), "with no keeper something is left: the check can fail"
    if by == "the labels":  # the temporary folder is gone, as after a start of the machine
        for path in run.tmp.rglob("keeper-*"):
            path.unlink()
        for path in run.tmp.glob("pytest-daemonset-cluster-*"):
            shutil.rmtree(path)
    second = run.start()
    second.kill()
    second.wait(timeout=PATIENCE)
    assert run.left() == [], run.log
