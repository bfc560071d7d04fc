"""The objects that a controller needs or consists of: applied in order before it starts, removed when the session ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import ClusterError
from pytest_daemonset.kube.applier import Applier
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import Resource
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.documents import Document

Object = dict[str, Any]

DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_FIRST: Final = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
_SECONDS: Final = 30.0


class Objects:
    """What was applied for one controller.

    Args:
        client: who writes.
        namespace: where what names no namespace goes.
    """

    def __init__(self, client: Client, namespace: str = "default") -> None:
        self.namespace = namespace
        self._client = client
        self._made: list[tuple[Resource, str | None, str]] = []

    async def apply(self, documents: Sequence[Document]) -> list[tuple[Resource, Object]]:
        """Apply documents: namespaces, definitions and accounts first, the others in their order.

        Returns:
            Each object as stored, with its resource.

        Raises:
            UsageError: a kind that the cluster does not serve, or what the API server refuses.
            ClusterError: a definition is not served in time.
        """
        found = []
        applier = Applier(self._client, self.namespace)
        rank = {kind: number for number, kind in enumerate(_FIRST)}
        for document in sorted(documents, key=lambda one: rank.get(one.content["kind"], len(_FIRST))):
            resource = await applier.resource(document)
            stored, made = await applier.upsert(resource, document)
            if made:
                metadata = stored["metadata"]
                self._made.append((resource, metadata.get("namespace"), metadata["name"]))
            if resource.kind == DEFINITIONS.kind:
                await self._established(stored["metadata"]["name"])
                applier = Applier(self._client, self.namespace)  # it has looked before this kind was there
            found.append((resource, stored))
        return found

    async def _established(self, name: str) -> None:
        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            conditions = ((seen[DEFINITIONS.kind].get(name) or {}).get("status") or {}).get("conditions") or ()
            return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)

        if not await until(self._client, [(DEFINITIONS, None)], good, _SECONDS):
            raise ClusterError(f"CustomResourceDefinition {name} was not established within {_SECONDS:g} s")

    async def remove(self) -> None:
        """Delete what was made, the last one first; what has gone is no error."""
        while self._made:
            resource, namespace, name = self._made.pop()
            try:
                await self._client.delete(resource, name, namespace, options={"propagationPolicy": "Background"})
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
