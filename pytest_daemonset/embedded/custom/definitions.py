"""The controllers of CustomResourceDefinitions, which kube-apiserver runs itself: names, serving, and the end of all objects of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.calls import Call, Caller
from pytest_daemonset.embedded.custom.kinds import kind_of
from pytest_daemonset.embedded.kinds.customresourcedefinition import CLEANUP, set_condition
from pytest_daemonset.embedded.mirrors import Mirror
from pytest_daemonset.embedded.statuses import StatusError
from pytest_daemonset.embedded.store import DELETED
from pytest_daemonset.embedded.versions import priority

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api, Subscription

Object = dict[str, Any]

RESOURCE = "customresourcedefinitions.apiextensions.k8s.io"
_CALLER = Caller("system:apiserver", ("system:masters",), "pytest-daemonset-embedded/apiextensions")
_NAMES = ("plural", "singular", "shortNames", "kind", "listKind", "categories")


async def define(api: Api) -> None:
    """Serve what definitions define, until cancelled."""
    with api.subscribe(RESOURCE) as changes:
        definitions = Definitions(api, changes)
        for definition in api.list(RESOURCE):
            definitions.attend(definition["metadata"]["name"])
        async for resource, change in changes:
            if resource == RESOURCE:
                definitions.attend(change.entry.key[1])
            elif change.type == DELETED:
                definitions.attend(resource)


class Definitions:
    """What is served because of definitions; all their names are those of resources, as in `nodeagents.example.com`.

    Args:
        changes: where the objects of a kind that is to go are watched.
    """

    def __init__(self, api: Api, changes: Subscription) -> None:
        self._api = api
        self._changes = changes
        self._serving: dict[str, list[str]] = {}

    def attend(self, name: str) -> None:
        """Do what the state of one definition makes necessary."""
        definition = self._api.get(RESOURCE, "", name)
        try:
            if definition is None:
                self._withdraw(name)
                for waiting in self._api.list(RESOURCE):
                    if waiting["metadata"]["name"] not in self._serving:
                        self.attend(waiting["metadata"]["name"])
            elif "deletionTimestamp" in definition["metadata"]:
                self._clean_up(name, definition)
            elif self._accept(definition):
                self._serve(name, definition)
        except StatusError as late:
            if late.code not in {404, 409}:
                raise
            # somebody else wrote in between: that change comes next

    def _accept(self, definition: Object) -> bool:
        """Write the status: whether its names are free, and so it is established."""
        before = orjson.dumps(definition["status"])
        names, now = definition["spec"]["names"], self._api.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        taken = self._taken(definition)
        if taken:
            what, text = taken
            set_condition(definition, "NamesAccepted", "False", f"{what}Conflict", text, now)
            set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now)
        else:
            definition["status"]["acceptedNames"] = {name: names[name] for name in _NAMES if name in names}
            set_condition(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
            text = "the initial names have been accepted"
            set_condition(definition, "Established", "True", "InitialNamesAccepted", text, now)
        if orjson.dumps(definition["status"]) != before:
            name = definition["metadata"]["name"]
            self._api.attempt(
                lambda: self._api.update(_CALLER, RESOURCE, "", name, definition, "status"), (RESOURCE, name)
            )
        return not taken

    def _taken(self, definition: Object) -> tuple[str, str] | None:
        spec = definition["spec"]
        names = spec["names"]
        mine = {name for name in (names["plural"], names.get("singular"), *(names.get("shortNames") or ())) if name}
        for served in self._api.kept:
            kind = served.kind
            if kind.group != spec["group"] or served.name == definition["metadata"]["name"]:
                continue
            if both := mine & {kind.plural, kind.singular, *kind.short_names}:
                word = min(both)
                what = (
                    "Plural"
                    if word == names["plural"]
                    else "Singular"
                    if word == names.get("singular")
                    else "ShortNames"
                )
                return what, f'"{word}" is already in use'
            if kind.kind == names["kind"]:
                return "Kind", f'"{kind.kind}" is already in use'
        return None

    def _serve(self, name: str, definition: Object) -> None:
        versions = [each for each in definition["spec"]["versions"] if each["served"]]
        stored = next((each for each in versions if each["storage"]), versions[0] if versions else None)
        if stored is None:
            self._withdraw(name)
            return
        kinds = sorted((kind_of(definition, each) for each in versions), key=lambda kind: priority(kind.version))
        first = kind_of(definition, stored)
        for other in self._serving.pop(name, []):
            if other != name:
                self._api.withdraw(other)
        served = self._api.redefine(name, first) if name in self._api.served else self._api.serve(first)
        self._serving[name] = [name]
        for kind in kinds:
            if kind.version != first.version:
                self._serving[name].append(self._api.mirror(Mirror(served, kind)).name)

    def _withdraw(self, name: str) -> None:
        for each in reversed(self._serving.pop(name, [])):
            self._changes.drop(each)
            self._api.withdraw(each)

    def _clean_up(self, name: str, definition: Object) -> None:
        """Delete the objects; once none is left, let the definition go."""
        if CLEANUP not in definition["metadata"].get("finalizers", ()):
            return
        served = self._api.served.get(name)
        if served is not None and served.table.entries:
            self._changes.drop(name)
            self._changes.add(name, served.table)
            self._api.attempt(
                lambda: self._api.write(Call(_CALLER, "deletecollection", served)), (name, "deletecollection")
            )
            if served.table.entries:
                return  # finalizers hold them
        left = [each for each in definition["metadata"]["finalizers"] if each != CLEANUP]
        patch = {"metadata": {"finalizers": left or None}}
        self._api.attempt(lambda: self._api.patch(_CALLER, RESOURCE, "", name, patch), (RESOURCE, name))
