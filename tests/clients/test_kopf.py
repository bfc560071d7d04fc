"""kopf: an operator that watches, patches and holds objects by a finalizer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

OPERATOR = Path(__file__).with_name("kopf_operator.py")


@contextlib.contextmanager
def running(library, kubeconfig, namespace):
    """The lines that the operator logs."""
    library("kopf")
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "-n", namespace, str(OPERATOR)]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stderr is not None
        try:
            yield iter(process.stderr.readline, "")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@pytest.fixture
def operator(library, kubeconfig, namespace):
    with running(library, kubeconfig, namespace) as lines:
        yield lines


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
    # it logs first and writes then
    answered = "--for=jsonpath={.metadata.annotations.answered-by}=kopf"
    kubectl("wait", "configmap/question", "-n", namespace, answered, "--timeout=50s")
    assert "kopf" in kubectl("get", "configmap", "question", "-n", namespace, "-o", "jsonpath={.metadata.finalizers}")
    kubectl("delete", "configmap", "question", "-n", namespace, "--timeout=50s")
    _until(operator, "farewell to question")


def test_an_operator_takes_up_what_happened_while_it_was_away(library, kubeconfig, kubectl, namespace):
    """Its finalizer holds what is deleted meanwhile, and its own annotation tells what it has handled."""
    answered = "--for=jsonpath={.metadata.annotations.answered-by}=kopf"
    for name, log, done in (
        ("first", "Creation is processed", answered),
        ("second", "farewell to first", "--for=delete"),
    ):
        kubectl("create", "configmap", name, "-n", namespace)
        kubectl("label", "configmap", name, "ask=yes", "-n", namespace)
        with running(library, kubeconfig, namespace) as lines:
            _until(lines, log)
            kubectl("wait", "configmap/first", "-n", namespace, done, "--timeout=50s")
        if name == "first":
            kubectl("delete", "configmap", "first", "-n", namespace, "--wait=false")
            assert "deletionTimestamp" in kubectl("get", "configmap", "first", "-n", namespace, "-o", "json")
    patch = '{"metadata":{"finalizers":null}}'
    kubectl("patch", "configmap", "second", "-n", namespace, "--type=merge", "-p", patch)
