"""ControllerRevisions: the history of a DaemonSet's template."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid, required
from pytest_daemonset.embedded.kinds.kind import Kind, Object


def _validate(obj: Object) -> list[FieldError]:
    errors = []
    if obj["revision"] < 0:
        errors.append(invalid("revision", obj["revision"], "must be greater than or equal to 0"))
    if obj.get("data") is None:
        errors.append(required("data", "data is mandatory"))
    elif not isinstance(obj["data"], dict):
        errors.append(required("data", "data must be a valid JSON object"))
    return errors


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    if new.get("data") != old.get("data"):
        return [*_validate(new), invalid("data", new.get("data"), "field is immutable")]
    return _validate(new)


CONTROLLER_REVISION = Kind(
    group="apps",
    version="v1",
    kind="ControllerRevision",
    plural="controllerrevisions",
    singular="controllerrevision",
    printer=printers.CONTROLLER_REVISION,
    raw_fields=("data",),
    on_validate_create=_validate,
    on_validate_update=_validate_update,
)
