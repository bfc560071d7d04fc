"""Where the binder lets a DaemonSet's pods go is where the real DaemonSet controller put them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_daemonset.embedded.kinds.pod import POD
from pytest_daemonset.embedded.loops.binder import fits, place_of

RECORDING = Path(__file__).parent.parent / "fidelity" / "recordings" / "eligibility.json"
PLACEMENTS: dict[str, Any] = json.loads(RECORDING.read_text(encoding="utf-8"))


def pod(name: str) -> dict[str, Any]:
    """The pod that the controller makes of a set's template."""
    spec = PLACEMENTS["daemonsets"][name]
    like = PLACEMENTS["hostNetworkPod" if spec.get("hostNetwork") else "pod"]
    obj = {"spec": {**spec, "tolerations": [*spec.get("tolerations", []), *like["tolerations"]]}}
    assert POD.decode(obj) == []
    return obj["spec"]


def node(name: str) -> dict[str, Any]:
    given = PLACEMENTS["nodes"][name]
    spec = {"taints": given.get("taints", []), "unschedulable": given.get("unschedulable", False)}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **given.get("labels", {})}},
        "spec": spec,
    }


@pytest.mark.parametrize("name", sorted(PLACEMENTS["daemonsets"]))
def test_the_binder_agrees_with_the_controller_about_every_node(name: str) -> None:
    spec = pod(name)
    # A template may name its node, which then binds the pods itself.
    nodes = [each for each in PLACEMENTS["nodes"] if spec.get("nodeName", each) == each]
    fitting = [each for each in nodes if fits(spec, each, place_of(node(each)))]
    assert sorted(fitting) == sorted(PLACEMENTS["created"][name]["nodes"])
