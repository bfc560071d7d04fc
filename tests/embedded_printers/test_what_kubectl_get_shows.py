"""The cells of tables: what people read of pods, nodes and DaemonSets."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.printers.ages import human, since
from pytest_daemonset.embedded.printers.others import format_selector

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
CREATED = "2026-01-01T23:55:00Z"


def _shown(printer, obj):
    obj = {**obj, "metadata": {"name": "x", "creationTimestamp": CREATED, **obj.get("metadata", {})}}
    return dict(zip([column.name for column in printer.columns], printer.cells(obj, NOW), strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (3600, "60m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 20 * 60, "3h20m"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (9 * 86400, "9d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_the_longer_a_time_the_coarser_it_is_told(seconds, text):
    assert human(timedelta(seconds=seconds)) == text


def test_without_a_moment_the_age_is_unknown():
    assert since(None, NOW) == "<unknown>"
    assert since("2026-01-01T23:59:59.500000Z", NOW) == "0s"


def _pod(status, metadata=None, **spec):
    return {"metadata": metadata or {}, "spec": {"containers": [{"name": "c"}], **spec}, "status": status}


def _container(state, **more):
    return {"name": "c", "restartCount": 0, "state": state, **more}


RUNNING = {"running": {"startedAt": CREATED}}


@pytest.mark.parametrize(
    ("pod", "ready", "status", "restarts"),
    [
        (_pod({"phase": "Pending"}), "0/1", "Pending", "0"),
        (_pod({"phase": "Running", "containerStatuses": [_container(RUNNING, ready=True)]}), "1/1", "Running", "0"),
        (
            _pod(
                {
                    "phase": "Running",
                    "containerStatuses": [
                        _container(
                            {"waiting": {"reason": "CrashLoopBackOff"}},
                            restartCount=3,
                            lastState={"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T23:59:00Z"}},
                        )
                    ],
                }
            ),
            "0/1",
            "CrashLoopBackOff",
            "3 (60s ago)",
        ),
        (_pod({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted", "0"),
        (
            _pod({"phase": "Failed", "containerStatuses": [_container({"terminated": {"exitCode": 2}})]}),
            "0/1",
            "ExitCode:2",
            "0",
        ),
        (
            _pod({"phase": "Failed", "containerStatuses": [_container({"terminated": {"exitCode": 1, "signal": 9}})]}),
            "0/1",
            "Signal:9",
            "0",
        ),
        (_pod({"phase": "Running"}, {"deletionTimestamp": CREATED}), "0/1", "Terminating", "0"),
        (_pod({"phase": "Succeeded"}, {"deletionTimestamp": CREATED}), "0/1", "Succeeded", "0"),
        (_pod({"phase": "Running", "reason": "NodeLost"}, {"deletionTimestamp": CREATED}), "0/1", "Unknown", "0"),
        (
            _pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "PodInitializing"}}}],
                },
                initContainers=[{"name": "i"}],
            ),
            "0/1",
            "Init:0/1",
            "0",
        ),
        (
            _pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 3}}}],
                },
                initContainers=[{"name": "i"}],
            ),
            "0/1",
            "Init:ExitCode:3",
            "0",
        ),
        (
            _pod(
                {
                    "phase": "Running",
                    "initContainerStatuses": [{"name": "i", "state": RUNNING, "started": True, "ready": True}],
                    "containerStatuses": [_container(RUNNING, ready=True)],
                },
                initContainers=[{"name": "i", "restartPolicy": "Always"}],
            ),
            "2/2",
            "Running",
            "0",
        ),
        (
            _pod(
                {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
                }
            ),
            "0/1",
            "SchedulingGated",
            "0",
        ),
    ],
)
def test_a_pod_shows_the_state_of_its_containers(pod, ready, status, restarts):
    shown = _shown(printers.POD, pod)
    assert (shown["Ready"], shown["Status"], shown["Restarts"]) == (ready, status, restarts)
    assert (shown["Age"], shown["Node"], shown["Nominated Node"], shown["Readiness Gates"]) == ("5m", *["<none>"] * 3)


def test_a_pod_that_is_done_says_so():
    [condition] = printers.POD.conditions(_pod({"phase": "Succeeded"}))
    assert (condition["type"], condition["reason"]) == ("Completed", "Succeeded")
    assert printers.POD.conditions(_pod({"phase": "Running"})) == []


def test_a_node_shows_readiness_cordon_and_roles():
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2"},
        },
    }
    shown = _shown(printers.NODE, node)
    assert (shown["Status"], shown["Roles"], shown["Version"]) == ("Ready,SchedulingDisabled", "edge,worker", "v1.36.2")
    assert (shown["Internal-IP"], shown["External-IP"], shown["OS-Image"]) == ("10.0.0.1", "<none>", "<unknown>")
    bare = _shown(printers.NODE, {"spec": {}, "status": {}})
    assert (bare["Status"], bare["Roles"]) == ("Unknown", "<none>")


def test_a_daemon_set_shows_its_counts_images_and_selector():
    template = {
        "spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}], "nodeSelector": {"z": "1"}}
    }
    status = {"desiredNumberScheduled": 3, "currentNumberScheduled": 2, "numberReady": 1}
    shown = _shown(
        printers.DAEMON_SET,
        {"spec": {"template": template, "selector": {"matchLabels": {"a": "b"}}}, "status": status},
    )
    assert [shown[name] for name in ("Desired", "Current", "Ready", "Up-to-date", "Available")] == [3, 2, 1, 0, 0]
    assert (shown["Containers"], shown["Images"], shown["Selector"], shown["Node Selector"]) == (
        "a,b",
        "i,j",
        "a=b",
        "z=1",
    )


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, "<none>"),
        ({}, "<none>"),
        (
            {
                "matchLabels": {"z": "1"},
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["y", "x"]},
                    {"key": "b", "operator": "Exists"},
                    {"key": "c", "operator": "DoesNotExist"},
                ],
            },
            "a in (x,y),b,!c,z=1",
        ),
    ],
)
def test_a_selector_is_shown_by_its_keys(selector, text):
    assert format_selector(selector) == text


def test_an_event_shows_when_it_last_happened():
    about = {"kind": "DaemonSet", "name": "d"}
    old = {"involvedObject": about, "lastTimestamp": CREATED, "firstTimestamp": CREATED, "source": {"component": "c"}}
    shown = _shown(printers.EVENT, old)
    assert (shown["Last Seen"], shown["Object"], shown["Source"], shown["Count"]) == ("5m", "daemonset/d", "c", 1)
    new = {
        "involvedObject": about,
        "eventTime": CREATED,
        "series": {"count": 4, "lastObservedTime": "2026-01-01T23:59:30Z"},
    }
    shown = _shown(printers.EVENT, new)
    assert (shown["Last Seen"], shown["First Seen"], shown["Count"]) == ("30s", "5m", 4)


def test_a_revision_shows_its_controller():
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": True}
    assert _shown(printers.CONTROLLER_REVISION, {"metadata": {"ownerReferences": [owner]}, "revision": 2})[
        "Controller"
    ] == ("daemonset.apps/d")


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if not kind.empty], ids=lambda kind: kind.kind)
def test_every_kind_shows_an_object_that_is_hardly_there(kind):
    obj = {"metadata": {"name": "x"}}
    kind.decode(obj)
    kind.default(obj)
    assert len(kind.printer.cells(obj, NOW)) == len(kind.printer.columns)
    assert printers.table(kind.printer, [obj], {}, NOW)["rows"][0]["cells"]


def test_a_kind_without_columns_of_its_own_shows_name_and_creation():
    assert _shown(printers.NAMED, {}) == {"Name": "x", "Created At": CREATED}
