"""The audit log's reader: incremental, filtered, and undisturbed by a line that is still being written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_daemonset.kube.audit import WRITES, AuditLog

if TYPE_CHECKING:
    from pathlib import Path


def line(verb: str, name: str, *, user: str = "controller", code: int = 200, **more: Any) -> str:
    return (
        json.dumps(
            {
                "kind": "Event",
                "apiVersion": "audit.k8s.io/v1",
                "stage": "ResponseComplete",
                "verb": verb,
                "user": {"username": user},
                "userAgent": "manager/v1 (linux)",
                "objectRef": {"resource": "pods", "namespace": "work", "name": name, "apiVersion": "v1"},
                "responseStatus": {"code": code},
                "requestReceivedTimestamp": "2026-01-01T00:00:01.500000Z",
                **more,
            }
        )
        + "\n"
    )


def test_only_what_was_added_since_a_mark_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(path)
    assert log.mark() == 0
    path.write_text(line("create", "p"))
    mark = log.mark()
    with path.open("a") as file:
        file.write(line("delete", "p"))
        file.flush()
        assert [entry.verb for entry in log.since(mark)] == ["delete"]
        file.write(line("patch", "q")[:40])
        file.flush()
        assert [entry.verb for entry in log] == ["create", "delete"]
        file.write(line("patch", "q")[40:])
    assert [entry.verb for entry in log.since(mark)] == ["delete", "patch"]


def test_entries_are_chosen_by_everything_that_is_given(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(
        line("create", "p")
        + line("get", "p", user="kubelet")
        + line("delete", "p", user="kubelet", code=409)
        + line("patch", "q", user="test")
    )
    log = AuditLog(path)

    def verbs(**chosen: Any) -> list[str]:
        return [entry.verb for entry in log.entries(**chosen)]

    assert verbs(name="p", verbs=WRITES) == ["create", "delete"]
    assert verbs(user="kubelet", resource="pods", namespace="work") == ["get", "delete"]
    assert verbs(user="kubelet", accepted=False) == ["delete"]
    assert verbs(agent="manager/") == ["create", "get", "delete", "patch"]
    assert verbs(agent="other") == []
    assert verbs(after=1767225601.4, name="q") == ["patch"]
    assert verbs(after=1767225601.6) == []
    assert verbs(subresource="status") == []


def test_a_generated_name_is_told_and_an_entry_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    answered = {"metadata": {"name": "agent-x7z"}}
    path.write_text(
        line("create", "", code=201, responseObject=answered, requestObject={"metadata": {"generateName": "agent-"}})
        + line("watch", "", stage="RequestReceived")
    )
    (entry,) = AuditLog(path)
    assert str(entry) == "create work/pods/agent-x7z by controller (manager/v1 (linux)): 201"
    assert entry.request["metadata"]["generateName"] == "agent-"
    assert entry.response == answered
