"""The embedded server answers as kube-apiserver did, request by request.

With DAEMONSET_REPLAY_KUBECONFIG the recordings are played against that server instead, which must be fresh: so the replay
itself is checked against the real thing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from replay import Replay
from wire import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parent / "recordings"
LOOPS = ("garbage", "namespaces", "binder", "pod-gc", "service-accounts")
# Which loops ran beside the server while it was recorded.
RUNNING = {"garbage": ("garbage", "namespaces")}

# Steps that are known to differ, each with its reason. One that agrees again fails the test: then it leaves this list.
EXCEPTIONS: dict[str, dict[str, str]] = {}


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    foreign = os.environ.get("DAEMONSET_REPLAY_KUBECONFIG")
    if foreign:
        yield Server(Path(foreign))
        return
    name = request.node.callspec.params["name"]
    without = [word for loop in LOOPS if loop not in RUNNING.get(name, ()) for word in ("--without", loop)]
    command = [
        sys.executable,
        "-m",
        "pytest_daemonset.embedded",
        "--dir",
        str(tmp_path),
        "--namespace-delay",
        "2",
        *without,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["ready"] is True
            yield Server(tmp_path / "admin.kubeconfig")
        finally:
            process.stdin.close()
            assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    "name", ["auth", "crud", "nodes", "pods", "daemonsets", "watch", "garbage", "patch", "select", "revisions", "crds"]
)
def test_a_recording_agrees_step_by_step(name: str, server: Server) -> None:
    recording = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    own = "DAEMONSET_REPLAY_KUBECONFIG" not in os.environ
    found = {each.step: each for each in Replay(server, own).play(recording)}
    known = EXCEPTIONS.get(name, {}) if own else {}
    agreeing = [f"{step}: agrees now, take it off the list of exceptions" for step in known if step not in found]
    different = [str(each) for step, each in found.items() if step not in known]
    assert not different + agreeing, "\n".join([f"{name}:", *different, *agreeing])
