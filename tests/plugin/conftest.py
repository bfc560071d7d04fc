"""Projects for the tests of the plugin: each runs in a pytest of its own, with the plugin as it is installed."""

from __future__ import annotations

import sys

import pytest
from agent_manifest import AGENT


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with an agent.yaml."""
    pytester.makefile(".yaml", agent=AGENT)
    return pytester


@pytest.fixture
def broken() -> str:
    """The option that names a broken controller, but for the name."""
    program = f"{sys.executable} -m pytest_daemonset.reference --kubeconfig {{kubeconfig}}"
    return f"--daemonset-controller=command: {program} --broken "
