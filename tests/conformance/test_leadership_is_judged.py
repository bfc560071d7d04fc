"""ROB-12: judged where the controller runs in several replicas, told as not observable where not; and who led at each write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matrix import broken_by, verify

from pytest_daemonset.conformance.writes import WriteLog
from pytest_daemonset.kube.audit import CREDENTIAL, AuditLog


def test_the_reference_controller_hands_over_and_only_its_leader_writes(tmp_path: Path) -> None:
    run = verify("--rows", "ROB-12", *broken_by("", replicas=2), cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 of 1 rows kept" in run.stdout


def test_with_one_process_nobody_can_see_who_leads(tmp_path: Path) -> None:
    run = verify("--rows", "ROB-12", "--report", "told", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "not seen  ROB-12" in run.stdout
    told = json.loads((tmp_path / "told" / "report.json").read_text())["rows"]["ROB-12"]
    assert told["outcome"] == "not observable here"
    assert "--controller-replicas=2" in told["told"]


def line(who: str, verb: str, resource: str, name: str, *, code: int = 200, body: Any = None) -> str:
    where = "kube-system" if resource == "leases" else "work"
    event = {
        "verb": verb,
        "user": {"username": "controller", "extra": {CREDENTIAL: [f"JTI={who}"]}},
        "objectRef": {"resource": resource, "namespace": where, "name": name},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": "2026-01-01T00:00:01.500000Z",
        "requestObject": body,
    }
    return json.dumps(event) + "\n"


def takes(who: str, *, code: int = 200, holder: str | None = None) -> str:
    spec = {"holderIdentity": who if holder is None else holder}
    return line(who, "update", "leases", "mine", code=code, body={"spec": spec})


def of_followers(folder: Path, *lines: str, since: int = 0) -> list[str]:
    log = folder / "audit.log"
    log.write_text("".join(lines))
    return [entry.name for entry in WriteLog(AuditLog(log), "controller").of_followers("work", since)]


def test_each_write_is_held_against_the_holder_of_its_moment(tmp_path: Path) -> None:
    lines = (
        takes("a"),
        line("a", "create", "pods", "kept-1"),
        line("b", "create", "pods", "broken-1"),
        takes("b"),
        line("b", "delete", "pods", "kept-2"),
        line("a", "update", "daemonsets", "broken-2"),
    )
    assert of_followers(tmp_path, *lines) == ["broken-1", "broken-2"]
    assert of_followers(tmp_path, *lines, since=len("".join(lines[:3]))) == ["broken-2"]


def test_a_lease_that_was_refused_or_given_back_makes_nobody_a_leader(tmp_path: Path) -> None:
    refused = (takes("a"), takes("b", code=409), line("b", "delete", "pods", "broken-1"))
    returned = (takes("a", holder=""), line("a", "delete", "pods", "broken-2"))
    assert of_followers(tmp_path, *refused, *returned) == ["broken-1", "broken-2"]


def test_a_renewal_that_names_nobody_changes_nothing(tmp_path: Path) -> None:
    renewed = line("a", "patch", "leases", "mine", body={"spec": {"renewTime": "2026-01-01T00:00:02.000000Z"}})
    assert of_followers(tmp_path, takes("a"), renewed, line("a", "create", "pods", "kept")) == []


def test_a_follower_s_refused_write_is_one_too_and_its_events_are_none(tmp_path: Path) -> None:
    lines = (takes("a"), line("b", "create", "pods", "broken", code=409), line("b", "create", "events", "told"))
    assert of_followers(tmp_path, *lines) == ["broken"]
