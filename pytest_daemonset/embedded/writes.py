"""What each write does to the store: decode, default, admit, prepare, validate, keep. See kubernetes/apiserver, pkg/registry."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import (
    bodies,
    deletion,
    limits,
    lists,
    options,
    ownership,
    patches,
    priorities,
    quotas,
    rawtext,
    statuses,
    subresources,
)
from pytest_daemonset.embedded.admission import CREATE, DELETE, UPDATE, Admission, Consultation
from pytest_daemonset.embedded.calls import Answer, Call, Served
from pytest_daemonset.embedded.custom import scale
from pytest_daemonset.embedded.kinds.fielderrors import AdmissionError, DecodeError
from pytest_daemonset.embedded.kinds.fielderrors import invalid as invalid_field
from pytest_daemonset.embedded.kinds.priorityclass import GROUP as SCHEDULING
from pytest_daemonset.embedded.times import timestamp
from pytest_daemonset.embedded.tokens import Tokens
from pytest_daemonset.embedded.uids import new_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from datetime import datetime

    from pytest_daemonset.embedded.admission.conversation import Question
    from pytest_daemonset.embedded.store import Change, Entry, Store

    Guard = Callable[[Call, dict[str, Any], dict[str, Any] | None], None]

Object = dict[str, Any]

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_BASE_LENGTH = 58
_NAME_TRIES = 8


class Writes:
    """All verbs that change something, over one store.

    Args:
        served: the kinds by resource name; namespaces are looked up in it.
        now: the clock.
    """

    def __init__(self, store: Store, served: Mapping[str, Served], now: Callable[[], datetime]) -> None:
        self.store = store
        self.served = served
        self.now = now
        self.tokens = Tokens(served, now)
        self.admission = Admission(served)
        self.guards: dict[str, Guard] = {SCHEDULING: priorities.only_one_default}
        """By API group: who looks at an object before it is kept."""
        self._random = random.Random()  # noqa: S311 - suffixes of names are no secrets
        self._verbs: dict[str, Callable[[Call, Answer], None]] = {
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def perform(self, call: Call, answer: Answer) -> None:
        """Do what was asked; `answer` is filled in, also with what was already done if it ends in an error.

        Raises:
            StatusError: the write is refused.
        """
        if call.kind.empty and (call.verb in {"create", "update"} or call.content_type == patches.APPLY):
            raise statuses.not_imitated(f"writing {call.kind.plural} of {call.kind.group or 'the core group'}")
        self._verbs[call.verb](call, answer)

    # keeping

    def keep(self, served: Served, obj: Object, writer: tuple[str, str] | None = None) -> Change:
        """Store an object as its newest state. The caller adds the change to its answer."""
        labels = obj["metadata"].get("labels") or {}
        if served.mirror is not None:
            obj, served = served.mirror.stored(obj), served.source
        return self.store.put(served.table, obj, labels, served.kind.field_labels(obj), writer)

    def find(self, call: Call) -> Entry:
        """The object that a request names.

        Raises:
            StatusError: 404.
        """
        entry = call.served.table.entries.get((call.namespace, call.name))
        if entry is None:
            raise statuses.not_found(call.kind.group, call.kind.plural, call.name)
        return entry

    def remove(self, call: Call, answer: Answer, entry: Entry) -> Change:
        """Take an object out of the store."""
        change = self.store.remove(call.served.source.table, entry.key)
        answer.changes.append(change)
        answer.entry = call.served.seen(change)
        return change

    # create

    def _create(self, call: Call, answer: Answer) -> None:
        if call.subresource:
            subresources.create(self, call, answer)
            return
        kind = call.kind
        obj, answer.request = bodies.parse(call.body, call.content_type, kind.kind, kind.table, kind.raw_fields)
        bodies.expect_kind(obj, kind)
        options.unknown_fields(call, answer, self._decode(call, obj))
        self._insert(call, answer, obj)

    def _insert(self, call: Call, answer: Answer, obj: Object, managed: list[Object] | None = None) -> None:
        """Make a decoded object; `managed` are its managedFields if it was applied."""
        kind = call.kind
        dry_run = options.is_dry_run(call)
        metadata = obj.setdefault("metadata", {})
        metadata.pop("managedFields", None)
        self._place(call, metadata)
        if metadata.get("resourceVersion", "") not in {"", "0"} and not dry_run and managed is None:
            raise statuses.StatusError(500, "", "resourceVersion should not be set on objects to be created")
        self._check_namespace(call, metadata.get("name") or call.name)
        kind.default(obj)
        try:
            priorities.fill(call, obj, self.served)
            kind.admit_create(obj)
            limits.fill(call, obj, self.served)
        except AdmissionError as error:
            raise statuses.forbidden(kind.group, kind.plural, metadata.get("name", ""), str(error)) from None
        if self.admission.active:
            self._mutate(call, answer, obj, None)
            metadata = obj["metadata"]
        metadata["uid"] = new_uid()
        metadata["creationTimestamp"] = timestamp(self.now())
        for owned in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
            metadata.pop(owned, None)
        self._name(call, metadata)
        if self.admission.active:
            self.admission.once(metadata, "uid", "name")
        kind.prepare_create(obj)
        name = metadata.get("name", "")
        if errors := kind.validate_create(obj):
            raise statuses.invalid(kind.group, kind.kind, name, errors)
        if guard := self.guards.get(kind.group):
            guard(call, obj, None)
        if self.admission.active:
            self.admission.validate(call, answer, CREATE, obj, None)
        limits.check(call, name, obj, self.served)
        quotas.admit(call, name, obj, self.served)
        if (call.namespace, name) in call.served.table.entries:
            raise statuses.already_exists(kind.group, kind.plural, name)
        if managed:
            metadata["managedFields"] = managed
        for field in kind.raw_fields:
            obj[field] = orjson.Fragment(rawtext.field(answer.request, field) or "null")
        answer.code = 201
        if dry_run:
            answer.body = _encode(call, obj)
            return
        self.kept(call, answer, obj)

    def _mutate(self, call: Call, answer: Answer, obj: Object, old: Object | None) -> None:
        """What mutating policies and webhooks make of it; defaults are filled in after each, and names and the like stay."""

        def redo(changed: Object) -> None:
            call.kind.decode(changed)  # what it does not know it drops, and nobody is told
            call.kind.default(changed)

        self.admission.mutate(call, answer, CREATE if old is None else UPDATE, obj, old, redo)
        metadata = obj.setdefault("metadata", {})
        self._place(call, metadata)
        if old is not None:
            metadata["name"] = call.name
            metadata.pop("managedFields", None)

    def _name(self, call: Call, metadata: Object) -> None:
        base = metadata.get("generateName")
        if metadata.get("name") or not base:
            return
        for _ in range(_NAME_TRIES):
            name = base[:_BASE_LENGTH] + "".join(self._random.choices(_ALPHABET, k=5))
            if (call.namespace, name) not in call.served.table.entries:
                break
        metadata["name"] = name

    def _decode(self, call: Call, obj: Object) -> list[str]:
        kind = call.kind
        try:
            return kind.decode(obj)
        except DecodeError as error:
            raise statuses.bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}'
            ) from None

    def _place(self, call: Call, metadata: Object) -> None:
        if not call.kind.namespaced:
            metadata.pop("namespace", None)
            return
        if metadata.get("namespace", call.namespace) not in {call.namespace, ""}:
            raise statuses.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = call.namespace

    def _check_namespace(self, call: Call, name: str) -> None:
        """Admission plug-in NamespaceLifecycle."""
        if not call.kind.namespaced or "namespaces" not in self.served:
            return
        found = self.served["namespaces"].table.entries.get(("", call.namespace))
        if found is None:
            raise statuses.not_found("", "namespaces", call.namespace)
        if found.deleting:
            why = f"unable to create new content in namespace {call.namespace} because it is being terminated"
            message = f"namespace {call.namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            raise statuses.forbidden(call.kind.group, call.kind.plural, name, why, [cause])

    # update and patch

    def _scale(self, call: Call, answer: Answer) -> None:
        """PUT or PATCH of the number of replicas."""
        entry, kind = self.find(call), call.kind
        if call.verb == "update":
            wanted, answer.request = bodies.parse(call.body, call.content_type, "Scale")
        else:
            wanted = patches.apply(scale.seen(kind, entry.object), call.body, call.content_type, {})
            answer.request = bodies.one_line(call.body)
        try:
            errors = scale.read(wanted)
        except DecodeError as error:
            raise statuses.bad_request(f'Scale in version "v1" cannot be handled as a Scale: {error}') from None
        if errors:
            raise statuses.invalid("autoscaling", "Scale", call.name, errors)
        if self.admission.active:
            old = scale.seen(kind, entry.object)
            self.admission.mutate(call, answer, UPDATE, wanted, old, lambda _: None)
            self.admission.validate(call, answer, UPDATE, wanted, old)
        whole = call._replace(subresource="")
        changed = scale.scaled(kind, entry.object, wanted)
        self._change(whole, answer, entry, changed, unconditional=True, admitted=True)
        answer.body = orjson.dumps(scale.seen(kind, orjson.loads(answer.body)))

    def _update(self, call: Call, answer: Answer) -> None:
        if call.subresource == "scale":
            self._scale(call, answer)
            return
        kind = call.kind
        obj, answer.request = bodies.parse(call.body, call.content_type, kind.kind, kind.table, kind.raw_fields)
        bodies.expect_kind(obj, kind)
        options.unknown_fields(call, answer, self._decode(call, obj))
        self._named(call, obj)
        if (
            kind.create_on_update
            and not call.subresource
            and (call.namespace, call.name) not in call.served.table.entries
        ):
            if uid := obj["metadata"].get("uid"):
                raise statuses.conflict(kind.group, kind.plural, call.name, _precondition(call, uid, ""))
            obj["metadata"].pop("resourceVersion", None)
            self._insert(call, answer, obj)
            return
        self._change(call, answer, self.find(call), obj, kind.unconditional_update)

    def _named(self, call: Call, obj: Object) -> None:
        metadata = obj.setdefault("metadata", {})
        name = metadata.get("name") or ""
        if not name:
            raise statuses.bad_request(
                f"the name of the object ({call.name} based on URL) was undeterminable: name must be provided"
            )
        if name != call.name:
            raise statuses.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({call.name})"
            )
        self._place(call, metadata)

    def _patch(self, call: Call, answer: Answer) -> None:
        if call.content_type == patches.APPLY:
            self._apply(call, answer)
            return
        if call.subresource == "scale":
            self._scale(call, answer)
            return
        if call.kind.schema is not None and call.content_type not in patches.OF_CUSTOM_RESOURCES:
            raise statuses.unsupported_media_type(", ".join((*patches.OF_CUSTOM_RESOURCES, patches.APPLY)))
        entry = self.find(call)
        patched = patches.apply(entry.object, call.body, call.content_type, call.served.merge_keys)
        bodies.check_size(patched, call.body)
        answer.request = bodies.one_line(call.body)
        # what a mirror shows was never read as an object of its version
        touched = patches.touched(call.body, call.content_type) if call.served.mirror is None else None
        self._decode_patched(call, answer, patched, touched)
        self._named(call, patched)
        self._check_kind(call, patched)
        self._change(call, answer, entry, patched, unconditional=True)

    def _check_kind(self, call: Call, patched: Object) -> None:
        """A merge or JSON patch cannot make another kind of an object; a strategic one that says so is passed over."""
        if call.content_type not in patches.OF_CUSTOM_RESOURCES:
            return
        try:
            bodies.expect_kind(patched, call.kind)
        except statuses.StatusError as refused:
            if refused.code != 400:
                raise
            raise statuses.invalid("", "", "", [invalid_field("patch", patched, refused.message)]) from None

    def _decode_patched(
        self, call: Call, answer: Answer, patched: Object, touched: Container[str] | None = None
    ) -> None:
        try:
            unknown = call.kind.decode(patched, touched)
        except DecodeError as error:
            cause = invalid_field("patch", patched, str(error))
            raise statuses.invalid("", "", "", [cause]) from None
        options.unknown_fields(call, answer, unknown)

    def _apply(self, call: Call, answer: Answer) -> None:
        """Server-side apply: what does not exist is created."""
        if call.subresource == "scale":
            raise statuses.not_imitated("server-side apply to scale")
        config = ownership.configuration(call, answer)
        self._named(call, config)
        entry = self.find(call) if call.subresource else call.served.table.entries.get((call.namespace, call.name))
        if entry is None and (uid := config["metadata"].get("uid")):
            text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise statuses.conflict(call.kind.group, call.kind.plural, call.name, text)
        merged, managed = ownership.applied(call, entry, config, timestamp(self.now()))
        self._decode_patched(call, answer, merged)
        if entry is None:
            self._insert(call, answer, merged, managed)
        else:
            self._change(call, answer, entry, merged, unconditional=True, managed=managed)

    def _change(
        self,
        call: Call,
        answer: Answer,
        entry: Entry | None,
        obj: Object,
        unconditional: bool,
        managed: list[Object] | None = None,
        admitted: bool = False,
    ) -> None:
        if entry is None:
            raise statuses.not_found(call.kind.group, call.kind.plural, call.name)
        kind, old = call.kind, entry.object
        dry_run = options.is_dry_run(call)
        self._check_version(call, entry, obj["metadata"], unconditional)
        obj["kind"], obj["apiVersion"] = kind.kind, kind.api_version
        kind.default(obj)
        said = _inherit(obj["metadata"], old["metadata"])
        if self.admission.active and not admitted:
            self._mutate(call, answer, obj, old)
        if call.subresource == "status":
            kind.prepare_update_status(obj, old)
            errors = kind.validate_update_status(obj, old)
        elif call.subresource:
            errors = subresources.prepare_update(call, obj, old)
        else:
            try:
                kind.admit_update(obj, old)
            except AdmissionError as error:
                raise statuses.forbidden(kind.group, kind.plural, call.name, str(error)) from None
            kind.prepare_update(obj, old)
            errors = kind.validate_update(obj, old)
        texts = {field: self._raw(call, answer, entry, obj, old, field) for field in kind.raw_fields}
        for field, (was, now) in texts.items():
            if was != now and obj.get(field) == old.get(field):
                errors = [*errors, invalid_field(field, obj.get(field), "field is immutable")]
        if errors:
            raise statuses.invalid(kind.group, kind.kind, call.name, errors)
        if guard := self.guards.get(kind.group):
            guard(call, obj, old)
        if self.admission.active and not admitted:
            self.admission.validate(call, answer, UPDATE, obj, old)
        quotas.admit_update(call, call.name, obj, old, self.served)
        obj["metadata"]["resourceVersion"] = str(entry.rv)
        if managed:
            obj["metadata"]["managedFields"] = managed
        elif "managedFields" in old["metadata"]:
            ownership.follow(call, obj, old, timestamp(self.now()), said)
        answer.entry = entry
        if deletion.ends_with_update(kind, obj, old):
            answer.body = _encode(call, obj)
            if not dry_run:
                self.remove(call, answer, entry)
        elif dry_run or obj == old:
            answer.body = _encode(call, obj)
        else:
            for field, (was, _) in texts.items():
                obj[field] = orjson.Fragment(was)
            self.kept(call, answer, obj)

    def _raw(self, call: Call, answer: Answer, entry: Entry, obj: Object, old: Object, field: str) -> tuple[str, str]:
        """The text of a field as it is kept, and as this write would keep it.

        A PUT brings its own. A patch writes again what it does not change, a merge or JSON patch without white space, a strategic one or
        an apply with keys in order too: what a client sent otherwise cannot be patched in this way at all, for kube-apiserver compares
        the bytes.
        """
        was = rawtext.field(entry.raw, field) or "null"
        if call.verb == "update":
            return was, rawtext.field(answer.request, field) or "null"
        if obj.get(field) != old.get(field):
            return was, orjson.dumps(obj.get(field)).decode()
        passed = call.content_type in patches.OF_CUSTOM_RESOURCES
        return was, rawtext.compact(was) if passed else rawtext.canonical(was)

    def _check_version(self, call: Call, entry: Entry, metadata: Object, unconditional: bool) -> None:
        kind, uid, version = call.kind, metadata.get("uid"), metadata.get("resourceVersion")
        actual = entry.uid
        if uid and uid != actual and call.verb == "patch":
            immutable = invalid_field("metadata.uid", uid, "field is immutable")
            raise statuses.invalid(kind.group, kind.kind, call.name, [immutable, immutable])
        if uid and uid != actual:
            raise statuses.conflict(kind.group, kind.plural, call.name, _precondition(call, uid, actual))
        if not version or version == "0":
            if not unconditional:
                error = invalid_field("metadata.resourceVersion", 0, "must be specified for an update")
                raise statuses.invalid(kind.group, kind.plural, call.name, [error])
        elif lists.whole_number(version) is None:
            raise statuses.StatusError(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
        elif version != str(entry.rv):
            raise statuses.modified(kind.group, kind.plural, call.name)

    def kept(self, call: Call, answer: Answer, obj: Object) -> None:
        """Keep the object and answer it."""
        change = self.keep(call.served, obj, (call.manager, call.subresource))
        answer.changes.append(change)
        answer.entry = call.served.seen(change)
        answer.body = answer.entry.encoded

    # delete

    def _delete(self, call: Call, answer: Answer) -> None:
        wanted, entry = options.delete_options(call, answer), self.find(call)
        if self.admission.active:
            self._admit_deletion(call, answer, entry, wanted)
        deletion.delete(self, call, answer, entry, wanted)

    def _admit_deletion(self, call: Call, answer: Answer, entry: Entry, wanted: Object) -> None:
        old = entry.object
        self.admission.mutate(call, answer, DELETE, None, old, lambda _: None, wanted)
        self.admission.validate(call, answer, DELETE, None, old, wanted)

    def _admit_deletions(self, call: Call, answer: Answer, entries: Iterable[Entry], wanted: Object) -> None:
        """All that are to go, before the first of them does; what is to be asked of webhooks is asked at once."""
        questions: list[Question] = []
        for entry in entries:
            one = call._replace(namespace=entry.key[0], name=entry.key[1])
            try:
                self._admit_deletion(one, answer, entry, wanted)
            except Consultation as needed:
                questions += needed.questions
        if questions:
            raise Consultation(questions)

    def _delete_collection(self, call: Call, answer: Answer) -> None:
        wanted = options.delete_options(call, answer)
        found = lists.listing(self.store, call.served, call.namespace, call.query)
        answer.body = lists.encode(call.served, found)
        if self.admission.active:
            self._admit_deletions(call, answer, found.entries, wanted)
        for entry in found.entries:
            one = Call(call.caller, "delete", call.served, *entry.key)
            deletion.delete(self, one, Answer(changes=answer.changes), entry, dict(wanted))
        answer.entry = None


def _precondition(call: Call, uid: str, actual: str) -> str:
    path = "/".join(part for part in ("/registry", call.kind.plural, call.namespace, call.name) if part)
    return (
        f"StorageError: invalid object, Code: 4, Key: {path}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {uid}, UID in object meta: {actual}"
    )


def _inherit(metadata: Object, old: Object) -> Any:
    """What a writer may leave out, and what only the server writes; gives the managedFields that were said."""
    said = metadata.pop("managedFields", None)
    metadata.pop("selfLink", None)
    for key in ("uid", "deletionGracePeriodSeconds"):
        if not metadata.get(key) and key in old:
            metadata[key] = old[key]
    # what was sent of these is passed over
    for key in ("creationTimestamp", "deletionTimestamp"):
        if key in old:
            metadata[key] = old[key]
    if "generation" in old:
        metadata["generation"] = old["generation"]
    else:
        metadata.pop("generation", None)
    return said


def _encode(call: Call, obj: Object) -> bytes:
    rest = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    return orjson.dumps({"kind": call.kind.kind, "apiVersion": call.kind.api_version, **rest})
