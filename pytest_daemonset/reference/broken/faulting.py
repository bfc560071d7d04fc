"""Controllers that fail where a write of theirs fails, or where they do (rows AMO-09, STAT-07, ROB-04, ROB-10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.client import ApiError
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from pytest_daemonset.reference.caches import Owners
    from pytest_daemonset.reference.client import Body
    from pytest_daemonset.reference.placement import Pods
    from pytest_daemonset.reference.views import Json, PodView


class Remembering(Writer):
    """Knows the pods that it made, by UID."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.made: set[str] = set()

    async def create_pod(self, daemonset: Json, pod: Body) -> Body:
        made = await super().create_pod(daemonset, pod)
        self.made.add(made["metadata"]["uid"])
        return made


class KnowsItsOwnOnly(Controller):
    """Knows only the pods that this very process made."""

    name, rows = "knows-its-own-only", ("AMO-09",)
    writer_type = Remembering
    writer: Remembering

    def owned(self, daemonset: Json, owners: Owners[PodView]) -> Pods:
        return [pod for pod in super().owned(daemonset, owners) if pod.uid in self.writer.made]


class _Overwriting(Writer):
    async def _write_status(self, daemonset: Json) -> None:
        metadata = {key: value for key, value in daemonset["metadata"].items() if key != "resourceVersion"}
        await super()._write_status({**daemonset, "metadata": metadata})


class OverwritesStatus(Controller):
    """Writes the status whatever the version that it read, and so over what others wrote meanwhile."""

    name, rows = "overwrites-status", ("STAT-07",)
    writer_type = _Overwriting


class _Waiting(Writer):
    async def delete_pod(self, daemonset: Json, pod: PodView, options: dict[str, Any]) -> None:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            await self._client.delete(path, options)
        except ApiError as error:
            if error.status != 404:
                raise
        self._expectations.deleting(daemonset["metadata"]["uid"], pod.uid)


class WaitsForTheGone(Controller):
    """Waits for five minutes for the end of a pod that was not there any more when it was to be deleted."""

    name, rows = "waits-for-the-gone", ("ROB-04",)
    writer_type = _Waiting


class SwallowsStatusErrors(Controller):
    """Takes a refused status for written."""

    name, rows = "swallows-status-errors", ("ROB-10",)

    @staticmethod
    async def _attempt(work: Awaitable[None]) -> list[Exception]:
        await Controller._attempt(work)
        return []
