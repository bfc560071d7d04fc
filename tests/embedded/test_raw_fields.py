"""Some fields are compared byte by byte: the data of a ControllerRevision, as kube-apiserver keeps it."""

from __future__ import annotations

import json

import orjson
import pytest
from embedded_server import ALICE, make_api

from pytest_daemonset.embedded import rawtext
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.calls import Call
from pytest_daemonset.embedded.statuses import StatusError

REVISIONS = "controllerrevisions.apps"
REVISION = {"metadata": {"name": "a"}, "data": {"spec": {"x": "y z"}}, "revision": 1}


def create(api: Api, body: bytes) -> None:
    api.write(Call(ALICE, "create", api.served[REVISIONS], "here", "", "", body))


def test_what_was_sent_with_spaces_cannot_be_patched() -> None:
    api = make_api()
    create(api, json.dumps(REVISION).encode())
    with pytest.raises(StatusError, match=r"data: Invalid value: .* field is immutable"):
        api.patch(ALICE, REVISIONS, "here", "a", {"revision": 2})


def test_what_was_sent_without_spaces_can() -> None:
    api = make_api()
    create(api, orjson.dumps(REVISION))
    assert api.patch(ALICE, REVISIONS, "here", "a", {"revision": 2})["revision"] == 2


def test_a_replacement_is_taken_if_it_brings_the_same_bytes() -> None:
    api = make_api()
    create(api, json.dumps(REVISION).encode())
    kept = api.get(REVISIONS, "here", "a")
    assert kept is not None
    kept["revision"] = 2
    with pytest.raises(StatusError, match="immutable"):
        api.update(ALICE, REVISIONS, "here", "a", kept)
    spaced = Call(ALICE, "update", api.served[REVISIONS], "here", "a", "", json.dumps(kept).encode())
    assert orjson.loads(api.write(spaced).body)["revision"] == 2


def test_the_text_of_a_field_is_found_wherever_it_stands() -> None:
    body = b' {"a" : {"data": [1, "}"]} ,\t"data":  {"b": "c, \\" d"} , "z":1 } '
    assert rawtext.field(body, "data") == '{"b": "c, \\" d"}'
    assert rawtext.field(body, "none") is None
    assert rawtext.compact('{"b": "c, \\" d" , "e":[1, 2]}') == '{"b":"c, \\" d","e":[1,2]}'
