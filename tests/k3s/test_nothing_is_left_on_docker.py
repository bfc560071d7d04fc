"""Whatever kills a run on k3s, in whichever phase: afterwards no container, network, volume, process or folder of ours is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import docker_here
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.docker

MARK = "PYTEST_DAEMONSET_MATRIX"
PATIENCE = 60  # seconds until everything must be gone; bounds a hang, measures nothing

CONFTEST = """
import asyncio, os
from pytest_daemonset.engine import engine

PHASE, FIFO = os.environ["PHASE"], os.environ["FIFO"]

def arrived():
    with open(FIFO, "w") as fifo:
        fifo.write(str(os.getpid()))

real_start, real_close = engine.Engine.start, engine.Engine.close

async def start(self, name):
    await real_start(self, name)
    if PHASE == "starting" and name.endswith("server"):
        await asyncio.to_thread(arrived)
        await asyncio.Event().wait()

async def close(self):
    if PHASE == "tearing down":
        await asyncio.to_thread(arrived)
        await asyncio.Event().wait()
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
TOX = """
[tox]
skipsdist = true
[testenv]
skip_install = true
pass_env = *
allowlist_externals = *
commands = {python} -m pytest -p no:asyncio -p no:cacheprovider
"""
AGENT = (Path(__file__).parents[2] / "examples" / "downstream" / "deploy" / "agent.yaml").read_text()
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider")


class Run:
    """One pytest on k3s, in a session and a temporary folder of its own, that stops in one phase."""

    def __init__(self, folder: Path, phase: str, image: str) -> None:
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        self.mark = uuid.uuid4().hex
        self.before = set(docker_here.ours())
        (folder / "agent.yaml").write_text(AGENT)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_it.py").write_text(TEST)
        (folder / "tox.ini").write_text(TOX.replace("{python}", sys.executable))
        (folder / "pytest.ini").write_text(
            "[pytest]\ndaemonset_cluster = k3s\ndaemonset_nodes = 1\ndaemonset_k3s_privileged = no\n"
            f"daemonset_k3s_image = {image}\n"
        )
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TOX", "PYTEST_"))},
            "PHASE": phase,
            "FIFO": str(self.fifo),
            "TMPDIR": str(self.tmp),
            MARK: self.mark,
        }
        self.reached = 0

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start it and wait until it has reached its phase."""
        with (self.folder / "log").open("wb") as log:
            popen = subprocess.Popen(
                command or PYTEST,
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with self.fifo.open() as fifo:
            self.reached = int(fifo.read())
        assert set(docker_here.ours()) - self.before, "there is something to leave"
        return popen

    def left(self) -> list[str]:
        """What is left after everything that can end has ended."""
        ours = [process for process in psutil.process_iter() if self._is_ours(process)]
        _, alive = psutil.wait_procs(ours, timeout=PATIENCE)
        found = [f"process {process.pid}: {' '.join(process.cmdline())}" for process in alive]
        found += sorted(set(docker_here.ours()) - self.before)
        found += [
            f"{path}" for path in self.tmp.rglob("*") if path.name.startswith(("pytest-daemonset-cluster", "keeper-"))
        ]
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False


@pytest.fixture(params=["starting", "running", "tearing down"])
def run(tmp_path: Path, request: pytest.FixtureRequest, image: str) -> Run:
    return Run(tmp_path, request.param, image)


def _interrupt(popen: subprocess.Popen[bytes], run: Run) -> None:
    os.kill(run.reached, signal.SIGINT)


def _interrupt_twice(popen: subprocess.Popen[bytes], run: Run) -> None:
    os.kill(run.reached, signal.SIGINT)
    os.kill(run.reached, signal.SIGINT)


def _terminate(popen: subprocess.Popen[bytes], run: Run) -> None:
    os.kill(run.reached, signal.SIGTERM)


def _kill(popen: subprocess.Popen[bytes], run: Run) -> None:
    os.kill(run.reached, signal.SIGKILL)


@pytest.mark.parametrize("how", [_interrupt, _interrupt_twice, _terminate, _kill])
def test_after_a_signal(run: Run, how: Callable[[subprocess.Popen[bytes], Run], None]) -> None:
    popen = run.start()
    how(popen, run)
    popen.wait(timeout=PATIENCE)
    assert run.left() == [], (run.folder / "log").read_text()


def test_after_ctrl_c_under_tox(run: Run) -> None:
    popen = run.start(sys.executable, "-m", "tox", "run", "-e", "py", "--workdir", str(run.folder / ".tox"))
    os.killpg(popen.pid, signal.SIGINT)
    popen.wait(timeout=PATIENCE)
    assert run.left() == [], (run.folder / "log").read_text()


def test_after_os_exit(run: Run) -> None:
    command = "import os, signal; signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))"
    hook = f"{command}; import sys, pytest; sys.exit(pytest.main(['-p', 'no:asyncio', '-p', 'no:cacheprovider']))"
    popen = run.start(sys.executable, "-c", hook)
    os.kill(run.reached, signal.SIGUSR1)
    assert popen.wait(timeout=PATIENCE) == 7
    assert run.left() == [], (run.folder / "log").read_text()


def test_after_kill_9_of_an_xdist_main(run: Run) -> None:
    popen = run.start(*PYTEST, "-n", "1")
    assert run.reached != popen.pid, "the phase was reached in a worker"
    popen.kill()
    popen.wait(timeout=PATIENCE)
    assert run.left() == [], (run.folder / "log").read_text()


@pytest.mark.parametrize("by", ["its list", "the labels"])
@pytest.mark.parametrize("run", ["running"], indirect=True)
def test_what_a_killed_keeper_left_is_swept_by_the_next_run(run: Run, by: str) -> None:
    popen = run.start()
    (keeper,) = [child for child in psutil.Process(popen.pid).children() if "keeper.py" in " ".join(child.cmdline())]
    keeper.kill()
    popen.kill()
    popen.wait(timeout=PATIENCE)
    left = run.left()
    assert any(text.startswith("container") for text in left), "with no keeper something is left: the check can fail"
    if by == "the labels":  # the temporary folder is gone, as after a start of the machine
        for path in run.tmp.rglob("keeper-*"):
            path.unlink()
        for path in run.tmp.glob("pytest-daemonset-cluster-*"):
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
    second = run.start()
    second.kill()
    second.wait(timeout=PATIENCE)
    assert run.left() == [], (run.folder / "log").read_text()
