"""The scale subresource of custom resources: the number of replicas, wherever the definition says that it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.custom import paths
from pytest_daemonset.embedded.custom.kinds import CustomKind
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid
from pytest_daemonset.embedded.kinds.fields import MESSAGES, decode

if TYPE_CHECKING:
    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def seen(kind: Kind, obj: Object) -> Object:
    """An object as its autoscaling/v1 Scale."""
    where = _where(kind)
    spec, status = paths.find(where["specReplicasPath"], obj), paths.find(where["statusReplicasPath"], obj)
    selector = paths.find(where.get("labelSelectorPath") or ".status.none", obj)
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
        "spec": {"replicas": spec[0]} if spec and spec[0] else {},
        "status": {"replicas": status[0] if status else 0},
    }
    if selector and selector[0]:
        scale["status"]["selector"] = selector[0]
    return scale


def read(scale: Object) -> list[FieldError]:
    """Bring a Scale that was sent into its form, in place, and tell what is wrong with it.

    Raises:
        DecodeError: a field is of another type.
    """
    decode(MESSAGES["Scale"], scale)
    replicas = scale["spec"].get("replicas", 0)
    return [invalid("spec.replicas", replicas, "must be greater than or equal to 0")] if replicas < 0 else []


def scaled(kind: Kind, obj: Object, scale: Object) -> Object:
    """The object with the number of replicas, and the resourceVersion, of a Scale."""
    paths.put(_where(kind)["specReplicasPath"], obj, scale["spec"].get("replicas", 0))
    for name in ("uid", "resourceVersion"):
        if name in scale["metadata"]:
            obj["metadata"][name] = scale["metadata"][name]
    return obj


def _where(kind: Kind) -> Object:
    assert isinstance(kind, CustomKind)  # noqa: S101 - no other kind has this subresource
    return kind.scale or {}
