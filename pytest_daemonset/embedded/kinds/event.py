"""Events of the core group, as controllers report with them."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


def _validate(obj: Object) -> list[FieldError]:
    where = obj["metadata"].get("namespace", "")
    about = obj["involvedObject"].get("namespace", "")
    # Events on objects without a namespace live in `default`.
    if (about or "default") != where:
        text = "does not match event.namespace"
        return [invalid("involvedObject.namespace", about, text)]
    return []


def _labels(obj: Object) -> dict[str, str]:
    about = obj.get("involvedObject", {})
    labels = {f"involvedObject.{name}": about.get(name, "") for name in _INVOLVED}
    source = obj.get("source", {}).get("component", "")
    labels["reason"] = obj.get("reason", "")
    labels["type"] = obj.get("type", "")
    labels["reportingComponent"] = obj.get("reportingComponent", "")
    labels["source"] = source or obj.get("reportingComponent", "")
    return labels


EVENT = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    printer=printers.EVENT,
    short_names=("ev",),
    on_validate_create=_validate,
    on_field_labels=_labels,
    create_on_update=True,
)
