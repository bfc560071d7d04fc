"""Everything that a session has running: keeper, event loop, cluster, controller; each begun when it is first asked for."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_daemonset.clusters.start import start
from pytest_daemonset.controllers import permissions, preflight
from pytest_daemonset.controllers.controller import make
from pytest_daemonset.controllers.manifest import Manifest
from pytest_daemonset.daemonsets.definitions import define
from pytest_daemonset.daemonsets.kinds import PLAIN_KIND, KindUnderTest
from pytest_daemonset.errors import ClusterError
from pytest_daemonset.keeper import Keeper, KeeperError
from pytest_daemonset.observe.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from typing_extensions import Self

    from pytest_daemonset.clusters.cluster import Cluster
    from pytest_daemonset.clusters.config import ClusterConfig
    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.controllers.controller import Controller


class Running:
    """A context manager; the cluster starts on entry.

    Args:
        cluster_config: which cluster.
        controller_config: whose controller.
        kind: the kind under test: its definition is applied before the controller starts.

    Raises:
        UsageError: on entry, before anything starts: the controller's program or its manifests are not there.
        ClusterError: on entry, something does not start; what had started is gone by then.
    """

    cluster: Cluster
    controller: Controller

    def __init__(
        self,
        cluster_config: ClusterConfig,
        controller_config: ControllerConfig,
        kind: KindUnderTest = PLAIN_KIND,
    ) -> None:
        if controller_config.service_account:
            cluster_config = replace(cluster_config, rbac=True)
        self.cluster_config = cluster_config
        self.controller_config = controller_config
        self.kind = kind
        self._stack = contextlib.ExitStack()

    @cached_property
    def keeper(self) -> Keeper:
        """Comes first of all, and ends last."""
        try:
            return self._stack.enter_context(Keeper())
        except KeeperError as error:
            raise ClusterError(f"nothing was started, since nothing could clean up after it: {error}") from error

    @cached_property
    def portal(self) -> Portal:
        """The event loop that everything runs in."""
        portal = Portal()
        portal.start()
        self._stack.callback(portal.stop)
        return portal

    def __enter__(self) -> Self:
        preflight.check(self.controller_config)
        with contextlib.ExitStack() as undo:
            undo.callback(self._stack.close)
            keeper, portal = self.keeper, self.portal
            # k3s's own loop is no rival of a controller that serves a kind of its own, and may be needed by its manifest.
            builtin = self.controller_config.kind == "builtin" or self.kind.resource != PLAIN_KIND.resource
            manifest = None
            if self.controller_config.kind == "manifest":
                manifest = Manifest.read(self.controller_config, self.cluster_config, daemonset_loop=builtin)
            self.cluster = portal.call(
                lambda: start(
                    self.cluster_config,
                    keeper,
                    builtin=builtin,
                    on_death=lambda error: portal.poison(error, "the cluster"),
                ),
                f"start of the {self.cluster_config.kind} cluster",
            )
            self._stack.callback(lambda: portal.call(self.cluster.stop, "stop of the cluster", despite_poison=True))
            if self.kind.crds:
                portal.call(lambda: define(self.cluster.client, self.kind.crds), f"definition of {self.kind.resource}")
            self.controller = make(
                self.controller_config,
                keeper=keeper,
                cluster=self.cluster,
                builtin_words=self.kind.words(),
                manifest=manifest,
            )
            self._stack.callback(
                lambda: portal.call(self.controller.close, "stop of the controller", despite_poison=True)
            )
            portal.call(self.controller.start, "start of the controller")
            undo.pop_all()
        return self

    def tidy(self, do: Callable[[], Coroutine[object, object, object]], what: str) -> None:
        """Clean something up; where the cluster is gone, that has been told already, and with it all is gone that was in it.

        Args:
            do: makes the coroutine to be run.
            what: how errors call it.
        """
        try:
            self.portal.call(do, what, despite_poison=True)
        except Exception:
            if self.portal.poisoned is None:
                raise

    def silence(self) -> str:
        """What to tell of a controller of the user's that has written nothing, for reads are not logged; empty if nobody can know."""
        audit = self.cluster.audit
        if audit is None or self.controller_config.kind not in ("command", "python"):
            return ""
        if audit.entries(user=self.controller.user):
            return ""
        if not self.controller.running:
            return "the cluster has not had one write from the controller: it ended before that"
        return (
            "the cluster has not had one write from the controller: is it still starting, and does it use its own kubeconfig, "
            f"{self.controller.kubeconfig}, which KUBECONFIG names, and {{kubeconfig}} in a command?"
        )

    def absence(self) -> str:
        """Why the controller cannot have done what a test waits for, as far as that is known; empty if it could."""
        controller = self.controller
        if self.controller_config.kind == "none":
            return "no controller was started, as --daemonset-controller=none says: is the one that you start yourself there?"
        # Of several replicas one is enough.
        if not (controller.running or any(one.running for one in controller.replicas)):
            return "the controller does not run: it was stopped or killed, and not started again"
        if controller.replicas and all(one.paused or not one.running for one in controller.replicas):
            return "the controller is paused, and was not resumed"
        return self.silence()

    def refusals(self) -> str:
        """What the controller had no right to do, and what to do about it; empty if nothing, or if nobody can know."""
        if self.cluster.audit is None:
            return ""
        rights = permissions.lacking(self.cluster.audit, self.controller.user)
        if not rights:
            return ""
        return f"its role does not let {self.controller.user}\n" + "\n".join(f"  {one}" for one in rights)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        if error is None:
            # An observer or a controller that died after the last test had looked must not leave the session green.
            self.portal.check()
            self.controller.check()
