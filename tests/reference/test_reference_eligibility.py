from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_daemonset.reference.eligibility import Decision, Eligibility, Judged, augmented, tolerates
from pytest_daemonset.reference.views import NodeView

RECORDED = json.loads(Path(__file__, "../../fidelity/recordings/eligibility.json").resolve().read_text())
UNLIMITED = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
]


def nodes(changed: bool) -> list[NodeView]:
    views = []
    for name, before in RECORDED["nodes"].items():
        change = RECORDED["changes"].get(name, {}) if changed else {}
        if change.get("delete"):
            continue
        fields = {**before, **change}
        labels = {"kubernetes.io/hostname": name, **before.get("labels", {}), **change.get("labels", {})}
        views.append(NodeView(name, name, labels, tuple(fields.get("taints", ()))))
    return views


@pytest.mark.parametrize("name", RECORDED["daemonsets"])
def test_every_placement_of_a_real_controller_is_explained(name):
    eligibility = Eligibility({"spec": RECORDED["daemonsets"][name]})
    picked = {node.name for node in nodes(changed=False) if eligibility.decide(node) is Decision.START}
    assert picked == set(RECORDED["created"][name]["nodes"])


@pytest.mark.parametrize("name", RECORDED["daemonsets"])
def test_every_drop_and_every_late_start_of_a_real_controller_is_explained(name):
    eligibility = Eligibility({"spec": RECORDED["daemonsets"][name]})
    before, after = set(RECORDED["running"][name]["nodes"]), RECORDED["after"][name]
    expected = set()
    for node in nodes(changed=True):
        decision = eligibility.decide(node)
        if decision is Decision.START or (decision is Decision.STAY and node.name in before):
            expected.add(node.name)
    assert expected == set(after["nodes"]) - {"tiny"}


def test_the_standard_tolerations_are_appended_in_order_and_unlimited():
    assert augmented({"spec": {}}) == [{"key": k, "operator": "Exists", "effect": e} for k, e in UNLIMITED]
    assert augmented({"spec": {}}) == RECORDED["pod"]["tolerations"]
    assert augmented({"spec": {"hostNetwork": True}}) == RECORDED["hostNetworkPod"]["tolerations"]


def test_a_limited_standard_toleration_becomes_unlimited_in_its_place():
    short = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    mine = {"key": "my", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 9}
    merged = augmented({"spec": {"tolerations": [mine, short, mine]}})
    assert merged[:3] == [mine, {k: v for k, v in short.items() if k != "tolerationSeconds"}, mine]
    assert len(merged) == 8


def test_merging_leaves_the_template_as_it_was():
    template = {"spec": {"tolerations": [{"key": "my", "operator": "Exists"}]}}
    augmented(template)
    assert template == {"spec": {"tolerations": [{"key": "my", "operator": "Exists"}]}}


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "k"}, False),
        ({"key": "l", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "k", "operator": "Gt", "value": "v"}, False),
    ],
)
def test_a_toleration_covers_a_taint_by_key_effect_and_operator(toleration, covers):
    assert tolerates(toleration, {"key": "k", "value": "v", "effect": "NoSchedule"}) is covers


def test_a_remembered_decision_lasts_as_long_as_the_view():
    judged = Judged(Eligibility({"spec": {"nodeSelector": {"zone": "a"}}}))
    assert judged.of(NodeView("n", "u", {"zone": "a"}, ())) is Decision.START
    assert judged.of(NodeView("n", "u", {"zone": "b"}, ())) is Decision.LEAVE
