"""A supervised child: started, awaited, commanded, paused, ended, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.keeper import Keeper
from pytest_daemonset.processes import JsonLine, LogLine, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

ECHO = """
import json, sys
print(json.dumps({"ready": True, "port": 1}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "die":
        sys.exit("no more")
    if asked["do"] == "refuse":
        print(json.dumps({"id": asked["id"], "error": "no such node"}), flush=True)
    elif asked["do"] != "ignore":
        print(json.dumps({"id": asked["id"], "echo": asked["do"]}), flush=True)
print("ended in order", file=sys.stderr)
"""
FOREVER = "import time; print('up', flush=True); time.sleep(300)"


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    with Keeper(tmp_path / "home") as one:
        yield one


@pytest.fixture
def make(keeper: Keeper, tmp_path: Path) -> Callable[..., Process]:
    def one(code: str, **settings: Any) -> Process:
        return Process(
            [sys.executable, "-S", "-c", code], keeper=keeper, name="thing", log=tmp_path / "log", **settings
        )

    return one


def gone(pid: int | None) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def in_a_thread(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The loop of the product runs in a background thread."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(asyncio.wait_for(work(), 60))).result()


def test_its_first_line_of_json_is_returned_and_it_ends_at_end_of_file(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make(ECHO)
        assert await process.start(JsonLine()) == {"ready": True, "port": 1}
        assert process.running
        await process.stop()
        assert not process.running
        assert process.returncode in (0, -signal.SIGTERM)
        await process.stop()

    in_a_thread(work)


def test_answers_find_their_questions(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make(ECHO)
        await process.start(JsonLine())
        answers = await asyncio.gather(*(process.request({"do": f"say-{number}"}) for number in range(50)))
        assert [answer["echo"] for answer in answers] == [f"say-{number}" for number in range(50)]
        big = "x" * 1_000_000
        assert (await process.request({"do": big}))["echo"] == big
        with pytest.raises(ClusterError, match="no such node"):
            await process.request({"do": "refuse"})
        with pytest.raises(ClusterError, match=r"did not answer within 0\.05 s"):
            await process.request({"do": "ignore"}, timeout=0.05)
        await process.stop()

    in_a_thread(work)


def test_a_question_to_a_child_that_dies_is_an_error_with_its_last_words(make: Callable[..., Process]) -> None:
    async def work() -> None:
        exited: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
        process = make(ECHO, on_exit=exited.set_result)
        await process.start(JsonLine())
        with pytest.raises(ClusterError, match=r"(?s)thing died, asked to.*exit code 1.*no more"):
            await process.request({"do": "die"})
        assert await exited is process
        with pytest.raises(ClusterError, match="does not run any more"):
            await process.request({"do": "say"})
        await process.stop()

    in_a_thread(work)


def test_a_log_line_makes_a_foreign_program_ready(make: Callable[..., Process], tmp_path: Path) -> None:
    async def work() -> None:
        process = make("import sys, time; print('a', flush=True); print('port 77', file=sys.stderr); time.sleep(300)")
        assert await process.start(LogLine(r"port (\d+)")) == "port 77"
        await process.kill()
        assert process.returncode == -signal.SIGKILL
        assert process.tail(2) == "a\nport 77"

    in_a_thread(work)


def test_the_callers_own_wait_makes_it_ready(make: Callable[..., Process]) -> None:
    async def work() -> None:
        async def port_is_open() -> int:
            return 7

        process = make(FOREVER)
        assert await process.start(port_is_open) == 7
        await process.stop()

    in_a_thread(work)


def test_one_that_dies_first_is_an_error_with_command_code_and_log(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make("import sys; print('so be it'); sys.exit(4)")
        with pytest.raises(ClusterError) as caught:
            await process.start(LogLine("never"))
        text = str(caught.value)
        assert "thing died before it was ready" in text
        assert "exit code 4" in text
        assert "so be it" in text
        assert sys.executable in text

    in_a_thread(work)


def test_one_that_is_not_ready_in_time_is_ended(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make(FOREVER)
        with pytest.raises(ClusterError, match=r"was not ready within 0\.2 s \(so it was killed\)"):
            await process.start(JsonLine(), timeout=0.2)
        assert gone(process.pid)

    in_a_thread(work)


def test_a_wait_of_the_caller_that_fails_ends_it(make: Callable[..., Process]) -> None:
    async def work() -> None:
        async def refused() -> None:
            raise OSError("connection refused")

        process = make(FOREVER)
        with pytest.raises(ClusterError, match="did not become ready: connection refused"):
            await process.start(refused)
        assert gone(process.pid)

    in_a_thread(work)


def test_cancelling_the_start_ends_it(make: Callable[..., Process]) -> None:
    async def work() -> None:
        waiting = asyncio.Event()

        async def never() -> None:
            waiting.set()
            await asyncio.Event().wait()

        process = make(FOREVER)
        task = asyncio.create_task(process.start(never))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gone(process.pid)

    in_a_thread(work)


def test_a_program_that_is_not_there_is_an_error(keeper: Keeper, tmp_path: Path) -> None:
    async def work() -> None:
        process = Process(["/no/such/manager", "--v=4"], keeper=keeper, name="manager", log=tmp_path / "log")
        with pytest.raises(ClusterError, match=r"(?s)manager could not be started.*/no/such/manager --v=4"):
            await process.start()

    in_a_thread(work)


def test_a_command_that_is_one_string_is_wrong_use(keeper: Keeper, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a command is a list of words"):
        Process("sleep 1", keeper=keeper, name="x", log=tmp_path / "log")


def test_one_that_ignores_sigterm_is_killed_after_the_grace(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make(
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('deaf', flush=True); time.sleep(300)"
        )
        await process.start(LogLine("deaf"))
        await process.stop(grace=0.1)
        assert process.returncode == -signal.SIGKILL

    in_a_thread(work)


def test_what_it_started_ends_with_it(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make(
            "import json, subprocess, sys, time\n"
            "inner = [subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(300)'],"
            " start_new_session=new) for new in (False, True)]\n"
            "print(json.dumps([one.pid for one in inner]), flush=True); time.sleep(300)"
        )
        line = await process.start(LogLine(r"\["))
        inner = [int(word) for word in line.strip("[]").split(",")]
        os.kill(process.pid or 0, signal.SIGKILL)
        await process.stop()
        assert all(gone(pid) for pid in inner)

    in_a_thread(work)


def test_paused_it_answers_nothing_and_resumed_it_does(make: Callable[..., Process]) -> None:
    async def work() -> None:
        process = make(ECHO)
        await process.start(JsonLine())
        await process.pause()
        assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
        answer = asyncio.ensure_future(process.request({"do": "say"}))
        await process.resume()
        assert (await answer)["echo"] == "say"
        await process.pause()
        await process.stop()
        assert gone(process.pid)

    in_a_thread(work)


def test_ended_when_asked_it_does_not_call_on_exit(make: Callable[..., Process]) -> None:
    async def work() -> None:
        called: list[Process] = []
        process = make(ECHO, on_exit=called.append)
        await process.start(JsonLine())
        await process.stop()
        await asyncio.sleep(0)
        assert called == []

    in_a_thread(work)


def test_with_a_dead_keeper_nothing_is_started(keeper: Keeper, tmp_path: Path) -> None:
    async def work() -> None:
        broken = Keeper(tmp_path / "other")
        os.kill(broken.pid, signal.SIGKILL)
        process = Process([sys.executable, "-c", FOREVER], keeper=broken, name="thing", log=tmp_path / "log")
        with pytest.raises(ClusterError, match="cannot be watched over"):
            await process.start()
        assert process.pid is None
        broken._stdin.close()
        broken._stdout.close()

    in_a_thread(work)


def test_environment_and_folder_are_as_given(make: Callable[..., Process], tmp_path: Path) -> None:
    async def work() -> None:
        process = make(
            "import os; print(os.getcwd(), *map(os.environ.get, ('A', 'HOME')), flush=True); input()",
            env={"A": "1"},
            cwd=tmp_path,
        )
        assert await process.start(LogLine("None")) == f"{tmp_path} 1 None"
        await process.stop()

    in_a_thread(work)
