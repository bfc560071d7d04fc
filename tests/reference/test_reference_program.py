from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from pytest_daemonset.reference.kubeconfig import Access, KubeconfigError

COMMAND = [sys.executable, "-m", "pytest_daemonset.reference"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, None], ids=["SIGTERM", "SIGINT", "end of input"])
def test_the_program_says_that_it_is_ready_and_ends_when_told(cluster, end):
    program = cluster.start()
    if end is None:
        program.process.stdin.close()
    else:
        program.process.send_signal(end)
    assert program.process.wait(timeout=60) == 0
    program.stop()


def test_a_kubeconfig_that_cannot_be_used_is_named_with_the_reason(tmp_path):
    path = tmp_path / "config"
    path.write_text(json.dumps({"current-context": "here", "contexts": []}))
    run = subprocess.run([*COMMAND, "--kubeconfig", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "expected a context named 'here'" in run.stderr
    assert str(path) in run.stderr


def test_an_unknown_way_to_be_broken_is_refused():
    run = subprocess.run([*COMMAND, "--broken", "nonsense"], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "two-pods-per-node" in run.stderr


def kubeconfig(tmp_path, **user):
    path = tmp_path / "config"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1/"}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(config))
    return path


def test_a_token_is_read_inline_or_from_a_file_beside_the_kubeconfig(tmp_path):
    assert Access.load(kubeconfig(tmp_path, token="t")).token == "t"
    (tmp_path / "token").write_text("from a file\n")
    access = Access.load(kubeconfig(tmp_path, tokenFile="token"))
    assert (access.token, access.server) == ("from a file", "http://127.0.0.1:1")


def test_exec_authentication_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(KubeconfigError, match="give a token or a certificate"):
        Access.load(kubeconfig(tmp_path, exec={"command": "aws"}))
