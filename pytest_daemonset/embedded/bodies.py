"""Request bodies: bytes to a dict, with the refusals of kube-apiserver for what is no object of the kind."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from pytest_daemonset.embedded import media, protobuf, statuses, yamltext
from pytest_daemonset.embedded.kinds.fielderrors import invalid
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.kinds.scalars import json_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.embedded.kinds.fields import Message
    from pytest_daemonset.embedded.kinds.kind import Kind

Object = dict[str, Any]
_MOST_VALUES = 50_000
_SMALL = 64 * 1024  # bytes, in which there are not so many
_SURROGATE = re.compile("[\ud800-\udfff]")
T = TypeVar("T", dict[str, Any], list[Any], str, int, bool)


def _yaml(data: bytes, kind: str) -> Any:
    try:
        found = yamltext.read(
            data, 4 * _MOST_VALUES
        )  # a key, and where it is an object or a list a beginning and an end
    except yamltext.TooManyError:
        raise statuses.too_large_object(_MOST_VALUES) from None
    except ValueError as error:
        raise _unrecognized(kind, f"yaml parse error: {error}") from None
    return {} if found is None else found


def _json(data: bytes, kind: str) -> tuple[Any, bytes]:
    try:
        return orjson.loads(data), one_line(data)
    except orjson.JSONDecodeError as error:
        shown = data[:80].decode(errors="replace") or "<empty>"
        refused = _unrecognized(kind, f"json parse error: {error} ({shown})")
    try:
        # Go reads on over broken UTF-8 and half surrogates, and keeps U+FFFD in their place
        text = json.dumps(json.loads(data.decode(errors="replace"), parse_constant=_no_number), ensure_ascii=False)
        encoded = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).encode()
        return orjson.loads(encoded), encoded
    except ValueError:
        raise refused from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _unrecognized(kind: str, why: str) -> statuses.StatusError:
    return statuses.bad_request(
        f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; {why}"
    )


def _protobuf(data: bytes, kind: str, message: Message, raw_fields: Iterable[str]) -> tuple[Object, bytes]:
    try:
        envelope = protobuf.opened(data)
        obj: Object = {}
        if envelope.kind:
            obj["kind"] = envelope.kind
        if envelope.api_version:
            obj["apiVersion"] = envelope.api_version
        if envelope.kind in {kind, ""}:
            obj.update(protobuf.decoder(message)(envelope.raw))
        kept = {name: protobuf.raw_extension(message, envelope.raw, name) for name in raw_fields if obj.get(name)}
        texts = {name: orjson.Fragment(one_line(text)) for name, text in kept.items()}
        return obj, orjson.dumps({**obj, **texts})
    except protobuf.MalformedError as error:
        raise _unrecognized(kind, str(error)) from None


def parse(
    data: bytes, content_type: str, kind: str, message: Message | None = None, raw_fields: Iterable[str] = ()
) -> tuple[Object, bytes]:
    """Read an object.

    Args:
        content_type: media type without parameters; "" counts as JSON.
        kind: what is expected.
        message: its fields, where they are not in the table of that name; what has no such table either is not read from protobuf.
        raw_fields: what keeps its bytes in that JSON.

    Returns:
        The dict, and its JSON on one line (for the audit log).

    Raises:
        StatusError: 400 for what cannot be read, 413 for what is beyond `check_size`, 415 for a format that is not read here.
    """
    if content_type in {media.JSON, ""}:
        obj, encoded = _json(data, kind)
    elif content_type == media.YAML:
        obj = _yaml(data, kind)
        encoded = orjson.dumps(obj)
    elif content_type == media.PROTOBUF and (table := message or MESSAGES.get(kind)) is not None:
        obj, encoded = _protobuf(data, kind, table, raw_fields)
    else:
        raise statuses.unsupported_media_type(", ".join(media.ACCEPTED))
    if obj is None and data.strip():
        return {}, b"{}"  # Go reads null as nothing
    if not isinstance(obj, dict):
        raise _unrecognized(
            kind, f"json parse error: json: cannot unmarshal {json_type(obj)} into Go value of type struct"
        )
    check_size(obj, data)
    return obj, encoded


def check_size(obj: Any, data: bytes) -> None:
    """Refuse an object of more values than anybody needs: each field, entry or element takes the one thread of the server up to 40 µs.

    Args:
        data: what it was read from, or was changed by.

    Raises:
        StatusError: 413.
    """
    if len(data) <= _SMALL:
        return
    left, inside = _MOST_VALUES, [obj]
    while inside:
        each = inside.pop()
        left -= len(each)
        if left < 0:
            raise statuses.too_large_object(_MOST_VALUES)
        inside += [
            value for value in (each.values() if isinstance(each, dict) else each) if isinstance(value, dict | list)
        ]


def part(obj: Object, name: str, kind: type[T]) -> T | None:
    """A part of an object that no table of fields describes; None if it is not there, or null.

    Raises:
        StatusError: 400, it is of another type.
    """
    value = obj.get(name)
    # a bool is an int to Python, but not to JSON
    if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return value
    raise statuses.bad_request(
        f"json: cannot unmarshal {json_type(value)} into Go struct field {name} of type {kind.__name__}"
    )


def one_line(data: bytes) -> bytes:
    """Valid JSON without line breaks: inside of it they can only be white space."""
    if b"\n" in data or b"\r" in data:
        return data.translate(None, b"\r\n")
    return data


def expect_kind(obj: Object, kind: Kind) -> None:
    """Refuse an object that says that it is of another kind; none said is the kind of the URL, but for custom resources.

    Raises:
        StatusError: 400; 422 for a custom resource, whose kind is judged like its other fields.
    """
    if kind.schema is not None and not obj.get("kind"):
        raise statuses.bad_request(
            f"the object provided is unrecognized (must be of type {kind.kind}): Object 'Kind' is missing"
        )
    if kind.schema is not None and not obj.get("apiVersion"):
        raise statuses.bad_request(
            f"the API version in the data () does not match the expected API version ({kind.api_version})"
        )
    said_version, said_kind = obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.kind
    if said_version != kind.api_version:
        raise statuses.bad_request(
            f'{said_kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f'no kind "{said_kind}" is registered for version "{said_version}"'
        )
    if said_kind != kind.kind and kind.schema is not None:
        other, name = part(obj, "kind", str) or "", part(part(obj, "metadata", dict) or {}, "name", str) or ""
        raise statuses.invalid(kind.group, other, name, [invalid("kind", other, f"must be {kind.kind}")])
    if said_kind != kind.kind:
        raise statuses.bad_request(
            f'{said_kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"converting (v1.{said_kind}) to ({kind.kind}): unknown conversion"
        )
