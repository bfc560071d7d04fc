"""Documents, stored: created, or changed where an object of that name is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.discovery import Discovery
from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.documents import Document
    from pytest_daemonset.kube.resources import Resource

Object = dict[str, Any]


class Applier:
    """Stores documents in one cluster.

    Args:
        client: who writes.
        namespace: where what names no namespace goes.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._discovery = Discovery(client)

    async def resource(self, document: Document) -> Resource:
        """The resource of a document.

        Raises:
            UsageError: the cluster does not serve it; the text says which line asks for it.
        """
        try:
            return await self._discovery.resource_of(document.content)
        except UsageError as error:
            raise document.complain("apiVersion", str(error)) from None
        except ApiError as error:
            if error.status == 501:
                raise document.complain("apiVersion", f"{document.content['kind']}: {error.message}") from None
            raise

    async def upsert(self, resource: Resource, document: Document) -> tuple[Object, bool]:
        """Create the object of a document, or merge it into the one of that name.

        Returns:
            The object as stored, and whether it is new.

        Raises:
            UsageError: the API server refuses what is in it, or there is no such namespace.
        """
        content = document.content
        metadata = content["metadata"]
        namespace = (metadata.get("namespace") or self._namespace) if resource.namespaced else None
        try:
            return await self._client.create(resource, content, namespace), True
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                return await self._client.patch(resource, metadata["name"], content, namespace), False
            if error.status in (400, 422) or (error.status == 404 and namespace != self._namespace):
                raise UsageError(f"{document.origin}: refused by the API server: {error.message}") from None
            raise
