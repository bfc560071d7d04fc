"""The process that cleans up when we cannot: it is told of every thing before that is made, and removes what is left.

Both sides live here. `Keeper` is the client, started before anything else. The program (``python -I -S keeper.py``,
standard library only, a session of its own, deaf to SIGINT, SIGTERM and SIGHUP) reads JSON lines on its standard input
and answers each once it has written it down, so that even a killed keeper leaves a list: the next one sweeps it.

It acts at end of file, or when its parent is gone although a forked child still holds the pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typing_extensions import Self

COOKIE = "PYTEST_DAEMONSET_COOKIE"
"""The environment variable by which a process is found whose pid nobody could tell any more."""

PREFIX = "pytest-daemonset-"
"""What the name of every folder begins with that a keeper may remove."""

IN_FLIGHT = 1.0  # seconds from our end until a spawn that was under way must show
TERM_GRACE = 2.0  # seconds between SIGTERM and SIGKILL
GIVE_UP = 7 * 24 * 3600.0  # seconds after which a list is dropped that no sweep could do
KILL_GRACE = 5.0  # seconds until a killed process must be gone
ANSWER = 30.0  # seconds that the client waits for the program


class KeeperError(RuntimeError):
    """The keeper did not start, died, refused what it was told, or could not remove something."""


# -- processes, seen from outside --


class Seen(NamedTuple):
    """One process as the system shows it. `started` only serves to tell two owners of one pid apart."""

    pid: int
    group: int
    session: int
    started: str
    zombie: bool
    environ: bytes


def seen(pid: int) -> Seen | None:
    """The process, or None if there is none (any more). From /proc/PID/stat and environ, see proc(5)."""
    if not Path("/proc/self/stat").exists():
        return _seen_by_ps().get(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:  # it ended meanwhile
        return None
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # somebody else's, or a zombie: then it is not one that carries our cookie
        environ = b""
    return Seen(pid, int(fields[2]), int(fields[3]), fields[19].decode(), fields[0] in (b"Z", b"X"), environ)


def _seen_by_ps() -> dict[int, Seen]:
    columns = ["pid=", "pgid=", "state=", "lstart=", "command="]
    command = ["ps", "axeww", *(word for column in columns for word in ("-o", column))]
    text = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, timeout=10, env={**os.environ, "LC_ALL": "C"}
    ).stdout
    found = {}
    for line in text.splitlines():
        words = line.split(None, 8)  # lstart is five words: Mon Nov 23 10:10:54 2026
        pid, group = int(words[0]), int(words[1])
        # Not every ps shows the session; a child of ours leads its group and its session alike.
        found[pid] = Seen(
            pid,
            group,
            group,
            b" ".join(words[3:8]).decode(),
            words[2].startswith(b"Z"),
            words[8] if len(words) > 8 else b"",
        )
    return found


def everybody() -> dict[int, Seen]:
    """Every process that the system shows us."""
    if not Path("/proc/self/stat").exists():
        return _seen_by_ps()
    rows = (seen(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 (10 times faster)
    return {row.pid: row for row in rows if row is not None}


def _belonging(entries: Iterable[Entry]) -> list[Seen]:
    """The living processes of these entries: by cookie, and by the group and session of a leader that is still ours."""
    table = everybody()
    found: dict[int, Seen] = {}
    for entry in entries:
        cookie = f"{COOKIE}={entry.details['cookie']}".encode()
        pid = entry.details.get("pid")
        leader = table.get(pid) if pid else None
        # A pid is not given anew while a group or session still has that number: without a leader its members are ours.
        ours = pid is not None and (leader is None or leader.started == entry.details["pid_started"])
        for row in table.values():
            if cookie in row.environ or (ours and pid in (row.pid, row.group, row.session)):
                found[row.pid] = row
    return [row for row in found.values() if not row.zombie and row.pid not in (os.getpid(), 1)]


def end_processes(entries: list[Entry], say: Callable[[str], None]) -> list[str]:
    """Ends processes and all that they started: SIGTERM, SIGKILL after `TERM_GRACE`. Returns what could not be done."""
    unseen = [entry for entry in entries if "pid" not in entry.details]
    deadline = time.monotonic() + IN_FLIGHT
    while unseen and time.monotonic() < deadline:
        unseen = [entry for entry in unseen if not _belonging([entry])]
        time.sleep(0.05 if unseen else 0)
    told: set[tuple[int, str]] = set()
    start = time.monotonic()
    while left := _belonging(entries):
        waited = time.monotonic() - start
        if waited > TERM_GRACE + KILL_GRACE:
            return [f"process {row.pid} outlived SIGKILL by {KILL_GRACE:.0f} s" for row in left]
        for row in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it went; or it stays and is reported above
                if waited > TERM_GRACE:
                    say(f"SIGKILL to {row.pid}")
                    os.kill(row.pid, signal.SIGKILL)
                elif (row.pid, row.started) not in told:
                    say(f"SIGTERM to {row.pid}")
                    os.kill(row.pid, signal.SIGTERM)
                    os.kill(row.pid, signal.SIGCONT)  # a stopped process gets its SIGTERM only then
            told.add((row.pid, row.started))
        time.sleep(0.02)
    return []


# -- folders --


def _folder_trouble(name: str) -> str | None:
    path = Path(name)
    if not path.is_absolute() or ".." in path.parts:
        return f"a folder is told by its absolute path, not {name!r}"
    if not path.name.startswith(PREFIX):
        return f"a keeper removes only folders whose name begins with {PREFIX!r}, not {name!r}"
    return None


def _remove_folders(entries: list[Entry], say: Callable[[str], None]) -> list[str]:
    problems = []
    for entry in entries:
        path = Path(entry.name)
        if path.is_symlink() or not path.exists():
            continue
        say(f"removing {path}")
        try:
            shutil.rmtree(path)
        except OSError as error:
            problems.append(f"folder {path}: {error}")
    return problems


def _process_trouble(details: dict[str, Any]) -> str | None:
    return None if isinstance(details.get("cookie"), str) else "a process is told with its cookie=..."


# -- what a keeper can remove --


class Entry(NamedTuple):
    """One thing that was told and not yet released."""

    kind: str
    name: str
    details: dict[str, Any]


class Remover(NamedTuple):
    """How things of one kind are checked when they are told, and removed (several that follow each other at once)."""

    trouble: Callable[[str, dict[str, Any]], str | None]
    remove: Callable[[list[Entry], Callable[[str], None]], list[str]]


def removers() -> dict[str, Remover]:
    """The kinds that a keeper knows. A new kind is a new row here."""
    return {
        "process": Remover(lambda _name, details: _process_trouble(details), end_processes),
        "folder": Remover(lambda name, _details: _folder_trouble(name), _remove_folders),
        "container": _docker_remover("container"),
        "network": _docker_remover("network"),
        "volume": _docker_remover("volume"),
    }


def _docker_remover(kind: str) -> Remover:
    return Remover(
        lambda name, details: _docker().trouble(kind, name, details),
        lambda entries, say: _docker().remove(kind, entries, say),
    )


def _docker() -> Any:
    """The sibling module, by its path: the program has no other import path than the standard library's."""
    name = "pytest_daemonset.keeper_docker"
    if name not in sys.modules:
        import importlib.util

        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("keeper_docker.py"))
        assert spec is not None  # noqa: S101 (for mypy: it is a file of Python)
        assert spec.loader is not None  # noqa: S101 (likewise)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Ledger:
    """What was told and not yet released, in the order in which it was told."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}
        self._removers = removers()

    def take(self, message: dict[str, Any]) -> None:
        """Notes one message: ``{"do": "started"|"learned"|"released", "kind": ..., "name": ..., "details": {...}}``.

        Raises KeeperError for an unknown kind, and for a message that does not fit what was told before.
        """
        what, kind, name, details = message["do"], message["kind"], message["name"], message.get("details", {})
        if kind not in self._removers:
            raise KeeperError(f"a keeper cannot remove a {kind!r}, only: {', '.join(sorted(self._removers))}")
        key = (kind, name)
        if what == "started":
            if key in self.entries:
                raise KeeperError(f"{kind} {name} was told already and not released")
            if trouble := self._removers[kind].trouble(name, details):
                raise KeeperError(trouble)
            self.entries[key] = Entry(kind, name, dict(details))
        elif key not in self.entries:
            raise KeeperError(f"{kind} {name} was never told, or is released already")
        elif what == "learned":
            self.entries[key].details.update(details)
        elif what == "released":
            del self.entries[key]
        else:
            raise KeeperError(f"a keeper does not know how to {what!r}")

    def remove(self, say: Callable[[str], None]) -> list[str]:
        """Removes everything, last told first. Returns what could not be done."""
        problems = []
        for kind, group in groupby(reversed(list(self.entries.values())), key=lambda entry: entry.kind):
            entries = list(group)
            say(f"left behind: {kind} {', '.join(entry.name for entry in entries)}")
            try:
                problems += self._removers[kind].remove(entries, say)
            except Exception as error:  # noqa: BLE001 (whatever it is, the rest must still be removed, and this be told)
                problems.append(f"{kind} {', '.join(entry.name for entry in entries)}: {error!r}")
        for problem in problems:
            say(f"NOT DONE: {problem}")
        return problems


# -- the program --


def boot_id() -> str:
    """Which boot of this machine it is; empty where that cannot be told. After another boot no process is ours."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def default_home() -> Path:
    """The folder of logs and lists, one for each user: ``<tempdir>/pytest-daemonset-<uid>``."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}"


def _make_home(home: Path) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    state = home.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
        raise KeeperError(f"{home} is not a folder of ours: somebody else put it there; remove it or set TMPDIR")


def _write_list(home: Path, parent: int) -> IO[str]:
    # Locked before it gets its name: a sweep takes every list that it can lock for a dead keeper's.
    path = home / f"keeper-{os.getpid()}.list"
    unnamed = path.with_suffix(".new")
    unnamed.unlink(missing_ok=True)
    file = unnamed.open("w", encoding="utf-8")
    fcntl.flock(file, fcntl.LOCK_EX)
    client = seen(parent)
    head = {"boot": boot_id(), "client": parent, "client_started": client.started if client else "gone"}
    file.write(json.dumps(head) + "\n")
    file.flush()
    if path.exists():  # a dead keeper had our pid: its list waits for the sweep under another name
        path.rename(home / f"keeper-{os.getpid()}-{uuid.uuid4().hex}.list")
    unnamed.rename(path)
    return file


def sweep(home: Path, say: Callable[[str], None]) -> list[str]:
    """Removes what killed keepers left: every list in `home` that no living keeper has locked and whose client is dead.

    Returns what could not be done; such a list stays for the next sweep, up to `GIVE_UP`.
    """
    problems = []
    for path in sorted(home.glob("keeper-*.list")):
        try:
            file = path.open(encoding="utf-8")
        except FileNotFoundError:  # another sweep was quicker
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # its keeper lives, or another sweep is at it
                continue
            if not path.exists():
                continue
            try:
                # Cut off in the middle of writing a line: it was never answered, so nothing was made.
                messages = [json.loads(line) for line in file if line.endswith("\n")]
                if _client_lives(messages[0]):  # it lost its keeper, not its things; it cleans up by itself
                    continue
                say(f"sweeping {path.name}")
                left = _replay(messages).remove(say)
            except Exception as error:  # noqa: BLE001 (an unreadable list must not hide the others, and must be told)
                left = [f"{path}: {error!r}"]
                say(f"NOT DONE: {left[0]}")
            problems += left
            if not left or time.time() - path.stat().st_mtime > GIVE_UP:
                path.unlink()
                path.with_suffix(".log").unlink(missing_ok=True)  # it tells of nothing any more
    return problems


def _client_lives(head: dict[str, Any]) -> bool:
    if head["boot"] != boot_id():
        return False
    row = seen(head["client"])
    return row is not None and not row.zombie and row.started == head["client_started"]


def _replay(messages: list[dict[str, Any]]) -> Ledger:
    ledger = Ledger()
    for message in messages[1:]:
        ledger.take(message)
    boot = messages[0]["boot"]
    if boot != boot_id():  # the machine was started anew: no process is left, and pids mean something else
        ledger.entries = {key: entry for key, entry in ledger.entries.items() if entry.kind != "process"}
    return ledger


class _Messages:
    """The lines on standard input, until its end, or until the parent is gone and nothing more comes."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._buffer = b""
        os.set_blocking(0, False)
        self._pidfd: int | None = None
        with contextlib.suppress(AttributeError, OSError):  # before Linux 5.3, and not on macOS: then we ask getppid
            self._pidfd = os.pidfd_open(parent)

    def _parent_gone(self) -> bool:
        return os.getppid() != self._parent

    def __iter__(self) -> Iterator[dict[str, Any]]:
        deadline: float | None = None
        while True:
            if deadline is None and self._parent_gone():
                # A child between fork and exec still holds the pipe; one that was merely forked may hold it for ever.
                deadline = time.monotonic() + IN_FLIGHT
            watched = [0] if self._pidfd is None or deadline is not None else [0, self._pidfd]
            patience = 0.05 if deadline is not None else (0.5 if self._pidfd is None else None)
            readable, _, _ = select.select(watched, [], [], patience)
            if 0 in readable:
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, self._buffer = (self._buffer + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)
            elif deadline is not None and time.monotonic() > deadline:
                return


def _run(home: Path, parent: int) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    os.umask(0o077)
    _make_home(home)
    log = home / f"keeper-{os.getpid()}.log"
    with log.open("w", encoding="utf-8") as log_file, _write_list(home, parent) as written:
        os.dup2(log_file.fileno(), 2)

        def say(text: str) -> None:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            print(f"{now} {text}", file=sys.stderr, flush=True)

        def answer(message: dict[str, Any]) -> None:
            # The parent may be gone while we still hear what it had said.
            with contextlib.suppress(BrokenPipeError):
                os.write(1, json.dumps(message).encode() + b"\n")

        say(f"keeper of process {parent}")
        problems: list[str] = []
        sweeping = [threading.Thread(target=lambda: problems.extend(sweep(home, say)), name="sweep")]
        sweeping[0].start()
        engines: set[str] = set()
        answer({"ok": True, "log": str(log)})
        ledger = Ledger()
        for message in _Messages(parent):
            try:
                ledger.take(message)
            except KeeperError as error:
                answer({"error": str(error)})
                continue
            written.write(json.dumps(message) + "\n")
            written.flush()
            answer({"ok": True})
            engine = message.get("details", {}).get("engine")
            if engine is not None and engine not in engines:
                engines.add(engine)
                thread = threading.Thread(
                    target=lambda where=engine: problems.extend(_docker().sweep(where, say)), name="sweep of Docker"
                )
                thread.start()
                sweeping.append(thread)
        say("the end: " + ("nothing left" if not ledger.entries else f"{len(ledger.entries)} left"))
        left = ledger.remove(say)
        if not left:
            (home / f"keeper-{os.getpid()}.list").unlink()
        for thread in sweeping:
            thread.join()
    if not left and not problems:
        log.unlink()
    # What an earlier session left is no fault of this one: it is in the log, and the next one tries again.
    return 1 if left else 0


# -- the client --


class Keeper:
    """The client. Starts the program at once; every method may be called from any thread, and waits for the answer.

    Use it as a context manager, or call `close`. A forked child of the process that made it cannot use it.

    Args:
        home: the folder of logs and lists; `default_home` unless given.

    Raises:
        KeeperError: the program did not start.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._home = (home or default_home()).absolute()
        command = [sys.executable, "-I", "-S", str(Path(__file__).absolute()), str(self._home), str(self._owner)]
        self._program = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # A keeper inside a supervised process must outlive that process.
            env={name: value for name, value in os.environ.items() if name != COOKIE},
        )
        self._buffer = b""
        self.log = ""
        assert self._program.stdin is not None  # noqa: S101 (for mypy: it was asked for)
        assert self._program.stdout is not None  # noqa: S101 (for mypy: it was asked for)
        assert self._program.stderr is not None  # noqa: S101 (for mypy: it was asked for)
        self._stdin, self._stdout = self._program.stdin, self._program.stdout
        try:
            self.log = self._answer()["log"]
        except BaseException:
            self._stdin.close()
            self._stdout.close()
            raise
        finally:
            self._program.stderr.close()

    @property
    def pid(self) -> int:
        """The process id of the program."""
        return self._program.pid

    def started(self, kind: str, name: str, **details: Any) -> None:
        """Tells of a thing BEFORE it is made.

        Args:
            kind: ``process`` (needs ``cookie=``, the value of the environment variable `COOKIE`), ``folder``, ``container``,
                ``network`` or ``volume`` (these need ``engine=``, where Docker's daemon is; ``made=True`` is learned later).
            name: unique within the kind until released; for a folder its absolute path, and all but processes named `PREFIX`....

        Raises:
            KeeperError: unknown kind, a name told twice, a folder that is not ours, or the keeper is dead.
        """
        self._ask("started", kind, name, details)

    def learned(self, kind: str, name: str, **details: Any) -> None:
        """Adds what became known only by making the thing: for a process ``pid=``, to which the start time is added."""
        if "pid" in details:
            row = seen(details["pid"])
            details["pid_started"] = row.started if row else "gone"
        self._ask("learned", kind, name, details)

    def released(self, kind: str, name: str) -> None:
        """Tells that a thing is gone: AFTER it was removed."""
        self._ask("released", kind, name, {})

    def make_folder(self, purpose: str, *, inside: Path | None = None) -> Path:
        """Makes a folder ``pytest-daemonset-<purpose>-...`` (mode 0700) and keeps an eye on it."""
        path = (inside or Path(tempfile.gettempdir())).absolute() / f"{PREFIX}{purpose}-{uuid.uuid4().hex[:12]}"
        self.started("folder", str(path))
        path.mkdir(mode=0o700)
        return path

    def remove_folder(self, path: Path) -> None:
        """Removes a folder of `make_folder` and releases it."""
        shutil.rmtree(path)
        self.released("folder", str(path))

    def close(self) -> None:
        """Ends the program, which removes what was not released, last told first.

        Raises:
            KeeperError: something could not be removed; the error names the log.
        """
        if os.getpid() != self._owner:
            return
        with self._lock:
            self._stdin.close()
            try:
                code = self._program.wait(timeout=60)
            except subprocess.TimeoutExpired:
                raise KeeperError(
                    f"the keeper (process {self.pid}) is still cleaning up after 60 s; see {self.log}"
                ) from None
            finally:
                self._stdout.close()
        if code:
            raise KeeperError(
                f"the keeper (process {self.pid}) ended with {code}; see {self.log}. "
                "What it could not remove, the next one will try"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _ask(self, what: str, kind: str, name: str, details: dict[str, Any]) -> None:
        if os.getpid() != self._owner:
            raise KeeperError("a keeper serves the process that started it, not a forked child")
        line = json.dumps({"do": what, "kind": kind, "name": name, "details": details}).encode() + b"\n"
        with self._lock:
            if self._stdin.closed:
                raise KeeperError("the keeper is closed")
            try:
                self._stdin.write(line)
            except BrokenPipeError:
                raise self._dead() from None
            self._answer()

    def _answer(self) -> dict[str, Any]:
        file = self._stdout.fileno()
        deadline = time.monotonic() + ANSWER
        while b"\n" not in self._buffer:
            # poll, not select: a test process may have more than 1,024 open files.
            poller = select.poll()
            poller.register(file, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise KeeperError(
                    f"the keeper (process {self.pid}) did not answer within {ANSWER:.0f} s; see {self.log}"
                )
            data = os.read(file, 65536)
            if not data:
                raise self._dead()
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise KeeperError(message["error"])
        return message

    def _dead(self) -> KeeperError:
        code = self._program.wait(timeout=ANSWER)
        stderr = self._program.stderr
        said = stderr.read().decode(errors="replace") if stderr is not None and not stderr.closed else f"see {self.log}"
        return KeeperError(f"the keeper (process {self.pid}) died with {code}: {said}")


if __name__ == "__main__":
    sys.exit(_run(Path(sys.argv[1]), int(sys.argv[2])))
