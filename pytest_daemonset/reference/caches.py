"""All that the controller knows of the cluster: four stores, and whose pods and revisions are whose."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_daemonset.reference.informer import Reflector, Store
from pytest_daemonset.reference.revisions import RevisionView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.views import Json, NodeView, PodView


class Ownable(Protocol):
    """What a set can own."""

    @property
    def uid(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Json: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def terminating(self) -> bool: ...


T = TypeVar("T", bound=Ownable)


class Owners(Generic[T]):
    """Objects by the UID of their controller, and those without one by namespace."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, T]] = {}

    def change(self, before: T | None, after: T | None) -> None:
        """Follow one change of the store."""
        if before is not None:
            group = self._of[self._key(before)]
            del group[before.uid]
            if not group:
                del self._of[self._key(before)]
        if after is not None:
            self._of.setdefault(self._key(after), {})[after.uid] = after

    def of(self, owner: str) -> list[T]:
        """What the set with this UID controls."""
        return list(self._of.get(owner, {}).values())

    def orphans(self, namespace: str) -> list[T]:
        """What nothing controls in a namespace."""
        return list(self._of.get("/" + namespace, {}).values())

    @staticmethod
    def _key(thing: T) -> str:
        return thing.owner or "/" + thing.namespace


class Listener(Protocol):
    """Who is told of changes: (before, after), None for not there."""

    def node_view(self, node: Json) -> NodeView: ...
    def pod_view(self, pod: Json) -> PodView: ...
    def on_node(self, before: NodeView | None, after: NodeView | None) -> None: ...
    def on_pod(self, before: PodView | None, after: PodView | None) -> None: ...
    def on_daemonset(self, before: Json | None, after: Json | None) -> None: ...
    def on_revision(self, before: RevisionView | None, after: RevisionView | None) -> None: ...
    def on_progress(self) -> None: ...


class Caches:
    """The four stores, each kept up to date by a reflector.

    Args:
        client: where to read from.
        listener: who is told, after the indexes have followed.
    """

    store: type[Store[Any]] = Store

    def __init__(self, client: Client, listener: Listener) -> None:
        self._listener = listener
        moved = listener.on_progress
        self.nodes: Store[NodeView] = self.store(listener.node_view, self._node, moved)
        self.pods: Store[PodView] = self.store(listener.pod_view, self._pod, moved)
        self.daemonsets: Store[Json] = self.store(_slim, listener.on_daemonset, moved)
        self.revisions: Store[RevisionView] = self.store(lambda o: RevisionView.of(_slim(o)), self._revision, moved)
        self.node_named: dict[str, NodeView] = {}
        self.pods_by: Owners[PodView] = Owners()
        self.revisions_by: Owners[RevisionView] = Owners()
        stores: dict[str, Store[Any]] = {
            "/api/v1/nodes": self.nodes,
            "/api/v1/pods": self.pods,
            "/apis/apps/v1/daemonsets": self.daemonsets,
            "/apis/apps/v1/controllerrevisions": self.revisions,
        }
        self._reflectors = [Reflector(client, path, store) for path, store in stores.items()]

    @property
    def progress(self) -> dict[str, int]:
        """By kind, the resourceVersion up to which the cache has seen everything."""
        return {
            "pods": self.pods.progress,
            "daemonsets": self.daemonsets.progress,
            "controllerrevisions": self.revisions.progress,
        }

    def reflectors(self) -> Iterable[Callable[[], Any]]:
        """The coroutines that keep the stores up to date."""
        return [reflector.run for reflector in self._reflectors]

    async def synced(self) -> None:
        """Wait until every kind has been listed once."""
        await asyncio.gather(*(reflector.synced.wait() for reflector in self._reflectors))

    def _node(self, before: NodeView | None, after: NodeView | None) -> None:
        if after is not None:
            self.node_named[after.name] = after
        elif before is not None:
            del self.node_named[before.name]
        self._listener.on_node(before, after)

    def _pod(self, before: PodView | None, after: PodView | None) -> None:
        self.pods_by.change(before, after)
        self._listener.on_pod(before, after)

    def _revision(self, before: RevisionView | None, after: RevisionView | None) -> None:
        self.revisions_by.change(before, after)
        self._listener.on_revision(before, after)


def _slim(thing: dict[str, Any]) -> Json:
    thing["metadata"].pop("managedFields", None)
    return thing
