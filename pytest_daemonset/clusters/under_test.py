"""The cluster as a test sees it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from os import PathLike
    from pathlib import Path

    from pytest_daemonset.clusters.cluster import Cluster
    from pytest_daemonset.nodes.nodes import Nodes
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.scope import Scope

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class ClusterUnderTest:
    """A running cluster, and the ways into it.

    Args:
        cluster: the cluster.
        scope: gives the scope of the present test.
        nodes: gives the nodes of the present test.
    """

    def __init__(self, cluster: Cluster, scope: Callable[[], Scope], nodes: Callable[[], Nodes]) -> None:
        self._cluster = cluster
        self._scope = scope
        self._nodes = nodes

    @property
    def name(self) -> str:
        """Where it comes from: ``embedded``."""
        return self._cluster.name

    @property
    def version(self) -> str:
        """The Kubernetes version that it serves."""
        return self._cluster.version

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do."""
        return self._cluster.capabilities

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for kubectl and for any client library."""
        return self._cluster.kubeconfig

    @property
    def nodes(self) -> Nodes:
        """The nodes, as the `nodes` fixture gives them; for projects whose own fixture has that name."""
        return self._nodes()

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Handle[dict[str, Any]]:
        """Send one request to the API, for what no fixture offers.

        Args:
            method: GET, POST, PUT, PATCH (a JSON merge patch) or DELETE.
            path: such as ``/api/v1/namespaces/default/configmaps``.
            body: the object, the patch, or the options.

        Raises:
            UsageError: at once, for another method, or a path that does not begin with a slash.
            ApiError: when awaited, the API refuses.
        """
        if method not in _METHODS or not path.startswith("/"):
            raise UsageError(
                f"request({method!r}, {path!r}): expected one of {', '.join(_METHODS)}, and a path such as '/api/v1/nodes'"
            )
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else None
        client = self._cluster.client
        return self._scope().handle(lambda: client.request(method, path, body, headers=headers), f"{method} {path}")

    def load_images(self, *images: str | PathLike[str]) -> Handle[None]:
        """Give every node images, at once, and every node that joins later, before it starts: no registry is asked.

        They stay for the session. Virtual nodes start whatever they are given, so there it does nothing.

        Args:
            images: names on the Docker daemon, or paths of tars (``.tar``, ``.tar.gz``, ``.tgz``) as ``docker save`` makes them.

        Raises:
            UsageError: at once, without any; when awaited, the daemon has no such image, or there is no such tar.
            ClusterError: when awaited, a node does not take one.
        """
        if not images:
            raise UsageError("load_images(): expected names of images, or paths of tars")
        names = [str(image) for image in images]
        return self._scope().handle(lambda: self._cluster.load_images(names), f"loading of {', '.join(names)}")

    @asynccontextmanager
    async def api_client(self) -> AsyncIterator[Any]:
        """An ``ApiClient`` of kubernetes_asyncio, for the test's own event loop.

        Raises:
            UsageError: kubernetes_asyncio is not installed.
        """
        try:
            from kubernetes_asyncio.client import ApiClient, Configuration
            from kubernetes_asyncio.config import load_kube_config
        except ImportError:
            raise UsageError(
                "api_client() needs kubernetes_asyncio: pip install 'pytest-daemonset[kubernetes]'"
            ) from None
        configuration = Configuration()
        await load_kube_config(config_file=str(self.kubeconfig), client_configuration=configuration)
        async with ApiClient(configuration) as client:
            yield client
