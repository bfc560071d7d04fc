"""The namespace controller: a namespace that is being deleted is emptied, then released."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

import orjson

from pytest_daemonset.embedded.calls import Call
from pytest_daemonset.embedded.kinds.namespace import FINALIZER
from pytest_daemonset.embedded.loops.holding import held
from pytest_daemonset.embedded.loops.identities import NAMESPACES
from pytest_daemonset.embedded.store import DELETED

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.calls import Served
    from pytest_daemonset.embedded.settings import Settings
    from pytest_daemonset.embedded.store import Change

_OPTIONS = orjson.dumps({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})


async def empty(api: Api, settings: Settings) -> None:
    """Empty and release namespaces until cancelled, each `namespace_delay` seconds after its deletion began."""
    emptier = Emptier(api, settings.namespace_delay)
    clock = asyncio.get_running_loop().time
    with api.subscribe(only=emptier.cares) as changes:
        for namespace in api.list("namespaces"):
            if "deletionTimestamp" in namespace["metadata"]:
                emptier.begin(namespace["metadata"]["name"], clock())
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                emptier.see(*await asyncio.wait_for(changes.__anext__(), emptier.wait(clock())), clock())
            emptier.empty(clock())
            await asyncio.sleep(0)


class Emptier:
    """The namespaces that are being deleted, and what is left in them.

    Args:
        delay: how long a namespace refuses new content before it is emptied, in seconds. Times are on any clock.
    """

    def __init__(self, api: Api, delay: float) -> None:
        self._api = api
        self._delay = delay
        self._due: dict[str, float] = {}
        self._emptied: set[str] = set()

    def cares(self, resource: str, change: Change) -> bool:
        """Whether a change may mean something here."""
        return resource == "namespaces" or (change.type == DELETED and change.entry.key[0] in self._emptied)

    def see(self, resource: str, change: Change, now: float) -> None:
        """Learn of one change: a namespace begins to leave, or something in one that leaves is gone."""
        namespace, name = change.entry.key
        if resource == "namespaces":
            if change.type == DELETED:
                self._emptied.discard(name)
                self._due.pop(name, None)
            elif change.entry.deleting and name not in self._emptied and not held(self._api, name, "namespaces"):
                self.begin(name, now)
        elif change.type == DELETED and namespace in self._emptied:
            self._release(namespace)

    def begin(self, namespace: str, now: float) -> None:
        """Remember that the namespace is to be emptied."""
        self._due.setdefault(namespace, now + self._delay)

    def wait(self, now: float) -> float | None:
        """Seconds until the next namespace is due; None if there is none."""
        return max(0.0, next(iter(self._due.values())) - now) if self._due else None

    def empty(self, now: float) -> None:
        """Ask for the deletion of all that is in the namespaces that are due."""
        for namespace in [name for name, due in self._due.items() if due <= now]:
            del self._due[namespace]
            self._emptied.add(namespace)
            for served in self._namespaced():
                if served.table.holds(namespace):
                    call = Call(NAMESPACES, "deletecollection", served, namespace, body=_OPTIONS)
                    self._api.attempt(partial(self._api.write, call), ("namespaces", namespace, served.name))
            self._release(namespace)

    def _namespaced(self) -> list[Served]:
        return [each for each in self._api.kept if each.kind.namespaced]

    def _release(self, namespace: str) -> None:
        self._api.attempt(partial(self._finalize, namespace), ("namespaces", namespace))

    def _finalize(self, namespace: str) -> None:
        if any(served.table.holds(namespace) for served in self._namespaced()):
            return
        obj = self._api.get("namespaces", "", namespace)
        if obj is None or FINALIZER not in obj["spec"].get("finalizers", ()):
            return
        obj["spec"]["finalizers"] = [each for each in obj["spec"]["finalizers"] if each != FINALIZER]
        self._api.update(NAMESPACES, "namespaces", "", namespace, obj, "finalize")
