"""That the suite catches every controller that is broken on purpose, by the rows that it names, and no others.

By default a sample; ``PYTEST_DAEMONSET_BROKEN=all`` runs every one of them, which takes some minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from matrix import Matrix

from pytest_daemonset.conformance.broken import BROKEN

SAMPLE = (
    "two-pods-per-node",
    "any-label",
    "ignores-taints",
    "drains-no-schedule",
    "skips-not-ready",
    "unpinned",
    "replaces-terminating",
    "deletes-unready",
    "forces-deletion",
    "recreates-while-deleting",
    "no-block-owner-deletion",
    "events-only",
    "owns-by-name",
    "early-observed-generation",
    "counts-pods",
    "restart-rewrites",
    "ignores-the-down",
    "surges-again",
    "records-late",
    "keeps-the-oldest-twin",
    "random-identities",
)
CHOSEN = tuple(BROKEN) if os.environ.get("PYTEST_DAEMONSET_BROKEN") == "all" else SAMPLE
ABREAST = 3


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    wanted = [item.callspec.params["name"] for item in request.session.items if "matrix" in _fixtures(item)]
    # A worker of pytest-xdist does not know which of the items will be its own.
    ahead = [] if "PYTEST_XDIST_WORKER" in os.environ else wanted
    matrix = Matrix(tmp_path_factory.mktemp("matrix"), ahead, ABREAST)
    yield matrix
    matrix.close()


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


@pytest.mark.parametrize("name", CHOSEN)
def test_a_broken_controller_is_caught_by_the_rows_that_it_breaks(matrix: Matrix, name: str) -> None:
    one, run = BROKEN[name], matrix[name]
    assert run.rows, run.output
    for row in one.caught_by:
        assert "violation" in run.rows[row], f"{row} does not catch {name}\n{run.output}"
        assert run.rows[row] <= {"violation", "passed"}, run.output
    for row in one.spares:
        assert run.rows[row] == {"passed"}, f"{row} has nothing to do with {name}\n{run.output}"
    assert run.code == 1


def test_the_sample_has_ten_different_ways_to_be_wrong() -> None:
    assert len({BROKEN[name].caught_by[0] for name in SAMPLE}) >= 10
