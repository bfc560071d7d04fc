"""Controllers whose status, or whose silence, lies."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_daemonset.reference import status
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.placement import Pods, Rules
    from pytest_daemonset.reference.revisions import History
    from pytest_daemonset.reference.views import Json

_EVERY = 1.0


class RewritesStatus(Controller):
    """Writes the status once a second, changed or not."""

    name, rows = "rewrites-status", ("STAT-06", "ROB-09")

    def status_changed(self, daemonset: Json, count: Mapping[str, int]) -> bool:
        self.queue.add_after(daemonset["metadata"]["uid"], _EVERY)
        return True


class RestartRewrites(Controller):
    """Writes the status of every set after each start, changed or not."""

    name, rows = "restart-rewrites", ("ROB-08",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._written: set[str] = set()

    def status_changed(self, daemonset: Json, count: Mapping[str, int]) -> bool:
        first = daemonset["metadata"]["uid"] not in self._written
        self._written.add(daemonset["metadata"]["uid"])
        return first or super().status_changed(daemonset, count)


class EarlyObservedGeneration(Controller):
    """Says that it has observed a spec, and only then gets to work."""

    name, rows = "early-observed-generation", ("STAT-05", "STAT-11")

    async def reconcile(self, daemonset: Json, history: History, revision: str) -> None:
        stored = daemonset.get("status") or {}
        if stored.get("observedGeneration") != daemonset["metadata"]["generation"]:
            keys = (
                "desiredNumberScheduled",
                "currentNumberScheduled",
                "numberMisscheduled",
                "numberReady",
                "updatedNumberScheduled",
            )
            count = {key: int(stored.get(key) or 0) for key in (*keys, "numberAvailable", "numberUnavailable")}
            await self.writer.write_counters(daemonset, count)
            await asyncio.sleep(_EVERY)
            self.wake(daemonset["metadata"]["uid"])
            return
        await super().reconcile(daemonset, history, revision)


class CountsPods(Controller):
    """Counts pods where nodes are to be counted."""

    name, rows = "counts-pods", ("STAT-01", "STAT-04")

    def counters(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> dict[str, int]:
        count = super().counters(decisions, there, rules)
        return {**count, "currentNumberScheduled": sum(map(len, there.values()))}


class RunningIsReady(Controller):
    """Counts a pod as ready once its phase is Running."""

    name, rows = "running-is-ready", ("STAT-02", "NCOND-03")

    def counters(self, decisions: Mapping[str, Decision], there: Mapping[str, Pods], rules: Rules) -> dict[str, int]:
        count = super().counters(decisions, there, rules)
        wanted = [there[node] for node, decision in decisions.items() if decision is Decision.START and node in there]
        running = sum(any(pod.phase == "Running" for pod in pods) for pods in wanted)
        rest = count["desiredNumberScheduled"] - running
        return {**count, "numberReady": running, "numberAvailable": running, "numberUnavailable": rest}


class SilentWhenEmpty(Controller):
    """Writes no status for a set that has neither nodes nor pods."""

    name, rows = "silent-when-empty", ("PLACE-02",)

    def status_changed(self, daemonset: Json, count: Mapping[str, int]) -> bool:
        return any(count.values()) and status.changed(
            daemonset.get("status") or {}, count, daemonset["metadata"]["generation"]
        )
