"""The objects that a controller needs or consists of: applied in order before it starts, removed when the session ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.kube.applier import Applier
from pytest_daemonset.kube.definitions import DEFINITIONS, established
from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.documents import Document
    from pytest_daemonset.kube.resources import Resource

Object = dict[str, Any]

_FIRST: Final = ("Namespace", "CustomResourceDefinition", "ServiceAccount")


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

    async def apply(self, documents: Sequence[Document]) -> list[tuple[Document, Resource, Object]]:
        """Apply documents: namespaces, definitions and accounts first, the others in their order.

        Returns:
            Each with its resource, and as it is stored.

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
                await established(self._client, [stored["metadata"]["name"]])
                applier = Applier(self._client, self.namespace)  # it has looked before this kind was there
            found.append((document, resource, stored))
        return found

    async def remove(self) -> None:
        """Delete what was made, the last one first; what has gone is no error."""
        while self._made:
            resource, namespace, name = self._made.pop()
            try:
                await self._client.delete(resource, name, namespace, options={"propagationPolicy": "Background"})
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
