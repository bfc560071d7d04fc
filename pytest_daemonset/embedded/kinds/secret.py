"""Secrets."""

from __future__ import annotations

import base64

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.configmap import LIMIT
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, too_long
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import config_key


def _default(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    # stringData can only be written: what is kept is its encoded form.
    plain = obj.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**obj.get("data", {}), **encoded}


def _validate(obj: Object) -> list[FieldError]:
    data = obj.get("data", {})
    errors = [invalid(f"data[{key}]", key, text) for key in data for text in config_key(key)]
    if sum(len(value or "") * 3 // 4 for value in data.values()) > LIMIT:
        errors.append(too_long("data", LIMIT))
    return errors


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    errors = []
    if new["type"] != old["type"]:
        errors.append(invalid("type", new["type"], "field is immutable"))
    if old.get("immutable"):
        names = [name for name in ("immutable", "data") if new.get(name) != old.get(name)]
        errors += [forbidden(name, "field is immutable when `immutable` is set") for name in names]
    return [*errors, *_validate(new)]


SECRET = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    singular="secret",
    printer=printers.SECRET,
    on_default=_default,
    on_validate_create=_validate,
    on_validate_update=_validate_update,
    on_field_labels=lambda obj: {"type": obj.get("type", "")},
)
