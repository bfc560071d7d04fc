"""Child processes: started under the keeper's eye, awaited, commanded in JSON lines, stopped with all that is theirs.

The event loop's own subprocess support is not used: its child watchers depend on the policy, the thread and the Python
version (and on 3.12 they touch the process-wide warning filters from our background thread).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.keeper import COOKIE, Entry, KeeperError, end_processes, seen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_daemonset.keeper import Keeper

_LINE_LIMIT = 64 * 2**20  # bytes; the answer about a thousand nodes is one line
_TAIL_BYTES = 256 * 2**10


class NotReadyInTime(ClusterError):  # noqa: N818  (names what was seen)
    """It runs, but did not show in time that it is ready: more time may help."""


@dataclass(frozen=True)
class JsonLine:
    """Ready when the first line of JSON comes on standard output; `Process.start` returns it. For our own programs."""


@dataclass(frozen=True)
class LogLine:
    """Ready when a line of standard output or standard error matches (`re.search`). For foreign programs."""

    pattern: str


class Process:
    """One supervised child, leader of a session of its own. All coroutines must run on the loop that ran `start`.

    Args:
        command: program and arguments, never a shell line.
        keeper: is told of the process before it is made.
        name: what people call it; in errors and thread names.
        log: gets standard error, and standard output too unless readiness is a `JsonLine`. Appended to.
        env: the whole environment; ours if None.
        cwd: the working folder; ours if None.
        on_exit: called on the loop when the process dies unasked after it was ready.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        keeper: Keeper,
        name: str,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_exit: Callable[[Process], None] | None = None,
    ) -> None:
        if isinstance(command, str) or not command:
            raise UsageError(f"{name}: a command is a list of words, such as ['./manager', '--v=4'], not {command!r}")
        self.command = tuple(command)
        self.name = name
        self.log = log
        self._keeper = keeper
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._on_exit = on_exit
        self._cookie = uuid.uuid4().hex
        self._key = f"{name}-{self._cookie}"
        self._signals = threading.Lock()
        self._reaped = False
        self._asked = False  # somebody wants it to end
        self._ready = False
        self._popen: subprocess.Popen[bytes] | None = None
        self._returncode: int | None = None
        self._spawned = self._died = 0.0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0

    @property
    def pid(self) -> int | None:
        """The process id, also its group's and session's; None before `start`."""
        return self._popen.pid if self._popen else None

    @property
    def returncode(self) -> int | None:
        """None while it runs; as `subprocess.Popen.returncode`: minus the signal's number if a signal ended it."""
        return self._returncode

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._returncode is None

    @property
    def age(self) -> float:
        """Seconds that it has run, or had run when it ended; 0 before `start`."""
        return (self._died or time.monotonic()) - self._spawned if self._spawned else 0.0

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log; empty if there is none."""
        return last_lines(self.log, lines)

    async def start(
        self, ready: JsonLine | LogLine | Callable[[], Awaitable[Any]] | None = None, timeout: float = 30.0
    ) -> Any:
        """Starts it and waits until it is ready.

        Args:
            ready: how readiness shows; a callable is called after the spawn and awaited. None: at once.
            timeout: seconds.

        Returns:
            What the first line of JSON said, or what the awaitable returned.

        Raises:
            ClusterError: it could not be started, died first, or was not ready in time; then nothing of it is left.
        """
        if self._popen is not None:
            raise UsageError(f"{self.name} was started already: make a new Process to start it again")
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[str | None] = self._loop.create_future()
        self._readiness: asyncio.Future[Any] = self._loop.create_future()
        self._pumping: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        try:
            self._spawn(ready)
            await self._connect(ready)
            result = await self._until_ready(ready, timeout)
        except KeeperError as error:
            await self.kill()
            raise ClusterError(f"{self.name} cannot be watched over: {error}") from error
        except BaseException:
            await asyncio.shield(self.kill())
            raise
        finally:
            if not self._readiness.done():
                self._readiness.cancel()
        self._ready = True
        return result

    async def stop(self, grace: float = 10.0) -> None:
        """Ends it: end of file on its standard input and SIGTERM, SIGKILL after `grace` seconds.

        May be called twice, and before `start`.
        """
        if self._popen is None:
            return
        self._asked = True
        if self._writer is not None:
            self._writer.close()
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        await asyncio.wait({self._exit}, timeout=grace)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL, to all that it started too. Returns when all of it is gone."""
        if self._popen is None:
            return
        self._asked = True
        self._signal(signal.SIGKILL)
        if trouble := await asyncio.shield(self._exit):
            raise ClusterError(f"{self.name} ended, but not cleanly: {trouble}")

    async def pause(self) -> None:
        """SIGSTOP to its whole group. Returns when the leader has stopped (on macOS before 3.13: when it was told to).

        Raises:
            ClusterError: it does not run any more.
        """
        pid = self._alive().pid
        self._signal(signal.SIGSTOP)
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):  # it died instead, and says so by other ways
                await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    async def resume(self) -> None:
        """SIGCONT to its whole group.

        Raises:
            ClusterError: it does not run any more.
        """
        self._alive()
        self._signal(signal.SIGCONT)

    async def send(self, line: Mapping[str, Any]) -> None:
        """Writes one line of JSON to its standard input.

        Raises:
            ClusterError: it does not run any more.
        """
        self._alive()
        assert self._writer is not None  # noqa: S101 (for mypy: set by start)
        self._writer.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        try:
            await self._writer.drain()
        except ConnectionError as error:
            await asyncio.wait({self._exit}, timeout=1)
            raise self._error("does not read its standard input any more") from error

    async def request(self, command: Mapping[str, Any], timeout: float = 60.0) -> dict[str, Any]:
        """Sends a command and returns the answer with the same ``id`` (given here). Needs `JsonLine` readiness.

        Raises:
            ClusterError: the answer is an error, it died, or `timeout` seconds went by.
        """
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._answers[number] = answer
        try:
            await self.send({"id": number, **command})
            first: list[asyncio.Future[Any]] = [answer, self._exit]
            await asyncio.wait(first, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                what = "died" if self._exit.done() else f"did not answer within {timeout:g} s"
                raise self._error(f"{what}, asked to {command}"[:500])
        finally:
            del self._answers[number]
        if "error" in answer.result():
            raise ClusterError(f"{self.name}: {answer.result()['error']}")
        return answer.result()

    # -- from here on: how --

    def _error(self, what: str) -> ClusterError:
        code = "it still runs" if self._returncode is None else f"exit code {self._returncode}"
        tail = self.tail() or "(empty)"
        return ClusterError(
            f"{self.name} {what}\n  command: {shlex.join(self.command)}\n  {code}\n  last lines of {self.log}:\n"
            + "\n".join(f"    {line}" for line in tail.splitlines())
        )

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise UsageError(f"{self.name} was not started")
        if self._returncode is not None or self._exit.done():
            raise self._error("does not run any more")
        return self._popen

    def _signal(self, number: int) -> None:
        with self._signals:  # the pid is ours until it is reaped
            if self._popen is not None and not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
                    os.killpg(self._popen.pid, number)

    def _spawn(self, ready: object) -> None:
        self._keeper.started("process", self._key, cookie=self._cookie)
        output: int | IO[bytes]
        try:
            with self.log.open("ab") as log:
                output = subprocess.PIPE if isinstance(ready, (JsonLine, LogLine)) else log
                error = subprocess.STDOUT if isinstance(ready, LogLine) else log
                self._popen = subprocess.Popen(
                    self.command,
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=error,
                    env={**self._env, COOKIE: self._cookie},
                    cwd=self._cwd,
                    start_new_session=True,
                )
        except OSError as trouble:
            self._keeper.released("process", self._key)
            raise ClusterError(
                f"{self.name} could not be started: {trouble}\n  command: {shlex.join(self.command)}\n"
                f"  in: {self._cwd or 'the current folder'}; is it installed, and executable?"
            ) from trouble
        self._spawned = time.monotonic()
        row = seen(self._popen.pid)
        details = {"cookie": self._cookie, "pid": self._popen.pid, "pid_started": row.started if row else "gone"}
        watch = threading.Thread(
            target=self._watch, args=(self._popen, details), name=f"watch {self.name}", daemon=True
        )
        try:
            # Before it is watched: one that ends at once would be released already.
            self._keeper.learned("process", self._key, pid=self._popen.pid)
        finally:
            watch.start()

    def _watch(self, popen: subprocess.Popen[bytes], details: dict[str, Any]) -> None:
        """In a thread of its own: until the leader ends; then nothing of its family may be left."""
        if hasattr(os, "waitid"):
            with contextlib.suppress(ChildProcessError):  # somebody else reaped it
                os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)  # not reaped: its pid cannot be given anew
        else:  # macOS before 3.13
            popen.wait()
        said: list[str] = []
        trouble = "; ".join(end_processes([Entry("process", self._key, details)], said.append)) or None
        with self._signals:
            code = popen.wait()
            self._reaped = True
        if trouble is None:
            try:
                self._keeper.released("process", self._key)
            except KeeperError as error:
                trouble = str(error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to be told
            self._loop.call_soon_threadsafe(self._ended, code, trouble)

    def _ended(self, code: int, trouble: str | None) -> None:
        self._returncode = code
        self._died = time.monotonic()
        self._finishing = self._loop.create_task(self._finish(trouble), name=f"finish {self.name}")

    async def _finish(self, trouble: str | None) -> None:
        if self._pumping is not None:  # what it said last belongs to the story
            try:
                await self._pumping
            except (OSError, ValueError) as error:  # a full disk, a line without end
                trouble = f"its output could not be kept: {error}"
        if self._writer is not None:
            self._writer.close()
        elif self._popen is not None and self._popen.stdin is not None:
            self._popen.stdin.close()
        self._exit.set_result(trouble)
        if self._ready and not self._asked and self._on_exit is not None:
            self._on_exit(self)

    async def _connect(self, ready: object) -> None:
        popen = self._popen
        assert popen is not None  # noqa: S101 (for mypy: _spawn made it)
        assert popen.stdin is not None  # noqa: S101 (for mypy: it was asked for)
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=self._loop), loop=self._loop)
        transport, _ = await self._loop.connect_write_pipe(lambda: protocol, popen.stdin)
        self._writer = asyncio.StreamWriter(transport, protocol, None, self._loop)
        if popen.stdout is not None:
            reader = asyncio.StreamReader(limit=_LINE_LIMIT, loop=self._loop)
            output, _ = await self._loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader, loop=self._loop), popen.stdout
            )
            pump = self._tee(reader, ready.pattern) if isinstance(ready, LogLine) else self._hear(reader)
            self._pumping = self._loop.create_task(self._pump(pump, output), name=f"hear {self.name}")

    async def _pump(self, pump: Awaitable[None], output: asyncio.BaseTransport) -> None:
        try:
            await pump
        except BaseException:
            self._signal(signal.SIGKILL)  # nobody reads it any more: better an end that is told than one that hangs
            raise
        finally:
            output.close()

    async def _tee(self, reader: asyncio.StreamReader, pattern: str) -> None:
        wanted = re.compile(pattern.encode())
        with self.log.open("ab", buffering=0) as log:
            while line := await reader.readline():
                log.write(line)
                if not self._readiness.done() and wanted.search(line):
                    self._readiness.set_result(line.decode(errors="replace").rstrip("\n"))

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if not isinstance(message, dict):
                with self.log.open("ab") as log:
                    log.write(b"(on standard output, no JSON) " + line)
            elif not self._readiness.done():
                self._readiness.set_result(message)
            elif (answer := self._answers.get(message.get("id", 0))) is not None and not answer.done():
                answer.set_result(message)

    async def _until_ready(self, ready: object, timeout: float) -> Any:
        if ready is None:
            return None
        waiting: asyncio.Future[Any] = self._readiness
        if callable(ready):
            waiting = asyncio.ensure_future(ready())
        try:
            done, _ = await asyncio.wait({waiting, self._exit}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if waiting in done:
                try:
                    return waiting.result()
                except Exception as error:
                    await self.kill()
                    raise self._error(f"did not become ready: {error}") from error
            await self.kill()
            if done:
                raise self._error("died before it was ready")
            raise NotReadyInTime(str(self._error(f"was not ready within {timeout:g} s (so it was killed)")))
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait({waiting})


def last_lines(path: Path, lines: int) -> str:
    """The last lines of a file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
