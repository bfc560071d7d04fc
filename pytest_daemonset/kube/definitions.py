"""CustomResourceDefinitions: awaited until the cluster serves what they define."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import ClusterError
from pytest_daemonset.kube.conditions import is_true
from pytest_daemonset.kube.resources import Resource
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_daemonset.kube.client import Client

DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_SECONDS: Final = 30.0


async def established(client: Client, names: Collection[str]) -> None:
    """Wait until definitions are served.

    Raises:
        ClusterError: one is not, in time.
    """

    def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
        return all(is_true(seen[DEFINITIONS.kind].get(name) or {}, "Established") for name in names)

    if not await until(client, [(DEFINITIONS, None)], good, _SECONDS):
        raise ClusterError(f"not served {_SECONDS:g} s after they were defined: {', '.join(names)}")
