"""What a keeper accepts, and in which order it removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset import keeper as module
from pytest_daemonset.keeper import Entry, Keeper, KeeperError, Ledger, Remover

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unknown_kind_is_an_error_at_once(home: Path) -> None:
    kinds = "container, folder, network, process, volume"
    with Keeper(home) as keeper, pytest.raises(KeeperError, match=f"cannot remove a 'volcano', only: {kinds}"):
        keeper.started("volcano", "etna")


def test_a_name_told_twice_is_an_error(home: Path) -> None:
    with Keeper(home) as keeper:
        keeper.started("process", "a", cookie="a")
        with pytest.raises(KeeperError, match="process a was told already and not released"):
            keeper.started("process", "a", cookie="b")
        keeper.released("process", "a")


def test_releasing_what_was_never_told_is_an_error(home: Path) -> None:
    with Keeper(home) as keeper, pytest.raises(KeeperError, match="never told"):
        keeper.released("folder", "/tmp/pytest-daemonset-x")


@pytest.mark.parametrize("name", ["/tmp/precious", "pytest-daemonset-relative", "/tmp/../pytest-daemonset-x", "/"])
def test_a_folder_that_is_not_ours_is_refused(home: Path, name: str) -> None:
    with Keeper(home) as keeper, pytest.raises(KeeperError, match="folder"):
        keeper.started("folder", name)


def test_a_process_needs_its_cookie(home: Path) -> None:
    with Keeper(home) as keeper, pytest.raises(KeeperError, match="cookie"):
        keeper.started("process", "a")


def test_a_refusal_does_not_end_the_keeper(home: Path) -> None:
    with Keeper(home) as keeper:
        with pytest.raises(KeeperError):
            keeper.started("volcano", "etna")
        folder = keeper.make_folder("after")
        keeper.remove_folder(folder)
    assert list(home.iterdir()) == []


def test_a_closed_keeper_says_so(home: Path) -> None:
    keeper = Keeper(home)
    keeper.close()
    with pytest.raises(KeeperError, match="closed"):
        keeper.started("process", "a", cookie="a")


def test_a_home_that_is_somebody_elses_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeeperError, match="not a folder of ours"):
        Keeper(tmp_path / "home")


def test_the_last_told_is_removed_first_and_a_failure_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[list[str]] = []

    def remove(entries: list[Entry], _say: object) -> list[str]:
        removed.append([entry.name for entry in entries])
        if entries[0].kind == "cup":
            raise OSError("it broke")
        return []

    row = Remover(lambda _name, _details: None, remove)
    monkeypatch.setattr(module, "removers", lambda: {"cup": row, "table": row})
    ledger = Ledger()
    for kind, name in [("table", "t1"), ("cup", "c1"), ("cup", "c2"), ("table", "t2")]:
        ledger.take({"do": "started", "kind": kind, "name": name})
    said: list[str] = []
    problems = ledger.remove(said.append)
    assert removed == [["t2"], ["c2", "c1"], ["t1"]]
    assert len(problems) == 1
    assert "it broke" in problems[0]
    assert any(line.startswith("NOT DONE: cup c2, c1") for line in said)
