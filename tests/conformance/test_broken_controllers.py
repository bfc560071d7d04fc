"""That the suite catches every controller that is broken on purpose, by the rows that it names, and no others.

Here a sample; ``python -m pytest_daemonset matrix`` tries every one of them, which takes some minutes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_daemonset.__main__ import main
from pytest_daemonset.conformance.broken import BROKEN, SAMPLE
from pytest_daemonset.conformance.matrix import on_rows
from pytest_daemonset.report.matrix import Matrix, Trial

ABREAST = 3


class Trials:
    """Runs several controllers side by side: most of a run is waiting for what a broken controller never does."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(ABREAST)
        self._runs: dict[str, Future[Trial]] = {name: self._begin(name) for name in names}

    def __getitem__(self, name: str) -> Trial:
        if name not in self._runs:
            self._runs[name] = self._begin(name)
        return self._runs[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, name: str) -> Future[Trial]:
        return self._pool.submit(on_rows, BROKEN[name], self._folder)


@pytest.fixture(scope="module")
def trials(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    wanted = [item.callspec.params["name"] for item in request.session.items if "trials" in _fixtures(item)]
    # A worker of pytest-xdist does not know which of the items will be its own.
    ahead = [] if "PYTEST_XDIST_WORKER" in os.environ else wanted
    trials = Trials(tmp_path_factory.mktemp("matrix"), ahead)
    yield trials
    trials.close()


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


@pytest.mark.parametrize("name", SAMPLE)
def test_a_broken_controller_is_caught_by_the_rows_that_it_breaks(trials: Trials, name: str) -> None:
    trial = trials[name]
    assert not trial.wrong, f"{trial.wrong}\n{trial.output}"


def test_the_sample_has_ten_different_ways_to_be_wrong() -> None:
    assert len({BROKEN[name].caught_by[0] for name in SAMPLE}) >= 10


def trial(outcomes: dict[str, str], fail: tuple[str, ...] = ("A-01",), leave: tuple[str, ...] = ("B-01",)) -> Trial:
    return Trial("wrong", "does wrong", outcomes, fail, leave)


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ({"A-01": "passed", "B-01": "passed"}, "A-01 does not catch it"),
        ({"B-01": "passed"}, "A-01 does not catch it: not judged"),
        ({"A-01": "inconclusive", "B-01": "passed"}, "A-01 does not catch it: inconclusive"),
        ({"A-01": "failed", "B-01": "failed"}, "B-01 has nothing to do with it"),
    ],
)
def test_a_controller_that_is_not_failed_by_whom_it_must_be_is_told(outcomes: dict[str, str], told: str) -> None:
    found = Matrix("0", (trial(outcomes),), {"A-01": "a", "B-01": "b"})
    assert not found.good
    assert told in found.trials[0].wrong[0]
    assert told in found.as_markdown()


def test_a_row_that_fails_nobody_is_hollow_once_all_have_been_tried() -> None:
    caught = (trial({"A-01": "failed", "B-01": "passed"}),)
    checks = {"A-01": "a", "B-01": "b", "C-01": "c"}
    assert Matrix("0", caught, checks).good
    whole = Matrix("0", caught, checks, {"C-01": "why"}, whole=True)
    assert whole.hollow == ["B-01"]
    assert not whole.good
    told = json.loads(whole.as_json())
    assert told["hollow"] == ["B-01"]
    assert told["checks"]["A-01"]["fails"] == ["wrong"]
    assert told["controllers"]["wrong"]["outcomes"] == {"A-01": "failed", "B-01": "passed"}


def test_a_controller_that_nothing_fails_survives() -> None:
    found = Matrix("0", (trial({"A-01": "passed"}, (), ()),), {"A-01": "a"})
    assert found.survivors == ["wrong"]
    assert found.trials[0].wrong == ["nothing catches it"]


def test_the_matrix_is_one_command_and_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "any-label", "never-rolls", "-n", "2", "--report", str(tmp_path)]) == 0
    assert "2 of 2 broken controllers are failed by whom they must be" in capsys.readouterr().out
    told = json.loads((tmp_path / "matrix.json").read_text())
    assert told["controllers"]["any-label"]["failed_by"] == ["PLACE-03"]
    assert "| `never-rolls` |" in (tmp_path / "matrix.md").read_text()


OWN = """
from pytest_daemonset import at_most_one_pod_per_node, one_pod_per_node

def test_every_node_has_its_agent(daemonsets):
    agent = daemonsets.apply("agent.yaml").wait()
    with agent.always(at_most_one_pod_per_node):
        agent.eventually(one_pod_per_node).wait()
"""


def test_a_project_s_own_tests_are_told_whom_they_do_not_catch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy = Path(__file__).parents[2] / "examples" / "downstream" / "deploy"
    (tmp_path / "agent.yaml").write_text((deploy / "agent.yaml").read_text())
    (tmp_path / "test_agent.py").write_text(OWN)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    assert main(["matrix", "two-pods-per-node", "any-label", "--tests", "test_agent.py"]) == 0
    out = capsys.readouterr().out
    assert "1 of 2 broken controllers are caught by these tests" in out
    assert "survives: any-label (takes any of a nodeSelector's labels for all); the suite catches it by PLACE-03" in out


def test_tests_that_fail_against_the_correct_controller_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_red.py").write_text("def test_red():\n    assert False\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    assert main(["matrix", "any-label", "--tests", "test_red.py"]) == 1
    assert "do not pass against the correct controller" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("no-such-name",), "no such broken controller"),
        (("--tests", "nowhere.py"), "no such file or folder"),
        (("any-label", "-n", "0"), "expected 1 or more"),
    ],
)
def test_a_matrix_that_cannot_be_run_ends_with_2(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["matrix", *words]) == 2
    assert told in capsys.readouterr().err
