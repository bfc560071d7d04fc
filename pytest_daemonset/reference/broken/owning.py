"""Controllers that mistake whose pods are whose."""

# ruff: noqa: ARG002 (a broken decision often does not look at what it should look at)

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.selectors import selects

if TYPE_CHECKING:
    from pytest_daemonset.reference.caches import Owners, T
    from pytest_daemonset.reference.placement import Pods
    from pytest_daemonset.reference.views import Json, PodView


class RecreatesWhileDeleting(Controller):
    """Goes on working for a set that is being deleted."""

    name, rows = "recreates-while-deleting", ("GC-02", "GC-04")

    def may_act(self, daemonset: Json) -> bool:
        return True


class NoBlockOwnerDeletion(Controller):
    """Leaves blockOwnerDeletion off its owner references."""

    name, rows = "no-block-owner-deletion", ("GC-06",)

    def owner_reference(self, daemonset: Json) -> dict[str, Any]:
        reference = super().owner_reference(daemonset)
        del reference["blockOwnerDeletion"]
        return reference


class NeverAdopts(Controller):
    """Never adopts a pod: a matching one without a controller gets a second one beside it."""

    name, rows = "never-adopts", ("OWN-01", "OWN-07")

    def to_adopt(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        return []


class StealsByLabel(Controller):
    """Takes every pod that its selector matches for its own, whoever controls it."""

    name, rows = "steals-by-label", ("OWN-03",)

    def owned(self, daemonset: Json, owners: Owners[PodView]) -> Pods:
        namespace, selector = daemonset["metadata"]["namespace"], daemonset["spec"]["selector"]
        everybody = self.caches.pods.items.values()
        return [pod for pod in everybody if pod.namespace == namespace and selects(selector, pod.labels)]


class OwnsByName(Controller):
    """Finds its pods by the name in their owner reference instead of the UID."""

    name, rows = "owns-by-name", ("OWN-05", "GC-07")

    def pod_view(self, pod: Json) -> PodView:
        view = super().pod_view(pod)
        for reference in pod["metadata"].get("ownerReferences") or ():
            if reference.get("controller") and reference["kind"] == "DaemonSet":
                return replace(view, owner=f"{view.namespace}/{reference['name']}")
        return view

    def owner_key(self, daemonset: Json) -> str:
        return f"{daemonset['metadata']['namespace']}/{daemonset['metadata']['name']}"

    def to_release(self, daemonset: Json, owners: Owners[T]) -> list[T]:
        uid = daemonset["metadata"]["uid"]
        lost = super().to_release(daemonset, owners)
        selector = daemonset["spec"]["selector"]
        return lost + [
            t for t in owners.of(self.owner_key(daemonset)) if t.owner != uid and not selects(selector, t.labels)
        ]

    def wake(self, uid: str) -> None:
        for daemonset in self.caches.daemonsets.items.values():
            if self.owner_key(daemonset) == uid:
                uid = daemonset["metadata"]["uid"]
        super().wake(uid)
