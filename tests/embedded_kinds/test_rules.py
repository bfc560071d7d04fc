"""Rules of single kinds that the recordings do not show, or show only in passing."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pytest_daemonset.embedded.kinds import Kind
from pytest_daemonset.embedded.kinds.configmap import CONFIGMAP
from pytest_daemonset.embedded.kinds.daemonset import DAEMON_SET
from pytest_daemonset.embedded.kinds.namespace import NAMESPACE
from pytest_daemonset.embedded.kinds.node import NODE
from pytest_daemonset.embedded.kinds.pod import POD
from pytest_daemonset.embedded.kinds.secret import SECRET

Object = dict[str, Any]


def created(kind: Kind, spec: Object | None = None, **parts: Any) -> Object:
    """An object as the server keeps it after a POST."""
    obj: Object = {"metadata": {"name": "x", "uid": "u", **parts.pop("metadata", {})}, **parts}
    if kind.namespaced:
        obj["metadata"]["namespace"] = "y"
    if spec is not None:
        obj["spec"] = spec
    assert kind.decode(obj) == []
    kind.default(obj)
    kind.admit_create(obj)
    kind.prepare_create(obj)
    return obj


def wrong(kind: Kind, obj: Object) -> list[tuple[str, str]]:
    return [(each.reason, each.field) for each in kind.validate_create(obj)]


def pod(**spec: Any) -> Object:
    return created(POD, {"containers": [{"name": "c", "image": "i"}], **spec})


def daemon_set(**spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return created(DAEMON_SET, {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec})


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({}, []),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]},
            [("FieldValueInvalid", "spec.volumes[0].hostPath.path")],
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/a"}}]},
            [("FieldValueForbidden", "spec.volumes[0].emptyDir")],
        ),
        (
            {"containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            [("FieldValueNotFound", "spec.containers[0].volumeMounts[0].name")],
        ),
        (
            {"initContainers": [{"name": "c", "image": "i"}]},
            [("FieldValueDuplicate", "spec.initContainers[0].name")],
        ),
        ({"dnsPolicy": "Sometimes"}, [("FieldValueNotSupported", "spec.dnsPolicy")]),
        (
            {"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3}]},
            [("FieldValueInvalid", "spec.tolerations[0].effect")],
        ),
        ({"nodeSelector": {"a b": "c"}}, [("FieldValueInvalid", "spec.nodeSelector")]),
        (
            {
                "containers": [
                    {"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}
                ]
            },
            [("FieldValueInvalid", "spec.containers[0].resources.requests")],
        ),
        (
            {"containers": [{"name": "c", "image": "i", "readinessProbe": {}}]},
            [("FieldValueRequired", "spec.containers[0].readinessProbe")],
        ),
    ],
)
def test_a_pod_is_refused_with_its_field(spec: Object, causes: list[tuple[str, str]]) -> None:
    obj = pod(**spec)
    found = wrong(POD, obj)
    # Which of two volume types is the surplus one depends on the order of the fields.
    assert [reason for reason, _ in found] == [reason for reason, _ in causes]
    assert [field.rpartition(".")[0] for _, field in found] == [field.rpartition(".")[0] for _, field in causes]


def test_a_pods_toleration_of_a_troubled_node_is_added_only_where_it_lacks() -> None:
    everything = [{"operator": "Exists"}]
    assert pod(tolerations=everything)["spec"]["tolerations"] == everything
    kept = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    keys = [(each["key"], each.get("tolerationSeconds")) for each in pod(tolerations=[kept])["spec"]["tolerations"]]
    assert keys == [("node.kubernetes.io/not-ready", 5), ("node.kubernetes.io/unreachable", 300)]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"cpu": "0"}}, "BestEffort"),
    ],
)
def test_the_class_of_service_follows_from_the_resources(resources: Object, expected: str) -> None:
    obj = pod(containers=[{"name": "c", "image": "i", "resources": resources}])
    assert obj["status"]["qosClass"] == expected


@pytest.mark.parametrize(
    ("given", "phase", "node", "seconds"),
    [
        ({}, "Running", "n", 30),
        ({"gracePeriodSeconds": 3}, "Running", "n", 3),
        ({"gracePeriodSeconds": -3}, "Running", "n", 1),
        ({}, "Pending", "", 0),
        ({"gracePeriodSeconds": 9}, "Succeeded", "n", 0),
    ],
)
def test_the_grace_of_a_pod_depends_on_who_has_to_stop_it(given: Object, phase: str, node: str, seconds: int) -> None:
    obj = pod(nodeName=node)
    obj["status"]["phase"] = phase
    assert POD.grace_seconds(obj, given) == seconds


def test_a_pod_that_is_replaced_by_what_its_writer_knew_keeps_what_admission_gave_it() -> None:
    old = pod(priorityClassName="system-node-critical")
    old["spec"]["preemptionPolicy"] = "Never"  # what a class of one's own gives
    new = {"metadata": dict(old["metadata"]), "spec": {"containers": [{"name": "c", "image": "i"}]}}
    new["spec"]["priorityClassName"] = "system-node-critical"
    assert POD.decode(new) == []
    POD.default(new)
    POD.prepare_update(new, old)
    assert POD.validate_update(new, old) == []
    assert new["spec"] == old["spec"]


def test_a_running_pod_may_gain_tolerations_and_lose_none() -> None:
    old = pod(tolerations=[{"key": "first", "operator": "Exists"}])
    new = copy.deepcopy(old)
    new["spec"]["tolerations"].append({"key": "k", "operator": "Exists"})
    POD.prepare_update(new, old)
    assert POD.validate_update(new, old) == []
    assert new["metadata"]["generation"] == 2
    less = copy.deepcopy(old)
    del less["spec"]["tolerations"][0]
    POD.prepare_update(less, old)
    assert {each.field for each in POD.validate_update(less, old)} == {"spec.tolerations"}


_REQUIRED = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
_NOWHERE = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Nearby"}]}]}


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({"nodeName": "No Node"}, "spec.nodeName"),
        ({"nodeName": "n", "schedulingGates": [{"name": "a/b"}]}, "spec.nodeName"),
        (
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _NOWHERE}}},
            f"{_REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].operator",
        ),
    ],
)
def test_a_place_is_judged_for_each_pod_though_the_rest_is_known_to_be_right(where: Object, field: str) -> None:
    for _ in range(2):
        there = {key: value for key, value in where.items() if key == "schedulingGates"}
        assert POD.validate_create(pod(**there)) == []
        assert [each.field for each in POD.validate_create(pod(**where))] == [field]


def test_a_specification_is_judged_when_it_changes_however_often_it_was_right() -> None:
    old = pod()
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"a": "b"}
    for _ in range(2):
        assert POD.validate_update(new, old) == []
        new["spec"]["containers"][0]["image"] = " "
        assert [each.field for each in POD.validate_update(new, old)] == ["spec.containers[0].image"]
        new["spec"]["containers"][0]["image"] = old["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(
    ("addresses", "field"),
    [
        (["10.0.0.1"], None),
        (["10.0.0.1", "fd00::1"], None),
        (["kept"], None),
        (["10.0.0.1", "pod-ip"], "status.podIPs[1]"),
        (["10.0.0.256"], "status.podIPs[0]"),
        ([""], "status.podIPs[0]"),
        (["10.0.0.1", "10.0.0.2"], "status.podIPs"),
    ],
)
def test_a_pod_has_addresses_one_of_each_family(addresses: list[str], field: str | None) -> None:
    old = {"metadata": {}, "spec": {}, "status": {"podIPs": [{"ip": "kept"}]}}
    new = {"metadata": {}, "spec": {}, "status": {"podIPs": [{"ip": each} for each in addresses]}}
    assert [each.field for each in POD.validate_update_status(new, old)] == ([field] if field else [])
    assert POD.validate_update_status({**new, "status": {}}, old) == []


def test_the_status_of_a_pod_is_written_without_touching_its_owners_or_class() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "1", "controller": True}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    old = created(POD, spec, metadata={"ownerReferences": [owner]})
    new = copy.deepcopy(old)
    new["metadata"].pop("ownerReferences")
    new["spec"] = {"containers": []}
    new["status"] = {"phase": "Running"}
    POD.prepare_update_status(new, old)
    assert new["metadata"] == old["metadata"]
    assert new["spec"] == old["spec"]
    assert new["status"] == {"phase": "Running", "qosClass": "BestEffort"}


def test_the_template_generation_counts_templates_and_cannot_be_written() -> None:
    old = daemon_set()
    note = "deprecated.daemonset.template.generation"
    assert old["metadata"]["annotations"] == {note: "1"}
    new = copy.deepcopy(old)
    new["metadata"]["annotations"] = {note: "77"}
    new["spec"]["minReadySeconds"] = 4
    DAEMON_SET.prepare_update(new, old)
    assert (new["metadata"]["annotations"][note], new["metadata"]["generation"]) == ("1", 2)
    newer = copy.deepcopy(new)
    newer["metadata"].pop("annotations")
    newer["spec"]["template"]["spec"]["containers"][0]["image"] = "j"
    DAEMON_SET.prepare_update(newer, new)
    assert (newer["metadata"]["annotations"][note], newer["metadata"]["generation"]) == ("2", 3)


def test_an_adopted_template_generation_is_kept_on_creation() -> None:
    note = "deprecated.daemonset.template.generation"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    obj = created(DAEMON_SET, spec, metadata={"annotations": {note: "5"}})
    assert obj["metadata"]["annotations"] == {note: "5"}


@pytest.mark.parametrize(
    ("rolling", "causes"),
    [
        ({"maxUnavailable": "25%"}, []),
        ({"maxUnavailable": "x"}, ["maxUnavailable", "maxUnavailable"]),
        ({"maxUnavailable": -1}, ["maxUnavailable"]),
        ({"maxUnavailable": 0, "maxSurge": "101%"}, ["maxSurge"]),
        ({"maxUnavailable": "0%", "maxSurge": "0%"}, ["maxUnavailable"]),
    ],
)
def test_a_rolling_update_says_how_many_pods_may_be_missing_or_too_many(rolling: Object, causes: list[str]) -> None:
    obj = daemon_set(updateStrategy={"rollingUpdate": rolling})
    assert [field.rpartition(".")[2] for _, field in wrong(DAEMON_SET, obj)] == causes


def test_a_registering_node_keeps_its_status_and_gets_the_taint_once() -> None:
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    obj = created(NODE, {"taints": [taint]}, status={"capacity": {"cpu": "4", "memory": "1024Mi"}})
    assert obj["spec"]["taints"] == [taint]
    assert obj["status"]["allocatable"] == {"cpu": "4", "memory": "1Gi"}


def test_a_namespace_is_labelled_with_its_name_and_held_by_its_finalizer() -> None:
    obj = created(NAMESPACE, metadata={"labels": {"kubernetes.io/metadata.name": "lie", "a": "b"}})
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x", "a": "b"}
    assert NAMESPACE.holds_deletion(obj)
    NAMESPACE.begin_deletion(obj)
    assert obj["status"]["phase"] == "Terminating"
    assert wrong(NAMESPACE, {**obj, "metadata": {"name": "with.dot"}}) == [("FieldValueInvalid", "metadata.name")]


def test_plain_text_in_a_secret_is_encoded() -> None:
    obj = created(SECRET, data={"a": "YQ=="}, stringData={"b": "b"})
    assert obj["data"] == {"a": "YQ==", "b": "Yg=="}
    assert obj["type"] == "Opaque"
    assert "stringData" not in obj


def test_an_immutable_configmap_stays_as_it_is() -> None:
    old = created(CONFIGMAP, data={"a": "b"}, immutable=True)
    new = copy.deepcopy(old)
    new["data"]["a"] = "c"
    assert [each.field for each in CONFIGMAP.validate_update(new, old)] == ["data"]


@pytest.mark.parametrize(
    ("meta", "cause"),
    [
        ({"name": "-a"}, ("FieldValueInvalid", "metadata.name")),
        ({"name": "a" * 254}, ("FieldValueInvalid", "metadata.name")),
        ({"generateName": "A-"}, ("FieldValueInvalid", "metadata.generateName")),
        ({"labels": {"a": "-"}}, ("FieldValueInvalid", "metadata.labels")),
        ({"labels": {"a/b/c": "d"}}, ("FieldValueInvalid", "metadata.labels")),
        ({"annotations": {"": "d"}}, ("FieldValueInvalid", "metadata.annotations")),
        ({"annotations": {"a": "b" * 262144}}, ("FieldValueTooLong", "metadata.annotations")),
        ({"finalizers": ["mine"]}, ("FieldValueInvalid", "metadata.finalizers[0]")),
        ({"finalizers": ["orphan", "foregroundDeletion"]}, ("FieldValueInvalid", "metadata.finalizers")),
    ],
)
def test_metadata_is_refused_with_its_field(meta: Object, cause: tuple[str, str]) -> None:
    assert cause in wrong(CONFIGMAP, created(CONFIGMAP, metadata=meta))


def test_what_a_writer_leaves_out_of_the_metadata_stays() -> None:
    old = created(CONFIGMAP, metadata={"creationTimestamp": "2026-01-01T00:00:00Z"})
    new = {"metadata": {"name": "x", "namespace": "y"}}
    CONFIGMAP.prepare_update(new, old)
    assert new["metadata"]["uid"] == "u"
    assert new["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert CONFIGMAP.validate_update(new, old) == []
    late = {"metadata": {**old["metadata"], "creationTimestamp": "2026-01-02T00:00:00Z"}}
    assert {each.field for each in CONFIGMAP.validate_update(late, old)} == {"metadata.creationTimestamp"}
