"""The API of the set (row API-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.conformance.goals import counters
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.kube.resources import DAEMONSETS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig

CONDITION = {"type": "ConformanceChecked", "status": "True"}


def test_API_05_generation_counts_changes_of_the_spec_alone(rig: Rig) -> None:
    """Given a set of generation 1, when its spec, labels or status is written, then the spec alone raises it; each has its own door.

    Source: test/cmd/apps.sh run_daemonset_tests. Catches: a kind without a status subresource, whose own status writes
    make new generations, and a controller that changes specs. Trap: none; the row writes a condition only, so its own
    status stays consistent.
    """
    manifest = daemonset()
    made = rig.create(DAEMONSETS, {**manifest, "status": {"numberReady": 77, "observedGeneration": 5}})
    rig.expect(made["metadata"]["generation"] == 1, f"a new set has generation {made['metadata']['generation']}, not 1")
    dropped = not made.get("status", {}).get("numberReady") and not made.get("status", {}).get("observedGeneration")
    rig.expect(dropped, f"the status given at creation was kept: {made.get('status')}")
    agent = rig.apply(manifest)
    agent.eventually(one_pod_per_node & ready & status_matches)
    _expect_generation(rig, 1, "the controller wrote its status")
    agent.update({"metadata": {"labels": {"example.com/changed": "yes"}}})
    _expect_generation(rig, 1, "a label changed")
    agent.update({"status": {"numberReady": 77}, "spec": {}})
    ready_now = agent.get()["status"].get("numberReady")
    rig.expect(ready_now != 77, "a status was written through the object's door")
    through = {"status": {"conditions": [CONDITION]}, "spec": {"minReadySeconds": 99}}
    rig.patch(DAEMONSETS, agent.name, through, subresource="status")
    after = agent.get()
    rig.expect(not after["spec"].get("minReadySeconds"), "the spec was written through the status's door")
    _expect_generation(rig, 1, "a condition was written")
    agent.update({"spec": {"minReadySeconds": 1}})
    _expect_generation(rig, 2, "the spec changed")
    agent.eventually(counters())
    kinds = [one["type"] for one in agent.get()["status"].get("conditions") or ()]
    rig.expect(kinds == [CONDITION["type"]], f"conditions are {kinds}: the controller did not leave others' alone")


def _expect_generation(rig: Rig, wanted: int, when: str) -> None:
    __tracebackhide__ = True
    seen = (rig.get(DAEMONSETS, "agent") or {})["metadata"]["generation"]
    rig.expect(seen == wanted, f"generation is {seen} after {when}, and should be {wanted}")
