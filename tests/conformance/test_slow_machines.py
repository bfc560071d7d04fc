"""What a slow machine can make too late is not held against a controller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_daemonset.conformance.set_under_test import SetUnderTest
from pytest_daemonset.conformance.test_updates import _flapped_in_time
from pytest_daemonset.contract import Event

UNREADY = ("new", "False", None)
READY = ("new", "True", None)
NEXT_GOES = ("old-2", "True", "2026-01-01T00:00:09Z")


@pytest.mark.parametrize(
    ("told", "in_time"),
    [
        ([UNREADY, READY, UNREADY, READY, NEXT_GOES], True),
        ([UNREADY, READY, NEXT_GOES, UNREADY, READY], False),
        ([UNREADY, NEXT_GOES, READY, UNREADY, READY], True),
    ],
    ids=["before the next pod goes", "after it went", "when it had gone before anything was Ready"],
)
def test_a_flap_of_readiness_is_judged_where_it_came_in_time_only(
    told: list[tuple[str, str, str | None]], in_time: bool
) -> None:
    events = []
    for version, (uid, ready, going) in enumerate(told):
        metadata: dict[str, Any] = {"name": uid, "uid": uid, "resourceVersion": str(version)}
        if going:
            metadata["deletionTimestamp"] = going
        pod = {"metadata": metadata, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
        events.append(Event("Pod", "MODIFIED", pod, version, 0.0))
    agent = cast("SetUnderTest", SimpleNamespace(history=lambda: SimpleNamespace(events=events)))
    assert _flapped_in_time(agent, "new", {"a": "old-1", "b": "old-2"}) is in_time
