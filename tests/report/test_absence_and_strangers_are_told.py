"""A red test says whether its controller was there, since when a node can lack a pod, and whose pods look like the set's."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_daemonset.contract.events import ADDED, DAEMONSET, MODIFIED, NODE, POD, Event
from pytest_daemonset.contract.state import Subject
from pytest_daemonset.contract.verdicts import BROKEN, Reason, Verdict
from pytest_daemonset.observe.findings import Finding, violation
from pytest_daemonset.observe.history import History, Mark, Record, What
from pytest_daemonset.report.explanation import Explanation

SUBJECT = Subject("apps/v1", "DaemonSet", "default", "agent", "of-the-set")
OF_THE_SET = {"kind": "DaemonSet", "name": "agent", "uid": "of-the-set", "controller": True}
OTHER = {"kind": "ConfigMap", "name": "holder", "uid": "of-the-map"}


def node(rv: int, at: float, kind: str = ADDED, **labels: str) -> Event:
    return Event(NODE, kind, {"metadata": {"name": "w1", "uid": "u", "labels": labels}, "spec": {}}, rv, at)


def daemonset(rv: int, at: float, **spec: Any) -> Event:
    metadata = {"name": "agent", "namespace": "default", "uid": "of-the-set", "generation": 1}
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": spec}
    return Event(DAEMONSET, ADDED, {"metadata": metadata, "spec": {"template": template}}, rv, at)


def pod(name: str, *owners: dict[str, Any], app: str = "agent") -> Event:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": name,
        "labels": {"app": app},
        "ownerReferences": list(owners),
    }
    return Event(
        POD, ADDED, {"metadata": metadata, "spec": {"nodeName": "w1"}, "status": {"phase": "Running"}}, 8, 180.0
    )


def synced(kind: str, rv: int = 0) -> Mark:
    return Mark(What.SYNCED, kind, rv, 1.0)


def red(*records: Record, reason: Reason = Reason("w1 has no pod", "w1"), absence: str = "") -> str:  # noqa: B008  (it is frozen)
    history = History((NODE, DAEMONSET, POD))
    for record in records:
        history.append(record)
    finding = Finding(SUBJECT, "no", "p", (), Verdict(BROKEN, (reason,)), 9, 240.0, history)
    return str(violation(finding, Explanation(None, lambda: absence)))


@pytest.mark.parametrize(
    ("records", "since"),
    [
        (
            (synced(NODE), synced(DAEMONSET), daemonset(2, 60.0), node(3, 120.0)),
            "since 00:02:00.000Z, when it joined (120.0 s",
        ),
        (
            (
                synced(NODE),
                synced(DAEMONSET),
                daemonset(2, 60.0, nodeSelector={"a": "b"}),
                node(3, 120.0),
                node(4, 180.0, MODIFIED, a="b"),
            ),
            "since 00:03:00.000Z, when it became eligible (60.0 s",
        ),
        (
            (node(1, 10.0), synced(NODE, 1), synced(DAEMONSET, 1), daemonset(2, 60.0)),
            "since 00:01:00.000Z, when DaemonSet default/agent was made (180.0 s",
        ),
        (
            (node(1, 10.0), daemonset(2, 10.0), synced(NODE, 2), synced(DAEMONSET, 2)),
            "for as long as it has been watched: since 00:00:10.000Z",
        ),
    ],
    ids=["joined", "became eligible", "the set came", "all was there"],
)
def test_a_pod_is_missing_no_longer_than_the_node_could_have_it(records: tuple[Record, ...], since: str) -> None:
    assert since in red(*records)


def test_a_later_fault_keeps_its_own_since() -> None:
    text = red(synced(NODE), daemonset(2, 60.0), node(3, 120.0), reason=Reason("w1 has no pod", "w1", (), 200.0))
    assert "since 00:03:20.000Z (40.0 s" in text


def test_a_pod_that_is_there_is_told_since_when_it_is() -> None:
    text = red(synced(NODE), daemonset(2, 60.0), node(3, 120.0), reason=Reason("w1 still has a", "w1", ("a",), 100.0))
    assert "since 00:01:40.000Z (140.0 s" in text


def test_a_controller_that_was_not_there_is_told_and_nobody_is_sent_to_its_log() -> None:
    text = red(node(1, 10.0), daemonset(2, 60.0), absence="the controller does not run")
    assert "\n  the controller does not run\n" in text
    assert "at its log" not in text
    assert "look at what the controller wrote last, and at its log" in red(node(1, 10.0), daemonset(2, 60.0))


def test_an_orphan_on_a_node_that_lacks_its_pod_is_told() -> None:
    text = red(node(1, 10.0), daemonset(2, 60.0), pod("lost"), pod("foreign", app="other"))
    assert (
        "lost (since an unknown time) on w1 carries the labels of the set and is not its own: an orphan, owned by nobody"
        in text
    )
    assert "foreign" not in text


def test_a_pod_of_somebody_else_is_told_with_its_owner() -> None:
    text = red(node(1, 10.0), daemonset(2, 60.0), pod("taken", OTHER))
    assert (
        "taken (since an unknown time) on w1 carries the labels of the set and is not its own: owned by ConfigMap holder"
        in text
    )


def test_a_pod_that_another_owner_keeps_is_told() -> None:
    reason = Reason("pod held is still there", "w1", ("held",), 200.0)
    text = red(node(1, 10.0), daemonset(2, 60.0), pod("held", OF_THE_SET, OTHER), reason=reason)
    assert (
        "held is kept by several owners: owned by DaemonSet agent (UID of-the-set, controller), ConfigMap holder"
        in text
    )
