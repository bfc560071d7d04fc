"""kopf: an operator that watches, patches and holds objects by a finalizer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

OPERATOR = Path(__file__).with_name("kopf_operator.py")


@pytest.fixture
def operator(library, kubeconfig, namespace):
    """The lines that the operator logs, from when it watches."""
    library("kopf")
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "-n", namespace, str(OPERATOR)]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        try:
            yield iter(process.stderr.readline, "")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def _until(lines, text):
    seen = []
    for line in lines:
        seen.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} was never logged: {''.join(seen)}")


def test_an_operator_answers_what_it_watches(operator, kubectl, namespace):
    kubectl("create", "configmap", "question", "-n", namespace)
    kubectl("label", "configmap", "question", "ask=yes", "-n", namespace)
    _until(operator, "Creation is processed")
    annotation = "jsonpath={.metadata.annotations.answered-by}"
    assert kubectl("get", "configmap", "question", "-n", namespace, "-o", annotation) == "kopf"
    assert "kopf" in kubectl("get", "configmap", "question", "-n", namespace, "-o", "jsonpath={.metadata.finalizers}")
    kubectl("delete", "configmap", "question", "-n", namespace, "--timeout=50s")
    _until(operator, "farewell to question")
