"""The manifest of a controller that runs in the cluster: which of its objects are the controller, and which belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.documents import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.clusters.config import ClusterConfig
    from pytest_daemonset.controllers.config import ControllerConfig
    from pytest_daemonset.kube.documents import Document

KINDS: Final[Mapping[str, str]] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Pod": "v1",
}
"""What runs containers, and stays: kind -> apiVersion."""


@dataclass(frozen=True)
class Manifest:
    """A manifest that was read.

    Args:
        documents: all of it.
        workloads: those that run containers.
        account: the ServiceAccount of them all, as namespace/name; empty where they have several.
    """

    documents: tuple[Document, ...]
    workloads: tuple[Document, ...]
    account: str

    @classmethod
    def read(cls, config: ControllerConfig, cluster: ClusterConfig, *, daemonset_loop: bool) -> Manifest:
        """Read and check the manifest that a ``manifest:`` controller names, before anything starts.

        Args:
            config: the controller.
            cluster: where it is to run.
            daemonset_loop: whether the cluster's own DaemonSet loop will run.

        Raises:
            UsageError: a cluster that runs no containers, no YAML, nothing in it that runs, or a DaemonSet that nobody would see to.
        """
        told = f"--daemonset-controller={config.spec!r}"
        if cluster.kind != "k3s" or (cluster.k3s is not None and cluster.k3s.virtual):
            where = "virtual nodes" if cluster.kind == "k3s" else f"the {cluster.kind} cluster"
            raise UsageError(
                f"{told}: nothing runs containers on {where}; start the controller beside it with 'command: …', or use "
                "--daemonset-cluster=k3s"
            )
        found = tuple(documents(config.argument))
        workloads = tuple(one for one in found if KINDS.get(one.content["kind"]) == one.content["apiVersion"])
        if not workloads:
            there = ", ".join(dict.fromkeys(str(one.content["kind"]) for one in found)) or "nothing"
            raise UsageError(
                f"{told}: nothing in it runs a controller: expected a {', '.join(list(KINDS)[:-1])} or Pod, found {there}"
            )
        for one in workloads:
            if not one.content["metadata"].get("name"):
                raise one.complain("metadata.name", "is missing: what is started anew must be found by its name")
            if one.content["kind"] == "DaemonSet" and not daemonset_loop:
                raise one.complain(
                    "kind",
                    "a controller of DaemonSets cannot come as a DaemonSet: the cluster's own loop is off, so nobody would make "
                    "its pods; make it a Deployment",
                )
        accounts = {_account(one) for one in workloads}
        return cls(found, workloads, accounts.pop() if len(accounts) == 1 else "")


def _account(workload: Document) -> str:
    content = workload.content
    spec = content.get("spec") or {}
    if content["kind"] != "Pod":
        spec = (spec.get("template") or {}).get("spec") or {}
    name = spec.get("serviceAccountName") or "default"
    return f"{content['metadata'].get('namespace') or 'default'}/{name}"
