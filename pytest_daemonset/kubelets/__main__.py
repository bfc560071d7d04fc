"""The program: reads commands until its standard input ends, SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from pytest_daemonset.kubelets.api import Api, load_kubeconfig
from pytest_daemonset.kubelets.commands import answer
from pytest_daemonset.kubelets.fleet import Fleet
from pytest_daemonset.kubelets.heartbeats import DURATION

_LINE_LIMIT = 64 * 2**20


async def _commands(reader: asyncio.StreamReader, fleet: Fleet) -> None:
    running: set[asyncio.Task[Any]] = set()

    async def one(line: bytes) -> None:
        try:
            command = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            _say({"id": None, "error": f"not a line of JSON: {error}"})
            return
        if command.get("do") == "nodes" and (
            others := [task for task in running if task is not asyncio.current_task()]
        ):
            await asyncio.wait(others)  # the truth about nodes includes what is under way
        _say(await answer(fleet, command))

    while line := await reader.readline():
        task = asyncio.get_running_loop().create_task(one(line))
        running.add(task)
        task.add_done_callback(running.discard)


def _say(message: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


async def _run(kubeconfig: Path, *, emulate: bool, lease: float) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    api = Api(*load_kubeconfig(kubeconfig))
    fleet = Fleet(api, emulate=emulate, lease=lease)
    try:
        await fleet.read()  # the server is there and lets us in, or this ends with what it said
        tasks = [loop.create_task(fleet.watch()), loop.create_task(_commands(reader, fleet))]
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, tasks[1].cancel)
        _say({"ready": True})
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.wait(tasks)
        for task in done:
            if not task.cancelled():
                task.result()
    finally:
        await api.close()


def main() -> None:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="python -m pytest_daemonset.kubelets", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument(
        "--real-lifecycle",
        action="store_true",
        help="a real node lifecycle loop runs: give every node a lease, and leave taints and lost nodes to that loop",
    )
    parser.add_argument(
        "--lease-duration", type=float, default=DURATION, metavar="S", help="a lease is renewed after a quarter of it"
    )
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)sZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    logging.Formatter.converter = time.gmtime
    asyncio.run(_run(options.kubeconfig, emulate=not options.real_lifecycle, lease=options.lease_duration))


if __name__ == "__main__":
    main()
