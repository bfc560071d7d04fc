"""Objects as kube-apiserver answered them: our rules find nothing to add, to drop or to refuse in them."""

from __future__ import annotations

import base64
import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from compare import Symbols, differences
from protobuf import read

from pytest_daemonset.embedded.kinds import ALL_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

RECORDINGS = Path(__file__).parent / "recordings"
MOMENT, MICRO = "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"
KINDS = {(kind.api_version, kind.kind): kind for kind in ALL_KINDS if not kind.empty}
BOTH = [
    each
    for each in json.loads((RECORDINGS / "protobuf.json").read_text(encoding="utf-8"))["objects"]
    if (each["json"].get("apiVersion"), each["json"].get("kind")) in KINDS
]


def objects(value: Any) -> Iterator[Object]:
    """All objects of kinds that are served, wherever they stand in a recording's answers."""
    if isinstance(value, list):
        for each in value:
            yield from objects(each)
    elif isinstance(value, dict):
        if (value.get("apiVersion"), value.get("kind")) in KINDS and "uid" in value.get("metadata", {}):
            yield value
        for key, each in value.items():
            if key != "step":
                yield from objects(each)


def _plausible(symbol: re.Match[str]) -> str:
    """A value that the symbol may have stood for."""
    kind, number = symbol.group(1), int(symbol.group(2) or 0)
    values = {"time": MOMENT, "uid": f"00000000-0000-4000-8000-{number:012}", "rv": str(number), "gen": f"{number:05}"}
    return values.get(kind, symbol.group())


def answered() -> list[tuple[str, Object]]:
    found: dict[str, tuple[str, Object]] = {}
    for file in sorted(RECORDINGS.glob("*.json")):
        # the one MicroTime of the recordings
        read = file.read_text(encoding="utf-8").replace('"renewTime": "<time>"', f'"renewTime": "{MICRO}"')
        text = re.sub(r"<(\w+)(?::(\d+))?>", _plausible, read)
        for obj in objects(json.loads(text)):
            found.setdefault(json.dumps(obj, sort_keys=True), (file.stem, obj))
    return list(found.values())


ANSWERED = answered()


# Kinds of which no real server's answer is at hand.
UNRECORDED = {
    "LimitRange",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "Role",
    "RoleBinding",
    "ResourceQuota",
}


def test_there_are_objects_of_every_kind_to_look_at() -> None:
    assert {each["kind"] for _, each in ANSWERED} == {kind.kind for kind in KINDS.values()} - UNRECORDED


@pytest.mark.parametrize(
    ("recording", "obj"), ANSWERED, ids=[f"{name}-{obj['kind']}-{at}" for at, (name, obj) in enumerate(ANSWERED)]
)
def test_an_answered_object_is_already_as_we_would_keep_it(recording: str, obj: Object) -> None:
    kind = KINDS[obj["apiVersion"], obj["kind"]]
    kept = copy.deepcopy(obj)
    assert kind.decode(kept) == []
    kind.default(kept)
    moments = json.loads(json.dumps(obj).replace(f'"{MOMENT}"', '"<time>"'))
    kept["metadata"].setdefault("managedFields", obj["metadata"].get("managedFields"))
    assert list(differences(moments, kept, "", Symbols())) == []
    refused = [each for each in kind.validate_create(kept) if not each.field.startswith("metadata.")]
    assert refused == []


@pytest.mark.parametrize("both", BOTH, ids=[f"{each['kind']}-{at}" for at, each in enumerate(BOTH)])
def test_the_field_numbers_of_the_tables_read_the_protobuf_form(both: Object) -> None:
    obj = both["json"]
    kind = KINDS[obj["apiVersion"], obj["kind"]]
    told = read(kind.fields, base64.b64decode(both["protobuf"]))
    kind.decode(told)
    told["kind"], told["apiVersion"] = obj["kind"], obj["apiVersion"]
    assert list(differences(obj, told, "", Symbols())) == []
