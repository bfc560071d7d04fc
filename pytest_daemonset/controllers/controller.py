"""The controller under test, as a process that can be stopped, killed, paused and started again."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from pytest_daemonset.errors import ClusterError, DaemonSetTestError, UsageError
from pytest_daemonset.processes import JsonLine, LogLine, Process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.keeper import Keeper
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.scope import Scope


class Controller:
    """One controller over a session; every coroutine is to be awaited in the portal's loop.

    Args:
        config: which one.
        keeper: is told of its process.
        kubeconfig: its own way into the cluster.
        log: where its output goes.
        inside: it runs inside the cluster's control plane, whether we start it or not; it has no process of its own.
        builtin_words: what ``builtin`` is told of the kind that it must serve.
    """

    def __init__(
        self,
        config: ControllerConfig,
        *,
        keeper: Keeper,
        kubeconfig: Path,
        log: Path,
        inside: bool = False,
        builtin_words: Sequence[str] = (),
    ) -> None:
        self.config = config
        self.kubeconfig = kubeconfig
        self.log = log
        self.on_death: Callable[[DaemonSetTestError], None] | None = None
        self._keeper = keeper
        self._process: Process | None = None
        self._untold: ClusterError | None = None
        self._paused = False
        self._inside = inside
        self._builtin_words = builtin_words

    @property
    def running(self) -> bool:
        """Whether its process runs; a paused one does."""
        return self._inside or (self._process is not None and self._process.running)

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return self._process.tail(lines) if self._process else ""

    async def start(self) -> None:
        """Start it and wait until it is ready; does nothing for ``none``, or if it runs.

        Raises:
            ClusterError: it cannot be started, dies first or is not ready in time; its last lines are in the text.
        """
        if self.config.kind == "none" or self.running:
            return
        self._process = Process(
            self._command(),
            keeper=self._keeper,
            name=f"the controller under test ({self.config.spec})",
            log=self.log,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), **self.config.env},
            cwd=self.config.cwd,
            on_exit=self._died,
        )
        self._paused = False
        try:
            await self._process.start(self._readiness(), timeout=self.config.timeout)
        except ClusterError as error:
            if not self.config.ready:
                raise
            raise ClusterError(
                f"{error}\n  waited for: {self.config.ready}; if it needs longer, give the ControllerConfig a longer timeout"
            ) from error.__cause__

    async def stop(self) -> None:
        """End it with SIGTERM, as a roll-out of a new version of it would."""
        if self._process is not None:
            await self._process.stop()

    def require_process(self, verb: str) -> None:
        """Raise where it cannot be touched alone.

        Raises:
            UsageError: it is part of the control plane.
        """
        if self._inside:
            raise UsageError(
                f"{verb} of the builtin controller: here it is a part of the control plane and cannot be touched alone; "
                "name another with --daemonset-controller='command: …', or run this test on the embedded cluster"
            )

    async def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        if self._process is not None:
            await self._process.kill()

    async def pause(self) -> None:
        """Freeze it; what happens meanwhile reaches it late."""
        await self._alive().pause()
        self._paused = True

    async def resume(self) -> None:
        """Let it go on."""
        await self._alive().resume()
        self._paused = False

    async def restore(self) -> None:
        """Undo what a test did to it: the next one finds it running."""
        if self.running and self._paused:
            await self.resume()
        await self.start()

    def check(self) -> None:
        """Tell of a death that came while no test ran, once.

        Raises:
            ClusterError: it died unasked, and nobody has been told; its last lines are in the text.
        """
        untold, self._untold = self._untold, None
        if untold is not None:
            raise untold

    def _alive(self) -> Process:
        if self._process is None or not self._process.running:
            raise UsageError(
                f"the controller under test ({self.config.spec}) does not run, so it cannot be paused or resumed"
            )
        return self._process

    def _command(self) -> list[str]:
        kubeconfig = str(self.kubeconfig)
        match self.config.kind:
            case "builtin":
                return [
                    sys.executable,
                    "-m",
                    "pytest_daemonset.reference",
                    "--kubeconfig",
                    kubeconfig,
                    *self._builtin_words,
                ]
            case "python":
                return [sys.executable, "-m", "pytest_daemonset.controllers.launch", self.config.argument, kubeconfig]
            case _:
                return [word.replace("{kubeconfig}", kubeconfig) for word in self.config.words()]

    def _readiness(self) -> JsonLine | LogLine | Callable[[], Awaitable[None]] | None:
        if self.config.kind == "builtin":
            return JsonLine()
        kind, argument = self.config.readiness
        if kind == "log":
            return LogLine(argument)
        if kind == "http":
            return lambda: _answers(argument)
        return None

    def _died(self, process: Process) -> None:
        lines = "\n".join(f"    {line}" for line in process.tail().splitlines()) or "    (it wrote nothing)"
        death = ClusterError(
            f"the controller under test ({self.config.spec}) died unasked, exit code {process.returncode}; its last lines:\n{lines}"
        )
        if self.on_death is None:
            self._untold = death
        else:
            self.on_death(death)


class ControllerUnderTest:
    """The controller as one test sees it: every verb is a handle.

    Args:
        controller: the session's.
        scope: the test.
    """

    def __init__(self, controller: Controller, scope: Scope) -> None:
        self._controller = controller
        self._scope = scope

    @property
    def spec(self) -> str:
        """How it was named: ``builtin``, ``command: …``."""
        return self._controller.config.spec

    @property
    def running(self) -> bool:
        """Whether its process runs; a paused one does."""
        return self._controller.running

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self._controller.log

    def start(self) -> Handle[None]:
        """Start it, and wait until it is ready."""
        return self._scope.handle(self._controller.start, "start of the controller")

    def stop(self) -> Handle[None]:
        """End it with SIGTERM."""
        self._controller.require_process("stop")
        return self._scope.handle(self._controller.stop, "stop of the controller")

    def kill(self) -> Handle[None]:
        """End it with SIGKILL."""
        self._controller.require_process("kill")
        return self._scope.handle(self._controller.kill, "kill of the controller")

    def restart(self) -> Handle[None]:
        """Stop it, start it again, and wait until it is ready."""
        self._controller.require_process("restart")
        return self._scope.handle(self._restart, "restart of the controller")

    def pause(self) -> Handle[None]:
        """Freeze it."""
        self._controller.require_process("pause")
        return self._scope.handle(self._controller.pause, "pause of the controller")

    def resume(self) -> Handle[None]:
        """Let it go on."""
        self._controller.require_process("resume")
        return self._scope.handle(self._controller.resume, "resumption of the controller")

    async def _restart(self) -> None:
        await self._controller.stop()
        await self._controller.start()


async def _answers(url: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass  # not listening yet; the process's own death and the time limit end this
            await asyncio.sleep(0.05)
