"""`verify` on k3s: the suite's settings reach the cluster, and its own images need no registry."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.docker


def test_rows_are_kept_on_nodes_in_containers(pytester: pytest.Pytester, image: str) -> None:
    settings = ["--k3s", f"image={image}", "--k3s", "privileged=no"]
    rows = ["--nodes", "2", "--rows", "PLACE-01,GC-01"]
    run = pytester.run(
        sys.executable, "-m", "pytest_daemonset", "verify", "--cluster", "k3s", *settings, *rows, timeout=300
    )
    assert run.ret == 0
    run.stdout.fnmatch_lines(["*standin*controller builtin*", "*2 of 2 rows kept*"])
