"""What kube-apiserver v1.36.2 said of single objects, well made and badly: accepted or refused, and for which fields.

`verdicts.json` has one object a line, as it was posted (as a dry run), with the status and the reason and field of each
cause. With DAEMONSET_REPLAY_KUBECONFIG the objects are posted to that server instead.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from wire import Server

from pytest_daemonset.embedded import priorities
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.calls import Call, Caller
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.statuses import StatusError

Object = dict[str, Any]
VERDICTS = json.loads((Path(__file__).parent / "verdicts.json").read_text(encoding="utf-8"))
TESTER = Caller("alice", ("system:masters",), "a test")
FOREIGN = os.environ.get("DAEMONSET_REPLAY_KUBECONFIG", "")


@pytest.fixture(scope="module")
def api() -> Api:
    api = Api(ALL_KINDS)
    priorities.provide(api, TESTER)
    api.create(TESTER, "namespaces", "", {"metadata": {"name": "default"}})
    return api


def _posted(api: Api, verdict: Object) -> tuple[int, Object]:
    served = api.served[verdict["resource"]]
    namespace = "default" if served.kind.namespaced else ""
    if FOREIGN:
        kind = served.kind
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        where = f"{root}/namespaces/{namespace}/{kind.plural}" if namespace else f"{root}/{kind.plural}"
        answer = Server(Path(FOREIGN)).ask("POST", f"{where}?dryRun=All", verdict["body"])
        return answer.status, answer.body
    body = json.dumps(verdict["body"]).encode()
    try:
        answered = api.write(Call(TESTER, "create", served, namespace, body=body, query={"dryRun": "All"}))
    except StatusError as refused:
        return refused.code, refused.status
    return answered.code, {}


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda one: f"{one['resource']}: {one['what']}")
def test_an_object_is_judged_as_by_kube_apiserver(api: Api, verdict: Object) -> None:
    status, told = _posted(api, verdict)
    causes = [[cause.get("reason"), cause.get("field")] for cause in (told.get("details") or {}).get("causes") or []]
    assert (status, causes) == (verdict["status"], verdict["causes"]), told.get("message")
