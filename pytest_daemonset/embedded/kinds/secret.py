"""Secrets."""

from __future__ import annotations

import base64

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.configmap import LIMIT
from pytest_daemonset.embedded.kinds.fielderrors import FieldError, forbidden, invalid, required, too_long
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import config_key


def _default(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    # stringData can only be written: what is kept is its encoded form.
    plain = obj.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**obj.get("data", {}), **encoded}


# What a secret of a type must hold; of several sets one is enough.
_HELD = {
    "kubernetes.io/tls": (("tls.crt", "tls.key"),),
    "kubernetes.io/dockercfg": ((".dockercfg",),),
    "kubernetes.io/dockerconfigjson": ((".dockerconfigjson",),),
    "kubernetes.io/basic-auth": (("username",), ("password",)),
    "kubernetes.io/ssh-auth": (("ssh-privatekey",),),
}


def _missing(obj: Object) -> list[FieldError]:
    """What a secret of such a type lacks."""
    choices = _HELD.get(obj["type"], ())
    lacking = [[key for key in keys if key not in obj.get("data", {})] for keys in choices]
    if not all(lacking):
        return []
    return [required(f"data[{key}]") for keys in lacking for key in keys]


def _validate(obj: Object) -> list[FieldError]:
    data = obj.get("data", {})
    errors = [invalid(f"data[{key}]", key, text) for key in data for text in config_key(key)]
    if sum(len(value or "") * 3 // 4 for value in data.values()) > LIMIT:
        errors.append(too_long("data", LIMIT))
    return errors + _missing(obj)


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
