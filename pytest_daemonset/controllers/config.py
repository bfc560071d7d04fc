"""The controller under test, as a user names it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_daemonset.controllers import placeholders, readiness
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from pathlib import Path

KINDS = ("builtin", "none", "command", "python", "manifest")
USAGE = (
    "write builtin, none, 'command: ./bin/manager --kubeconfig {kubeconfig}', 'python: package.module:main' or 'manifest: deploy.yaml' "
    "(the part before the colon says which kind it is; it is never guessed)"
)


@dataclass(frozen=True)
class ControllerConfig:
    """The controller that a session asks for; a project overrides the fixture ``daemonset_controller_config`` to return another.

    Args:
        spec: ``builtin``, ``none``, ``command: …``, ``python: package.module:main`` or ``manifest: PATH``, whose Deployments,
            StatefulSets, DaemonSets and Pods are the controller, in containers of the cluster. In a command ``{kubeconfig}``
            is replaced by the path of a kubeconfig of the controller's own, ``{replica}`` by the replica's number, from 0, and
            ``{identity}`` by a name of its own; KUBECONFIG, DAEMONSET_REPLICA and DAEMONSET_IDENTITY hold the same.
        ready: when it counts as started: ``log: REGEX`` (a line of its output), ``http: URL`` (the URL answers 200; ``{replica}`` may
            stand in it), ``lease: NAMESPACE/NAME`` (the Lease is held and renewed), ``write`` (its first write is accepted), or empty
            for "as soon as the process runs". ``builtin`` says itself when it is ready; a manifest's workloads must be available in
            any case.
        timeout: seconds that it may take to be ready.
        env: environment variables, on top of the test process's own.
        cwd: working folder; the test process's own when None.
        replicas: how many processes; they elect a leader by themselves.
        lease: the Lease by which they elect their leader, as ``namespace/name``; found by itself where only one can be it.
        service_account: whose token the kubeconfig holds, as ``namespace/name``, so that its own roles apply; it must exist, or be in
            the manifests.
        manifests: paths or YAML text, applied before it starts: roles, bindings, CustomResourceDefinitions.
        images: of a manifest: names on the Docker daemon, or paths of tars, that every node has before it starts.

    Raises:
        UsageError: a spec or a readiness that cannot be read.
    """

    spec: str = "builtin"
    ready: str = ""
    timeout: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    replicas: int = 1
    lease: str = ""
    service_account: str = ""
    manifests: tuple[str | PathLike[str], ...] = ()
    images: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        told = f"--daemonset-controller={self.spec!r}"
        if self.kind not in KINDS:
            raise UsageError(f"{told}: no such kind of controller {self.kind!r}; {USAGE}")
        if self.kind in ("builtin", "none"):
            if self.argument:
                raise UsageError(f"{told}: {self.kind} takes nothing after it; {USAGE}")
        elif not self.argument:
            raise UsageError(f"{told}: says nothing after {self.kind}:; {USAGE}")
        if self.kind == "python":
            module, _, function = self.argument.partition(":")
            if not all(part.isidentifier() for part in module.split(".")) or not function.isidentifier():
                raise UsageError(f"{told}: expected python: package.module:function; {USAGE}")
        if self.kind == "command":
            self.words()
            placeholders.check(self.argument, told)
        if self.ready and self.kind in ("builtin", "none"):
            raise UsageError(
                f"--daemonset-controller-ready={self.ready!r}: for command:, python: and manifest: only; {self.kind} needs no telling "
                "when it is ready"
            )
        readiness.parsed(self.ready, replicas=self.replicas)
        self._check_the_rest()
        self._check_where_it_runs()

    def _check_where_it_runs(self) -> None:
        if self.kind != "manifest":
            if self.images:
                raise UsageError(f"--daemonset-controller-images: for manifest: only; {self.kind} runs in no container")
            return
        there = {"replicas": self.replicas > 1, "env": bool(self.env), "cwd": self.cwd is not None}
        if said := [name for name, given in there.items() if given]:
            raise UsageError(f"{said[0]}= of a manifest: controller: the manifest says it; write it there")
        if self.readiness[0] == "http":
            raise UsageError(
                f"--daemonset-controller-ready={self.ready!r}: what runs in the cluster has no URL here; give its container a "
                "readinessProbe, or say 'log: REGEX' or 'lease: NAMESPACE/NAME'"
            )

    def _check_the_rest(self) -> None:
        if not 0 < self.timeout < float("inf"):
            raise UsageError(
                f"--daemonset-controller-timeout={self.timeout:g}: a controller needs more than 0 seconds to start, and an end"
            )
        if self.replicas < 1:
            raise UsageError(f"--daemonset-controller-replicas={self.replicas}: expected a whole number above 0")
        if self.replicas > 1 and self.kind == "none":
            raise UsageError(f"--daemonset-controller-replicas={self.replicas}: nothing is started")
        for what, said in (("service_account", self.service_account), ("lease", self.lease)):
            if said and not re.fullmatch(r"[a-z0-9.-]+/[a-z0-9.:-]+", said):
                raise UsageError(f"{what}={said!r}: expected namespace/name, such as fleet/manager")
        if self.service_account and self.kind not in ("command", "python"):
            raise UsageError(
                f"service_account={self.service_account!r}: for command: and python: only; {self.kind} has its own"
            )

    @property
    def readiness(self) -> tuple[str, str]:
        """How readiness shows: ``log``, ``http``, ``lease`` or ``write``, and its argument; or twice nothing."""
        return readiness.parsed(self.ready, replicas=self.replicas)

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
