"""A red test on real kubelets names the images that do not come, with node and pod."""

from __future__ import annotations

from typing import Any

from pytest_daemonset.contract.events import ADDED, DELETED, MODIFIED, POD, Event
from pytest_daemonset.contract.state import Subject
from pytest_daemonset.contract.verdicts import BROKEN, Verdict
from pytest_daemonset.observe.findings import Finding, violation
from pytest_daemonset.observe.history import History
from pytest_daemonset.report.explanation import Explanation
from pytest_daemonset.report.pulls import pull_failures, told

SUBJECT = Subject("apps/v1", "DaemonSet", "default", "agent", "of-the-set")


def pod(name: str, reason: str = "", message: str = "", *, owner: str = "of-the-set", init: bool = False) -> Any:
    state = {"waiting": {"reason": reason, "message": message}} if reason else {"running": {}}
    row = {"name": "main", "image": "nowhere:1", "state": state}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"uid": owner}]},
        "spec": {"nodeName": f"on-{name}"},
        "status": {"initContainerStatuses" if init else "containerStatuses": [row]},
    }


def seen(*events: tuple[str, Any]) -> list[Event]:
    return [Event(POD, kind, one, number, 60.0 * number) for number, (kind, one) in enumerate(events, start=1)]


def failures(*events: tuple[str, Any]) -> list[str]:
    return [str(one) for one in pull_failures(seen(*events), SUBJECT)]


def test_image_node_and_pod_are_named_and_since_when() -> None:
    waits = pod("a", "ErrImagePull", "not found")
    assert failures((ADDED, waits)) == [
        "node on-a: image nowhere:1 of pod a, container main: ErrImagePull since 00:01:00.000Z: not found"
    ]
    assert failures((ADDED, pod("a", "InvalidImageName", "bad", init=True)))


def test_a_back_off_keeps_what_the_registry_said_and_since_when() -> None:
    back_off = (MODIFIED, pod("a", "ImagePullBackOff", "Back-off pulling image"))
    (one,) = failures((ADDED, pod("a", "ErrImagePull", "not found")), back_off, back_off)
    assert "ErrImagePull since 00:01:00.000Z: not found" in one
    (alone,) = failures(back_off)
    assert "ImagePullBackOff since 00:01:00.000Z: Back-off" in alone


def test_an_image_that_came_and_a_pod_that_went_are_told_no_more() -> None:
    waits = (ADDED, pod("a", "ErrImagePull"))
    assert failures(waits, (MODIFIED, pod("a"))) == []
    assert failures(waits, (DELETED, pod("a", "ErrImagePull"))) == []
    assert failures((ADDED, pod("a", "ContainerCreating"))) == []


def test_pods_of_others_are_not_told() -> None:
    assert failures((ADDED, pod("a", "ErrImagePull", owner="another"))) == []


def test_many_are_told_in_a_few_lines() -> None:
    text = told(pull_failures(seen(*((ADDED, pod(f"p{number}", "ErrImagePull")) for number in range(50))), SUBJECT))
    assert "and 45 more" in text
    assert len(text.splitlines()) < 12


def test_the_violation_has_it_also_without_a_write_log() -> None:
    history = History([POD])
    finding = Finding(SUBJECT, "ready did not come true", "ready", (), Verdict(BROKEN), 1, 0.0, history)
    assert "images" not in str(violation(finding, Explanation(None)))
    for event in seen((ADDED, pod("a", "ErrImagePull", "not found"))):
        history.append(event)
    text = str(violation(finding, Explanation(None)))
    assert "images that do not come:\n    node on-a: image nowhere:1 of pod a" in text
    assert "--daemonset-k3s-images" in text
