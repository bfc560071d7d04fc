"""A client of the keeper in a process of its own, which a test can end in any way."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from pytest_daemonset.keeper import COOKIE, Keeper

def tell(**what):
    print(json.dumps({"keeper": keeper.pid, **what}), flush=True)

def child(code="import time; time.sleep(300)", cookie="cookie-1", learn=True):
    keeper.started("process", cookie, cookie=cookie)
    # It says that it runs, so that nothing is asked of it too early.
    made = subprocess.Popen([sys.executable, "-S", "-c", "print('up', flush=True)\\n" + code], start_new_session=True,
                            stdout=subprocess.PIPE, env={**os.environ, COOKIE: cookie})
    made.stdout.readline()
    if learn:
        keeper.learned("process", cookie, pid=made.pid)
    return made

home = Path(sys.argv[1])
keeper = Keeper(home)
"""


def wait_until_gone(pid: int) -> None:
    """Returns when the process ended, zombie or not."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=30)
        return
    try:
        readable, _, _ = select.select([fd], [], [], 30)
    finally:
        os.close(fd)
    assert readable, f"process {pid} still lives after 30 s"


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class ClientProcess:
    """Runs `PRELUDE` and the given lines; `told` is the first line of JSON that it printed."""

    def __init__(self, home: Path, code: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the client died with {self.process.wait(timeout=30)}"
        self.told: dict[str, Any] = json.loads(line)

    def end(self, number: int = signal.SIGKILL) -> None:
        """Ends the client by a signal and returns when its keeper has ended too."""
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        self.wait_for_the_keeper()

    def wait_for_the_keeper(self) -> None:
        wait_until_gone(self.told["keeper"])

    def left(self) -> list[str]:
        return sorted(path.name for path in self.home.iterdir())
