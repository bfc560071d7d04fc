"""Whatever kills a run, in whichever phase: afterwards no process, folder or port of ours is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import psutil
import pytest

MARK = "PYTEST_DAEMONSET_MATRIX"
PATIENCE = 60  # seconds until everything must be gone; bounds a hang, measures nothing

# Stops the run in one phase, for good, and tells over a FIFO that it got there, and where the cluster listens.
CONFTEST = """
import asyncio, os, threading
import pytest
from pytest_daemonset import processes

PHASE, FIFO = os.environ["PHASE"], os.environ["FIFO"]

def arrived(text=""):
    with open(FIFO, "w") as fifo:
        fifo.write(f"{os.getpid()} {text}")

real_connect, real_stop = processes.Process._connect, processes.Process.stop

async def connect(self, ready):
    await real_connect(self, ready)
    if PHASE == "starting" and "kubelets" in self.name:
        await asyncio.to_thread(arrived)
        await asyncio.Event().wait()

async def stop(self, *args, **kwargs):
    if PHASE == "tearing down" and "server" in self.name.lower():
        await asyncio.to_thread(arrived)
        await asyncio.Event().wait()
    await real_stop(self, *args, **kwargs)

processes.Process._connect, processes.Process.stop = connect, stop
"""
TEST = """
import os, threading
import conftest

def test_it(daemonsets, nodes, cluster):
    daemonsets.apply("agent.yaml").wait()
    if conftest.PHASE == "running":
        conftest.arrived(str(cluster.kubeconfig))
        if os.environ.get("EXIT"):
            os._exit(7)
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
PHASES = ["starting", "running", "tearing down"]


class Run:
    """One pytest, in a session and a temporary folder of its own, that stops in one phase."""

    def __init__(self, folder: Path, agent: str, phase: str) -> None:
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        self.mark = uuid.uuid4().hex
        (folder / "agent.yaml").write_text(agent)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_it.py").write_text(TEST)
        (folder / "tox.ini").write_text(TOX.replace("{python}", sys.executable))
        (folder / "pytest.ini").write_text("[pytest]\n")
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TOX", "PYTEST_"))},
            "PHASE": phase,
            "FIFO": str(self.fifo),
            "TMPDIR": str(self.tmp),
            MARK: self.mark,
        }
        self.reached = 0
        self.kubeconfig: dict[str, object] | None = None

    def start(self, *command: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start it and wait until it has reached its phase."""
        log = (self.folder / "log").open("wb")
        popen = subprocess.Popen(
            command or (sys.executable, "-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider"),
            cwd=self.folder,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        with self.fifo.open() as fifo:
            pid, _, path = fifo.read().partition(" ")
        self.reached = int(pid)
        if path:
            self.kubeconfig = orjson.loads(Path(path).read_bytes())
        return popen

    def left(self) -> list[str]:
        """What is left after everything that can end has ended: processes that descend from the run, folders, ports."""
        ours = [process for process in psutil.process_iter() if self._is_ours(process)]
        _, alive = psutil.wait_procs(ours, timeout=PATIENCE)
        found = [f"process {process.pid}: {' '.join(process.cmdline())}" for process in alive]
        found += [
            f"folder {path}"
            for path in self.tmp.rglob("pytest-daemonset-*")
            if path.is_dir() and "cluster" in path.name
        ]
        found += [f"list or log {path}" for path in self.tmp.rglob("keeper-*")]
        if self.kubeconfig is not None:
            server = urlsplit(self.kubeconfig["clusters"][0]["cluster"]["server"])  # type: ignore[index]
            with socket.socket() as probe:
                if probe.connect_ex((server.hostname, server.port)) == 0:
                    found.append(f"port {server.port}")
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark
        except psutil.Error:
            return False


@pytest.fixture(params=PHASES)
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    agent = (Path(__file__).parents[2] / "examples" / "downstream" / "deploy" / "agent.yaml").read_text()
    return Run(tmp_path, agent, request.param)


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
    command = "import faulthandler, os, signal; signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))"
    hook = f"{command}; import sys, pytest; sys.exit(pytest.main(['-p', 'no:asyncio', '-p', 'no:cacheprovider']))"
    popen = run.start(sys.executable, "-c", hook)
    os.kill(run.reached, signal.SIGUSR1)
    assert popen.wait(timeout=PATIENCE) == 7
    assert run.left() == [], (run.folder / "log").read_text()


def test_after_kill_9_of_an_xdist_main(run: Run) -> None:
    popen = run.start(sys.executable, "-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider", "-n", "1")
    assert run.reached != popen.pid, "the phase was reached in a worker"
    popen.kill()
    popen.wait(timeout=PATIENCE)
    assert run.left() == [], (run.folder / "log").read_text()


@pytest.mark.parametrize("run", ["running"], indirect=True)
def test_what_a_killed_keeper_left_is_swept_by_the_next_run(run: Run) -> None:
    popen = run.start()
    (keeper,) = [child for child in psutil.Process(popen.pid).children() if "keeper.py" in " ".join(child.cmdline())]
    keeper.kill()
    popen.kill()
    popen.wait(timeout=PATIENCE)
    assert any(text.startswith("folder") for text in run.left()), "with no keeper something is left: the check can fail"
    second = run.start()
    second.kill()
    second.wait(timeout=PATIENCE)
    assert run.left() == []
