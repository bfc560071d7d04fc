"""Documents, stored: created, or changed where an object of that name is there already."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.discovery import Discovery
from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.documents import Document
    from pytest_daemonset.kube.resources import Resource

Object = dict[str, Any]

_STRICT = {
    "fieldValidation": "Strict"
}  # as kubectl: a misspelt field that is dropped would be a set that does something else
_UNKNOWN = re.compile(r'(?:unknown|duplicate) field "([^"]+)"')
_INDEX = re.compile(r"\[(\d+)\]")


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
            UsageError: the API server refuses what is in it, a field that it does not know included, or there is no such
                namespace; the text names file and line.
        """
        content = document.content
        metadata = content["metadata"]
        namespace = (metadata.get("namespace") or self._namespace) if resource.namespaced else None
        try:
            try:
                return await self._client.create(resource, content, namespace, query=_STRICT), True
            except ApiError as error:
                if error.status != 409 or error.reason != "AlreadyExists":
                    raise
            return await self._client.patch(resource, metadata["name"], content, namespace, query=_STRICT), False
        except ApiError as error:
            if error.status in (400, 422) or (error.status == 404 and namespace != self._namespace):
                place = document.place(_field(error))
                raise UsageError(f"{place}: refused by the API server: {error.message}") from None
            raise


def _field(error: ApiError) -> str:
    """The first field that a refusal is about, dotted; empty where it names none."""
    causes = error.details.get("causes") or [{}]
    unknown = _UNKNOWN.search(error.message)
    return _INDEX.sub(r".\1", unknown[1] if unknown else causes[0].get("field") or "")
