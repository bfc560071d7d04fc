"""Controllers that mistake what comes late, or never, for what is so (rows AMO-10, AMO-11, GC-05, ROB-05, ROB-06, ROB-14)."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.broken.adopting import NeverPrunes
from pytest_daemonset.reference.broken.faulting import Remembering
from pytest_daemonset.reference.caches import Caches
from pytest_daemonset.reference.client import ApiError
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.informer import Store
from pytest_daemonset.reference.views import HASH_LABEL
from pytest_daemonset.reference.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.eligibility import Decision
    from pytest_daemonset.reference.placement import Plan, Pods, Rules
    from pytest_daemonset.reference.views import Json, PodView


class TrustsItsCache(Controller):
    """Takes what it does not see in its cache for what is not there, its own writes too."""

    name, rows = "trusts-its-cache", ("AMO-10",)

    def _sees_its_writes(self, uid: str) -> bool:
        return True


class _Forgetful(Writer):
    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.deleted: set[str] = set()

    async def delete_pod(self, daemonset: Json, pod: PodView, options: dict[str, Any]) -> None:
        await super().delete_pod(daemonset, pod, options)
        self._expectations.gone(pod.uid)
        self.deleted.add(pod.uid)


class TakesDeletedForReplaced(Controller):
    """Takes a pod that it has deleted in a rollout, and still sees running, for its replacement."""

    name, rows = "takes-deleted-for-replaced", ("ROB-14",)
    writer_type = _Forgetful
    writer: _Forgetful

    def rollout(
        self, daemonset: Json, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules
    ) -> Plan:
        label = {HASH_LABEL: rules.revision}
        seen = {
            node: [replace(p, labels={**p.labels, **label}) if p.uid in self.writer.deleted else p for p in pods]
            for node, pods in there.items()
        }
        return super().rollout(daemonset, decisions, seen, rules)


class KeepsWhatItDoubts(NeverPrunes):
    """Creates a pod again when it got no answer, and keeps both."""

    name, rows = "keeps-what-it-doubts", ("AMO-11",)

    async def _create(self, daemonset: Json, revision: str, node: str) -> Exception | None:
        error = await super()._create(daemonset, revision, node)
        doubtful = isinstance(error, ApiError) and error.ambiguous
        return await super()._create(daemonset, revision, node) if doubtful else error


class TakesSilenceForSuccess(Controller):
    """Takes a create that got no answer for done, and comes back to that node no more."""

    name, rows = "takes-silence-for-success", ("AMO-11",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._done: set[tuple[str, str]] = set()

    async def _create(self, daemonset: Json, revision: str, node: str) -> Exception | None:
        place = (daemonset["metadata"]["uid"], node)
        if place in self._done:
            return None
        error = await super()._create(daemonset, revision, node)
        if isinstance(error, ApiError) and error.status == 0:
            self._done.add(place)
            return None
        return error


class _Credulous(Writer):
    async def live(self, daemonset: Json) -> Json | None:
        return daemonset


class AdoptsWithoutAsking(Controller):
    """Adopts for a set that its cache shows alive, without asking whether it still is."""

    name, rows = "adopts-without-asking", ("GC-05",)
    writer_type = _Credulous


class WaitsForEver(Controller):
    """Does nothing until it has seen each pod that it made, however long that takes."""

    name, rows = "waits-for-ever", ("ROB-05",)
    writer_type = Remembering
    writer: Remembering

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._seen: set[str] = set()

    def on_pod(self, before: PodView | None, after: PodView | None) -> None:
        self._seen.update(pod.uid for pod in (before, after) if pod is not None)
        super().on_pod(before, after)

    def _sees_its_writes(self, uid: str) -> bool:
        return super()._sees_its_writes(uid) and self.writer.made <= self._seen


class _Hoarding(Store[Any]):
    def replace(self, objects: Iterable[Any], resource_version: str) -> None:
        for item in objects:
            self._set(item["metadata"]["uid"], self._view(item))
        self._reach(resource_version)


class _HoardingCaches(Caches):
    store = _Hoarding


class KeepsWhatAListLacks(Controller):
    """Takes a new list for news, and never for what has gone meanwhile."""

    name, rows = "keeps-what-a-list-lacks", ("ROB-06",)
    caches_type = _HoardingCaches
