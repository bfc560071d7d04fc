"""Proof that the control plane's own DaemonSet loop is off: by a barrier, not by waiting."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.engine.tiny_image import NAME as IMAGE
from pytest_daemonset.errors import ClusterError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import DAEMONSETS, NAMESPACES, Resource
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.kube.client import Client

DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment", namespaced=True)
_LABELS: Final = {"app": "pytest-daemonset-probe"}
_SECONDS: Final = 60.0
_ROUNDS: Final = (
    5  # one sync of a Deployment may overtake that of a DaemonSet that was made just before; five in a row do not
)


async def no_daemonset_loop(client: Client) -> None:
    """A probe DaemonSet must stay untouched while a probe Deployment, made after it, is seen to by the same process, again and again.

    Raises:
        ClusterError: somebody reconciles DaemonSets, or nobody Deployments.
    """
    namespace = f"pytest-daemonset-probe-{os.urandom(3).hex()}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        await client.create(DAEMONSETS, _probe(DAEMONSETS, {}), namespace)
        await client.create(DEPLOYMENTS, _probe(DEPLOYMENTS, {"replicas": 0}), namespace)
        for revision in range(1, _ROUNDS + 1):
            if not await until(client, [(DEPLOYMENTS, namespace)], _observed(revision), _SECONDS):
                raise ClusterError(
                    f"the controller-manager did not see a probe Deployment within {_SECONDS:g} s, so it cannot be shown "
                    "that its DaemonSet loop is off; look at the log of the k3s server"
                )
            if revision < _ROUNDS:
                await client.patch(DEPLOYMENTS, "probe", {"spec": {"minReadySeconds": revision}}, namespace)
        probe = await client.get(DAEMONSETS, "probe", namespace)
        if (probe.get("status") or {}).get("observedGeneration"):
            raise ClusterError(
                "another controller was named, but the control plane's own DaemonSet loop still runs: it has seen a probe "
                "DaemonSet. Does a setting of yours replace kube-controller-manager-arg?"
            )
    finally:
        with contextlib.suppress(ApiError):
            await client.delete(NAMESPACES, namespace)


def _observed(generation: int) -> Any:
    def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
        found = seen["Deployment"].get("probe") or {}
        return int((found.get("status") or {}).get("observedGeneration") or 0) >= generation

    return good


def _probe(resource: Resource, more: Mapping[str, Any]) -> dict[str, Any]:
    container = {"name": "probe", "image": IMAGE, "imagePullPolicy": "Never"}
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": [container]}}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "probe"},
        "spec": {"selector": {"matchLabels": _LABELS}, "template": template, **more},
    }
