"""A controller whose requests take another way into the cluster for a while, through a proxy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_daemonset.controllers.credentials import written
from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.config import Kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_daemonset.controllers.controller import Controller


def obstacle(controller: Controller) -> str:
    """Why a controller cannot be diverted; empty where it can.

    Args:
        controller: the session's, started.
    """
    if not controller.replicas:
        return f"the controller ({controller.config.spec}) is no process of ours, so it cannot be led through a proxy"
    for replica in controller.replicas:
        path = replica.credential.kubeconfig
        try:
            token = Kubeconfig.load(path).token
        except UsageError as error:
            return f"the controller cannot be led through a proxy: {error}"
        if not token:
            return f"the controller cannot be led through a proxy: its kubeconfig {path} has no token, and a proxy can pass on nothing else"
    return ""


class Diversion:
    """The kubeconfigs of a controller, written anew so that they lead to a proxy.

    Args:
        controller: which; see `obstacle`.
        server: the proxy's URL.
        authority: the certificate, in PEM, that is to be trusted there.
    """

    def __init__(self, controller: Controller, server: str, authority: bytes) -> None:
        self._controller = controller
        self._way = Kubeconfig(server, ca=authority)
        self._before: dict[Path, bytes] = {}

    async def begin(self) -> None:
        """Start the controller anew with them.

        Raises:
            ClusterError: it does not become ready.
        """
        await self._controller.stop()
        for path in {replica.credential.kubeconfig for replica in self._controller.replicas}:
            self._before[path] = path.read_bytes()
            token = Kubeconfig.load(path).token or ""
            path.write_text(json.dumps(written(self._way, "controller", token)), encoding="utf-8")
        await self._controller.start()

    async def end(self) -> None:
        """Stop the controller and write its kubeconfigs back: when it is started again, it takes its own way."""
        await self._controller.stop()
        for path, content in self._before.items():
            path.write_bytes(content)
