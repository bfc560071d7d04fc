"""A red test says of the nodes that it names whether they may have a pod, why not, and what to try."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_daemonset.contract.events import ADDED, DAEMONSET, MODIFIED, NODE, POD, Event
from pytest_daemonset.contract.state import Subject
from pytest_daemonset.contract.verdicts import BROKEN, Reason, Verdict
from pytest_daemonset.observe.findings import Finding
from pytest_daemonset.observe.history import History
from pytest_daemonset.report.eligible import told

SUBJECT = Subject("apps/v1", "DaemonSet", "default", "agent", "of-the-set")


def node(name: str = "w1", *, labels: dict[str, str] | None = None, taint: str = "") -> Event:
    metadata = {"name": name, "uid": f"uid-{name}", "labels": labels or {}}
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else []
    return Event(NODE, ADDED, {"metadata": metadata, "spec": {"taints": taints}}, 1, 60.0)


def daemonset(**spec: Any) -> Event:
    metadata = {"name": "agent", "namespace": "default", "uid": "of-the-set", "generation": 1}
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": spec}
    return Event(DAEMONSET, ADDED, {"metadata": metadata, "spec": {"template": template}}, 2, 120.0)


def pod(*, bound: bool = True, **status: Any) -> Event:
    owner = {"uid": "of-the-set", "controller": True}
    pin = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w1"]}]}
    term = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [pin]}}
    spec = {"nodeName": "w1"} if bound else {"affinity": {"nodeAffinity": term}}
    metadata = {"name": "agent-x", "namespace": "default", "uid": "x", "ownerReferences": [owner]}
    return Event(POD, ADDED, {"metadata": metadata, "spec": spec, "status": status}, 3, 180.0)


def explained(
    *events: Event, of: str = "w1", text: str = "w1 has no pod", version: int = 9, absent: bool = False
) -> str:
    history = History((NODE, DAEMONSET, POD))
    for event in events:
        history.append(event)
    verdict = Verdict(BROKEN, (Reason(text, of),))
    finding = Finding(SUBJECT, "no", "p", (), verdict, version, 240.0, history)
    return told(finding, finding.state(), absent=absent)


@pytest.mark.parametrize(
    ("events", "why", "remedy"),
    [
        (
            (node(taint="db"), daemonset()),
            "w1 may not start a pod: no toleration matches its taint db:NoSchedule",
            "toleration",
        ),
        (
            (node(labels={"zone": "b"}), daemonset(nodeSelector={"zone": "a"})),
            "w1 may not start a pod: the node selector asks for zone=a and the node has zone=b",
            "selector",
        ),
        ((node(), daemonset(nodeName="w2")), "w1 may not start a pod: the template names node w2", "nodeName"),
    ],
)
def test_a_node_that_may_have_no_pod_is_told_with_the_cause_and_a_remedy(
    events: tuple[Event, ...], why: str, remedy: str
) -> None:
    first, second = explained(*events).splitlines()
    assert first.strip() == why
    assert second.strip().startswith("to try:")
    assert remedy in second


def test_a_node_that_may_have_a_pod_points_at_the_controller() -> None:
    text = explained(node(), daemonset())
    assert "w1 may start a pod: no untolerated taint" in text
    assert "controller" in text


def test_nobody_is_sent_to_a_controller_that_is_not_there() -> None:
    assert "controller" not in explained(node(), daemonset(), absent=True)


def test_what_a_reason_says_itself_is_not_said_again() -> None:
    text = explained(node(taint="db"), daemonset(), text="w1: no toleration matches its taint db:NoSchedule")
    assert "may not start" not in text
    assert "to try" in text


def test_a_node_that_does_not_exist_is_told_with_those_that_do() -> None:
    assert explained(node("w2"), node("w3"), daemonset()) == "  w1 does not exist; there are: w2, w3"


def test_a_node_is_judged_as_it_was_then() -> None:
    later = Event(NODE, MODIFIED, dict(node(taint="db").object), 7, 300.0)
    assert "may start" in explained(node(), daemonset(), later, version=5)
    assert "may not start" in explained(node(), daemonset(), later)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (
            pod(bound=False),
            "agent-x is bound to no node yet; to try: see that a scheduler named default-scheduler runs",
        ),
        (pod(phase="Running"), "agent-x is Running and not Ready"),
        (
            pod(
                phase="Running", containerStatuses=[{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
            ),
            "agent-x is Running and not Ready, container a waits: CrashLoopBackOff",
        ),
        (pod(phase="Running", conditions=[{"type": "Ready", "status": "True"}]), ""),
        (pod(phase="Failed"), ""),
    ],
)
def test_a_pod_that_is_not_ready_is_told_with_what_it_lacks(event: Event, why: str) -> None:
    assert explained(node(), daemonset(), event).strip().startswith(why)
    assert bool(explained(node(), daemonset(), event)) is bool(why)


def test_a_finding_about_no_node_is_left_alone() -> None:
    assert explained(node(), daemonset(), of="") == ""
