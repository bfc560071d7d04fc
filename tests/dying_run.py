"""A pytest run that stops for good in one phase, the ways to kill it there, and what is left of it afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

PHASES = ("starting", "running", "tearing down")
PATIENCE = 60  # seconds until everything must be gone; bounds a hang, measures nothing

_MARK = "PYTEST_DAEMONSET_MATRIX"
_PYTEST = (sys.executable, "-m", "pytest", "-p", "no:asyncio", "-p", "no:cacheprovider")
_AGENT = Path(__file__).parents[1] / "examples" / "downstream" / "deploy" / "agent.yaml"
# Tells over a FIFO that the run has got to its phase.
_ARRIVED = """
import asyncio, os

PHASE, FIFO = os.environ["PHASE"], os.environ["FIFO"]

def arrived(text=""):
    with open(FIFO, "w") as fifo:
        fifo.write(f"{os.getpid()} {text}")

async def stay():
    await asyncio.to_thread(arrived)
    await asyncio.Event().wait()
"""
_TOX = f"""
[tox]
skipsdist = true
[testenv]
skip_install = true
pass_env = *
allowlist_externals = *
commands = {" ".join(_PYTEST)}
"""


class DyingRun:
    """One pytest, in a session and a temporary folder of its own.

    Args:
        folder: an empty one.
        phase: where it stops: one of `PHASES`.
        conftest: replaces what starts and what ends by something that waits for ``stay()`` in its ``PHASE``.
        test: one that calls ``conftest.arrived(text)`` and stays, if ``conftest.PHASE`` is "running".
        ini: lines of its pytest.ini.
    """

    def __init__(self, folder: Path, phase: str, conftest: str, test: str, ini: str = "") -> None:
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        files = {
            "conftest.py": _ARRIVED + conftest,
            "test_it.py": test,
            "tox.ini": _TOX,
            "pytest.ini": f"[pytest]\n{ini}",
        }
        for name, text in {**files, "agent.yaml": _AGENT.read_text()}.items():
            (folder / name).write_text(text)
        self._mark = uuid.uuid4().hex
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TOX", "PYTEST_"))},
            "PHASE": phase,
            "FIFO": str(self.fifo),
            "TMPDIR": str(self.tmp),
            _MARK: self._mark,
        }
        self.reached = 0
        self.told = ""

    @property
    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log").read_text()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start it and wait until it has reached its phase; `reached` is the process that did, `told` its text."""
        with (self.folder / "log").open("wb") as log:
            popen = subprocess.Popen(
                command or _PYTEST,
                cwd=self.folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with self.fifo.open() as fifo:
            pid, _, self.told = fifo.read().partition(" ")
        self.reached = int(pid)
        return popen

    def start_and_kill_the_keeper(self) -> None:
        """Start it and kill it together with its keeper, so that nobody cleans up."""
        popen = self.start()
        keeper = [child for child in psutil.Process(popen.pid).children() if "keeper.py" in " ".join(child.cmdline())]
        assert len(keeper) == 1
        keeper[0].kill()
        popen.kill()
        popen.wait(timeout=PATIENCE)

    def left(self) -> list[str]:
        """What is left after everything that can end has ended: processes that descend from it, and files."""
        ours = [process for process in psutil.process_iter() if self._is_ours(process)]
        _, alive = psutil.wait_procs(ours, timeout=PATIENCE)
        found = [f"process {process.pid}: {' '.join(process.cmdline())}" for process in alive]
        return found + [
            f"file {path}"
            for path in self.tmp.rglob("*")
            if path.name.startswith(("pytest-daemonset-cluster", "keeper-"))
        ]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self._mark
        except psutil.Error:
            return False


def _signals(*numbers: signal.Signals) -> Callable[[DyingRun], None]:
    def die(run: DyingRun) -> None:
        popen = run.start()
        for number in numbers:
            os.kill(run.reached, number)
        popen.wait(timeout=PATIENCE)

    return die


def _ctrl_c_under_tox(run: DyingRun) -> None:
    popen = run.start(sys.executable, "-m", "tox", "run", "-e", "py", "--workdir", str(run.folder / ".tox"))
    os.killpg(popen.pid, signal.SIGINT)
    popen.wait(timeout=PATIENCE)


def _os_exit(run: DyingRun) -> None:
    hook = "import os, signal; signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))"
    main = f"{hook}; import sys, pytest; sys.exit(pytest.main({list(_PYTEST[3:])}))"
    popen = run.start(sys.executable, "-c", main)
    os.kill(run.reached, signal.SIGUSR1)
    assert popen.wait(timeout=PATIENCE) == 7


def _kill_of_an_xdist_main(run: DyingRun) -> None:
    popen = run.start(*_PYTEST, "-n", "1")
    assert run.reached != popen.pid, "the phase was reached in a worker"
    popen.kill()
    popen.wait(timeout=PATIENCE)


WAYS: dict[str, Callable[[DyingRun], None]] = {
    "Ctrl-C under tox": _ctrl_c_under_tox,
    "SIGINT": _signals(signal.SIGINT),
    "SIGINT twice": _signals(signal.SIGINT, signal.SIGINT),
    "SIGTERM": _signals(signal.SIGTERM),
    "SIGKILL": _signals(signal.SIGKILL),
    "os._exit": _os_exit,
    "kill -9 of an xdist main": _kill_of_an_xdist_main,
}
"""By name, how a run is started and killed in its phase; each returns when the process that was killed has ended."""
