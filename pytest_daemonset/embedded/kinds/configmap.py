"""ConfigMaps."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, too_long
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import config_key

LIMIT = 1024 * 1024


def _validate(obj: Object) -> list[FieldError]:
    errors = []
    size = 0
    for part in ("data", "binaryData"):
        for key, value in obj.get(part, {}).items():
            errors += [invalid(f"{part}[{key}]", key, text) for text in config_key(key)]
            size += len(value.encode()) if part == "data" else len(value or "") * 3 // 4
    errors += [
        invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in obj.get("data", {})
        if key in obj.get("binaryData", {})
    ]
    if size > LIMIT:
        errors.append(too_long("", LIMIT))
    return errors


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    errors = _validate_immutable(new, old, ("data", "binaryData"))
    return [*errors, *_validate(new)]


def _validate_immutable(new: Object, old: Object, parts: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    names = [name for name in ("immutable", *parts) if new.get(name) != old.get(name)]
    return [forbidden(name, "field is immutable when `immutable` is set") for name in names]


CONFIGMAP = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    printer=printers.CONFIG_MAP,
    short_names=("cm",),
    on_validate_create=_validate,
    on_validate_update=_validate_update,
)
