"""ResourceQuotas."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata, quantity
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object


def _prepare_create(obj: Object) -> None:
    obj["status"] = {}


def _validate(obj: Object) -> list[FieldError]:
    return [
        invalid(f"spec.hard[{name}]", amount, "must be greater than or equal to 0")
        for name, amount in (obj["spec"].get("hard") or {}).items()
        if (quantity.value(amount) or 0) < 0
    ]


RESOURCE_QUOTA = Kind(
    group="",
    version="v1",
    kind="ResourceQuota",
    plural="resourcequotas",
    singular="resourcequota",
    short_names=("quota",),
    subresources=("status",),
    returns_deleted=True,
    printer=printers.RESOURCE_QUOTA,
    on_prepare_create=_prepare_create,
    on_prepare_update=lambda new, old: metadata.keep(new, old, "status"),
    on_validate_create=_validate,
    on_validate_update=lambda new, _old: _validate(new),
)
