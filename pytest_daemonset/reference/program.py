"""The program: command line, start, and the three ways to end."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_daemonset.reference.broken import BROKEN, controller_class
from pytest_daemonset.reference.client import Client
from pytest_daemonset.reference.kubeconfig import Access, KubeconfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the controller until SIGTERM, SIGINT or the end of standard input.

    Args:
        arguments: the command line; `sys.argv` by default.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    if options.list_broken:
        print(
            json.dumps([{"name": b.name, "does": b.does, "caught_by": b.caught_by} for b in BROKEN.values()], indent=1)
        )
        return 0
    if options.kubeconfig is None:
        _parser().error("--kubeconfig is required")
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    try:
        access = Access.load(options.kubeconfig)
    except (KubeconfigError, OSError) as error:
        print(f"{options.kubeconfig}: cannot be used as a kubeconfig: {error}", file=sys.stderr)
        return 2
    asyncio.run(_serve(access, options.broken))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_daemonset.reference", description="A small, correct DaemonSet controller."
    )
    parser.add_argument("--kubeconfig", type=Path, help="how to reach the API server; its current context is used")
    parser.add_argument(
        "--broken",
        action="extend",
        nargs="+",
        default=[],
        choices=sorted(BROKEN),
        metavar="NAME",
        help="break it on purpose; may be repeated",
    )
    parser.add_argument("--list-broken", action="store_true", help="print the ways to break it as JSON, and end")
    return parser


async def _serve(access: Access, broken: Sequence[str]) -> None:
    loop = asyncio.get_running_loop()
    ready, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=_until_input_ends, args=(loop, stop), daemon=True).start()
    async with Client(access) as client:
        controller = controller_class(broken)(client)
        running = asyncio.ensure_future(controller.run(ready))
        stopping, starting = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(ready.wait())
        await asyncio.wait([running, stopping, starting], return_when=asyncio.FIRST_COMPLETED)
        if ready.is_set():
            print('{"ready": true}', flush=True)
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        ended_by_itself = running.done()
        for task in (running, stopping, starting):
            task.cancel()
        results = await asyncio.gather(running, return_exceptions=True)
        if ended_by_itself and isinstance(results[0], BaseException):
            raise results[0]


def _until_input_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # A thread, because a loop cannot wait for files such as /dev/null.
    while os.read(0, 4096):
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        return  # The loop has ended already, and so has the wish to end it.
