"""Projects whose controller is the thing that is looked at; each runs in a pytest of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest
from agent_manifest import AGENT


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a test in a pytest of its own.

    The options are the plugin's, without ``--daemonset-``.
    """
    pytester.makefile(".yaml", agent=AGENT)

    def start(text: str, **options: str) -> pytest.RunResult:
        pytester.makepyfile("import pytest\nfrom pytest_daemonset import *\n" + textwrap.dedent(text))
        said = [f"--daemonset-{name.replace('_', '-')}={value}" for name, value in options.items()]
        return pytester.runpytest_subprocess("-p", "no:asyncio", *said)

    return start
