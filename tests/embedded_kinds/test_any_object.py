"""Whatever a client sends, each kind decodes, defaults and judges it without falling over."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_daemonset.embedded.kinds import ALL_KINDS, AdmissionError, DecodeError, Kind
from pytest_daemonset.embedded.kinds.fields import MESSAGES, Field, Message
from pytest_daemonset.embedded.statuses import StatusError

WORDS = (
    "",
    "a",
    "Always",
    "Never",
    "NoExecute",
    "NoSchedule",
    "Exists",
    "Equal",
    "In",
    "RollingUpdate",
    "OnDelete",
    "TCP",
)
TEXTS = st.sampled_from(WORDS) | st.text(max_size=4)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "bool": st.booleans(),
    "int32": st.sampled_from([-1, 0, 1, 80, 2**31 - 1]),
    "int64": st.sampled_from([-1, 0, 1, 30, 2**40]),
    "bytes": st.sampled_from(["", "YQ=="]),
    "Time": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00"]),
    "MicroTime": st.just("2026-01-01T00:00:00.000001Z"),
    "Quantity": st.sampled_from(["0", "1", "100m", "1Gi", "-3", "1e3", 2, 0.5]),
    "IntOrString": st.sampled_from([0, 1, -1, "10%", "200%", "http", "x%", ""]),
    "Any": st.dictionaries(TEXTS, TEXTS, max_size=2),
}
DEPTH = 8
NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)


def values(known: Field, depth: int) -> st.SearchStrategy[Any]:
    one = SCALARS.get(known.type)
    if one is None:
        one = messages(MESSAGES[known.type], depth - 1) if depth else st.just({})
    if known.shape == "list":
        return st.lists(one | st.none(), max_size=2)
    if known.shape == "map":
        return st.dictionaries(TEXTS, one | st.none(), max_size=2)
    return one | st.none()


def messages(message: Message, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(sorted(message.fields)), max_size=6, unique=True))
        always = ["spec", "template", "containers", "volumes", "metadata", "updateStrategy", "selector", "taints"]
        names = dict.fromkeys([*(name for name in always if name in message.fields), *chosen])
        return {name: draw(values(message.fields[name], depth)) for name in names}

    return build()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
KINDS = pytest.mark.parametrize("kind", [each for each in ALL_KINDS if not each.empty], ids=lambda kind: str(kind.kind))
SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@KINDS
@SOME
@given(data=st.data())
def test_well_typed_objects_are_judged_and_their_defaults_hold(kind: Kind, data: st.DataObject) -> None:
    obj = data.draw(messages(kind.fields, DEPTH))
    obj["metadata"] = {"name": "x", "namespace": "y", "uid": "u", **(obj.get("metadata") or {})}
    # A DaemonSet's annotation that stands for a number has to be one.
    obj["metadata"].pop("annotations", None)
    assert kind.decode(obj) == []
    kind.default(obj)
    once = copy.deepcopy(obj)
    assert kind.decode(obj) == []
    kind.default(obj)
    assert obj == once
    try:
        kind.admit_create(obj)
        kind.prepare_create(obj)
    except (AdmissionError, StatusError):
        return
    assert all(each.reason and each.message for each in kind.validate_create(obj))
    changed = copy.deepcopy(once)
    kind.admit_update(changed, obj)
    kind.prepare_update(changed, obj)
    kind.validate_update(changed, obj)
    other = copy.deepcopy(once)
    kind.prepare_update_status(other, obj)
    kind.validate_update_status(other, obj)
    assert kind.grace_seconds(obj, {}) >= 0
    assert all(isinstance(each, str) for each in kind.field_labels(obj).values())
    obj["metadata"]["name"] = "x"
    assert len(kind.printer.cells(obj, NOW)) == len(kind.printer.columns)
    assert isinstance(kind.printer.conditions(obj), list)


@KINDS
@SOME
@given(data=st.data())
def test_other_json_is_refused_or_comes_out_well_typed(kind: Kind, data: st.DataObject) -> None:
    names = st.sampled_from(sorted(kind.fields.fields)) | TEXTS
    obj = data.draw(st.dictionaries(names, JSON, max_size=5))
    try:
        kind.decode(obj)
    except DecodeError:
        return
    assert kind.decode(obj) == []
    kind.default(obj)
    kind.field_labels(obj)
