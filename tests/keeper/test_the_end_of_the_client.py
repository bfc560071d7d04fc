"""However a client ends, nothing of it is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from client_process import lives, wait_until_gone

from pytest_daemonset.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from client_process import ClientProcess

    Start = Callable[[str], ClientProcess]

ENDS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", ENDS)
def test_a_child_whose_pid_was_told_is_ended(client: Start, number: int) -> None:
    one = client("made = child(); tell(pid=made.pid)")
    one.end(number)
    assert not lives(one.told["pid"])
    assert one.left() == []


@pytest.mark.parametrize("number", ENDS)
def test_a_child_whose_pid_nobody_told_is_found_by_its_cookie(client: Start, number: int) -> None:
    one = client("made = child(learn=False); tell(pid=made.pid)")
    one.end(number)
    assert not lives(one.told["pid"])
    assert one.left() == []


def test_os_exit_leaves_nothing(client: Start) -> None:
    one = client("made = child(); tell(pid=made.pid); os._exit(3)")
    one.wait_for_the_keeper()
    assert not lives(one.told["pid"])


def test_a_client_killed_between_telling_and_spawning_leaves_nothing(client: Start) -> None:
    one = client("keeper.started('process', 'never', cookie='never'); tell()")
    one.end()
    assert one.left() == []


def test_a_client_killed_while_the_spawn_is_under_way_leaves_nothing(client: Start) -> None:
    # Forked, not yet exec'ed when its parent dies: the pause stands for any slow exec.
    one = client(
        """
keeper.started("process", "late", cookie="late")
go, ready = os.pipe()
made = os.fork()
if not made:
    os.setsid()
    os.close(ready)
    os.read(go, 1)  # returns when the parent is dead
    os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(300)"], {COOKIE: "late"})
tell(pid=made)
"""
    )
    one.end()
    wait_until_gone(one.told["pid"])
    assert not lives(one.told["pid"])


def test_a_forked_child_that_holds_the_pipe_does_not_keep_the_keeper_waiting(client: Start) -> None:
    one = client(
        """
made = child()
holder = os.fork()
if not holder:
    time.sleep(300)
tell(pid=made.pid, holder=holder)
"""
    )
    try:
        one.end()
        assert lives(one.told["holder"]), "it holds the pipe to this moment"
        assert not lives(one.told["pid"])
        assert one.left() == []
    finally:
        os.kill(one.told["holder"], signal.SIGKILL)


def test_grandchildren_end_too_even_without_the_cookie(client: Start) -> None:
    one = client(
        """
made = child('''
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"], env={})
own = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"], start_new_session=True)
print(inner.pid, own.pid, flush=True)
time.sleep(300)
''')
inner, own = map(int, made.stdout.readline().split())
tell(pid=made.pid, inner=inner, own=own)
"""
    )
    one.end()
    assert [name for name in ("pid", "inner", "own") if lives(one.told[name])] == []


def test_grandchildren_of_a_child_that_ended_by_itself_end_too(client: Start) -> None:
    one = client(
        """
made = child('''
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"], env={},
    stdout=subprocess.DEVNULL)
print(inner.pid, flush=True)
''')
inner = int(made.stdout.readline())
made.wait()
tell(inner=inner)
"""
    )
    one.end()
    assert not lives(one.told["inner"])


def test_a_child_that_ignores_sigterm_is_killed(client: Start) -> None:
    one = client(
        """
made = child('''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(300)
''')
made.stdout.readline()
tell(pid=made.pid)
"""
    )
    one.end()
    assert not lives(one.told["pid"])


def test_a_stopped_child_is_ended(client: Start) -> None:
    one = client("made = child(); os.killpg(made.pid, signal.SIGSTOP); tell(pid=made.pid)")
    one.end()
    assert not lives(one.told["pid"])


def test_a_pid_that_belongs_to_somebody_else_by_now_is_spared(client: Start, home: Path) -> None:
    stranger = client("made = child(cookie='theirs'); tell(pid=made.pid)")
    with Keeper(home) as keeper:
        keeper.started("process", "ours", cookie="ours")
        keeper.learned("process", "ours", pid=stranger.told["pid"])
        # As if the pid had been told of a process that had started at another time.
        keeper._ask("learned", "process", "ours", {"pid_started": "0"})
    assert lives(stranger.told["pid"])


def test_a_folder_is_removed_and_what_links_point_to_is_not(client: Start, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    one = client(
        f"""
made = keeper.make_folder("test", inside=Path({str(tmp_path)!r}))
(made / "link").symlink_to({str(tmp_path / "precious")!r})
(made / "deep").mkdir()
tell(folder=str(made))
"""
    )
    one.end()
    assert not Path(one.told["folder"]).exists()
    assert (tmp_path / "precious" / "file").exists()


def test_the_keeper_is_deaf_to_the_signals_of_a_terminal_and_of_tox(client: Start) -> None:
    one = client("made = child(); tell(pid=made.pid)")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(one.told["keeper"], number)
    assert os.getsid(one.told["keeper"]) == one.told["keeper"]
    one.end()
    assert not lives(one.told["pid"])


def test_closing_removes_what_was_not_released(home: Path) -> None:
    keeper = Keeper(home)
    folder = keeper.make_folder("forgotten", inside=home)
    keeper.close()
    assert not folder.exists()
    assert list(home.iterdir()) == []


def test_a_forked_child_cannot_use_the_keeper_nor_end_it(client: Start) -> None:
    one = client(
        """
made = child()
reader, writer = os.pipe()
if not os.fork():
    keeper.close()
    try:
        keeper.released("process", "cookie-1")
    except Exception as error:
        os.write(writer, str(error).encode())
    os._exit(0)
os.wait()
said = os.read(reader, 1000).decode()
keeper.started("process", "still-there", cookie="still-there")
tell(pid=made.pid, said=said)
"""
    )
    assert "forked child" in one.told["said"]
    assert lives(one.told["pid"])
    one.end()
