"""The rig: what the rows of the suite do to a cluster and ask of it, as plain calls."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_daemonset.conformance.set_under_test import SetUnderTest
from pytest_daemonset.conformance.writes import WriteLog, told
from pytest_daemonset.contract import (
    at_most_one_pod_per_node,
    labelled_with_a_revision,
    made_as_its_revision_says,
    observed_generation_sane,
    owned,
    status_consistent,
)
from pytest_daemonset.contract.shape import nested
from pytest_daemonset.controllers.awaiting import stirred
from pytest_daemonset.daemonsets.kinds import PLAIN_KIND, USUAL, KindUnderTest
from pytest_daemonset.errors import ClusterError, Violation
from pytest_daemonset.kube.client import MERGE_PATCH
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import DAEMONSETS, NAMESPACES, NODES, PODS
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from pytest_daemonset.contract import Property
    from pytest_daemonset.controllers.replica import Replica
    from pytest_daemonset.daemonsets.daemonsets import DaemonSets
    from pytest_daemonset.kube.audit import Entry
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.nodes.node import Node
    from pytest_daemonset.nodes.nodes import Nodes
    from pytest_daemonset.observe.scope import Scope
    from pytest_daemonset.running import Running

RECORDED: Final = (labelled_with_a_revision, made_as_its_revision_says)
"""What stands guard beside it where the controller keeps a history."""

Object = dict[str, Any]
T = TypeVar("T")

HOLD: Final = "embedded.pytest-daemonset.io/hold"
"""The annotation by which a namespace of the embedded cluster holds loops back."""

_STIRS_WITHIN: Final = 60.0
"""Seconds: a candidate waits for no more than a lease, which is 15 s where nobody shortened it."""

SAFETY: Final = (at_most_one_pod_per_node, owned, status_consistent, observed_generation_sane)
"""What no set may break in any state of any row, cheap to judge: stands guard over every set that a row applies."""


class Rig:
    """One row's hands on the cluster. Every call does its work and returns when it is done.

    Args:
        running: the session's cluster and controller.
        scope: the test.
        nodes: the test's nodes.
        daemonsets: where its sets come from.
        namespace: its namespace.
        sets: the kind under test; the rows call it `DAEMONSETS`, whatever it is, and write and read it as one.
        under_test: what is known of that kind.
        history: whether its controller records what it rolls out.
    """

    def __init__(
        self,
        running: Running,
        scope: Scope,
        nodes: Nodes,
        daemonsets: DaemonSets,
        namespace: str,
        sets: Resource = DAEMONSETS,
        under_test: KindUnderTest = PLAIN_KIND,
        *,
        history: bool = True,
    ) -> None:
        self.namespace = namespace
        self.sets = sets
        self.under_test = under_test
        self.history = history
        self.shape = under_test.shape
        self.timings = under_test.timings
        self.nodes = nodes
        self.daemonsets = daemonsets
        self._running = running
        self._scope = scope
        self._undo: list[Callable[[], object]] = []
        self.writes = WriteLog(running.cluster.audit, running.controller.user, sets.plural, self.shape.nudge)

    @property
    def client(self) -> Client:
        """The suite's own client."""
        return self._running.cluster.client

    def has(self, capability: str) -> bool:
        """Whether the cluster can do something, such as ``behave``."""
        return capability in self._running.cluster.capabilities

    # Sets

    def apply(
        self, manifest: Mapping[str, Any], *, guard: tuple[Property, ...] = SAFETY, recorded: bool = True
    ) -> SetUnderTest:
        """Apply a set, watched from before it exists.

        Args:
            manifest: see `manifests.daemonset`.
            guard: what must hold in every state from its first moment to the end of the row.
            recorded: whether revisions and the labels of pods stand guard too (REV-03), where there is a history: not in a row
                that takes a revision away itself, or plants a pod without its label.
        """
        applied = SetUnderTest(self, self.daemonsets.apply(self.own(manifest)).wait())
        if guard and recorded and self.history:
            guard += RECORDED
        if guard:
            # Not left: the scope ends it with the row, and what it found is the row's failure.
            applied.daemonset.always(*guard, from_birth=True).__enter__()
        return applied

    # Nodes

    def workers(self, count: int) -> list[Node]:
        """So many nodes, which the row may change as it likes; more join if there are too few.

        Args:
            count: how many.
        """
        missing = count - len(self.nodes)
        if missing > 0:
            self.nodes.join(missing).wait()
        return self.nodes[:count]

    def patch_node(
        self, node: Node, patch: Mapping[str, Any], subresource: str | None = None, kind: str = MERGE_PATCH
    ) -> None:
        """Change a Node object in a way for which there is no verb.

        Args:
            node: which.
            patch: the patch.
            subresource: ``status``, or None for the object itself.
            kind: of patch: merge or strategic.
        """
        self.do(lambda: self.client.patch(NODES, node.name, patch, kind=kind, subresource=subresource))

    # Objects

    def create(self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None) -> Object:
        """Create an object, by default in the row's namespace.

        Args:
            resource: what it is.
            body: the object.
            namespace: where.
        """
        where = (namespace or self.namespace) if resource.namespaced else None
        kind, made = self._kind(resource), self._body(resource, body)
        return self._read(resource, self.do(lambda: self.client.create(kind, made, where)))

    def dry_run(self, resource: Resource, body: Mapping[str, Any]) -> Object:
        """What the API server would make of an object of the row's namespace, without making it.

        Arguments: as for `create`.
        """
        path, made = self._kind(resource).path(self.namespace), self._body(resource, body)
        answer = self.do(lambda: self.client.request("POST", path, made, query={"dryRun": "All"}))
        return self._read(resource, answer)

    def plant(self, pod: Mapping[str, Any], namespace: str | None = None) -> Object:
        """Plant a pod; see `manifests.pod`."""
        planted = self.create(PODS, pod, namespace)
        if planted["metadata"].get("finalizers"):
            self.at_end(lambda: self.strip_finalizers([planted]))
        return planted

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Read an object; None if there is none.

        Args:
            resource: what it is.
            name: which.
            namespace: where; by default the row's.
        """
        where = (namespace or self.namespace) if resource.namespaced else None
        try:
            found = self.do(lambda: self.client.get(self._kind(resource), name, where))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return self._read(resource, found)

    def patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        kind: str = MERGE_PATCH,
    ) -> Object:
        """Change an object of a namespace by a patch.

        Args:
            resource: what it is.
            name: which.
            patch: the patch.
            namespace: where; by default the row's.
            subresource: such as ``status``.
            kind: the patch's content type.
        """
        where = namespace or self.namespace
        content = self.shape.own(patch) if resource == DAEMONSETS else patch
        stored = self.do(
            lambda: self.client.patch(self._kind(resource), name, content, where, kind=kind, subresource=subresource)
        )
        return self._read(resource, stored)

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        """Delete an object of a namespace.

        Args:
            resource: what it is.
            name: which.
            namespace: where; by default the row's.
        """
        where = namespace or self.namespace
        self.do(lambda: self.client.delete(self._kind(resource), name, where))

    def objects(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """Read the objects of a namespace, by default the row's."""
        where = namespace or self.namespace
        found = self.do(lambda: self.client.list(self._kind(resource), where))
        return [self._read(resource, one) for one in found["items"]]

    def comes_to(self, resource: Resource, good: Callable[[Iterable[Object]], bool], *, within: float) -> bool:
        """Watch the objects of the row's namespace until they are as wanted: for kinds that no property reads.

        Args:
            resource: what they are.
            good: is told of all of them, at first and after every change.
            within: seconds.

        Returns:
            Whether they came to be so in time.
        """
        client, kind = self.client, self._kind(resource)
        return self.do(
            lambda: until(client, [(kind, self.namespace)], lambda seen: good(seen[kind.kind].values()), within)
        )

    def ask(self, verb: str, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> tuple[int, Object]:
        """Send one request, whose answer may be a refusal.

        Args:
            verb: the HTTP method.
            path: the path.
            body: the object.
            more: as for `Client.request`.

        Returns:
            The HTTP status, 200 for every success, and the object or the Status answered.
        """
        try:
            return 200, self.do(lambda: self.client.request(verb, path, body, **more))
        except ApiError as error:
            return error.status, {"reason": error.reason, "message": error.message}

    def delete_pod(self, pod: Mapping[str, Any], *, grace: int | None = None) -> None:
        """Delete a pod; that it has gone meanwhile is no error.

        Args:
            pod: which.
            grace: seconds; 0 removes it at once, None leaves it its own.
        """
        metadata = pod["metadata"]
        options: Object = {"preconditions": {"uid": metadata["uid"]}}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.do(lambda: self.client.delete(PODS, metadata["name"], metadata["namespace"], options=options))
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def another_namespace(self) -> str:
        """A second namespace, which goes with the row."""
        name = f"{self.namespace}-2"
        self.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.at_end(lambda: self.end_namespace(name))
        return name

    def hold(self, loop: str, namespace: str | None = None) -> None:
        """Have a loop of the control plane leave a namespace alone, by default the row's, until the row is over.

        Only clusters with the capability ``held_loops`` heed it.

        Args:
            loop: ``pod-gc`` or ``namespaces``.
            namespace: which.
        """
        name = namespace or self.namespace
        client = self.client

        def say(what: str | None) -> None:
            self.do(
                lambda: client.patch(NAMESPACES, name, {"metadata": {"annotations": {HOLD: what}}}, kind=MERGE_PATCH)
            )

        say(loop)
        self.at_end(lambda: say(None))

    def end_namespace(self, name: str) -> None:
        """Begin the deletion of a namespace; that it has begun, or is over, is no error."""
        client = self.client
        try:
            self.do(lambda: client.delete(NAMESPACES, name))
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    # The controller

    def stop(self) -> None:
        """End the controller with SIGTERM; the row, or the next one, starts it again."""
        self.do(self._running.controller.stop)

    def start(self) -> None:
        """Start it."""
        self.do(self._running.controller.start)

    async def kill(self) -> None:
        """End the controller as a power cut would; for a webhook, which runs in the portal's loop. Then `start`."""
        await self._running.controller.kill()

    def await_event(self, event: asyncio.Event, what: str) -> None:
        """Wait until something has come about that a webhook notes.

        Args:
            event: set in the portal's loop.
            what: what shall come about, for the message.

        Raises:
            Violation: it has not, in time.
        """
        __tracebackhide__ = True
        within = self.daemonsets.observations[self.namespace].constants.within(len(self.nodes))

        async def come() -> bool:
            waiting = asyncio.ensure_future(event.wait())
            done, _ = await asyncio.wait([waiting], timeout=within)
            waiting.cancel()
            return bool(done)

        self.expect(self.do(come), f"the controller was waited for {within:g} s: {what}")

    def restart(self) -> None:
        """Stop it and start it."""
        self.stop()
        self.start()

    @property
    def leaderless(self) -> str:
        """Why it cannot be seen who leads; empty where it can."""
        replicas = self._running.controller.replicas
        if len(replicas) < 2:
            return "the controller runs as one process; where it elects a leader, say --controller-replicas=2"
        if len({one.credential.id for one in replicas} - {""}) < len(replicas):
            return "its replicas have one credential, so the audit log cannot tell their writes apart"
        return ""

    def leader(self, *, other_than: Replica | None = None) -> Replica:
        """Wait for the replica that leads.

        Args:
            other_than: one that is not meant.

        Raises:
            ClusterError: none does, in time.
        """
        number = None if other_than is None else other_than.number
        return self.do(lambda: self._running.controller.leader(other_than=number))

    def freeze(self, replica: Replica) -> None:
        """Pause a replica; the end of the row, or `thaw`, lets it go on."""
        self.do(replica.pause)
        self.at_end(lambda: self.thaw(replica))

    def thaw(self, replica: Replica) -> None:
        """Let a replica go on that was frozen."""
        self.do(replica.thaw)

    def hand_over(self, leader: Replica, *, to: Replica) -> None:
        """End a leader with SIGTERM, and wait until the other one has written, as its successor or before, or has ended.

        One that was frozen beyond its Lease does one of both: it ends for that, or goes on as a candidate. Then `start`.

        Args:
            leader: which is ended; `start` brings it back.
            to: the other one.

        Raises:
            ClusterError: neither, in time.
        """

        async def handed() -> None:
            mark = self.writes.mark()
            await leader.stop()
            try:
                await asyncio.wait_for(stirred(to, self.writes.audit, mark), _STIRS_WITHIN)
            except asyncio.TimeoutError:
                raise ClusterError(
                    f"{to.name} has neither taken over from the leader that stopped, nor ended, within {_STIRS_WITHIN:g} s"
                ) from None

        self.do(handed)

    def nudge(self, value: int) -> Object:
        """The patch that changes a field of the spec from which nothing follows but a new generation.

        Args:
            value: what the field becomes.
        """
        return nested(self.shape.nudge, value)

    # Time

    def rest(self, least: float) -> float:
        """Seconds of rest to watch: longer than the period in which the controller may look at every set unasked.

        Args:
            least: what the row wants to watch.
        """
        return max(least, 1.2 * self.timings.resync)

    def rested(self) -> float:
        """Begin a row in which a sync that was due anyway would pass for a reaction.

        There is no event for "idle", so the profile says how late a sync may come. Where that is longer than usual a queue lags behind
        for as long as it has been busy, and only a controller that has just started owes nothing.

        Returns:
            Seconds of quiet after which the controller looks at a set no more of itself.
        """
        if self.timings.put_off > USUAL.put_off and not self._running.cluster.builtin_inside:
            self.restart()
        return self.timings.put_off

    # Verdicts

    def expect(self, kept: bool, broken: str) -> None:
        """A promise that no property puts into words.

        Args:
            kept: whether it was kept.
            broken: the sentence that says what was broken, if it was not.

        Raises:
            Violation: it was not.
        """
        __tracebackhide__ = True
        if not kept:
            raise Violation(broken)

    def expect_no_writes(self, entries: list[Entry], what: str) -> None:
        """The controller wrote none of these.

        Args:
            entries: writes, from `writes`.
            what: the promise.

        Raises:
            Violation: it wrote some.
        """
        __tracebackhide__ = True
        self.expect(not entries, f"{what}; but the controller wrote:\n{told(entries)}")

    # How

    def _kind(self, resource: Resource) -> Resource:
        return self.sets if resource == DAEMONSETS else resource

    def _body(self, resource: Resource, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.own(body) if resource == DAEMONSETS else body

    def own(self, manifest: Mapping[str, Any]) -> Object:
        """A DaemonSet as the kind under test has it, to be sent as it is."""
        return self.shape.own({**manifest, "apiVersion": self.sets.api_version, "kind": self.sets.kind})

    def _read(self, resource: Resource, stored: Object) -> Object:
        return self.shape.standard(stored) if resource == DAEMONSETS else stored

    def do(self, coro_fn: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in the portal's loop."""
        __tracebackhide__ = True
        return self._running.portal.call(coro_fn, "a step of the row")

    def at_end(self, undo: Callable[[], object]) -> None:
        """Do something when the row is over, whatever comes of it; the latest is done first."""
        self._undo.append(undo)

    def close(self) -> None:
        """The row is over."""
        with contextlib.ExitStack() as stack:
            for undo in self._undo:
                stack.callback(undo)

    def strip_finalizers(self, pods: Iterable[Mapping[str, Any]]) -> None:
        """Let pods go that finalizers keep.

        Args:
            pods: which; those that have gone are no error.
        """
        for pod in pods:
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            try:
                self.patch(PODS, name, {"metadata": {"finalizers": None}}, namespace=namespace)
            except ApiError as error:
                if error.status != 404:
                    raise
