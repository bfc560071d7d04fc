"""The audit log: a line for each write, there before anybody can act on the write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson
import pytest
from embedded_server import ALICE, config_map, make_api, pod

from pytest_daemonset.embedded.audit import AuditLog
from pytest_daemonset.embedded.calls import Call
from pytest_daemonset.embedded.statuses import StatusError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "pytest-daemonset/resourceVersion"


@pytest.fixture
def log(tmp_path: Path):
    audit = AuditLog(tmp_path / "audit.log")
    yield audit
    audit.close()


def _lines(tmp_path: Path) -> list[dict]:
    return [orjson.loads(line) for line in (tmp_path / "audit.log").read_bytes().splitlines()]


def test_a_line_tells_who_wrote_what_and_which_version_it_made(log, tmp_path):
    api = make_api(log)
    made = api.create(ALICE, "daemonsets.apps", "here", _daemon_set("d"))["metadata"]
    line = _lines(tmp_path)[-1]
    assert (line["apiVersion"], line["kind"], line["stage"], line["verb"]) == (
        "audit.k8s.io/v1",
        "Event",
        "ResponseComplete",
        "create",
    )
    assert (line["user"]["username"], line["userAgent"]) == ("alice", "a test")
    assert line["objectRef"] == {
        "resource": "daemonsets",
        "namespace": "here",
        "name": "d",
        "uid": made["uid"],
        "apiGroup": "apps",
        "apiVersion": "v1",
        "resourceVersion": made["resourceVersion"],
    }
    assert line["annotations"] == {VERSION: made["resourceVersion"]}
    assert line["requestObject"]["metadata"] == {"name": "d"}
    assert line["responseStatus"]["code"] == 201
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["stageTimestamp"])


def _daemon_set(name: str) -> dict:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}


def test_every_line_has_an_id_of_its_own(log, tmp_path):
    api = make_api(log)
    for name in "abc":
        api.create(ALICE, "configmaps", "here", config_map(name))
    assert len({line["auditID"] for line in _lines(tmp_path)}) == 4


def test_a_refused_write_is_logged_and_makes_no_version(log, tmp_path):
    api = make_api(log)
    with pytest.raises(StatusError):
        api.delete(ALICE, "configmaps", "here", "absent")
    line = _lines(tmp_path)[-1]
    assert (line["responseStatus"]["code"], line["responseStatus"]["reason"], line["objectRef"]["name"]) == (
        404,
        "NotFound",
        "absent",
    )
    assert "annotations" not in line


def test_a_body_of_several_lines_is_logged_on_one(log, tmp_path):
    api = make_api(log)
    body = b'{\r\n  "metadata": {"name": "a"},\n  "data": {"k": "line\\nbreak"}\n}'
    api.write(Call(ALICE, "create", api.served["configmaps"], "here", body=body))
    assert _lines(tmp_path)[-1]["requestObject"]["data"] == {"k": "line\nbreak"}


def test_a_body_that_cannot_be_read_is_logged_without_it(log, tmp_path):
    api = make_api(log)
    with pytest.raises(StatusError):
        api.write(Call(ALICE, "create", api.served["configmaps"], "here", body=b"{nonsense"))
    line = _lines(tmp_path)[-1]
    assert line["responseStatus"]["code"] == 400
    assert "requestObject" not in line


def test_a_write_that_changes_nothing_makes_no_version(log, tmp_path):
    api = make_api(log)
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.patch(ALICE, "configmaps", "here", "a", {"data": {"k": "v"}})
    assert "annotations" not in _lines(tmp_path)[-1]


def test_a_write_of_many_objects_names_all_its_versions(log, tmp_path):
    api = make_api(log)
    for name in ("p1", "p2"):
        api.create(ALICE, "pods", "here", pod(name, "n1"))
    before = api.store.rv
    api.write(Call(ALICE, "deletecollection", api.served["pods"], "here", body=b'{"gracePeriodSeconds":0}'))
    line = _lines(tmp_path)[-1]
    made = [str(rv) for rv in range(before + 1, api.store.rv + 1)]
    assert line["annotations"]["pytest-daemonset/resourceVersions"].split(",") == made
    assert "name" not in line["objectRef"]


def test_the_line_is_written_before_the_watchers_are_told(log, tmp_path):
    api = make_api(log)
    seen: list[bool] = []

    def watcher(change) -> None:
        versions = [line.get("annotations", {}).get(VERSION) for line in _lines(tmp_path)]
        seen.append(str(change.rv) in versions)

    api.served["configmaps"].table.watchers.add(watcher)
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.delete(ALICE, "configmaps", "here", "a")
    assert seen == [True, True]


def test_reading_is_not_logged(log, tmp_path):
    api = make_api(log)
    api.list("configmaps")
    api.get("namespaces", "", "here")
    assert len(_lines(tmp_path)) == 1


def test_the_file_is_the_owners_alone(log, tmp_path):
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
