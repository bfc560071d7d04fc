"""The kind that a version of a definition makes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.custom import paths, rules, schemas, validation
from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.customresourcedefinition import storage_version
from pytest_daemonset.embedded.kinds.fielderrors import DecodeError
from pytest_daemonset.embedded.kinds.fields import MESSAGES, decode
from pytest_daemonset.embedded.kinds.kind import Kind
from pytest_daemonset.embedded.printers import Column, Printer
from pytest_daemonset.embedded.printers.ages import since
from pytest_daemonset.embedded.printers.printer import AGE, NAME, age

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import datetime

    from pytest_daemonset.embedded.kinds.fielderrors import FieldError

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CustomKind(Kind):
    """A kind whose rules are in a schema.

    Args:
        scale: where the numbers of the scale subresource stand: `specReplicasPath`, `statusReplicasPath`, `labelSelectorPath`.
        selectable: the JSON paths that field selectors may ask for.
    """

    scale: Object | None = None
    selectable: tuple[str, ...] = ()

    @property
    def structure(self) -> Object:
        """The schema."""
        return dict(self.schema or {})

    def decode(self, obj: Object, only: Container[str] | None = None) -> list[str]:  # noqa: ARG002 - the schema may be newer
        """See `Kind.decode`; a value of another type is told by `validate_create`, but for metadata."""
        meta = obj.get("metadata")
        if meta is None:
            meta = obj["metadata"] = {}
        if not isinstance(meta, dict):
            raise DecodeError("json: cannot unmarshal into field metadata of type ObjectMeta")
        unknown = [f"metadata.{path}" for path in decode(MESSAGES["ObjectMeta"], meta)]
        return [*unknown, *schemas.prune(self.structure, obj)]

    def default(self, obj: Object) -> None:
        """See `Kind.default`."""
        schemas.fill_in(self.structure, obj)

    def prepare_create(self, obj: Object) -> None:
        """See `Kind.prepare_create`."""
        super().prepare_create(obj)
        if "status" in self.subresources:
            obj.pop("status", None)

    def prepare_update(self, new: Object, old: Object) -> None:
        """See `Kind.prepare_update`."""
        metadata.prepare_update(new, old)
        if "status" in self.subresources:
            metadata.keep(new, old, "status")
        names = {*new, *old} - {"metadata", "kind", "apiVersion"}
        if any(new.get(name) != old.get(name) for name in names):
            metadata.bump_generation(new, old)

    def prepare_update_status(self, new: Object, old: Object) -> None:
        """See `Kind.prepare_update_status`; of the metadata nothing changes either."""
        new["metadata"] = {**old["metadata"]}
        metadata.prepare_update(new, old)
        metadata.keep_spec(new, old)

    def validate_create(self, obj: Object) -> list[FieldError]:
        """See `Kind.validate_create`."""
        return [*super().validate_create(obj), *self._judge(obj, None)]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        """See `Kind.validate_update`."""
        return [*super().validate_update(new, old), *self._judge(new, old)]

    def validate_update_status(self, new: Object, old: Object) -> list[FieldError]:
        """See `Kind.validate_update_status`."""
        return [*super().validate_update_status(new, old), *self._judge(new, old)]

    def _judge(self, new: Object, old: Object | None) -> list[FieldError]:
        errors = validation.validate(self.structure, new)
        if errors and old is not None:
            errors = validation.validate(self.structure, new, old=old)
        return [*errors, *rules.judge(self.structure, new, old, errors)] if self._has_rules else errors

    @cached_property
    def _has_rules(self) -> bool:
        return rules.has_rules(self.schema)

    def field_labels(self, obj: Object) -> dict[str, str]:
        """See `Kind.field_labels`."""
        labels = super().field_labels(obj)
        for path in self.selectable:
            found = paths.find(path, obj)
            labels[path.lstrip(".")] = _text(found[0]) if found else ""
        return labels


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def kind_of(definition: Object, version: Object) -> CustomKind:
    """The kind that one version of a definition makes."""
    spec = definition["spec"]
    names, parts = spec["names"], version.get("subresources") or {}
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    if spec.get("preserveUnknownFields"):
        schema = {**schema, "x-kubernetes-preserve-unknown-fields": True}
    return CustomKind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec["scope"] == "Namespaced",
        subresources=tuple(part for part in ("status", "scale") if parts.get(part) is not None),
        has_generation=True,
        unconditional_update=False,
        storage_version=storage_version(definition),
        schema=schema,
        printer=_printer(version.get("additionalPrinterColumns") or ()),
        scale=parts.get("scale"),
        selectable=tuple(each["jsonPath"] for each in version.get("selectableFields") or ()),
    )


def _printer(columns: Any) -> Printer:
    if not columns:
        return Printer((NAME, AGE), lambda obj, now: [obj["metadata"]["name"], age(obj, now)])
    told = tuple(
        Column(each["name"], each["type"], each.get("priority", 0), each.get("description", ""), each.get("format", ""))
        for each in columns
    )

    def cells(obj: Object, now: datetime) -> list[Any]:
        values = [_cell(each["type"], paths.find(each["jsonPath"], obj), now) for each in columns]
        return [obj["metadata"]["name"], *values]

    return Printer((NAME, *told), cells)


def _cell(kind: str, found: list[Any], now: datetime) -> Any:
    if not found:
        return None
    value = found[0]
    if kind == "date":
        return since(value if isinstance(value, str) else None, now)
    if kind == "string":
        return _text(value)
    wanted: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    return value if isinstance(value, wanted.get(kind, (object,))) else None
