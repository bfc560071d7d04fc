"""How a keeper removes containers, networks and volumes: Docker's HTTP interface, by the standard library only.

Loaded by the keeper's program (``python -I -S``) by its path, and only once something of Docker's was told.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KINDS = ("container", "network", "volume")
PREFIX = "pytest-daemonset-"
OWNER = "pytest-daemonset.keeper"
BOOT = "pytest-daemonset.boot"
MACHINE = "pytest-daemonset.machine"
PIDS = "pytest-daemonset.pid-namespace"
STARTED = "pytest-daemonset.keeper-started"
KEEP = "pytest-daemonset.keep"

IN_FLIGHT = 3.0  # seconds that a creation may still be under way in the daemon after we have ended
ANSWER = 20.0  # seconds for one answer
_LISTS = (
    ("container", "/containers/json?all=true&", ""),
    ("network", "/networks?", ""),
    ("volume", "/volumes?", "Volumes"),
)
_PATHS = {"container": "containers", "network": "networks", "volume": "volumes"}


def owner_labels(keeper_pid: int) -> dict[str, str]:
    """Which keeper looks after a thing: process, process namespace, boot and machine."""
    place = {BOOT: _boot(), MACHINE: _machine(), PIDS: _pid_namespace()}
    return {OWNER: str(keeper_pid), STARTED: _process(keeper_pid)[1], **place}


def _boot() -> str:
    return _text("/proc/sys/kernel/random/boot_id")


def _machine() -> str:
    return f"{socket.gethostname()}/{_text('/etc/machine-id')}"


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def trouble(kind: str, name: str, details: dict[str, Any]) -> str | None:
    """Why a keeper will not look after that; None if it will."""
    if not name.startswith(PREFIX):
        return f"a keeper removes only a {kind} whose name begins with {PREFIX!r}, not {name!r}"
    if not str(details.get("engine", "")).startswith(("unix://", "tcp://")):
        return f"a {kind} is told with its engine=unix://... or tcp://..., not {details.get('engine')!r}"
    return None


class _Connection(http.client.HTTPConnection):
    """To a daemon's socket."""

    def __init__(self, address: str) -> None:
        host = "localhost" if address.startswith("unix://") else address.removeprefix("tcp://")
        super().__init__(host, timeout=ANSWER)
        self._address = address

    def connect(self) -> None:
        """Over the unix socket, where it is one."""
        if not self._address.startswith("unix://"):
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER)
        self.sock.connect(self._address.removeprefix("unix://"))


def ask(address: str, method: str, path: str) -> tuple[int, Any]:
    """One request; the status, and the answer decoded if it is JSON.

    Raises:
        OSError: the daemon is not there.
    """
    connection = _Connection(address)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP from {address}: {error!r}") from error
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text) if text else None
    except ValueError:
        return answer.status, text.decode(errors="replace")


def remove(kind: str, entries: Iterable[Any], say: Callable[[str], None]) -> list[str]:
    """Remove things of one kind, all at once. Returns what could not be done."""
    problems: list[str] = []
    threads = [
        threading.Thread(target=lambda one=entry: problems.extend(_remove(kind, one.name, one.details, say)))
        for entry in entries
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def _remove(kind: str, name: str, details: dict[str, Any], say: Callable[[str], None]) -> list[str]:
    engine = details["engine"]
    deadline = time.monotonic() + IN_FLIGHT
    path = f"/{_PATHS[kind]}/{quote(name, safe='')}" + ("?force=true&v=true" if kind == "container" else "")
    removed = False
    while True:
        try:
            status, said = ask(engine, "DELETE", path)
        except OSError as error:
            return [f"{kind} {name}: the Docker daemon at {engine} does not answer: {error}"]
        if status < 300:
            say(f"removed {kind} {name}")
            removed = True
        late = time.monotonic() > deadline
        if status == 404 and (removed or late or details.get("made")):
            return []
        if status >= 400 and status != 404 and late:  # 409: being removed by others; 403, 500: a network still in use
            return [f"{kind} {name}: {status} {said}"]
        # Not there: its creation may be under way in the daemon, which goes on without us.
        time.sleep(0 if removed else 0.2)


def sweep(engine: str, say: Callable[[str], None]) -> list[str]:
    """Remove what dead keepers of this machine left on a daemon, told by the labels. Returns what could not be done."""
    problems = []
    for kind, path, field in _LISTS:
        try:
            status, said = ask(engine, "GET", path + "filters=" + quote(json.dumps({"label": [OWNER]})))
        except OSError as error:
            return [f"sweep of {engine}: {error}"]
        if status != 200:
            return [f"sweep of {engine}: {status} {said}"]
        for row in (said[field] if field else said) or []:
            labels = row.get("Labels") or {}
            name = (row.get("Names") or [row.get("Name", "")])[0].lstrip("/")
            if name.startswith(PREFIX) and _abandoned(labels):
                say(f"sweeping {kind} {name} of dead keeper {labels[OWNER]}")
                problems += _remove(kind, name, {"engine": engine, "made": True}, say)
    return problems


def _abandoned(labels: dict[str, str]) -> bool:
    """Whether its keeper is surely dead. Of other machines, and of other containers that share a daemon, we know nothing."""
    if labels.get(KEEP) or labels.get(MACHINE) != _machine():
        return False
    if labels.get(BOOT) != _boot():
        return True
    if labels.get(PIDS) != _pid_namespace() or not labels.get(OWNER, "").isdecimal():
        return False
    state, started = _process(int(labels[OWNER]))
    return state in ("gone", "Z", "X") or started != labels.get(STARTED)


def _process(pid: int) -> tuple[str, str]:
    """A process's state, and when it started, which tells two owners of one pid apart; "gone" if there is none."""
    if Path("/proc/self/stat").exists():
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return (fields[0], fields[19]) if fields else ("gone", "")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone", ""
    except PermissionError:  # somebody else's, and alive
        pass
    return "R", ""
