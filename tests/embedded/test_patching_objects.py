"""Patches: merge, JSON, and the directives and the order of lists in strategic merge patches."""

from __future__ import annotations

import copy

import orjson
import pytest

from pytest_daemonset.embedded import patches
from pytest_daemonset.embedded.statuses import StatusError

KEYS = {
    ("spec", "containers"): "name",
    ("spec", "containers", "ports"): "containerPort",
    ("metadata", "finalizers"): "",
    ("status", "conditions"): "type",
}


def _apply(obj: dict, patch: object, content_type: str) -> dict:
    return patches.apply(copy.deepcopy(obj), orjson.dumps(patch), content_type, KEYS)


def _strategic(obj: dict, patch: dict) -> dict:
    return _apply(obj, patch, patches.STRATEGIC)


def _names(obj: dict) -> list[str]:
    return [each["name"] for each in obj["spec"]["containers"]]


PODS = {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}}


@pytest.mark.parametrize(
    ("obj", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ],
)
def test_merge_patches_follow_the_examples_of_rfc_7386(obj, patch, expected):
    assert _apply(obj, patch, patches.MERGE) == expected


def test_a_json_patch_adds_tests_and_removes():
    patch = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "remove", "path": "/a"},
        {"op": "add", "path": "/b~1c", "value": 2},
    ]
    assert _apply({"a": 1}, patch, patches.JSON) == {"b/c": 2}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/b", "value": 2}, {"a": 1, "l": [1, 2], "b": 2}),
        ({"op": "add", "path": "/b"}, {"a": 1, "l": [1, 2], "b": None}),
        ({"op": "add", "path": "x/b", "value": 2}, {"a": 1, "l": [1, 2], "b": 2}),
        ({"op": "add", "path": "/l/-1", "value": 3}, {"a": 1, "l": [1, 2, 3]}),
        ({"op": "add", "path": "/l/0", "value": 3}, {"a": 1, "l": [3, 1, 2]}),
        ({"op": "remove", "path": "/l/-1"}, {"a": 1, "l": [1]}),
        ({"op": "copy", "from": "/b", "path": "/c"}, {"a": 1, "l": [1, 2], "c": None}),
        ({"op": "move", "from": "/l/0", "path": "/l/-"}, {"a": 1, "l": [2, 1]}),
        ({"op": "test", "path": "/b", "value": None, "from": "no path"}, {"a": 1, "l": [1, 2]}),
        ({"op": "test", "path": "", "value": {"l": [1, 2], "a": 1}}, {"a": 1, "l": [1, 2]}),
        ({"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
    ],
)
def test_a_json_patch_takes_the_liberties_of_kube_apiservers_library(operation, expected):
    assert _apply({"a": 1, "l": [1, 2]}, [operation], patches.JSON) == expected


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/absent"}],
        [{"op": "add", "path": "/absent/x", "value": 1}],
        [{"op": "replace", "path": "/absent/x", "value": 1}],
        [{"op": "add", "path": "/a/x", "value": 1}],
        [{"op": "add", "path": "/l/3", "value": 1}],
        [{"op": "add", "path": "/l/-4", "value": 1}],
        [{"op": "add", "path": "/l/1_0", "value": 1}],
        [{"op": "add", "path": "", "value": {}}],
        [{"op": "add", "value": 1}],
        [{"op": "remove", "path": "/l/-"}],
        [{"op": "replace", "path": "/l/2", "value": 1}],
        [{"op": "test", "path": "/b", "value": 1}],
        [{"op": "test", "path": "/a", "value": 1.0}],
        [{"op": "test", "path": "/t", "value": 1}],
        [{"op": "move", "from": "/absent", "path": "/a"}],
        [{"op": "copy", "path": "/a"}],
        [None],
        [{"op": "dance", "path": "/a"}],
        [{"path": "/a"}],
        [{"op": "replace", "path": "", "value": 5}],
    ],
)
def test_a_json_patch_that_cannot_be_applied_is_refused_with_422(patch):
    with pytest.raises(StatusError) as error:
        _apply({"a": 1, "t": True, "l": [1, 2]}, patch, patches.JSON)
    assert (error.value.code, error.value.reason) == (422, "Invalid")


@pytest.mark.parametrize(
    ("content_type", "data", "code"),
    [
        (patches.MERGE, b"[]", 400),
        (patches.STRATEGIC, b"3", 400),
        (patches.JSON, b"{}", 400),
        (patches.JSON, b"[3]", 400),
        (patches.JSON, b'[{"op":1,"path":"/a"}]', 400),
        (patches.MERGE, b"{", 400),
        (patches.MERGE, b"\xff", 400),
        ("application/json", b"{}", 415),
        ("", b"{}", 415),
    ],
)
def test_a_patch_that_is_none_is_refused(content_type, data, code):
    with pytest.raises(StatusError) as error:
        patches.apply({}, data, content_type, KEYS)
    assert error.value.code == code


def test_a_strategic_patch_merges_elements_by_their_key():
    patched = _strategic(PODS, {"spec": {"containers": [{"name": "b", "image": "2"}]}})
    assert patched["spec"]["containers"] == [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]


def test_new_elements_of_a_strategic_patch_come_before_what_the_server_has():
    assert _names(_strategic(PODS, {"spec": {"containers": [{"name": "c"}]}})) == ["c", "a", "b"]


def test_an_element_order_decides_where_elements_go():
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}],
        }
    }
    assert _names(_strategic(PODS, patch)) == ["b", "c", "a"]
    assert _names(_strategic(PODS, {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}})) == [
        "b",
        "a",
    ]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"containers": [{"image": "x"}]}, 'map: {"image":"x"} does not contain declared merge key: name'),
        ({"containers": [{"$patch": "delete"}]}, 'map: {"$patch":"delete"} does not contain declared merge key: name'),
        ({"containers": ["x"]}, 'list element types are not identical: "x" is no object'),
        (
            {"$setElementOrder/containers": [{"image": "x"}]},
            'map: {"image":"x"} does not contain declared merge key: name',
        ),
        ({"$setElementOrder/containers": "x"}, "expected a []interface {}, but received a string"),
        ({"$patch": "nosuch"}, 'unknown patch type: nosuch in map: {"$patch":"nosuch"}'),
        (
            {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "containers": [{"name": "a"}, {"name": "b"}],
            },
            (
                'The order in patch list:\n[{"name":"a"},{"name":"b"}]\n doesn\'t match $setElementOrder list:\n'
                '[{"name":"b"},{"name":"a"}]\n'
            ),
        ),
        (
            {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "c"}]},
            'The order in patch list:\n[{"name":"c"}]\n doesn\'t match $setElementOrder list:\n[{"name":"a"}]\n',
        ),
    ],
)
def test_a_strategic_patch_that_contradicts_itself_is_a_500_as_in_kubernetes(spec, told):
    with pytest.raises(StatusError) as error:
        _strategic(PODS, {"spec": spec})
    assert (error.value.code, error.value.reason, error.value.message) == (500, "", told)


def test_what_is_deleted_need_not_be_in_the_order_of_the_rest():
    patch = {
        "$setElementOrder/containers": [{"name": "b"}],
        "containers": [{"name": "a", "$patch": "delete"}, {"name": "b", "image": "2"}],
    }
    assert _names(_strategic(PODS, {"spec": patch})) == ["b"]


def test_an_element_is_deleted_by_directive():
    assert _names(_strategic(PODS, {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})) == ["b"]


def test_a_list_is_replaced_by_directive():
    assert _names(_strategic(PODS, {"spec": {"containers": [{"$patch": "replace"}, {"name": "z"}]}})) == ["z"]


def test_a_map_is_replaced_or_emptied_by_directive():
    obj = {"metadata": {"labels": {"a": "1"}}}
    assert _strategic(obj, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}) == {
        "metadata": {"labels": {"b": "2"}}
    }
    assert _strategic(obj, {"metadata": {"labels": {"$patch": "delete"}}}) == {"metadata": {"labels": {}}}


def test_retained_keys_drop_all_others():
    obj = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"x": 1}}}
    assert _strategic(obj, {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}) == {
        "strategy": {"type": "Recreate"}
    }


def test_lists_of_plain_values_are_merged_as_sets():
    obj = {"metadata": {"finalizers": ["a", "b"]}}
    assert _strategic(obj, {"metadata": {"finalizers": ["c", "a"]}})["metadata"]["finalizers"] == ["c", "a", "b"]
    assert _strategic(obj, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})["metadata"]["finalizers"] == [
        "b"
    ]


def test_lists_without_a_key_are_replaced():
    obj = {"spec": {"tolerations": [{"key": "a"}]}}
    assert _strategic(obj, {"spec": {"tolerations": [{"key": "b", "value": None}]}}) == {
        "spec": {"tolerations": [{"key": "b"}]}
    }


def test_nested_lists_are_merged_by_their_own_key():
    obj = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]}}
    patch = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1, "hostPort": 2}]}]}}
    assert _strategic(obj, patch)["spec"]["containers"][0]["ports"] == [
        {"containerPort": 1, "protocol": "TCP", "hostPort": 2}
    ]
