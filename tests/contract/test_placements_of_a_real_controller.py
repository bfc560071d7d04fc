"""Every placement that a real DaemonSet controller was seen to make is what the oracle says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_daemonset.contract import expected_tolerations, explain, may_start, may_stay

RECORDING: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "fidelity" / "recordings" / "eligibility.json").read_text()
)
SETS = sorted(RECORDING["daemonsets"])


def node(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": spec.get("labels", {})},
        "spec": {"taints": spec.get("taints", []), "unschedulable": spec.get("unschedulable", False)},
        "status": {"conditions": [{"type": "Ready", "status": spec.get("ready", "True")}]},
    }


def before() -> dict[str, dict[str, Any]]:
    return {name: node(name, spec) for name, spec in RECORDING["nodes"].items()}


def after() -> dict[str, dict[str, Any]]:
    changed = {name: {**spec, **RECORDING["changes"].get(name, {})} for name, spec in RECORDING["nodes"].items()}
    return {name: node(name, spec) for name, spec in changed.items() if not spec.get("delete")}


def template(name: str) -> dict[str, Any]:
    return {"spec": RECORDING["daemonsets"][name]}


def test_the_recording_is_whole() -> None:
    assert (len(RECORDING["nodes"]), len(SETS)) == (27, 34)


@pytest.mark.parametrize("phase", ["created", "running"])
@pytest.mark.parametrize("name", SETS)
def test_a_pod_starts_exactly_where_the_real_controller_put_one(name: str, phase: str) -> None:
    started = sorted(node for node, stored in before().items() if may_start(stored, template(name)))
    assert started == RECORDING[phase][name]["nodes"]
    assert len(started) == RECORDING[phase][name]["status"]["desiredNumberScheduled"]


@pytest.mark.parametrize("name", SETS)
def test_after_the_nodes_changed_pods_stay_go_and_start_as_the_real_controller_had_it(name: str) -> None:
    nodes, running = after(), set(RECORDING["running"][name]["nodes"])
    gone = running - nodes.keys()  # the pods of a deleted node are left to pod GC, which was not there
    stay = {node for node, stored in nodes.items() if node in running and may_stay(stored, template(name))}
    start = {node for node, stored in nodes.items() if may_start(stored, template(name))}
    assert sorted(gone | stay | start) == RECORDING["after"][name]["nodes"]
    assert sorted((running - gone) - stay) == RECORDING["after"][name]["terminating"]


@pytest.mark.parametrize(("pod", "name"), [("pod", "plain"), ("hostNetworkPod", "host-network")])
def test_a_pod_carries_exactly_the_recorded_tolerations(pod: str, name: str) -> None:
    assert expected_tolerations(template(name)) == RECORDING[pod]["tolerations"]


@pytest.mark.parametrize("name", SETS)
def test_whoever_may_start_may_stay(name: str) -> None:
    for stored in [*before().values(), *after().values()]:
        assert may_stay(stored, template(name)) or not may_start(stored, template(name))


@pytest.mark.parametrize("name", SETS)
def test_every_decision_names_its_node_and_what_decided(name: str) -> None:
    for told in explain(
        {"spec": {"template": template(name)}}, {"kind": "NodeList", "items": [*before().values(), *after().values()]}
    ):
        for decision in (told.start, told.stay):
            assert decision.reason.startswith(f"{told.node} may")
            if decision.rule == "taints" and not decision:
                assert any(f"{taint['key']}" in decision.because for taint in _taints(told.node)), decision
            if decision.rule == "node selector":
                assert "the node selector asks for" in decision.because


def _taints(name: str) -> list[dict[str, Any]]:
    stored = [before().get(name), after().get(name)]
    return [taint for node in stored if node for taint in node["spec"]["taints"]]
