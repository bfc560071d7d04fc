"""`DaemonSets`: where a test gets its DaemonSets from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pytest_daemonset.contract import Subject
from pytest_daemonset.daemonsets.daemonset import DaemonSet
from pytest_daemonset.daemonsets.manifest import Kind, read
from pytest_daemonset.kube.applier import Applier
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.observe.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.documents import Document, Source
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.observation import Observation
    from pytest_daemonset.observe.scope import Scope

Object = dict[str, Any]


class DaemonSets:
    """The DaemonSets of one test.

    Args:
        client: who reads and writes.
        namespace: where what names no namespace goes; it is the test's own and goes with the test.
        scope: the test.
        observe: makes the observation of one namespace; it is started here and stopped by `close`.
        kind: what a set under test must be.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        scope: Scope,
        observe: Callable[[str], Observation],
        kind: Kind = Kind(),  # noqa: B008
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._scope = scope
        self._observe = observe
        self._kind = kind
        self._applier = Applier(client, namespace)
        self._observations: dict[str, Observation] = {}
        self._beginning = asyncio.Lock()  # of two applied at once, the second relies on what the first begins to watch
        self._elsewhere: list[tuple[Resource, str | None, str]] = []

    @property
    def observations(self) -> dict[str, Observation]:
        """What is watched, by namespace."""
        return dict(self._observations)

    def apply(self, source: Source) -> Handle[DaemonSet]:
        """Create the DaemonSet of a manifest, or update the one of that name; its companions come first.

        Args:
            source: a path, YAML text, a dict or a typed object; of several documents just one is a DaemonSet, the others
                (ConfigMaps, ServiceAccounts, …) are its companions. What names no namespace goes to the test's own.

        Raises:
            UsageError: at once, before anything starts: no YAML, a Deployment, a missing field, a selector that misses
                its template; when awaited: a companion of a kind that the cluster does not serve.
        """
        manifest = read(source, self._kind)
        if len(manifest.daemonsets) > 1:
            names = ", ".join(document.content["metadata"].get("name", "?") for document in manifest.daemonsets)
            raise manifest.daemonsets[1].complain(
                "",
                f"expected one DaemonSet, found {len(manifest.daemonsets)}: {names}; use apply_all() to get them all",
            )
        (document,) = manifest.daemonsets
        return self._scope.handle(lambda: self._apply_one(manifest.companions, document), f"apply of {document.origin}")

    def apply_all(self, source: Source) -> Handle[list[DaemonSet]]:
        """Like `apply`, for a manifest that holds any number of DaemonSets, in their order."""
        manifest = read(source, self._kind)
        origin = manifest.daemonsets[0].origin
        return self._scope.handle(lambda: self._apply(manifest.companions, manifest.daemonsets), f"apply of {origin}")

    async def close(self) -> None:
        """Stop watching and delete what was made outside the test's own namespace; to be awaited in the portal's loop."""
        for observation in self._observations.values():
            await observation.stop()
        for resource, namespace, name in reversed(self._elsewhere):
            try:
                await self._client.delete(resource, name, namespace, options={"propagationPolicy": "Background"})
            except ApiError as error:
                if error.status != 404:
                    raise

    async def _apply_one(self, companions: Sequence[Document], document: Document) -> DaemonSet:
        (daemonset,) = await self._apply(companions, [document])
        return daemonset

    async def _apply(self, companions: Sequence[Document], documents: Sequence[Document]) -> list[DaemonSet]:
        # All kinds are looked up before the first object is written: a manifest is applied whole or not at all.
        resources = [await self._applier.resource(document) for document in (*companions, *documents)]
        for document, resource in zip(companions, resources, strict=False):
            await self._upsert(resource, document)
        return [
            await self._start(resource, document)
            for document, resource in zip(documents, resources[len(companions) :], strict=True)
        ]

    async def _start(self, resource: Resource, document: Document) -> DaemonSet:
        namespace = document.content["metadata"].get("namespace") or self._namespace
        async with self._beginning:
            if namespace not in self._observations:
                # Watching begins before the set exists, so that its first moments are seen.
                observation = self._observe(namespace)
                try:
                    await observation.start()
                except BaseException:
                    await observation.stop()  # nobody else knows of its watches
                    raise
                self._observations[namespace] = observation
        stored = await self._upsert(resource, document)
        metadata = stored["metadata"]
        named = (resource.api_version, resource.kind, namespace, metadata["name"], metadata["uid"])
        subject = Subject(*named, shape=self._kind.shape)
        return DaemonSet(
            resource, Watched(self._observations[namespace], subject, self._scope), self._client, self._scope
        )

    async def _upsert(self, resource: Resource, document: Document) -> Object:
        stored, made = await self._applier.upsert(resource, document)
        namespace = stored["metadata"].get("namespace")
        if made and namespace != self._namespace:
            self._elsewhere.append((resource, namespace, stored["metadata"]["name"]))
        return stored
