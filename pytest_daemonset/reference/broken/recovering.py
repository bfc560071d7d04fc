"""Controllers that recover wrongly from what goes wrong, or do not (rows AMO-08, FAIL-04 to FAIL-08, TERM-*, ROB-*, EVT-*)."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from pytest_daemonset.reference import batches
from pytest_daemonset.reference.backoff import Backoff
from pytest_daemonset.reference.client import ApiError
from pytest_daemonset.reference.controller import Controller, SyncError
from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.events import Filter, Recorder
from pytest_daemonset.reference.placement import Plan, Pods, Rules
from pytest_daemonset.reference.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.views import Json, PodView


class CountsCorpses(Controller):
    """Takes a pod that has ended and only a finalizer keeps for one that is there."""

    name, rows = "counts-corpses", ("AMO-08",)

    def by_node(self, owned: Iterable[PodView]) -> dict[str, Pods]:
        grouped: dict[str, Pods] = {}
        for pod in owned:
            if pod.node is not None:
                grouped.setdefault(pod.node, []).append(pod)
        return grouped


class ReplacesBesideTheCorpse(Controller):
    """Makes the replacement of a failed pod before that is gone."""

    name, rows = "replaces-beside-the-corpse", ("FAIL-04",)

    def by_node(self, owned: Iterable[PodView]) -> dict[str, Pods]:
        return super().by_node(pod for pod in owned if pod.phase != "Failed")


class _OneBackoff(Backoff):
    def remaining(self, key: Hashable) -> float:
        return super().remaining(())

    def advance(self, key: Hashable) -> None:
        super().advance(())


class OneBackoff(Controller):
    """Has one back-off for all nodes, which no change ends."""

    name, rows = "one-back-off", ("FAIL-06",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.failures = _OneBackoff(asyncio.get_running_loop().time)


class ErrorsEndTheSync(Controller):
    """Ends a sync at the first refused write, before its status."""

    name, rows = "errors-end-the-sync", ("FAIL-08",)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        errors = await super().carry_out(daemonset, plan, revision)
        if errors:
            raise SyncError("; ".join(map(str, errors)))
        return errors


class BeginsWithTheRefused(Controller):
    """Tries the nodes in one and the same order, and stops at the first refusal."""

    name, rows = "begins-with-the-refused", ("FAIL-08",)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        self.memory(daemonset).refused.clear()
        plan.create.sort()
        return await super().carry_out(daemonset, plan, revision)


class ForgetsTheRefused(Controller):
    """Takes a refused write for done, and comes back to it with the next event only."""

    name, rows = "forgets-the-refused", ("FAIL-08", "ROB-10")

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        await super().carry_out(daemonset, plan, revision)
        return []


class _NoBackoff(Backoff):
    def remaining(self, key: Hashable) -> float:
        return 0.0


class MakesInVain(Controller):
    """Makes a pod that it lost at birth, for the API server took its labels, again at once."""

    name, rows = "makes-in-vain", ("ROB-15",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.futile = _NoBackoff(asyncio.get_running_loop().time)


class ExpectsWhatItSkipped(Controller):
    """Waits for five minutes for pods that it never made."""

    name, rows = "expects-what-it-skipped", ("ROB-03", "FAIL-08")

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        errors = await super().carry_out(daemonset, plan, revision)
        if errors:
            self.expectations.deleting(daemonset["metadata"]["uid"], f"never made for {daemonset['metadata']['uid']}")
        return errors


class NoRamp(Controller):
    """Creates all pods at once, refused or not."""

    name, rows = "no-ramp", ("ROB-02",)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        errors = await batches.together(plan.create, partial(self._create, daemonset, revision))
        plan.create = []
        return errors + await super().carry_out(daemonset, plan, revision)


class DropsTheRest(Controller):
    """Forgets what is left over after a burst."""

    name, rows = "drops-the-rest", ("ROB-01",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._dropped: set[tuple[str, int, str]] = set()

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        uid, generation = daemonset["metadata"]["uid"], daemonset["metadata"]["generation"]
        self._dropped.update((uid, generation, node) for node in plan.create[batches.BURST :])
        plan.create = [node for node in plan.create if (uid, generation, node) not in self._dropped]
        return await super().carry_out(daemonset, plan, revision)


class HeadOfLine(Controller):
    """Works for no other set while one fails."""

    name, rows = "head-of-line", ("ROB-11",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._stuck: str | None = None

    async def sync(self, uid: str) -> None:
        if self._stuck in self.caches.daemonsets.items and self._stuck != uid:
            self.queue.add_after(uid, 0.2)
            return
        self._stuck = None
        try:
            await super().sync(uid)
        except (ApiError, SyncError):
            self._stuck = uid
            raise


class DeletesAgain(Controller):
    """Deletes terminating pods again in every sync."""

    name, rows = "deletes-again", ("TERM-01",)

    async def carry_out(self, daemonset: Json, plan: Plan, revision: str) -> list[Exception]:
        for pod in self.owned(daemonset, self.caches.pods_by):
            if pod.terminating and not pod.terminal:
                await self.writer.delete_pod(daemonset, pod, {})
                self.expectations.gone(pod.uid)
        return await super().carry_out(daemonset, plan, revision)


class WaitsForAll(Controller):
    """Does nothing more while any pod is terminating."""

    name, rows = "waits-for-all", ("TERM-03",)

    async def reconcile(self, daemonset: Json, history: object, revision: str) -> None:
        if not any(pod.terminating for pod in self.owned(daemonset, self.caches.pods_by)):
            await super().reconcile(daemonset, history, revision)  # type: ignore[arg-type]


class EmptyIsAnError(Controller):
    """Keeps all pods where no node is eligible, as that must be a mistake."""

    name, rows = "empty-is-an-error", ("TERM-04",)

    def plan(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> Plan:
        return super().plan(decisions, there, rules) if Decision.START in decisions.values() else Plan()

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        if Decision.START not in decisions.values():
            return Plan()
        return super().rollout(daemonset, decisions, there, rules)


class DeletesItsPods(Controller):
    """Deletes the pods of a set that is being deleted itself."""

    name, rows = "deletes-its-pods", ("GC-04", "GC-03")

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._deleting: set[asyncio.Future[None]] = set()

    def on_daemonset(self, before: Json | None, after: Json | None) -> None:
        super().on_daemonset(before, after)
        if after is not None and "deletionTimestamp" in after["metadata"]:
            task = asyncio.ensure_future(self._delete_pods_of(after))
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

    async def _delete_pods_of(self, daemonset: Json) -> None:
        selector = daemonset["spec"]["selector"].get("matchLabels") or {}
        for pod in list(self.caches.pods.items.values()):
            mine = pod.namespace == daemonset["metadata"]["namespace"] and selector.items() <= pod.labels.items()
            if mine and not pod.terminating:
                await self.writer.delete_pod(daemonset, pod, {})


class _Silent(Recorder):
    def record(self, daemonset: Json, kind: str, reason: str, message: str) -> None:
        return


class Silent(Controller):
    """Tells nothing by events."""

    name, rows = "silent", ("EVT-01", "EVT-02", "EVT-03")

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.recorder = _Silent(client, Filter(asyncio.get_running_loop().time))
        self.writer = Writer(client, self.expectations, self.recorder)
