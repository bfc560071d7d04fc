"""The tables of fields decide what is kept, what is dropped, and how lists merge."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_daemonset.embedded.kinds import DecodeError
from pytest_daemonset.embedded.kinds.daemonset import DAEMON_SET
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.kinds.lease import LEASE
from pytest_daemonset.embedded.kinds.node import NODE
from pytest_daemonset.embedded.kinds.pod import POD
from pytest_daemonset.embedded.kinds.scalars import SCALARS


def test_every_type_is_a_scalar_or_has_a_table() -> None:
    types = {each.type for message in MESSAGES.values() for each in message.own}
    assert types <= {*SCALARS, *MESSAGES}


def test_no_message_uses_a_field_number_twice() -> None:
    for message in MESSAGES.values():
        numbers = [each.number for each in message.own if each.number]
        assert len(numbers) == len(set(numbers)), message.name


def test_unknown_fields_are_dropped_and_told_with_their_paths() -> None:
    obj = {"spec": {"containers": [{"name": "c", "imge": "i"}], "hostnetwork": True}, "metadata": {"labls": {}}, "x": 1}
    assert sorted(POD.decode(obj)) == ["metadata.labls", "spec.containers[0].imge", "spec.hostnetwork", "x"]
    assert "x" not in obj
    assert "imge" not in obj["spec"]["containers"][0]  # type: ignore[index]


def test_empty_values_go_where_kubernetes_omits_them_and_stay_where_it_does_not() -> None:
    obj: dict[str, Any] = {
        "metadata": {"labels": {}, "name": "a"},
        "spec": {
            "hostNetwork": False,
            "automountServiceAccountToken": False,
            "containers": [{"name": "c", "args": []}],
        },
    }
    POD.decode(obj)
    assert obj["metadata"] == {"name": "a"}
    assert obj["spec"] == {"automountServiceAccountToken": False, "containers": [{"name": "c", "resources": {}}]}
    assert obj["status"] == {}


def test_nodes_always_tell_their_versions() -> None:
    obj: dict[str, Any] = {}
    NODE.decode(obj)
    assert obj["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    assert obj["status"]["nodeInfo"]["kubeletVersion"] == ""


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        (POD, {"spec": []}),
        (POD, {"spec": {"containers": {}}}),
        (POD, {"spec": {"hostNetwork": "true"}}),
        (POD, {"spec": {"priority": 1.5}}),
        (POD, {"spec": {"priority": 2**31}}),
        (POD, {"spec": {"priority": True}}),
        (POD, {"metadata": {"labels": {"a": 1}}}),
        (POD, {"metadata": {"creationTimestamp": "yesterday"}}),
        (POD, {"metadata": {"creationTimestamp": "2026-01-01T00:00:00"}}),
        (POD, {"metadata": {"creationTimestamp": "2026-13-01T00:00:00Z"}}),
        (POD, {"metadata": {"creationTimestamp": "0001-01-01T00:00:00+02:00"}}),
        (LEASE, {"spec": {"renewTime": "2026-01-01T00:00:00Z"}}),
        (LEASE, {"spec": {"renewTime": "2026-01-01T00:00:00.1234567Z"}}),
        (POD, {"spec": {"containers": [{"resources": {"limits": {"cpu": "one"}}}]}}),
        (DAEMON_SET, {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": [1]}}}}),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, obj: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        kind.decode(obj)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"hostname": False}, "bool into field spec.hostname of type string"),
        ({"hostNetwork": "yes"}, "string into field spec.hostNetwork of type bool"),
        ({"priority": 1 << 40}, f"number {1 << 40} into field spec.priority of type int32"),
    ],
)
def test_what_was_found_is_named_as_json_names_it(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(DecodeError, match=f"^json: cannot unmarshal {re.escape(told)}$"):
        POD.decode({"spec": spec})


def test_times_are_told_in_utc() -> None:
    obj: dict[str, Any] = {
        "spec": {"renewTime": "2026-01-01T02:00:00.123456+02:00", "acquireTime": "2026-01-01T00:00:00.000000Z"}
    }
    LEASE.decode(obj)
    assert obj["spec"] == {"renewTime": "2026-01-01T00:00:00.123456Z", "acquireTime": "2026-01-01T00:00:00.000000Z"}


def test_lists_merge_by_the_keys_of_kubernetes() -> None:
    keys = POD.merge_keys
    assert keys["spec", "containers"] == "name"
    assert keys["spec", "containers", "ports"] == "containerPort"
    assert keys["spec", "containers", "volumeMounts"] == "mountPath"
    assert keys["status", "conditions"] == "type"
    assert keys["metadata", "ownerReferences"] == "uid"
    assert keys["metadata", "finalizers"] == ""
    assert ("spec", "tolerations") not in keys
    assert ("spec", "taints") not in NODE.merge_keys
    assert DAEMON_SET.merge_keys["spec", "template", "spec", "volumes"] == "name"
    assert ("spec", "volumes") in POD.retain_keys


def test_what_many_pods_say_is_read_alike_each_time_and_belongs_to_each() -> None:
    def said() -> dict[str, Any]:
        return {
            "metadata": {},
            "spec": {"containers": [{"name": "a", "image": None, "resources": {"limits": {"cpu": "1000m"}}}]},
        }

    one, other = said(), said()
    assert POD.decode(one) == POD.decode(other) == []
    assert one == other
    assert one["spec"]["containers"] == [{"name": "a", "resources": {"limits": {"cpu": "1"}}}]
    one["spec"]["containers"][0]["name"] = "b"
    again = said()
    POD.decode(again)
    assert again == other


def test_what_is_wrong_in_what_many_pods_say_is_told_by_its_place_each_time() -> None:
    unknown = [{"name": "a"}, {"name": "b", "imago": "c"}]
    wrong = [{"name": "a", "image": 1}]
    for _ in range(2):
        pod: dict[str, Any] = {"metadata": {}, "spec": {"containers": [dict(each) for each in unknown]}}
        assert POD.decode(pod) == ["spec.containers[1].imago"]
        with pytest.raises(DecodeError, match=r"spec\.containers\[0\]\.image"):
            POD.decode({"metadata": {}, "spec": {"containers": [dict(each) for each in wrong]}})


def test_what_is_unknown_may_be_as_deep_as_it_likes() -> None:
    deep: Any = "end"
    for _ in range(300):
        deep = [deep]
    pod: dict[str, Any] = {"metadata": {}, "spec": {"containers": [{"name": "a", "imago": deep}]}}
    assert POD.decode(pod) == ["spec.containers[0].imago"]
