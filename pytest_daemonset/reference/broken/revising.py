"""Controllers that record in the wrong way what they rolled out, or mistake one record for another."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.revisions import RevisionView, hash_of
from pytest_daemonset.reference.views import HASH_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_daemonset.reference.client import Client
    from pytest_daemonset.reference.placement import Pods
    from pytest_daemonset.reference.revisions import History
    from pytest_daemonset.reference.views import Json


class KeepsAllHistory(Controller):
    """Never deletes a revision."""

    name, rows = "keeps-all-history", ("REV-07", "REV-09")

    async def clean_up(self, daemonset: Json, history: History, owned: Pods) -> None:
        return


class DeletesLiveRevisions(Controller):
    """Deletes revisions beyond the limit although pods still carry them."""

    name, rows = "deletes-live-revisions", ("REV-08",)

    async def clean_up(self, daemonset: Json, history: History, owned: Pods) -> None:
        await super().clean_up(daemonset, history, [])


class RecordsLate(Controller):
    """Makes the first pods of a set before it records what they are made from."""

    name, rows = "records-late", ("REV-01",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._begun: set[str] = set()

    async def record_template(self, daemonset: Json, history: History) -> str | None:
        uid = daemonset["metadata"]["uid"]
        if history.current is not None or history.others or uid in self._begun:
            return await super().record_template(daemonset, history)
        self._begun.add(uid)
        self.wake(uid)
        return hash_of(self.data_of(daemonset), 0)


class RecordsTheWholeSpec(Controller):
    """Takes every change of the spec for a new template."""

    name, rows = "records-the-whole-spec", ("REV-02", "UPD-09")

    def data_of(self, daemonset: Json) -> dict[str, Any]:
        data = super().data_of(daemonset)
        return {"spec": {**daemonset["spec"], **data["spec"]}}


class LabelsTheFirstWithTheLast(Controller):
    """Gives the first pod of a new revision the hash of the one before, as a history that was read too early has it."""

    name, rows = "labels-the-first-with-the-last", ("REV-03",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._begun: set[str] = set()

    def pod_for(self, daemonset: Json, node: str, revision: str, tolerations: Sequence[Json]) -> dict[str, Any]:
        known = sorted(self.caches.revisions_by.of(daemonset["metadata"]["uid"]), key=lambda one: one.number)
        if len(known) > 1 and revision not in self._begun:
            self._begun.add(revision)
            revision = known[-2].hash
        return super().pod_for(daemonset, node, revision, tolerations)


class RecordsADifference(Controller):
    """Records a template as something to merge, not as something that replaces: what was added since is not taken away."""

    name, rows = "records-a-difference", ("REV-04",)

    def data_of(self, daemonset: Json) -> dict[str, Any]:
        return {"spec": {"template": daemonset["spec"]["template"]}}


class NeverRenumbers(Controller):
    """Leaves the number of a revision as it is when its template comes back."""

    name, rows = "never-renumbers", ("REV-05",)

    async def record_template(self, daemonset: Json, history: History) -> str | None:
        if history.current is not None and not history.twins:
            return history.current.hash
        return await super().record_template(daemonset, history)


class RollbackIsNew(Controller):
    """Takes a template that comes back for one that was never there."""

    name, rows = "rollback-is-new", ("REV-06", "REV-05")

    async def record_template(self, daemonset: Json, history: History) -> str | None:
        current = history.current
        if current is None:
            return await super().record_template(daemonset, history)
        if current.number >= history.next_number:
            return current.hash
        made = await self.writer.create_revision(
            daemonset,
            _called(self.revision_for(daemonset, history.next_number), f"{current.hash}{history.next_number}"),
        )
        return None if made is None else RevisionView.of(made).hash


class KeepsTheOldestTwin(Controller):
    """Of two revisions of one template keeps the one with the lowest number."""

    name, rows = "keeps-the-oldest-twin", ("REV-10",)

    async def record_template(self, daemonset: Json, history: History) -> str | None:
        if history.current is not None and history.twins:
            oldest, *rest = history.twins
            history = replace(history, current=oldest, twins=[*rest, history.current])
        return await super().record_template(daemonset, history)


class IgnoresClashes(Controller):
    """Tries the same name for a revision for ever, though other data has it."""

    name, rows = "ignores-clashes", ("REV-11",)

    async def clashed(self, daemonset: Json) -> None:
        return


class RandomIdentities(Controller):
    """Gives each revision that it makes a name that nobody had before, the template's own included."""

    name, rows = "random-identities", ("REV-12",)

    def revision_for(self, daemonset: Json, number: int) -> dict[str, Any]:
        return _called(super().revision_for(daemonset, number), uuid.uuid4().hex[:10])


class DataOfThisProcess(Controller):
    """Records templates in a form that another process of it does not recognise."""

    name, rows = "data-of-this-process", ("REV-13",)

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._process = uuid.uuid4().hex

    def data_of(self, daemonset: Json) -> dict[str, Any]:
        return {**super().data_of(daemonset), "process": self._process}


def _called(revision: dict[str, Any], name: str) -> dict[str, Any]:
    metadata = revision["metadata"]
    named = {
        "name": f"{metadata['name'].rpartition('-')[0]}-{name}",
        "labels": {**metadata["labels"], HASH_LABEL: name},
    }
    return {**revision, "metadata": {**metadata, **named}}
