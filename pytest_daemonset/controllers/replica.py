"""One process of the controller under test."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from pytest_daemonset.controllers import placeholders
from pytest_daemonset.errors import UsageError
from pytest_daemonset.processes import Process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.controllers.credentials import Credential
    from pytest_daemonset.keeper import Keeper
    from pytest_daemonset.processes import JsonLine, LogLine

# Shorter than client-go's 15, 10 and 2 s: a test of a hand-over waits for a lease to run out.
ELECTION: Final = (
    "--leader-elect",
    "--leader-elect-lease-duration=6",
    "--leader-elect-renew-deadline=4",
    "--leader-elect-retry-period=1",
)
"""How the reference controller is told to elect a leader."""


class Replica:
    """A process that is started, stopped, killed, paused; every coroutine is to be awaited in the portal's loop.

    Args:
        config: what it is a replica of.
        number: which, from 0.
        keeper: is told of its process.
        log: where its output goes.
        on_death: is told when it dies unasked.
        builtin_words: what ``builtin`` is told of the kind that it must serve.

    Attributes:
        credential: its way into the cluster; set before it is started.
        identity: a name of its own, so that a Lease can name it.
        disturbed: it has been paused since it was started: it may have lost its lease, and may end for that.
    """

    credential: Credential

    def __init__(
        self,
        config: ControllerConfig,
        number: int,
        *,
        keeper: Keeper,
        log: Path,
        on_death: Callable[[Replica, Process], None],
        builtin_words: Sequence[str] = (),
    ) -> None:
        self.number = number
        self.log = log
        self.identity = f"controller-{number}-{os.urandom(4).hex()}"
        self.disturbed = False
        self._config = config
        self._keeper = keeper
        self._on_death = on_death
        self._builtin_words = builtin_words
        self._process: Process | None = None
        self._paused = False

    @property
    def name(self) -> str:
        """How messages call it."""
        which = f"replica {self.number} of " if self._config.replicas > 1 else ""
        return f"{which}the controller under test ({self._config.spec})"

    @property
    def running(self) -> bool:
        """Whether its process runs; a paused one does."""
        return self._process is not None and self._process.running

    @property
    def paused(self) -> bool:
        """Whether its process is there, and frozen."""
        return self.running and self._paused

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return self._process.tail(lines) if self._process else ""

    async def start(self, ready: JsonLine | LogLine | Callable[[], Awaitable[None]] | None) -> None:
        """Start it and wait until it is ready; nothing, if it runs.

        Raises:
            ClusterError: it cannot be started, dies first or is not ready in time; its last lines are in the text.
        """
        if self.running:
            return
        config, kubeconfig = self._config, str(self.credential.kubeconfig)
        self._process = Process(
            self._command(kubeconfig),
            keeper=self._keeper,
            name=self.name,
            log=self.log,
            env={
                **os.environ,
                "KUBECONFIG": kubeconfig,
                "DAEMONSET_REPLICA": str(self.number),
                "DAEMONSET_IDENTITY": self.identity,
                **config.env,
            },
            cwd=config.cwd,
            on_exit=lambda process: self._on_death(self, process),
        )
        self._paused = self.disturbed = False
        await self._process.start(ready, timeout=config.timeout)

    async def stop(self) -> None:
        """End it with SIGTERM, as a roll-out of a new version of it would."""
        if self._process is not None:
            await self._process.stop()

    async def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        if self._process is not None:
            await self._process.kill()

    async def pause(self) -> None:
        """Freeze it; what happens meanwhile reaches it late.

        Raises:
            UsageError: it does not run.
        """
        self.disturbed = True
        await self._alive().pause()
        self._paused = True

    async def resume(self) -> None:
        """Let it go on.

        Raises:
            UsageError: it does not run.
        """
        await self._alive().resume()
        self._paused = False

    async def thaw(self) -> None:
        """Let it go on if it is frozen."""
        if self.running and self._paused:
            await self.resume()

    def _alive(self) -> Process:
        if self._process is None or not self._process.running:
            raise UsageError(f"{self.name} does not run, so it cannot be paused or resumed")
        return self._process

    def _command(self, kubeconfig: str) -> list[str]:
        match self._config.kind:
            case "builtin":
                elect = ELECTION if self._config.replicas > 1 else ()
                words = [sys.executable, "-m", "pytest_daemonset.reference", "--kubeconfig", kubeconfig]
                return [*words, *self._builtin_words, *elect]
            case "python":
                return [sys.executable, "-m", "pytest_daemonset.controllers.launch", self._config.argument, kubeconfig]
            case _:
                values = {"kubeconfig": kubeconfig, "replica": str(self.number), "identity": self.identity}
                return [placeholders.fill(word, values) for word in self._config.words()]
