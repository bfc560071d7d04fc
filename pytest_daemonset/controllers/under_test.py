"""The controller as one test sees it: every verb is a handle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from pytest_daemonset.controllers.controller import Controller
    from pytest_daemonset.controllers.replica import Replica
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.scope import Scope


class ReplicaUnderTest:
    """One process of the controller.

    Args:
        controller: the session's.
        replica: which process.
        scope: the test.
    """

    def __init__(self, controller: Controller, replica: Replica, scope: Scope) -> None:
        self._controller = controller
        self._replica = replica
        self._scope = scope

    def __repr__(self) -> str:
        return f"<{self._replica.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReplicaUnderTest) and other._replica is self._replica

    def __hash__(self) -> int:
        return hash(self._replica)

    @property
    def number(self) -> int:
        """Which, from 0."""
        return self._replica.number

    @property
    def identity(self) -> str:
        """The name that it was given, as ``{identity}`` and DAEMONSET_IDENTITY."""
        return self._replica.identity

    @property
    def credential(self) -> str:
        """How the audit log calls its token (`Entry.credential`); empty where the log cannot tell replicas apart."""
        return self._replica.credential.id

    @property
    def running(self) -> bool:
        """Whether its process runs; a paused one does."""
        return self._replica.running

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self._replica.log

    def start(self) -> Handle[None]:
        """Start it, and wait until it is ready."""
        return self._handle("start", lambda: self._controller.start_replica(self.number))

    def stop(self) -> Handle[None]:
        """End it with SIGTERM."""
        return self._handle("stop", self._replica.stop)

    def kill(self) -> Handle[None]:
        """End it with SIGKILL."""
        return self._handle("kill", self._replica.kill)

    def restart(self) -> Handle[None]:
        """Stop it, start it again, and wait until it is ready."""
        return self._handle("restart", self._restart)

    def pause(self) -> Handle[None]:
        """Freeze it; if it ends once it has been resumed, for it has lost its lease, that is no failure."""
        return self._handle("pause", self._replica.pause)

    def resume(self) -> Handle[None]:
        """Let it go on."""
        return self._handle("resume", self._replica.resume)

    async def _restart(self) -> None:
        await self._replica.stop()
        await self._controller.start_replica(self.number)

    def _handle(self, verb: str, do: Callable[[], Coroutine[object, object, None]]) -> Handle[None]:
        return self._scope.handle(do, f"{verb} of {self._replica.name}")


class ControllerUnderTest:
    """The controller, all of it.

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
        """Whether all its processes run; a paused one does."""
        return self._controller.running

    @property
    def log(self) -> Path:
        """Where its output is; of several replicas, that of the first."""
        return self._controller.log

    @property
    def replicas(self) -> Sequence[ReplicaUnderTest]:
        """Its processes, each with the same verbs."""
        return [ReplicaUnderTest(self._controller, one, self._scope) for one in self._controller.replicas]

    def leader(self, *, other_than: ReplicaUnderTest | None = None, timeout: float = 60.0) -> Handle[ReplicaUnderTest]:
        """Wait until one of its replicas leads: holds a Lease that has not run out.

        Args:
            other_than: a replica that is not meant, such as the leader that was just paused.
            timeout: seconds.

        Raises:
            UsageError: at once, for a time that makes no sense; when awaited, it has no replicas, or nobody can say which of
                them holds the Lease.
            ClusterError: when awaited, none leads in time.
        """
        if timeout <= 0:
            raise UsageError(f"timeout={timeout}: must be more than 0 seconds")
        number = None if other_than is None else other_than.number

        async def find() -> ReplicaUnderTest:
            found = await self._controller.leader(other_than=number, timeout=timeout)
            return ReplicaUnderTest(self._controller, found, self._scope)

        return self._scope.handle(find, "the controller's leader")

    def start(self) -> Handle[None]:
        """Start what of it does not run, and wait until it is ready."""
        return self._scope.handle(self._controller.start, "start of the controller")

    def stop(self) -> Handle[None]:
        """End it: a process by SIGTERM."""
        return self._handle("stop", self._controller.stop)

    def kill(self) -> Handle[None]:
        """End it as a power cut would: a process by SIGKILL."""
        return self._handle("kill", self._controller.kill)

    def restart(self) -> Handle[None]:
        """Stop it, start it again, and wait until it is ready."""
        return self._handle("restart", self._controller.restart)

    def pause(self) -> Handle[None]:
        """Freeze it."""
        return self._handle("pause", self._controller.pause)

    def resume(self) -> Handle[None]:
        """Let it go on."""
        return self._handle("resume", self._controller.resume)

    def _handle(self, verb: str, do: Callable[[], Coroutine[object, object, None]]) -> Handle[None]:
        self._controller.require(verb)
        return self._scope.handle(do, f"{verb} of the controller")
