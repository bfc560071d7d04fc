"""Answers in the form that was negotiated: objects, lists, statuses and watch events as JSON, YAML or protobuf; whole, metadata, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import media, printers, protobuf, rawtext, statuses
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.media import PLAIN, Form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pytest_daemonset.embedded.calls import Served
    from pytest_daemonset.embedded.kinds.fields import Message
    from pytest_daemonset.embedded.lists import Listing
    from pytest_daemonset.embedded.store import Entry

Object = dict[str, Any]

_INCLUDES = ("None", "Metadata", "Object")


def _yaml(obj: Object) -> bytes:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    encoded: bytes = yaml.dump(obj, Dumper=dumper, allow_unicode=True, encoding="utf-8")
    return encoded


def encode(form: Form, obj: Object, message: Message | None) -> bytes:
    """One object, not a list, in the format of a form.

    Args:
        message: its fields; None if it has no protobuf form.
    """
    if form.media_type == media.PROTOBUF and message is not None:
        return protobuf.enveloped(obj.get("apiVersion", ""), obj["kind"], protobuf.encoder(message)(obj))
    return _text(form, obj)


def _text(form: Form, obj: Object) -> bytes:
    return _yaml(obj) if form.media_type == media.YAML else orjson.dumps(obj)


def encode_status(form: Form, status: Object) -> bytes:
    """A Status, which has one shape only."""
    return encode(form, status, MESSAGES["Status"])


def _unfit(wanted: str, found: str) -> statuses.StatusError:
    return statuses.StatusError(406, "NotAcceptable", f"you requested {wanted}, but the requested object is {found}")


def included(query: Mapping[str, str]) -> str:
    """What of each object the rows of a table carry, by `includeObject`.

    Raises:
        StatusError: 400 for another value.
    """
    said = query.get("includeObject") or "Metadata"
    if said not in _INCLUDES:
        raise statuses.bad_request(f'unrecognized includeObject value: "{said}"')
    return said


class Writer:
    """Writes what is answered about objects of one kind in one form.

    Args:
        include: see `included`.
        now: the clock, for ages.
    """

    def __init__(self, form: Form, served: Served, include: str, now: Callable[[], datetime]) -> None:
        self.form = form
        # a table tells its columns once, so each watch is told its own
        self.key = "" if form.shape == "table" else f"{form.media_type} {form.shape} {form.version}"
        self._served = served
        self._include = include
        self._now = now
        self._headers = True

    def answer(self, body: bytes) -> bytes:
        """What a write answered as JSON: an object, a list or a Status."""
        if self.form == PLAIN:
            return body
        told = orjson.loads(body)
        if told["kind"] == "Status":
            return encode_status(self.form, told)
        if "items" in told:
            return self._list(told["metadata"], told["items"])
        return self._one(self._with_raw(told, body))

    def listing(self, found: Listing) -> bytes:
        """A list of objects."""
        if self.form == Form(media.PROTOBUF):
            kind = self._served.kind
            message = protobuf.list_message(found.metadata, map(self._message, found.entries))
            return protobuf.enveloped(kind.api_version, f"{kind.kind}List", message)
        return self._list(found.metadata, [entry.object for entry in found.entries])

    def event(self, type_: str, entry: Entry) -> bytes:
        """A watch event about an object."""
        if self.form == Form(media.PROTOBUF):
            table = entry.table
            return protobuf.event_frame(type_, protobuf.enveloped(table.api_version, table.kind, self._message(entry)))
        return self._frame(type_, self._told(entry.object))

    def bookmark(self, obj: Object) -> bytes:
        """A BOOKMARK, whose object has nothing but a little metadata."""
        if self.form.shape == "table":
            # a printer would find nothing to read in it
            cells = [""] * len(self._served.kind.printer.columns)
            table = self._table([], obj["metadata"])
            row = {"cells": cells, "object": self._metadata(obj)}
            return self._frame("BOOKMARK", orjson.dumps({**table, "rows": [row]}))
        return self._frame("BOOKMARK", self._told(obj))

    def error(self, status: Object) -> bytes:
        """An ERROR event."""
        return self._frame("ERROR", encode_status(self.form, status))

    def _frame(self, type_: str, encoded: bytes) -> bytes:
        if self.form.media_type == media.PROTOBUF:
            return protobuf.event_frame(type_, encoded)
        return orjson.dumps({"type": type_, "object": orjson.Fragment(encoded)}, option=orjson.OPT_APPEND_NEWLINE)

    def _with_raw(self, obj: Object, encoded: bytes) -> Object:
        """In protobuf raw extensions are the bytes that were sent: the DaemonSet controller compares those of its revisions."""
        if self.form == Form(media.PROTOBUF):
            for name in self._served.kind.raw_fields:
                if obj.get(name):
                    obj[name] = orjson.Fragment(rawtext.field(encoded, name) or "null")
        return obj

    def _told(self, obj: Object) -> bytes:
        if self.form.shape == "metadata list":
            # kube-apiserver cannot make a list of an event's object, says so in its log, and tells it whole
            return encode(self.form, obj, self._served.kind.table)
        return self._one(obj)

    def _message(self, entry: Entry) -> bytes:
        if entry.message is None:
            entry.message = protobuf.encoder(self._served.kind.fields)(self._with_raw(entry.object, entry.raw))
        return entry.message

    def _one(self, obj: Object) -> bytes:
        if self.form.shape == "metadata list":
            raise _unfit("PartialObjectMetadataList", "not a list")
        if self.form.shape == "metadata":
            return encode(self.form, self._metadata(obj), MESSAGES["PartialObjectMetadata"])
        if self.form.shape == "table":
            return _text(self.form, self._table([obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")}))
        kind = self._served.kind
        # subresources may answer another kind
        return encode(self.form, obj, kind.table if obj["kind"] == kind.kind else MESSAGES.get(obj["kind"]))

    def _list(self, metadata: Object, items: Sequence[Object]) -> bytes:
        kind, shape = self._served.kind, self.form.shape
        if shape == "metadata":
            raise _unfit("PartialObjectMetadata", "a list")
        if shape == "table":
            return _text(self.form, self._table(items, metadata))
        said = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version}
        message = kind.table
        if shape == "metadata list":
            said = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{self.form.version}"}
            items = [self._metadata(item) for item in items]
            message = MESSAGES["PartialObjectMetadata"]
        if self.form.media_type == media.PROTOBUF and message is not None:
            told = protobuf.list_message(metadata, map(protobuf.encoder(message), items))
            return protobuf.enveloped(said["apiVersion"], said["kind"], told)
        if shape == "whole":
            items = [{key: item[key] for key in item if key not in {"kind", "apiVersion"}} for item in items]
        return _text(self.form, {**said, "metadata": metadata, "items": items})

    def _metadata(self, obj: Object) -> Object:
        said = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{self.form.version}"}
        return {**said, "metadata": obj["metadata"]}

    def _table(self, objects: Sequence[Object], metadata: Object) -> Object:
        kind, headers = self._served.kind, self._headers
        self._headers = False
        whole = [{**obj, "kind": kind.kind, "apiVersion": kind.api_version} for obj in objects]
        return printers.table(
            kind.printer,
            whole,
            metadata,
            self._now(),
            version=self.form.version,
            include=self._include,
            headers=headers,
        )
