"""Controllers of several replicas that write without leading (row ROB-12); they differ from the correct one with --leader-elect only."""

from __future__ import annotations

import asyncio

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.election import Election


class _NeverGivesUp(Election):
    """Goes on as the leader, whoever holds the Lease by now."""

    def check(self) -> None:
        return

    async def hold(self) -> None:
        while True:
            await asyncio.sleep(self.terms.retry_period)
            await self.attempt()

    async def release(self) -> None:
        return


class _ElectsNobody(_NeverGivesUp):
    """Takes a Lease that it has merely read for its own."""

    async def acquire(self) -> None:
        while not self.entered.is_set():
            await self.attempt()
            await asyncio.sleep(0)


class TwoBrains(Controller):
    """Works in every replica, whichever of them leads."""

    name, rows = "two-brains", ("ROB-12",)
    election = _ElectsNobody


class OutlivesItsLease(Controller):
    """Goes on writing when it was frozen beyond its lease and another one leads."""

    name, rows = "outlives-its-lease", ("ROB-12",)
    election = _NeverGivesUp
