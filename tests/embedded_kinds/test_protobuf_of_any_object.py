"""Protobuf in and out: what is encoded is read back exactly, and no bytes do more harm than to be refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_any_object import DEPTH, KINDS, SOME, messages

from pytest_daemonset.embedded.kinds import Kind
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.protobuf import (
    MAGIC,
    MalformedError,
    decoder,
    encoder,
    enveloped,
    list_message,
    opened,
)

Object = dict[str, Any]


def unnamed(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}


def without_empty(value: Any) -> Any:
    """On the wire a list without elements is not there, just as one that never was: Kubernetes cannot tell them apart either."""
    if isinstance(value, dict):
        return {key: without_empty(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_empty(each) for each in value] or None
    return value


@KINDS
@SOME
@given(data=st.data())
def test_any_object_survives_protobuf(kind: Kind, data: st.DataObject) -> None:
    obj = unnamed(data.draw(messages(kind.fields, DEPTH)))
    obj.setdefault("metadata", {})
    assert kind.decode(obj) == []
    back = decoder(kind.fields)(encoder(kind.fields)(obj))
    assert kind.decode(back) == []
    assert without_empty(back) == without_empty(obj)


@KINDS
@SOME
@given(data=st.data())
def test_damaged_messages_are_refused_or_read(kind: Kind, data: st.DataObject) -> None:
    obj = unnamed(data.draw(messages(kind.fields, DEPTH)))
    obj.setdefault("metadata", {})
    kind.decode(obj)
    whole = bytearray(enveloped(kind.api_version, kind.kind, encoder(kind.fields)(obj)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        action = data.draw(st.sampled_from(["change", "cut", "insert", "end"]))
        if action == "change":
            whole[at] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del whole[at : at + data.draw(st.integers(1, 8))]
        elif action == "insert":
            whole[at:at] = data.draw(st.binary(max_size=8))
        else:
            del whole[at + 1 :]
        if not whole:
            break
    try:
        told = decoder(kind.fields)(opened(bytes(whole)).raw)
    except MalformedError:
        return
    assert isinstance(told, dict)


@KINDS
@SOME
@given(raw=st.binary(max_size=64))
@example(raw=b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(raw=b"\x0b" * 50)
@example(raw=b"\x80" * 20)
def test_any_bytes_are_refused_or_read(kind: Kind, raw: bytes) -> None:
    for read in (decoder(kind.fields), opened, lambda data: opened(MAGIC + data)):
        try:
            read(raw)
        except MalformedError:
            continue


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"\x0a\x01a\x0a\x01b", {"name": "b"}),  # the last of a field counts
        (b"\x0a\x01a\x0a\x00", {}),
        (b"\x0a\x01\xff", {"name": "�"}),
        (b"\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", {"generation": -1}),
        (b"\xf8\x07\x01\xfa\x07\x02ab\xfd\x07abcd\xf9\x07abcdefgh\xfb\x07\x08\x01\xfc\x07\x0a\x01a", {"name": "a"}),
        (b"\x5a\x03\x0a\x01k", {"labels": {"k": ""}}),  # a value that is not there is empty
        (b"\x42\x00\x4a\x00", {}),
        (b"\x42\x02\x08\x01", {"creationTimestamp": "1970-01-01T00:00:01Z"}),
        (b"\x42\x02\x08\x00", {"creationTimestamp": "1970-01-01T00:00:00Z"}),
    ],
)
def test_what_is_allowed_on_the_wire_is_read(raw: bytes, told: Object) -> None:
    assert decoder(MESSAGES["ObjectMeta"])(raw) == told


@pytest.mark.parametrize(
    "raw",
    [
        b"\x08\x01",  # a name that is a number
        b"\x00\x00",  # field 0
        b"\x0a\x05abc",  # cut off
        b"\x0a",
        b"\x38",
        b"\x38\x80",
        b"\x38" + b"\xff" * 10,  # more than 64 bits
        b"\xfe\x07",  # a wire type that there is not
        b"\xfc\x07",  # the end of a group that never began
        b"\xfb\x07\x08\x01",  # a group that never ends
        b"\x5a\x02\x0a\x05k",  # an entry that ends after its map
        b"\x42\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00",
    ],
)
def test_what_is_not_allowed_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        decoder(MESSAGES["ObjectMeta"])(raw)


def test_an_empty_raw_extension_is_null_and_a_broken_one_is_refused() -> None:
    read = decoder(MESSAGES["ControllerRevision"])
    assert read(b"\x12\x00")["data"] is None
    assert read(b'\x12\x09\x0a\x07{"a":1}')["data"] == {"a": 1}
    with pytest.raises(MalformedError, match="no JSON"):
        read(b"\x12\x03\x0a\x01{")


def test_packed_numbers_are_read_as_well_as_single_ones() -> None:
    read = decoder(MESSAGES["PodSecurityContext"])
    assert read(b"\x20\x01\x20\x02") == read(b"\x22\x02\x01\x02") == {"supplementalGroups": [1, 2]}


def test_a_message_that_comes_twice_is_merged() -> None:
    read = decoder(MESSAGES["ConfigMap"])
    assert read(b"\x0a\x03\x0a\x01a\x0a\x03\x1a\x01n")["metadata"] == {"name": "a", "namespace": "n"}


def test_an_envelope_says_what_is_in_it() -> None:
    envelope = opened(enveloped("apps/v1", "DaemonSet", b"raw"))
    assert (envelope.api_version, envelope.kind, envelope.raw) == ("apps/v1", "DaemonSet", b"raw")
    with pytest.raises(MalformedError, match="does not appear to be a protobuf message"):
        opened(b"{}")


def test_a_list_is_the_messages_of_its_items() -> None:
    encode = encoder(MESSAGES["ConfigMap"])
    items = [encode({"metadata": {"name": name}}) for name in "ab"]
    told = list_message({"resourceVersion": "7", "continue": "c", "remainingItemCount": 3}, items)
    assert told.startswith(b"\x0a\x0a\x0a\x00\x12\x017\x1a\x01c\x20\x03\x12")
    assert told.count(items[0]) == told.count(items[1]) == 1
