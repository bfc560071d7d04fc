"""What the server must know about one kind of object: its names, and the rules by which its objects are written.

A rule is a function on plain JSON objects (dicts). The order in which the server calls them is that of kube-apiserver:

- create: `decode`, `default`, `admit_create`, (uid, creationTimestamp and a generated name are set),
  `prepare_create`, `validate_create`
- update or patch: `decode`, `default`, `admit_update`, `prepare_update`, `validate_update`
- the same on `/status`: `decode`, `default`, `prepare_update_status`, `validate_update_status`
- delete: `grace_seconds`; then either `begin_deletion` and wait while `holds_deletion`, or the object goes at once

Every `prepare_...` and `default` changes its first argument in place and never touches the old object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds import metadata
from pytest_daemonset.embedded.kinds.fields import MESSAGES, Message, decode, list_keys, retained_keys
from pytest_daemonset.embedded.printers import NAMED, Printer

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from pytest_daemonset.embedded.kinds.fielderrors import FieldError

Object = dict[str, Any]
Path = tuple[str, ...]


def _nothing(_: Object) -> None:
    return None


def _nothing_updated(_new: Object, _old: Object) -> None:
    return None


def _prepare_update_status(new: Object, old: Object) -> None:
    metadata.keep_spec(new, old)


def _no_errors(_: Object) -> list[FieldError]:
    return []


def _no_update_errors(_new: Object, _old: Object) -> list[FieldError]:
    return []


def _no_grace(_obj: Object, _options: Object) -> int:
    return 0


def _no_labels(_: Object) -> dict[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind that the server serves.

    Args:
        group: API group, "" for the core group.
        version: such as "v1".
        kind: such as "DaemonSet".
        plural: the resource's name in URLs.
        singular: the name in the table of resources.
        short_names: what kubectl accepts beside it.
        namespaced: whether its objects live in a namespace.
        subresources: parts with a URL of their own, such as "status".
        name_rule: which rule its names follow, see `metadata.NAME_RULES`.
        returns_deleted: whether DELETE answers the object that went, rather than a Status.
        has_generation: whether its objects count the changes of what they want.
        unconditional_update: whether PUT without a resourceVersion is accepted.
        create_on_update: whether PUT of what is not there makes it.
        message: the name of its table of fields, where that is not `kind`.
        printer: its columns in tables.
        has_protobuf: whether it is read and written as protobuf.
        raw_fields: fields that are kept byte by byte as they were sent.
        storage_version: the version in which custom resources are kept.
        schema: the structural schema of a custom resource; None for what a table of fields describes.
        empty: whether there never is one: see `kinds.empty`.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    name_rule: str = "subdomain"
    returns_deleted: bool = False
    has_generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    has_protobuf: bool = True
    raw_fields: tuple[str, ...] = ()
    message: str = ""
    printer: Printer = NAMED
    storage_version: str = ""
    schema: Mapping[str, Any] | None = None
    empty: bool = False

    on_decode: Callable[[Object], None] = _nothing
    on_default: Callable[[Object], None] = _nothing
    on_admit_create: Callable[[Object], None] = _nothing
    on_admit_update: Callable[[Object, Object], None] = _nothing_updated
    on_prepare_create: Callable[[Object], None] = _nothing
    on_prepare_update: Callable[[Object, Object], None] = _nothing_updated
    on_prepare_update_status: Callable[[Object, Object], None] = _prepare_update_status
    on_validate_create: Callable[[Object], list[FieldError]] = _no_errors
    on_validate_update: Callable[[Object, Object], list[FieldError]] = _no_update_errors
    on_validate_update_status: Callable[[Object, Object], list[FieldError]] = _no_update_errors
    on_grace: Callable[[Object, Object], int] = _no_grace
    on_begin_deletion: Callable[[Object], None] = _nothing
    on_holds_deletion: Callable[[Object], bool] = field(default=lambda _: False)
    on_field_labels: Callable[[Object], dict[str, str]] = _no_labels

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def fields(self) -> Message:
        """The table of the fields that its objects have."""
        return MESSAGES[self.message or self.kind]

    @property
    def table(self) -> Message | None:
        """The same; None for a custom resource, which has a schema instead, and no protobuf form."""
        return self.fields if self.schema is None and self.has_protobuf else None

    @property
    def merge_keys(self) -> Mapping[Path, str]:
        """For a strategic merge patch: path of a list -> its merge key; "" for plain values that are merged."""
        return list_keys(self.fields) if self.schema is None else MappingProxyType({})

    @property
    def retain_keys(self) -> frozenset[Path]:
        """The lists whose elements a strategic merge patch may cut by `$retainKeys`."""
        return retained_keys(self.fields)

    def decode(self, obj: Object, only: Container[str] | None = None) -> list[str]:
        """Bring an object into the form in which it is kept, in place: no unknown fields, canonical values.

        Args:
            only: the top-level fields that may not be in that form yet; None for all.

        Returns:
            The paths of the unknown fields, as fieldValidation tells them: `spec.template.spec.contaners`, `spec.x[0].y`.

        Raises:
            DecodeError: A known field holds a value of another type; the server answers 400.
        """
        unknown = decode(self.fields, obj, only)
        self.on_decode(obj)
        return unknown

    def default(self, obj: Object) -> None:
        """Fill in what was left out. Done twice, it changes nothing more."""
        self.on_default(obj)

    def admit_create(self, obj: Object) -> None:
        """What the admission plug-ins that are on by default add to a new object."""
        self.on_admit_create(obj)

    def admit_update(self, new: Object, old: Object) -> None:
        """What those plug-ins add to a changed object."""
        self.on_admit_update(new, old)

    def prepare_create(self, obj: Object) -> None:
        """Take away what a creator may not set, such as status; the generation starts at 1 where the kind has one."""
        metadata.prepare_create(obj, has_generation=self.has_generation)
        self.on_prepare_create(obj)

    def prepare_update(self, new: Object, old: Object) -> None:
        """Keep what this way of writing cannot change (status), and bump the generation if what is wanted changed."""
        metadata.prepare_update(new, old)
        self.on_prepare_update(new, old)

    def prepare_update_status(self, new: Object, old: Object) -> None:
        """Keep all that a write of the status cannot change."""
        metadata.prepare_update(new, old)
        self.on_prepare_update_status(new, old)

    def validate_create(self, obj: Object) -> list[FieldError]:
        """Tell what is wrong with a new object; an empty list accepts it."""
        return [*metadata.validate(obj, self.namespaced, self.name_rule), *self.on_validate_create(obj)]

    def validate_update(self, new: Object, old: Object) -> list[FieldError]:
        """Tell what is wrong with a change.

        What is wrong with the metadata is told twice, as kube-apiserver does: once for every kind, once by the kind.
        """
        twice = metadata.validate_update(new, old)
        return [*twice, *twice, *self.on_validate_update(new, old)]

    def validate_update_status(self, new: Object, old: Object) -> list[FieldError]:
        """Tell what is wrong with a change of the status."""
        twice = metadata.validate_update(new, old)
        return [*twice, *twice, *self.on_validate_update_status(new, old)]

    def grace_seconds(self, obj: Object, options: Object) -> int:
        """How long the object lives on after DELETE, in seconds; 0: it goes at once (if no finalizer holds it).

        Args:
            options: the DeleteOptions; `gracePeriodSeconds` may be absent.
        """
        return self.on_grace(obj, options)

    def begin_deletion(self, obj: Object) -> None:
        """Change what else changes when an object first gets its deletionTimestamp, such as a namespace's phase."""
        self.on_begin_deletion(obj)

    def holds_deletion(self, obj: Object) -> bool:
        """Whether something keeps a deleted object alive: a finalizer, in the metadata or the kind's own."""
        return bool(obj.get("metadata", {}).get("finalizers")) or self.on_holds_deletion(obj)

    def field_labels(self, obj: Object) -> dict[str, str]:
        """The values that field selectors of this kind may ask for; a selector on another field is a bad request."""
        meta = obj.get("metadata", {})
        labels = {"metadata.name": meta.get("name", "")}
        if self.namespaced:
            labels["metadata.namespace"] = meta.get("namespace", "")
        labels.update(self.on_field_labels(obj))
        return labels
