"""The DaemonSet controller: what wakes a set, and the sync of one set."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference import batches, extensions, ownership, rollout
from pytest_daemonset.reference.backoff import Backoff
from pytest_daemonset.reference.caches import Caches, Ownable, Owners, T
from pytest_daemonset.reference.client import ApiError, Client
from pytest_daemonset.reference.decisions import Decisions
from pytest_daemonset.reference.election import Election
from pytest_daemonset.reference.eligibility import Decision, Judged
from pytest_daemonset.reference.events import Filter, Recorder
from pytest_daemonset.reference.expectations import Expectations
from pytest_daemonset.reference.kinds import Kind
from pytest_daemonset.reference.placement import Plan, Pods, Rules
from pytest_daemonset.reference.queue import WorkQueue
from pytest_daemonset.reference.revisions import History, RevisionView
from pytest_daemonset.reference.selectors import selects
from pytest_daemonset.reference.views import HASH_LABEL, Json, NodeView, PodView
from pytest_daemonset.reference.writer import Writer, namespace_is_going

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

log = logging.getLogger(__name__)

_WORKERS = 4


class SyncError(Exception):
    """Some writes of a sync failed; it is tried again after a back-off."""


@dataclass
class Memory:
    """What is remembered of one set between its syncs; nothing that a restart must not lose."""

    generation: int
    judged: Judged
    refused: set[str] = field(default_factory=set)
    """Nodes whose last create was refused: they come last, so that they stop no other in the slow start (FAIL-08)."""
    unsure: bool = False
    """A create got no answer: whether the pod exists must be read, not guessed (AMO-11)."""
    closing: bool = False
    """The namespace is being deleted, which nothing undoes (GC-08)."""


class Controller(Decisions):
    """Keeps one pod of every DaemonSet on every node that should have one.

    Args:
        client: the API server.
    """

    kind = Kind()
    """What it serves; for another kind than DaemonSet, the client translates."""

    election = Election
    """How it becomes the leader where there are several, and what it may do until then."""

    writer_type: type[Writer] = Writer
    """Who writes for it."""

    caches_type: type[Caches] = Caches
    """What it knows."""

    def __init__(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        self.queue = WorkQueue(loop.time, loop.call_later)
        self.expectations = Expectations(time.monotonic)
        self.recorder = Recorder(client, Filter(time.monotonic))
        self.writer = self.writer_type(client, self.expectations, self.recorder)
        self.caches = self.caches_type(client, self)
        self.failures = Backoff(time.monotonic)
        self.futile = Backoff(time.monotonic)
        self._memory: dict[str, Memory] = {}
        self._blind: set[str] = set()
        self.live = False
        """Whether the caches have synced: what was there at the start is a reason to work as any event is (ROB-07)."""

    async def run(self, ready: asyncio.Event) -> None:
        """Work until cancelled.

        Args:
            ready: set once the caches have synced.
        """
        tasks = [asyncio.ensure_future(run()) for run in (*self.caches.reflectors(), self.recorder.run)]
        try:
            await _or_failure(self.caches.synced(), tasks)
            self.live = True
            tasks += [asyncio.ensure_future(self._work()) for _ in range(_WORKERS)]
            ready.set()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            uid = await self.queue.get()
            try:
                await self.sync(uid)
            except (ApiError, SyncError) as error:
                log.warning("sync of %s failed, to be tried again: %s", self._name(uid), error)
                self.queue.retry(uid)
            except Exception:  # a defect of ours must not stop the other sets
                log.exception("sync of %s broke, to be tried again", self._name(uid))
                self.queue.retry(uid)
            finally:
                self.queue.done(uid)

    # What wakes a set

    def wake(self, uid: str) -> None:
        """The set needs a sync."""
        self.queue.add(uid)

    def on_daemonset(self, before: Json | None, after: Json | None) -> None:
        """A set appeared, changed or went."""
        thing = after or before
        if thing is not None:
            self.wake(thing["metadata"]["uid"])

    def on_node(self, before: NodeView | None, after: NodeView | None) -> None:
        """A node changed: it matters to the sets to which it is something else now."""
        for daemonset in self.caches.daemonsets.items.values():
            judged = self.memory(daemonset).judged
            relabelled = before and after and before.labels != after.labels and extensions.restricts(daemonset)
            if relabelled or (before and judged.of(before)) != (after and judged.of(after)):
                self.wake(daemonset["metadata"]["uid"])
            if before and not after:
                judged.forget(before.name)

    def on_pod(self, before: PodView | None, after: PodView | None) -> None:
        """A pod changed: it matters to its owner, to who would adopt it, and to who deleted it."""
        self._on_owned(before, after)
        if before and (after is None or after.terminating):
            waiting = self.expectations.gone(before.uid)
            if waiting:
                self.wake(waiting)

    def on_revision(self, before: RevisionView | None, after: RevisionView | None) -> None:
        """A revision changed: it matters to its owner; the end of one may free its name."""
        self._on_owned(before, after)
        if before and not after:
            self._wake_selecting(before)

    def _on_owned(self, before: Ownable | None, after: Ownable | None) -> None:
        for thing in (before, after):
            if thing is None:
                continue
            if thing.owner is not None:
                self.wake(thing.owner)
            else:
                self._wake_selecting(thing)

    def _wake_selecting(self, thing: Ownable) -> None:
        for daemonset in self.caches.daemonsets.items.values():
            if daemonset["metadata"]["namespace"] == thing.namespace and selects(
                daemonset["spec"]["selector"], thing.labels
            ):
                self.wake(daemonset["metadata"]["uid"])

    def on_progress(self) -> None:
        """A cache has seen more: sets that waited for their own writes may go on."""
        if self._blind:
            progress = self.caches.progress
            for uid in [uid for uid in self._blind if self.expectations.unseen(uid, progress) is None]:
                self._blind.discard(uid)
                self.wake(uid)

    # The sync of one set

    async def sync(self, uid: str) -> None:
        """Bring one set one step nearer to what it should be.

        Args:
            uid: the set's.

        Raises:
            ApiError, SyncError: something could not be read or written.
        """
        daemonset = self.caches.daemonsets.items.get(uid)
        if daemonset is None:
            self._forget(uid)
            return
        if not self.may_act(daemonset) or not self._sees_its_writes(uid):
            return
        if self.selects_nothing(daemonset):
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.record(daemonset, "Warning", "SelectingAll", message)
            return
        memory = self.memory(daemonset)
        if memory.unsure:
            await self.writer.see_pods(daemonset)
            memory.unsure = False
            if not self._sees_its_writes(uid):
                return
        if await self.claim(daemonset):
            return
        history = History.of(self.caches.revisions_by.of(uid), self.data_of(daemonset))
        revision = await self.record_template(daemonset, history)
        if revision is not None:
            await self.reconcile(daemonset, history, revision)

    def _sees_its_writes(self, uid: str) -> bool:
        expiry = self.expectations.unseen(uid, self.caches.progress)
        if expiry is None:
            return True
        self._blind.add(uid)
        self.queue.add_after(uid, expiry)
        return False

    async def claim(self, daemonset: Json) -> bool:
        """Release what no longer matches and adopt what does; True if anything was written, and the caches must follow."""
        pods = await self._claim(daemonset, "pods", self.caches.pods_by)
        revisions = await self._claim(daemonset, "controllerrevisions", self.caches.revisions_by)
        return pods or revisions

    async def _claim(self, daemonset: Json, kind: str, owners: Owners[T]) -> bool:
        released, adopted = self.to_release(daemonset, owners), self.to_adopt(daemonset, owners)
        if adopted and await self.writer.live(daemonset) is None:
            return True
        uid, reference = daemonset["metadata"]["uid"], self.owner_reference(daemonset)
        for thing in released:
            await self.writer.patch(daemonset, kind, thing.name, ownership.release(thing.uid, uid))
        for thing in adopted:
            await self.writer.patch(daemonset, kind, thing.name, ownership.adoption(thing.uid, reference))
        return bool(released or adopted)

    async def record_template(self, daemonset: Json, history: History) -> str | None:
        """See to it that one revision records the template, numbered on top; returns its hash, None to come back later."""
        if history.current is None:
            made = await self.writer.create_revision(daemonset, self.revision_for(daemonset, history.next_number))
            if made is None:
                await self.clashed(daemonset)
                return None
            return RevisionView.of(made).hash
        if history.twins:
            await self._merge_twins(daemonset, history.current, history.twins)
            return None
        update = history.to_update()
        if update is not None:
            await self.writer.replace_revision(daemonset, update)
        return history.current.hash

    async def clashed(self, daemonset: Json) -> None:
        """The name of a new revision is taken by other data: the next sync makes another name (REV-11)."""
        await self.writer.raise_collisions(daemonset)

    async def _merge_twins(self, daemonset: Json, keep: RevisionView, twins: list[RevisionView]) -> None:
        """Relabel the twins' pods, and only those, before the twins go: truly old pods stay old (REV-10)."""
        hashes = {twin.hash for twin in twins} - {keep.hash}
        for pod in self.owned(daemonset, self.caches.pods_by):
            if pod.revision in hashes:
                patch = {"metadata": {"labels": {HASH_LABEL: keep.hash}, "uid": pod.uid}}
                await self.writer.patch(daemonset, "pods", pod.name, patch)
        for twin in twins:
            await self.writer.delete_revision(daemonset, twin.name, twin.uid)

    async def reconcile(self, daemonset: Json, history: History, revision: str) -> None:
        """Create, delete, roll, clean up and count, all from one look at the caches."""
        pods = self.caches.pods_by
        if self.to_adopt(daemonset, pods) or self.to_release(daemonset, pods):
            return  # Ownership changed while the revision was written: counted now, a stripped pod would get a twin (OWN-07).
        now, min_ready = time.time(), daemonset["spec"].get("minReadySeconds") or 0
        uid, generation = daemonset["metadata"]["uid"], daemonset["metadata"]["generation"]
        owned = self.owned(daemonset, pods)
        there, decisions = self.by_node(owned), self.decisions(daemonset)
        rules = Rules(
            surge=rollout.surges(daemonset),
            revision=revision,
            available=lambda pod: pod.available(min_ready, now),
            failure_wait=lambda node: self.failure_wait((uid, generation, node)),
            creation_wait=lambda node: self.futile.remaining((uid, generation, node)),
            admitted=self.admitted(daemonset, decisions, there, self.caches.node_named, revision),
        )
        plan = self.plan(decisions, there, rules)
        plan.create = self.to_create(daemonset, decisions, there, rules, plan.create)
        errors = await self.carry_out(daemonset, plan, revision)
        if not plan:
            errors += await self.carry_out(daemonset, self.rollout(daemonset, decisions, there, rules), revision)
        errors += await self._attempt(self.clean_up(daemonset, history, owned))
        count: dict[str, Any] = {**self.counters(decisions, there, rules)}
        if self.kind.status_hash:
            count[self.kind.status_hash] = self.hash_to_tell(daemonset, revision)
        errors += await self._attempt(self.write_status(daemonset, count))
        for delay in (*self.ripening(owned, min_ready, now), plan.again):
            if delay is not None:
                self.queue.add_after(uid, delay + 0.01)
        if errors:
            raise SyncError("; ".join(map(str, errors)))
        self.queue.succeeded(uid)

    def failure_wait(self, key: tuple[str, int, str]) -> float:
        """Seconds until a failed pod may be removed; the key is the set, its generation and the node (FAIL-06)."""
        return self.failures.remaining(key)

    def decisions(self, daemonset: Json) -> Mapping[str, Decision]:
        """What every node is to the set, by name."""
        judged = self.memory(daemonset).judged
        return {name: judged.of(node) for name, node in self.caches.node_named.items()}

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        """Create and delete what a plan says, no more than a burst of each; returns what went wrong."""
        memory = self.memory(daemonset)
        metadata = daemonset["metadata"]
        for node, ended in plan.ended.items():
            if any(pod.phase == "Failed" for pod in ended):
                self.failures.advance((metadata["uid"], metadata["generation"], node))
            for pod in ended:
                self._tell_end(daemonset, node, pod)
        burst = self.burst(daemonset, self.decisions(daemonset))
        creates = [] if memory.closing else sorted(plan.create, key=memory.refused.__contains__)
        errors = await batches.slow_start(creates[:burst], partial(self._create, daemonset, revision))
        errors += await batches.together(plan.delete[:burst], partial(self._delete, daemonset))
        if max(len(creates), len(plan.delete)) > burst:
            self.wake(metadata["uid"])
        return errors

    async def _create(self, daemonset: Json, revision: str, node: str) -> Exception | None:
        memory, metadata = self.memory(daemonset), daemonset["metadata"]
        if not self._still(daemonset) or self.decisions_of(daemonset, node) is not Decision.START:
            return None  # The change that made it superfluous has woken the set.
        pod = self.pod_for(daemonset, node, revision, memory.judged.eligibility.tolerations)
        try:
            made = await self.writer.create_pod(daemonset, pod)
        except ApiError as error:
            memory.refused.add(node)
            memory.unsure |= error.ambiguous
            memory.closing |= namespace_is_going(error)
            return None if memory.closing else error
        memory.refused.discard(node)
        if not selects(daemonset["spec"]["selector"], made["metadata"].get("labels") or {}):
            # Admission took the labels away: it will be released, and the next one too (ROB-15).
            self.futile.advance((metadata["uid"], metadata["generation"], node))
        return None

    async def _delete(self, daemonset: Json, pod: PodView) -> Exception | None:
        if not self._still(daemonset):
            return None
        try:
            await self.writer.delete_pod(daemonset, pod, self.delete_options(pod))
        except ApiError as error:
            return error
        return None

    def _still(self, daemonset: Json) -> bool:
        """Whether, by the newest knowledge, the set may be written for and its spec is still the one acted on."""
        now = self.caches.daemonsets.items.get(daemonset["metadata"]["uid"])
        if now is None or now["metadata"]["generation"] != daemonset["metadata"]["generation"]:
            return False
        return self.may_act(now)

    def decisions_of(self, daemonset: Json, node: str) -> Decision | None:
        """What one node is to the set by now; None if there is no such node."""
        view = self.caches.node_named.get(node)
        return None if view is None else self.memory(daemonset).judged.of(view)

    async def clean_up(self, daemonset: Json, history: History, owned: Pods) -> None:
        """Delete the revisions beyond the limit that no pod carries."""
        limit = daemonset["spec"].get("revisionHistoryLimit")
        for old in history.expired(10 if limit is None else limit, {pod.revision for pod in owned}):
            if self._still(daemonset):
                await self.writer.delete_revision(daemonset, old.name, old.uid)

    async def write_status(self, daemonset: Json, count: dict[str, Any]) -> None:
        """Write the status if that changes it."""
        if self._still(daemonset) and self.status_changed(daemonset, count):
            await self.writer.write_counters(daemonset, count)

    def hash_to_tell(self, daemonset: Json, revision: str) -> str:  # noqa: ARG002  (broken controllers read the set)
        """The hash that the status names, for kinds whose status does (KRU-08)."""
        return revision

    def _tell_end(self, daemonset: Json, node: str, pod: PodView) -> None:
        found = f"daemon pod {pod.namespace}/{pod.name} on node {node}, will try to"
        if pod.phase == "Failed":
            self.recorder.record(daemonset, "Warning", "FailedDaemonPod", f"Found failed {found} kill it")
        else:
            self.recorder.record(daemonset, "Normal", "SucceededDaemonPod", f"Found succeeded {found} delete it")

    @staticmethod
    async def _attempt(work: Awaitable[None]) -> list[Exception]:
        try:
            await work
        except ApiError as error:
            return [error]
        return []

    # What is remembered of a set

    def memory(self, daemonset: Json) -> Memory:
        """What is remembered of the set; a new generation is judged anew."""
        metadata = daemonset["metadata"]
        memory = self._memory.get(metadata["uid"])
        if memory is None or memory.generation != metadata["generation"]:
            judged = Judged(self.eligibility(daemonset["spec"]["template"]))
            if memory is None:
                memory = self._memory[metadata["uid"]] = Memory(metadata["generation"], judged)
            memory.generation, memory.judged = metadata["generation"], judged
        return memory

    def _forget(self, uid: str) -> None:
        self._memory.pop(uid, None)
        self._blind.discard(uid)
        self.queue.forget(uid)
        self.expectations.forget(uid)
        self.recorder.forget(uid)

    def _name(self, uid: str) -> str:
        metadata = self.caches.daemonsets.items.get(uid, {}).get("metadata") or {}
        return f"{metadata.get('namespace')}/{metadata.get('name')} ({uid})"


async def _or_failure(wanted: Awaitable[None], tasks: list[asyncio.Future[None]]) -> None:
    """Wait for something, or raise what ended one of the tasks before it came."""
    waiting = asyncio.ensure_future(wanted)
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        await waiting
    finally:
        waiting.cancel()
