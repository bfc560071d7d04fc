"""Rows that need a proxy: without one they are not observable, without an effect they prove nothing, and they leave no trace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import pytest
from matrix import broken_by, outcomes, verify

from pytest_daemonset.conformance.interception import Interception
from pytest_daemonset.conformance.rig import Rig
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.proxy.faults import Hold
from pytest_daemonset.proxy.proxy import Proxy


def test_a_controller_that_is_no_process_of_ours_is_not_judged_by_them(tmp_path: Path) -> None:
    run = verify("--rows", "ROB-06", "--controller", "none", cwd=tmp_path)
    assert "not seen  ROB-06" in run.stdout, run.stdout


def test_the_controller_goes_its_own_way_before_and_after_also_when_a_row_was_broken(tmp_path: Path) -> None:
    words = (*broken_by("keeps-what-a-list-lacks"), "--junit", "told.xml")
    run = verify("--rows", "GC-02,ROB-06,NODE-01", *words, cwd=tmp_path)
    assert outcomes(tmp_path / "told.xml") == {"GC-02": {"passed"}, "ROB-06": {"violation"}, "NODE-01": {"passed"}}, (
        run.stdout
    )


_TELLS_WHAT_IT_SEES = """
import sys
from pathlib import Path
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.program import main

def on_daemonset(self, before, after, plain=Controller.on_daemonset):
    if before is None:
        with Path(__file__).with_name("seen").open("a") as seen:
            print(after["metadata"]["uid"], after["metadata"]["name"], file=seen)
    plain(self, before, after)

Controller.on_daemonset = on_daemonset
sys.exit(main())
"""


def test_nothing_goes_wrong_for_a_controller_that_has_not_yet_settled_a_set(tmp_path: Path) -> None:
    (tmp_path / "controller.py").write_text(_TELLS_WHAT_IT_SEES)
    command = f"command: {sys.executable} {tmp_path / 'controller.py'} --kubeconfig {{kubeconfig}}"
    ready = ("--controller-ready", r'log: "ready": true')
    run = verify("--rows", "GC-05,ROB-06", "--controller", command, *ready, cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    seen = dict(line.split() for line in (tmp_path / "seen").read_text().splitlines())
    names = [name for name in seen.values() if not name.startswith("sentinel")]
    assert names == ["beforehand", "other", "agent", "agent"]


class _Rig:
    """Does what it is told at once."""

    def do(self, coro_fn: object) -> None:
        with pytest.raises(StopIteration):
            coro_fn().send(None)  # type: ignore[operator]

    def at_end(self, undo: object) -> None:
        """There is no row whose end could come."""


def test_a_fault_without_an_effect_proves_nothing() -> None:
    way = Interception(cast("Rig", _Rig()), Proxy(Kubeconfig("https://127.0.0.1:1")))
    with pytest.raises(Inconclusive, match="holds the events of pods had no effect"), way.during(Hold("pods")) as hold:
        pass
    hold.effects = 1
    way.expect_effect(hold)


def test_what_a_row_finds_is_told_before_that_a_fault_had_no_effect() -> None:
    way = Interception(cast("Rig", _Rig()), Proxy(Kubeconfig("https://127.0.0.1:1")))
    with pytest.raises(ZeroDivisionError), way.during(Hold("pods")):
        1 / 0  # noqa: B018
