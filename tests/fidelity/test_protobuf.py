"""Our protobuf codec against kube-apiserver's: the same objects in both encodings, both ways."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_daemonset.embedded.kinds.fields import MESSAGES, Message
from pytest_daemonset.embedded.protobuf import decoder, encoder, enveloped, list_message, opened

Object = dict[str, Any]

RECORDED = json.loads((Path(__file__).parent / "recordings/protobuf.json").read_text(encoding="utf-8"))["objects"]
ONE = [each for each in RECORDED if not each["json"]["kind"].endswith("List")]
LISTS = [each for each in RECORDED if each["json"]["kind"].endswith("List")]
# Kubernetes keeps raw extensions byte by byte; we keep what they mean.
RAW = {"ControllerRevision"}


def message(api_version: str, kind: str) -> Message:
    return MESSAGES["EventsEvent" if api_version.startswith("events.k8s.io/") else kind]


def name(recorded: Object) -> str:
    return str(recorded["path"])


@pytest.mark.parametrize("recorded", ONE, ids=name)
def test_an_object_is_read_as_kube_apiserver_writes_it_in_json(recorded: Object) -> None:
    envelope = opened(base64.b64decode(recorded["protobuf"]))
    said = {"kind": envelope.kind, "apiVersion": envelope.api_version}
    told = decoder(message(envelope.api_version, envelope.kind))(envelope.raw)
    assert {**said, **told} == recorded["json"]


@pytest.mark.parametrize("recorded", ONE, ids=name)
def test_an_object_is_written_byte_by_byte_as_kube_apiserver_does(recorded: Object) -> None:
    obj, theirs = recorded["json"], base64.b64decode(recorded["protobuf"])
    table = message(obj["apiVersion"], obj["kind"])
    ours = enveloped(obj["apiVersion"], obj["kind"], encoder(table)(obj))
    if obj["kind"] in RAW:
        assert decoder(table)(opened(ours).raw) == decoder(table)(opened(theirs).raw)
    else:
        assert ours == theirs


@pytest.mark.parametrize("recorded", LISTS, ids=name)
def test_a_list_is_written_byte_by_byte_as_kube_apiserver_does(recorded: Object) -> None:
    found = recorded["json"]
    encode = encoder(message(found["apiVersion"], found["kind"].removesuffix("List")))
    ours = enveloped(found["apiVersion"], found["kind"], list_message(found["metadata"], map(encode, found["items"])))
    assert ours == base64.b64decode(recorded["protobuf"])
