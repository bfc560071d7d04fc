"""Namespaces: a namespace is emptied before it goes, which its finalizer `kubernetes` waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.kind import Kind, Object

if TYPE_CHECKING:
    from pytest_daemonset.embedded.kinds.fielderrors import FieldError

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"


def _default(obj: Object) -> None:
    obj["status"].setdefault("phase", "Active")
    meta = obj["metadata"]
    if meta.get("name"):
        meta.setdefault("labels", {})[NAME_LABEL] = meta["name"]


def _prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers = obj["spec"].setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def _prepare_update(new: Object, old: Object) -> None:
    metadata.keep(new, old, "spec", "status")


def prepare_finalize(new: Object, old: Object) -> None:
    """Keep all that a write to `/finalize` cannot change: everything but `spec.finalizers`."""
    metadata.prepare_update(new, old)
    metadata.keep(new, old, "status")


def _begin_deletion(obj: Object) -> None:
    obj["status"]["phase"] = "Terminating"


def _validate_update(new: Object, _old: Object) -> list[FieldError]:
    return metadata.validate(new, namespaced=False, name_rule="label")


NAMESPACE = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    singular="namespace",
    printer=printers.NAMESPACE,
    short_names=("ns",),
    namespaced=False,
    subresources=("finalize", "status"),
    name_rule="label",
    on_default=_default,
    on_prepare_create=_prepare_create,
    on_prepare_update=_prepare_update,
    on_validate_update=_validate_update,
    on_begin_deletion=_begin_deletion,
    on_holds_deletion=lambda obj: bool(obj.get("spec", {}).get("finalizers")),
    on_field_labels=lambda obj: {
        "status.phase": obj.get("status", {}).get("phase", ""),
    },
)
