"""A DaemonSet under test: what it is, what is done to it, and what is expected of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from pytest_daemonset.contract import Property, Subject
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.observe.guard import Guard
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.scope import Scope
    from pytest_daemonset.observe.watched import Watched

Object = dict[str, Any]
Change = Mapping[str, Any] | Callable[[Object], object]

PROPAGATION: Final = ("Background", "Foreground", "Orphan")
_TRIES = 10


class DaemonSet:
    """One incarnation of a DaemonSet: deleted and made again under its name, it is another one.

    Args:
        resource: where its kind lives in the API.
        watched: it, watched.
        client: who reads and writes it.
        scope: the test that it belongs to.
    """

    def __init__(self, resource: Resource, watched: Watched, client: Client, scope: Scope) -> None:
        self._resource = resource
        self._watched = watched
        self._client = client
        self._scope = scope

    @property
    def subject(self) -> Subject:
        """Which object it is: kind, namespace, name and UID."""
        return self._watched.subject

    @property
    def name(self) -> str:
        """Its name."""
        return self.subject.name

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.subject.namespace

    @property
    def uid(self) -> str:
        """Its UID."""
        return self.subject.uid or ""

    def __repr__(self) -> str:
        return f"<{self._resource.kind} {self.namespace}/{self.name}>"

    # Expected of it

    def eventually(self, goal: Property, *, within: float | None = None, settle: float = 0) -> Handle[None]:
        """Wait until a goal holds; judged on every state after the test's last write, and resolved by the very event.

        Args:
            goal: what shall hold.
            within: seconds until it must; by default what the cluster's own constants and its number of nodes call for.
            settle: seconds that it must then go on holding.

        Raises:
            Violation: when awaited, it does not hold in time; the text names nodes, pods and reasons.
            Inconclusive: when awaited, it could not be seen.
        """
        return self._watched.eventually(goal, within=within, settle=settle)

    def stays(self, goal: Property, *, for_: float) -> Handle[None]:
        """Hold a goal for a while: it must hold now and in every state of the next `for_` seconds.

        Raises:
            Violation: when awaited, it does not.
        """
        return self._watched.stays(goal, for_=for_)

    def always(self, *properties: Property, from_birth: bool = False) -> Guard:
        """Guard a block: the properties must hold in every state that the cluster passes through meanwhile.

        Used as ``with`` or ``async with``.

        Args:
            properties: invariants and reactions.
            from_birth: judge also what was seen of the set before the block, from its first moment on: a controller may
                have done wrong between the answer to `apply` and the block.

        Raises:
            UsageError: a `Goal`; no correct controller holds one at every instant.
        """
        return self._watched.always(*properties, from_birth=from_birth)

    def never(self, property_: Property) -> Guard:
        """Guard a block: the property may hold in no state that the cluster passes through meanwhile."""
        return self._watched.never(property_)

    def barrier(self) -> Handle[None]:
        """Wait until the controller has provably run after all that the test has done: then nothing is still to come.

        For "nothing happens" only: it nudges the set, so it would heal the lost wake-up that a liveness check looks for.

        Raises:
            Violation: when awaited, the controller does not answer the nudge.

        Source: contract.md, method M2.
        """
        return self._watched.barrier()

    # Done to it

    def update(self, change: Change) -> Handle[Object]:
        """Change its object.

        Args:
            change: a JSON merge patch (lists are replaced whole), or a function that edits the object in place; the
                function is called again on a fresh object if somebody else wrote in between.

        Returns:
            A handle on the object as it is stored then.

        Raises:
            UsageError: at once, for a change that is neither; when awaited, the function changed nothing but returned
                something, or it raised: then the cause is that error.
            ApiError: when awaited, the API refuses.
        """
        if not callable(change) and not isinstance(change, Mapping):
            raise UsageError(
                f"update({change!r}): expected a merge patch such as {{'metadata': {{'labels': {{'a': 'b'}}}}}}, or a function"
            )
        return self._scope.handle(lambda: self._update(change), f"update of {self!r}")

    def delete(self, *, propagation: str = "Background") -> Handle[None]:
        """Delete it; `garbage_collected` says when all that it owned has gone too.

        Args:
            propagation: what becomes of its pods and revisions: Background, Foreground or Orphan.
        """
        if propagation not in PROPAGATION:
            raise UsageError(f"propagation={propagation!r}: expected one of {', '.join(PROPAGATION)}")
        return self._scope.handle(lambda: self._delete(propagation), f"deletion of {self!r}")

    def get(self) -> Handle[Object]:
        """Read its object."""
        return self._scope.handle(
            lambda: self._client.get(self._resource, self.name, self.namespace), f"reading of {self!r}"
        )

    def pods(self) -> Handle[list[Object]]:
        """Read the pods that it owns, by controller reference."""
        return self._scope.handle(self._pods, f"reading of the pods of {self!r}")

    async def _update(self, change: Change) -> Object:
        if not callable(change):
            return await self._client.patch(self._resource, self.name, change, self.namespace)
        for attempt in range(_TRIES):
            content = await self._client.get(self._resource, self.name, self.namespace)
            self._edit(content, change)
            try:
                return await self._client.replace(self._resource, self.name, content, self.namespace)
            except ApiError as error:
                if error.status != 409 or attempt == _TRIES - 1:
                    raise
        raise AssertionError("the last attempt either returned or raised")

    def _edit(self, content: Object, change: Callable[[Object], object]) -> None:
        before = copy.deepcopy(content)
        try:
            returned = change(content)
        except Exception as error:
            raise UsageError(f"update of {self!r}: the function raised {type(error).__name__}: {error}") from error
        if returned is not None and content == before:
            raise UsageError(
                f"update of {self!r}: the function returned something and changed nothing; edit the object in place"
            )

    async def _delete(self, propagation: str) -> None:
        options = {"propagationPolicy": propagation, "preconditions": {"uid": self.uid}}
        await self._client.delete(self._resource, self.name, self.namespace, options=options)

    async def _pods(self) -> list[Object]:
        found = await self._client.list(PODS, self.namespace)
        return [pod for pod in found["items"] if _controller(pod) == self.uid]


def _controller(content: Object) -> str | None:
    owners = content["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)
