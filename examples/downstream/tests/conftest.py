"""This project has fixtures of its own, `cluster` and `nodes` among them; the plugin's do not mind."""

from pathlib import Path

import pytest


@pytest.fixture
def cluster():
    return "the name of our own cluster in the inventory"


@pytest.fixture
def nodes():
    return ["rack-1", "rack-2"]


@pytest.fixture
def agent(daemonsets):
    return daemonsets.apply(Path(__file__).parent.parent / "deploy" / "agent.yaml").wait()
