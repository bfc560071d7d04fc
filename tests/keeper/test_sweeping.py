"""What a killed keeper left is removed by the next one."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from client_process import lives, wait_until_gone

from pytest_daemonset import keeper as module
from pytest_daemonset.keeper import Keeper, KeeperError, sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from client_process import ClientProcess

    Start = Callable[[str], ClientProcess]


def test_processes_and_folders_of_a_killed_keeper_are_swept(client: Start, home: Path) -> None:
    one = client(
        "made = child(); quiet = child(cookie='quiet', learn=False); folder = keeper.make_folder('x', inside=home)\n"
        "tell(pid=made.pid, quiet=quiet.pid, folder=str(folder))"
    )
    os.kill(one.told["keeper"], signal.SIGKILL)
    wait_until_gone(one.told["keeper"])
    one.end()
    assert lives(one.told["pid"])
    with Keeper(home):
        pass
    assert not lives(one.told["pid"])
    assert not lives(one.told["quiet"])
    assert not Path(one.told["folder"]).exists()
    assert one.left() == []


def test_the_client_of_a_killed_keeper_is_told(home: Path) -> None:
    keeper = Keeper(home)
    os.kill(keeper.pid, signal.SIGKILL)
    with pytest.raises(KeeperError, match="died with -9"):
        keeper.started("process", "a", cookie="a")
    with pytest.raises(KeeperError, match="ended with -9"):
        keeper.close()


def test_a_living_keepers_things_are_not_swept(client: Start, home: Path) -> None:
    one = client("made = child(); tell(pid=made.pid)")
    said: list[str] = []
    assert sweep(home, said.append) == []
    assert said == []
    assert lives(one.told["pid"])


def test_after_another_boot_folders_are_swept_and_processes_left_alone(
    client: Start, home: Path, tmp_path: Path
) -> None:
    one = client("made = child(); tell(pid=made.pid)")
    folder = tmp_path / "pytest-daemonset-old"
    folder.mkdir()
    lines = [
        {"client": os.getpid(), "client_started": "1", "boot": "another"},
        {"do": "started", "kind": "folder", "name": str(folder), "details": {}},
        {"do": "started", "kind": "process", "name": "p", "details": {"cookie": "cookie-1"}},
    ]
    (home / "keeper-1.list").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert sweep(home, lambda _text: None) == []
    assert not folder.exists()
    assert lives(one.told["pid"])


def test_a_list_that_was_cut_off_in_the_middle_of_a_line_is_swept_up_to_there(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    folder = tmp_path / "pytest-daemonset-cut"
    folder.mkdir()
    head = json.dumps({"client": os.getpid(), "client_started": "1", "boot": module.boot_id()})
    told = json.dumps({"do": "started", "kind": "folder", "name": str(folder), "details": {}})
    (home / "keeper-1.list").write_text(f"{head}\n{told}\n{told[:20]}")
    assert sweep(home, lambda _text: None) == []
    assert not folder.exists()
    assert list(home.iterdir()) == []


def test_what_cannot_be_removed_is_told_and_its_list_stays(home: Path) -> None:
    home.mkdir()
    (home / "keeper-1.list").write_text("no json\n")
    with Keeper(home) as keeper:
        pass
    assert "NOT DONE" in Path(keeper.log).read_text()
    assert (home / "keeper-1.list").exists()


def test_a_list_that_no_sweep_can_do_is_dropped_in_the_end(home: Path) -> None:
    home.mkdir()
    (home / "keeper-1.list").write_text("no json\n")
    os.utime(home / "keeper-1.list", (0, 0))
    assert len(sweep(home, lambda _text: None)) == 1
    assert list(home.iterdir()) == []


def test_what_this_session_left_and_cannot_be_removed_is_an_error(home: Path, tmp_path: Path) -> None:
    keeper = Keeper(home)
    folder = keeper.make_folder("odd", inside=tmp_path)
    folder.rmdir()
    folder.write_text("a file where a folder was told")
    with pytest.raises(KeeperError, match=r"ended with 1; see .*\.log"):
        keeper.close()
    assert f"NOT DONE: folder {folder}" in Path(keeper.log).read_text()


def test_what_a_living_client_has_is_not_swept_although_its_keeper_was_killed(client: Start, home: Path) -> None:
    one = client("made = child(); tell(pid=made.pid)")
    os.kill(one.told["keeper"], signal.SIGKILL)
    wait_until_gone(one.told["keeper"])
    said: list[str] = []
    assert sweep(home, said.append) == []
    assert said == []
    assert lives(one.told["pid"])
    one.end()
    assert sweep(home, said.append) == []
    assert not lives(one.told["pid"])


def test_without_proc_processes_are_found_by_ps(client: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("ps") is None:
        pytest.skip("no ps here")
    one = client("made = child(); tell(pid=made.pid)")
    table = module._seen_by_ps()
    row = table[one.told["pid"]]
    assert b"PYTEST_DAEMONSET_COOKIE=cookie-1" in row.environ
    assert row.group == one.told["pid"]
    assert row.started
    assert not row.zombie
    assert row.started == module._seen_by_ps()[row.pid].started
