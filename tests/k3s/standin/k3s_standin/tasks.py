"""Containers that really run, without isolation but for their root folder: processes, told to ``ctr`` by files.

What is there of Kubernetes: command, args, env by value, the ServiceAccount's token, the address of the API. Volumes, probes,
limits and network of their own are not imitated.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

TASKS = Path("/run/k3s-standin/tasks")
LOGS = Path("/var/log/pods")
CONTAINERS = Path("/var/lib/rancher/k3s/agent/containers")
ACCOUNT = "secrets/kubernetes.io/serviceaccount"
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}

Object = dict[str, Any]


def now() -> str:
    """The time as the API has it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Task:
    """One run of a container.

    Args:
        program: where its image is unpacked, and the image's settings.
        container: its part of the pod's spec.
        env: what the kubelet adds.
        secret: files of its ServiceAccount.
        log: where its output goes, each line with its time.
        on_exit: is told when it has ended.
    """

    def __init__(
        self,
        program: Object,
        container: Object,
        env: Mapping[str, str],
        secret: Mapping[str, str],
        log: Path,
        on_exit: Callable[[], None],
    ) -> None:
        self.id = secrets.token_hex(32)
        self.code: int | None = None
        self.reason = ""
        self.started = self.finished = ""
        self.begun = asyncio.Event()  # its process runs, or never will
        self.log = log
        self._program = program
        self._container = container
        self._env = env
        self._secret = secret
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def lives(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self.code is None

    def start(self) -> None:
        """Begin; what goes wrong ends it."""
        self.started = now()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self._reading = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        root = CONTAINERS / self.id
        try:
            with self.log.open("w", buffering=1) as log:
                try:
                    await self._prepare(root)
                    reading, writing = os.pipe()
                    try:
                        process = self._process = await self._spawn(root, writing)
                    finally:
                        os.close(writing)
                    TASKS.mkdir(parents=True, exist_ok=True)
                    (TASKS / self.id).write_text(f"{process.pid}\n")
                    self.begun.set()
                    copying = asyncio.ensure_future(_copy(reading, log))
                    code = await process.wait()
                    self.signal(signal.SIGKILL)  # with a container's first process all others end
                    await copying
                    self.code = code if code >= 0 else 128 - code
                    self.reason = "Error" if code else "Completed"
                except OSError as error:
                    log.write(f"{now()} cannot be run: {error}\n")
                    self.code, self.reason = 128, "StartError"
        finally:
            self.finished = now()
            self.begun.set()
            with contextlib.suppress(FileNotFoundError):
                (TASKS / self.id).unlink()
            shutil.rmtree(root, ignore_errors=True)
            self._on_exit()

    async def _prepare(self, root: Path) -> None:
        CONTAINERS.mkdir(parents=True, exist_ok=True)
        # Links, not copies: what is written new is the container's own.
        copying = await asyncio.create_subprocess_exec("cp", "-al", self._program["root"], str(root))
        if await copying.wait():
            raise OSError(f"its root folder {self._program['root']} cannot be copied")
        for name, numbers in _DEVICES.items():
            device = root / "dev" / name
            device.parent.mkdir(exist_ok=True)
            if not device.exists():
                os.mknod(device, 0o666 | 0o020000, os.makedev(*numbers))
        for name in ("resolv.conf", "hosts"):
            _write(root / "etc" / name, Path("/etc", name).read_text())
        run = root / "var/run"
        if run.is_symlink():  # to /run, which is another one here
            run = root / "run"
        for name, content in self._secret.items():
            _write(run / ACCOUNT / name, content)

    async def _spawn(self, root: Path, output: int) -> asyncio.subprocess.Process:
        settings, said = self._program["config"], self._container
        words = said.get("command") or settings.get("Entrypoint") or []
        arguments = said.get("args") or ([] if said.get("command") else settings.get("Cmd") or [])
        env = dict(row.partition("=")[::2] for row in settings.get("Env") or ())
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **env, **self._env}
        env |= {row["name"]: row["value"] for row in said.get("env") or () if "value" in row}
        place = said.get("workingDir") or settings.get("WorkingDir") or "/"

        def enter() -> None:
            os.setsid()
            os.chroot(root)
            os.chdir(place)

        return await asyncio.create_subprocess_exec(
            *words,
            *arguments,
            env=env,
            preexec_fn=enter,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        if self._process is not None:
            send(self._process.pid, number)

    async def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL once the grace is over."""
        if self._reading is None:
            return
        self.signal(signal.SIGTERM)
        await asyncio.wait([self._reading], timeout=grace)
        self.signal(signal.SIGKILL)
        await asyncio.wait([self._reading])


async def _copy(pipe: int, log: TextIO) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0))
    try:
        async for line in reader:
            stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
            log.write(f"{stamp}000Z {line.decode(errors='replace').rstrip()}\n")
    finally:
        transport.close()


def send(pid: int, number: int) -> None:
    """Send a signal to a process and its children, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # a link to the image's own
    path.write_text(content)
