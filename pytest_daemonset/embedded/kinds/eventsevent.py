"""Events of the group events.k8s.io: the same objects as those of the core group, with other names for their fields."""

from __future__ import annotations

from types import MappingProxyType

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid, required
from pytest_daemonset.embedded.kinds.fields import MESSAGES, decode
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import qualified_name

_NAMES = MappingProxyType(
    {
        "involvedObject": "regarding",
        "message": "note",
        "source": "deprecatedSource",
        "firstTimestamp": "deprecatedFirstTimestamp",
        "lastTimestamp": "deprecatedLastTimestamp",
        "count": "deprecatedCount",
        "reportingComponent": "reportingController",
    }
)
_CORE_NAMES = MappingProxyType({new: old for old, new in _NAMES.items()})
_REGARDING = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_LONGEST = 1024
_LONGEST_INSTANCE = 128


def from_core(obj: Object) -> Object:
    """An event of the core group as one of events.k8s.io."""
    seen = {_NAMES.get(name, name): value for name, value in obj.items() if name not in {"kind", "apiVersion"}}
    decode(MESSAGES["EventsEvent"], seen)
    return seen


def to_core(obj: Object) -> Object:
    """An event of events.k8s.io as one of the core group."""
    kept = {_CORE_NAMES.get(name, name): value for name, value in obj.items() if name not in {"kind", "apiVersion"}}
    decode(MESSAGES["Event"], kept)
    return kept


def _validate(obj: Object) -> list[FieldError]:
    """kubernetes/pkg/apis/core/validation/events.go."""
    errors = []
    where, about = obj["metadata"].get("namespace", ""), obj["regarding"].get("namespace", "")
    if (about or "default") != where:
        errors.append(invalid("regarding.namespace", about, "does not match event.namespace"))
    if obj.get("eventTime") is None:
        errors.append(required("eventTime"))
    errors += [
        required(name) for name in ("reportingController", "reportingInstance", "action", "reason") if not obj.get(name)
    ]
    controller = obj.get("reportingController", "")
    if controller:
        errors += [invalid("reportingController", controller, text) for text in qualified_name(controller)]
    if len(obj.get("reportingInstance", "")) > _LONGEST_INSTANCE:
        errors.append(invalid("reportingInstance", "", f"can have at most {_LONGEST_INSTANCE} characters"))
    if len(obj.get("note", "")) > _LONGEST:
        errors.append(invalid("note", "", f"can have at most {_LONGEST} characters"))
    if obj.get("type", "") not in {"Normal", "Warning"}:
        errors.append(invalid("type", "", f"has invalid value: {obj.get('type', '')}"))
    unset = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount")
    errors += [invalid(name, "", "needs to be unset") for name in unset if obj.get(name)]
    if any(obj["deprecatedSource"].values()):
        errors.append(invalid("deprecatedSource", "", "needs to be unset"))
    return errors


def _labels(obj: Object) -> dict[str, str]:
    about = obj.get("regarding", {})
    labels = {f"regarding.{name}": about.get(name, "") for name in _REGARDING}
    labels["reason"] = obj.get("reason", "")
    labels["type"] = obj.get("type", "")
    labels["reportingController"] = obj.get("reportingController", "")
    return labels


EVENTS_EVENT = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    short_names=("ev",),
    message="EventsEvent",
    printer=printers.Printer(printers.EVENT.columns, lambda obj, now: printers.EVENT.cells(to_core(obj), now)),
    on_validate_create=_validate,
    on_field_labels=_labels,
)
