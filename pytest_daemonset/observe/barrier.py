"""The barrier: a proof that the controller has run after what the test wrote, so that "nothing happened" means something.

Method M2 of the contract, in three steps, each waited for by its event and not by time:

1. A sentinel on the node stream. A sentinel DaemonSet wants a node label that nobody has; a node gets it; the
   controller makes the sentinel's pod. A controller sees nodes in order, so it has seen every earlier change of a node.
2. A sentinel on the pod stream: the sentinel's pod is removed, and the controller makes another one. So it has seen
   every earlier change of a pod.
3. The proof for the set itself: a harmless field of its spec is changed (``revisionHistoryLimit``, if its `Shape` names no other), and its
   ``status.observedGeneration`` follows. So it has synced the set, with all of that seen. Alone, this step was wrong in
   4 of 150 tries on a busy node stream.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.events import DAEMONSET, NODE, POD
from pytest_daemonset.contract.shape import nested, value_at
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import NODES, PODS
from pytest_daemonset.observe.signals import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.observe.observation import Observation

LABEL: Final = "pytest-daemonset.io/sentinel"
_ANNOTATION: Final = "pytest-daemonset.io/nudge"


class Barrier:
    """The barrier of one DaemonSet.

    Args:
        observation: what is watched; it must watch nodes, pods and DaemonSets.
        subject: the DaemonSet under test.
        sentinel: whether a sentinel is used; without it, only the last step is taken.
    """

    def __init__(self, observation: Observation, subject: Subject, *, sentinel: bool = True) -> None:
        self._observation = observation
        self._subject = subject
        self._sentinel = sentinel
        self._raised_from: int | None = None

    async def pass_(self) -> None:
        """Return when the controller has provably run after everything that the test wrote before.

        Raises:
            Inconclusive: it did not show that it did, there is no DaemonSet any more, or the cluster refused a step.
        """
        try:
            since = await self._observation.client.wrote_until_now(NODES)
            removal = await self._pass_sentinel() if self._sentinel and self._observation.nodes else None
            try:
                await self._pass_generation()
            finally:
                if removal is not None:
                    await removal
        except ApiError as error:
            raise Inconclusive(f"{self._subject}: no barrier: the cluster refused one of its steps: {error}") from error
        await self._observation.fence()
        self._observation.barrier_passed(since, f"the controller ran after version {since}")

    async def nudge(self) -> None:
        """Annotate one of the set's own pods, which wakes the controller for the set; proves nothing.

        Raises:
            Inconclusive: it has no pod, or the pod was gone before it could be annotated.
        """
        await self._observation.fence([POD])
        mine = [pod for pod in self._observation.reflectors[POD].known.values() if _owner(pod) == self._subject.uid]
        if not mine:
            raise Inconclusive(f"{self._subject} has no pod that could be annotated to wake its controller")
        pod = min(mine, key=lambda one: str(one["metadata"]["name"]))["metadata"]
        patch = {"metadata": {"annotations": {_ANNOTATION: secrets.token_hex(4)}}}
        try:
            await self._observation.client.patch(PODS, pod["name"], patch, pod["namespace"])
        except ApiError as error:
            raise Inconclusive(f"{self._subject}: its pod {pod['name']} could not be annotated: {error}") from error

    async def _pass_sentinel(self) -> asyncio.Task[None]:
        """Steps 1 and 2; returns the removal of the sentinel, which goes on and has to be awaited."""
        key = secrets.token_hex(4)
        node = min(str(one["metadata"]["name"]) for one in self._observation.reflectors[NODE].known.values())
        try:
            await self._see_sentinel(key, node)
        except BaseException:
            await self._remove_sentinel(key, node)
            raise
        return asyncio.create_task(self._remove_sentinel(key, node))

    async def _see_sentinel(self, key: str, node: str) -> None:
        subject, client = self._subject, self._observation.client
        known = self._observation.reflectors[POD].known
        resource = self._observation.reflectors[DAEMONSET].resource
        uid = (await client.create(resource, _sentinel(subject, key), subject.namespace))["metadata"]["uid"]
        await client.patch(NODES, node, {"metadata": {"labels": {LABEL: key}}})
        await self._until(POD, lambda pod: _owner(pod) == uid, f"make a sentinel's pod after node {node} was labelled")
        first = next(one for one in known.values() if _owner(one) == uid)["metadata"]
        try:
            await client.delete(PODS, first["name"], subject.namespace, options={"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.status != 404:  # a controller that has replaced it by itself is as well seen to react
                raise
        await self._until(
            POD,
            lambda pod: _owner(pod) == uid and pod["metadata"]["uid"] != first["uid"],
            f"make a sentinel's pod again after {first['name']} was removed",
        )

    async def _remove_sentinel(self, key: str, node: str) -> None:
        observation, namespace = self._observation, self._subject.namespace
        client, name = observation.client, _name(key)
        steps: tuple[Callable[[], Awaitable[object]], ...] = (
            lambda: client.delete(observation.reflectors[DAEMONSET].resource, name, namespace, options=_BACKGROUND),
            lambda: client.delete_collection(
                PODS, namespace, label_selector=f"{LABEL}={name}", options={"gracePeriodSeconds": 0}
            ),
            lambda: client.patch(NODES, node, {"metadata": {"labels": {LABEL: None}}}),
        )
        for step in steps:
            try:
                await step()
            except ApiError as error:
                if error.status != 404:
                    raise

    async def _pass_generation(self) -> None:
        subject, client = self._subject, self._observation.client
        resource = self._observation.reflectors[DAEMONSET].resource
        try:
            before = await client.get(resource, subject.name, subject.namespace)
            field = subject.shape.nudge
            found = value_at(before, field)
            limit = 10 if found is None else int(found)
            # Up and down again, and never below the author's own limit: a lower one would remove revisions.
            if self._raised_from is not None and limit == self._raised_from + 1:
                changed, self._raised_from = self._raised_from, None
            else:
                changed, self._raised_from = limit + 1, limit
            patch = {"metadata": {"uid": subject.uid}, **nested(field, changed)}
            generation = (await client.patch(resource, subject.name, patch, subject.namespace))["metadata"][
                "generation"
            ]
            if generation == before["metadata"]["generation"]:
                raise Inconclusive(
                    f"{subject}: no barrier: its generation did not rise when {field} became {changed}; a kind without that field "
                    "names another harmless integer field as kind.nudge in its profile"
                )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            raise Inconclusive(
                f"{subject} is gone, so its controller cannot be asked to show that it runs; in its place, use a barrier "
                "on another DaemonSet of the same controller"
            ) from error
        await self._until(
            DAEMONSET,
            lambda one: (
                one["metadata"]["uid"] == subject.uid
                and int((one.get("status") or {}).get("observedGeneration") or 0) >= generation
            ),
            f"report generation {generation} of the set as observed",
        )

    async def _until(self, kind: str, wanted: Callable[[Mapping[str, Any]], bool], what: str) -> None:
        observation = self._observation
        within = observation.constants.barrier
        known = observation.reflectors[kind]
        if not await until(lambda: any(wanted(one) for one in known.known.values()), observation.changed, within):
            raise Inconclusive(
                f"{self._subject}: no barrier: the controller did not {what} within {within:g} s. Is it running, and does it "
                "watch this namespace?"
            )


_BACKGROUND: Final = {"propagationPolicy": "Background"}


def _owner(object_: Mapping[str, Any]) -> str | None:
    """The UID of an object's controller."""
    for reference in object_["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return None


def _name(key: str) -> str:
    return f"sentinel-{key}"


def _sentinel(subject: Subject, key: str) -> dict[str, Any]:
    name = _name(key)
    labels = {LABEL: name}
    standard = {
        "apiVersion": subject.api_version,
        "kind": subject.kind,
        "metadata": {"name": name, "namespace": subject.namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {LABEL: key},
                    "tolerations": [{"operator": "Exists"}],
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "sentinel", "image": "registry.k8s.io/pause:3.10"}],
                },
            },
        },
    }
    return subject.shape.own(standard)
