"""The controller under test, as a user names it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KINDS = ("builtin", "none", "command", "python")
USAGE = (
    "write builtin, none, 'command: ./bin/manager --kubeconfig {kubeconfig}' or 'python: package.module:main' "
    "(the part before the colon says which kind it is; it is never guessed)"
)


@dataclass(frozen=True)
class ControllerConfig:
    """The controller that a session asks for; a project overrides the fixture ``daemonset_controller_config`` to return another.

    Args:
        spec: ``builtin``, ``none``, ``command: …`` or ``python: package.module:main``. ``{kubeconfig}`` in a command is replaced by the
            path of a kubeconfig of the controller's own; KUBECONFIG holds the same path.
        ready: when it counts as started: ``log: REGEX`` (a line of its output), ``http: URL`` (the URL answers 200), or empty for
            "as soon as the process runs". ``builtin`` says itself when it is ready.
        timeout: seconds that it may take to be ready.
        env: environment variables, on top of the test process's own.
        cwd: working folder; the test process's own when None.

    Raises:
        UsageError: a spec or a readiness that cannot be read.
    """

    spec: str = "builtin"
    ready: str = ""
    timeout: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"--daemonset-controller={self.spec!r}: no such kind of controller {self.kind!r}; {USAGE}")
        if self.kind in ("builtin", "none"):
            if self.argument:
                raise UsageError(f"--daemonset-controller={self.spec!r}: {self.kind} takes nothing after it; {USAGE}")
        elif not self.argument:
            raise UsageError(f"--daemonset-controller={self.spec!r}: says nothing after {self.kind}:; {USAGE}")
        if self.kind == "python":
            module, _, function = self.argument.partition(":")
            if not all(part.isidentifier() for part in module.split(".")) or not function.isidentifier():
                raise UsageError(
                    f"--daemonset-controller={self.spec!r}: expected python: package.module:function; {USAGE}"
                )
        if self.kind == "command":
            self.words()
        self._check_readiness()
        if self.timeout <= 0:
            raise UsageError(f"timeout={self.timeout}: a controller needs more than 0 seconds to start")

    def _check_readiness(self) -> None:
        if not self.ready:
            return
        told = f"--daemonset-controller-ready={self.ready!r}"
        if self.kind in ("builtin", "none"):
            raise UsageError(f"{told}: for command: and python: only; {self.kind} needs no telling when it is ready")
        kind, argument = self.readiness
        if kind not in ("log", "http") or not argument:
            raise UsageError(f"{told}: expected 'log: REGEX' or 'http: URL'")
        if kind == "http" and not argument.startswith(("http://", "https://")):
            raise UsageError(f"{told}: expected a whole URL, such as 'http: http://127.0.0.1:8081/readyz'")
        if kind == "log":
            try:
                re.compile(argument)
            except re.error as error:
                raise UsageError(f"{told}: no regular expression: {error}") from None

    @property
    def readiness(self) -> tuple[str, str]:
        """How readiness shows: ``log`` and a regular expression, ``http`` and a URL, or twice nothing."""
        kind, _, argument = self.ready.partition(":")
        return kind.strip(), argument.strip()

    @property
    def kind(self) -> str:
        """The word before the colon."""
        return self.spec.partition(":")[0].strip()

    @property
    def argument(self) -> str:
        """What stands after the colon."""
        return self.spec.partition(":")[2].strip()

    def words(self) -> list[str]:
        """The command's words, split as a POSIX shell splits them; no shell runs it."""
        try:
            return shlex.split(self.argument)
        except ValueError as error:
            raise UsageError(f"--daemonset-controller={self.spec!r}: cannot be split into words: {error}") from None
