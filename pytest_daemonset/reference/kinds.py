"""A kind of one's own in place of DaemonSet: everything else speaks of `apps/v1` DaemonSets, and this translates at the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.client import ApiError, Body, Client
from pytest_daemonset.reference.views import HASH_LABEL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_MERGE = "application/merge-patch+json"
_STANDARD = {"apiVersion": "apps/v1", "kind": "DaemonSet"}


@dataclass(frozen=True)
class Kind:
    """How the kind that is served differs from DaemonSet.

    Args:
        resource: plural, version and group.
        template: where its pod template stands, dotted.
        selector: where its selector stands, dotted.
        revision_label: what ties its pods to their revision.
        status_hash: the field of its status that names the current revision; empty for none.
    """

    resource: str = "daemonsets.v1.apps"
    template: str = "spec.template"
    selector: str = "spec.selector"
    revision_label: str = HASH_LABEL
    status_hash: str = ""

    @property
    def group_version(self) -> str:
        """Group and version, as paths have them."""
        _, version, group = self.resource.split(".", 2)
        return f"{group}/{version}"

    @property
    def plural(self) -> str:
        """Its name in paths."""
        return self.resource.partition(".")[0]


class KindClient(Client):
    """A client that makes objects of a kind look like DaemonSets, and what is written for DaemonSets be of that kind.

    Args:
        client: as for `Client`.
        kind: the kind; looked up in the API on entry.
    """

    def __init__(self, *client: Any, kind: Kind, **more: Any) -> None:
        super().__init__(*client, **more)
        self._kind = kind
        self._name = ""

    async def look_up(self) -> None:
        """Find out what the kind is called.

        Raises:
            ApiError: the cluster does not serve it.
        """
        try:
            served = await super().request("GET", f"/apis/{self._kind.group_version}")
        except ApiError as error:
            if error.status != 404:
                raise
            served = {}
        names = [one["kind"] for one in served.get("resources") or () if one["name"] == self._kind.plural]
        if not names:
            raise ApiError(404, "NotFound", f"the cluster does not serve {self._kind.resource}")
        self._name = names[0]

    async def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        query: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> Body:
        """As `Client.request`, translated both ways."""
        to, mine = self._path(path)
        if mine and method == "PATCH":
            content = _MERGE  # a kind of one's own knows no strategic merge patches
        sent = None if body is None else (self._own(body) if mine else self._labelled(body, self._written))
        answer = await super().request(method, to, sent, query, content)
        return self._read(answer, mine=mine)

    async def watch(self, path: str, resource_version: str, seconds: int) -> AsyncGenerator[list[Body], None]:
        """As `Client.watch`, translated."""
        to, mine = self._path(path)
        async for batch in super().watch(to, resource_version, seconds):
            yield [{**event, "object": self._read(event["object"], mine=mine)} for event in batch]

    def _path(self, path: str) -> tuple[str, bool]:
        steps = path.split("/")
        if path.startswith("/apis/apps/v1/") and "daemonsets" in steps:
            at = steps.index("daemonsets")
            rest = [*steps[4:at], self._kind.plural, *steps[at + 1 :]]
            return f"/apis/{self._kind.group_version}/{'/'.join(rest)}", True
        return path, False

    def _own(self, body: Body) -> Body:
        moved = _move(body, {"spec.template": self._kind.template, "spec.selector": self._kind.selector})
        return {**moved, "apiVersion": f"{self._kind.group_version}", "kind": self._name} if "kind" in body else moved

    def _read(self, answer: Body, *, mine: bool) -> Body:
        if "items" in answer:
            return {**answer, "items": [self._read(one, mine=mine) for one in answer["items"] or ()]}
        if not mine:
            return self._labelled(answer, self._seen)
        moved = _move(answer, {self._kind.template: "spec.template", self._kind.selector: "spec.selector"})
        return {**moved, **_STANDARD} if "kind" in answer else moved

    def _labelled(self, thing: Body, translate: Callable[[Body], Body]) -> Body:
        return translate(thing) if isinstance(thing.get("metadata"), Mapping) else thing

    def _written(self, thing: Body) -> Body:
        """A pod, revision or event that is written: owner, label and data in the kind's own form."""
        metadata = self._renamed(thing["metadata"], HASH_LABEL, self._kind.revision_label)
        if references := metadata.get("ownerReferences"):
            metadata = {**metadata, "ownerReferences": [self._reference(one) for one in references]}
        result = {**thing, "metadata": metadata}
        if "data" in thing:
            result["data"] = _move(thing["data"], {"spec.template": self._kind.template})
        if "involvedObject" in thing:
            result["involvedObject"] = self._reference(thing["involvedObject"])
        return result

    def _seen(self, thing: Body) -> Body:
        """The same for what is read."""
        result = {**thing, "metadata": self._renamed(thing["metadata"], self._kind.revision_label, HASH_LABEL)}
        if isinstance(thing.get("data"), Mapping) and "revision" in thing:
            result["data"] = _move(thing["data"], {self._kind.template: "spec.template"})
        return result

    def _reference(self, reference: Body) -> Body:
        if reference.get("kind") != _STANDARD["kind"] or reference.get("apiVersion") != _STANDARD["apiVersion"]:
            return reference
        return {**reference, "apiVersion": self._kind.group_version, "kind": self._name}

    @staticmethod
    def _renamed(metadata: Body, old: str, new: str) -> Body:
        labels = metadata.get("labels") or {}
        if old == new or old not in labels:
            return metadata
        return {**metadata, "labels": {new if key == old else key: value for key, value in labels.items()}}


def _move(content: Mapping[str, Any], moves: Mapping[str, str]) -> dict[str, Any]:
    """The content with what stands at some dotted paths put to others."""
    result = dict(content)
    for old, new in moves.items():
        if old != new:
            result, value = _take(result, old.split("."))
            if value is not None:
                result = _put(result, new.split("."), value)
    return result


def _take(content: Mapping[str, Any], steps: list[str]) -> tuple[dict[str, Any], Any]:
    head, *rest = steps
    if head not in content:
        return dict(content), None
    if not rest:
        return {key: value for key, value in content.items() if key != head}, content[head]
    below = content[head]
    if not isinstance(below, Mapping):
        return dict(content), None
    left, value = _take(below, rest)
    if value is not None and not left:
        return {key: value for key, value in content.items() if key != head}, value  # it was there for this alone
    return {**content, head: left}, value


def _put(content: Mapping[str, Any], steps: list[str], value: Any) -> dict[str, Any]:
    head, *rest = steps
    if not rest:
        return {**content, head: value}
    below = content.get(head)
    return {**content, head: _put(below if isinstance(below, Mapping) else {}, rest, value)}
