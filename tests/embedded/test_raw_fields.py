"""Some fields are compared byte by byte: the data of a ControllerRevision, as kube-apiserver keeps it."""

from __future__ import annotations

import json
from contextlib import nullcontext

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


MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


# Each of them was posted to kube-apiserver v1.36.2, and patched so.
@pytest.mark.parametrize(
    ("data", "merged", "strategic"),
    [
        (b'{"a":1,"b":{"c":"x"}}', True, True),
        (b'{"b":{"c":"x"},"a":1}', True, False),
        (b'{"a":"x&<y>"}', False, False),
        (rb'{"a":"x\u0026\u003cy\u003e"}', True, True),
        (b'{"a": 1}', False, False),
        (b'{"a":1.0}', True, False),
        (rb'{"a":"\u00e9"}', True, False),
        ('{"a":"é"}'.encode(), True, True),
    ],
)
def test_a_patch_of_something_else_needs_the_data_as_go_would_write_it(
    data: bytes, merged: bool, strategic: bool
) -> None:
    api = make_api()
    create(api, b'{"metadata":{"name":"a"},"revision":1,"data":' + data + b"}")
    for content_type, accepted in ((MERGE, merged), (STRATEGIC, strategic)):
        patch = {"metadata": {"labels": {"x": content_type[12:17]}}}
        with nullcontext() if accepted else pytest.raises(StatusError, match="immutable"):
            api.patch(ALICE, REVISIONS, "here", "a", patch, content_type)
