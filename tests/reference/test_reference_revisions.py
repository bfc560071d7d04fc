from __future__ import annotations

import subprocess
import sys

from reference_objects import daemonset

from pytest_daemonset.reference.pods import owner_reference, pod_for
from pytest_daemonset.reference.revisions import History, RevisionView, data_of, hash_of, revision_for


def revision(number, image="one", **labels):
    ds = daemonset()
    ds["spec"]["template"] = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"image": image}]}}
    data = data_of(ds)
    metadata = {"name": f"agent-{image}-{number}", "namespace": "ns", "uid": f"{image}-{number}"}
    labels = {"controller-revision-hash": f"{image}-{number}", **labels}
    return RevisionView.of({"metadata": {**metadata, "labels": labels}, "data": data, "revision": number})


def history(current_image, *revisions):
    return History.of(revisions, revision(0, current_image).object["data"])


def test_the_data_is_the_template_with_an_order_to_replace_it():
    ds = daemonset()
    assert data_of(ds) == {"spec": {"template": {**ds["spec"]["template"], "$patch": "replace"}}}
    assert "$patch" not in ds["spec"]["template"]


def test_the_hash_is_the_same_in_every_process_and_whatever_the_order_of_keys():
    script = "from pytest_daemonset.reference.revisions import hash_of; print(hash_of({'b': {'y': 1, 'x': 2}, 'a': None}, 0))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == hash_of({"a": None, "b": {"x": 2, "y": 1}}, 0)


def test_the_hash_follows_the_template_and_the_collision_count_and_nothing_else_of_the_set():
    ds, other = daemonset(minReadySeconds=1), daemonset(minReadySeconds=9)
    other["metadata"]["uid"] = "another"
    assert hash_of(data_of(ds), 0) == hash_of(data_of(other), 0)
    assert hash_of(data_of(ds), 0) != hash_of(data_of(ds), 1)
    other["spec"]["template"]["metadata"]["annotations"] = {"a": "b"}
    assert hash_of(data_of(ds), 0) != hash_of(data_of(other), 0)


def test_a_revision_is_named_labelled_and_owned():
    ds = daemonset()
    made = revision_for(ds, data_of(ds), 4, owner_reference(ds))
    digest = made["metadata"]["labels"]["controller-revision-hash"]
    assert made["metadata"]["name"] == f"agent-{digest}"
    assert made["metadata"]["labels"] == {"app": "agent", "controller-revision-hash": digest}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "set"
    assert made["revision"] == 4


def test_the_longest_of_set_names_still_gives_a_valid_revision_name():
    ds = daemonset()
    ds["metadata"]["name"] = "x" * 253
    assert len(revision_for(ds, data_of(ds), 1, {})["metadata"]["name"]) <= 253


def test_the_current_revision_is_found_by_its_data():
    found = history("two", revision(1, "one"), revision(2, "two"))
    assert found.current is not None
    assert (found.current.number, [r.number for r in found.others]) == (2, [1])
    assert found.to_update() is None


def test_going_back_renumbers_the_old_revision_above_all_others():
    found = history("one", revision(1, "one"), revision(2, "two"), revision(7, "three"))
    update = found.to_update()
    assert update is not None
    assert (update["metadata"]["name"], update["revision"]) == ("agent-one-1", 8)
    assert update["data"] == revision(1, "one").object["data"]


def test_of_twins_the_highest_number_is_kept():
    found = history("one", revision(1, "one"), revision(5, "one"), revision(2, "two"))
    assert found.current is not None
    assert (found.current.number, [t.number for t in found.twins]) == (5, [1])


def test_a_current_revision_without_a_hash_gets_its_name_as_one():
    bare = revision(3, "one")
    bare = RevisionView.of({**bare.object, "metadata": {**bare.object["metadata"], "labels": {"app": "agent"}}})
    update = history("one", bare).to_update()
    assert update is not None
    assert update["metadata"]["labels"] == {"app": "agent", "controller-revision-hash": "agent-one-3"}


def test_history_beyond_the_limit_goes_lowest_number_first_but_not_what_pods_carry():
    found = history("now", *(revision(n, f"v{n}") for n in range(1, 6)), revision(9, "now"))
    assert [r.number for r in found.expired(2, set())] == [1, 2, 3]
    assert [r.number for r in found.expired(2, {"v1-1", "now-9"})] == [2, 3, 4]
    assert [r.number for r in found.expired(0, {"v5-5"})] == [1, 2, 3, 4]
    assert found.expired(10, set()) == []


def test_a_pod_is_the_template_and_only_what_the_contract_adds():
    ds = daemonset()
    ds["metadata"].update(labels={"of": "the set"}, annotations={"of": "the set"})
    template = ds["spec"]["template"]
    template["metadata"].update(annotations={"a": "b"}, finalizers=["x.example/f"], name="ignored")
    preferred = [{"weight": 1, "preference": {}}]
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}
    template["spec"].update(
        schedulerName="mine",
        nodeSelector={"z": "a"},
        affinity={
            "podAntiAffinity": {"x": "y"},
            "nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": preferred,
                "requiredDuringSchedulingIgnoredDuringExecution": required,
            },
        },
    )
    pod = pod_for(ds, "n1", "h", [{"operator": "Exists"}], owner_reference(ds))
    pin = {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}
    assert pod["metadata"] == {
        "generateName": "agent-",
        "namespace": "ns",
        "labels": {"app": "agent", "controller-revision-hash": "h"},
        "annotations": {"a": "b"},
        "finalizers": ["x.example/f"],
        "ownerReferences": [owner_reference(ds)],
    }
    assert pod["spec"].pop("affinity") == {
        "podAntiAffinity": {"x": "y"},
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            "requiredDuringSchedulingIgnoredDuringExecution": pin,
        },
    }
    assert pod["spec"].pop("tolerations") == [{"operator": "Exists"}]
    assert pod["spec"] == {k: v for k, v in template["spec"].items() if k != "affinity"}
    assert template["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] is required
