"""One run of the server: everything started in order, awaited, and stopped in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import eventloop, priorities, roles
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.audit import AuditLog
from pytest_daemonset.embedded.authorization import Everything
from pytest_daemonset.embedded.calls import Caller
from pytest_daemonset.embedded.credentials import Authority, tokens, write_kubeconfig
from pytest_daemonset.embedded.custom.definitions import define
from pytest_daemonset.embedded.http import Http, server
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.loops import LOOPS
from pytest_daemonset.embedded.rbac import Rbac
from pytest_daemonset.embedded.watch import Watches

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.embedded.settings import Settings

SYSTEM = Caller("system:apiserver", ("system:masters",), "pytest-daemonset-embedded")
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_GRACE = 0.5


def _allow_connections() -> None:
    """As many open files as the machine lets us have, as Go does it: a thousand watches are soon there."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems say "unlimited" and do not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(1024)
    listening.setblocking(False)
    return listening


def _at_end_of_file(told: Callable[[], object]) -> None:
    """Tell when nobody holds the other end of standard input any more. A thread: standard input may be a file, which no loop can await."""

    def read() -> None:
        with contextlib.suppress(OSError):  # a standard input that is closed has ended
            while os.read(0, 4096):
                pass
        told()

    threading.Thread(target=read, name="standard input", daemon=True).start()


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _ended(loops: list[asyncio.Task[Any]]) -> None:
    """Until SIGTERM, SIGINT or the end of standard input.

    Raises:
        RuntimeError: one of the loops ended before: a control plane without it would be a silent lie.
    """
    running, ended = asyncio.get_running_loop(), asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(signum, ended.set)

    def at_end_of_file() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: the server has ended otherwise
            running.call_soon_threadsafe(ended.set)

    _at_end_of_file(at_end_of_file)
    waiting = asyncio.create_task(ended.wait())
    try:
        done, _ = await asyncio.wait([waiting, *loops], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
            if task in loops:
                raise RuntimeError(f"the loop {task.get_name()} ended while the server was still running")
    finally:
        await _stop([waiting])


async def run(settings: Settings) -> None:
    """Serve until told to end; the line that says that it is ready goes to standard output.

    Raises:
        OSError: the port is taken, or the folder cannot be written to.
    """
    _allow_connections()
    async with contextlib.AsyncExitStack() as stack:
        audit = AuditLog(settings.directory / "audit.log")
        stack.callback(audit.close)
        api = Api(ALL_KINDS, audit, settings.ring)
        stack.push_async_callback(api.close)
        watches = Watches(api.store, settings.bookmark_interval, settings.watch_buffer)
        for name in NAMESPACES:
            api.create(SYSTEM, "namespaces", "", {"metadata": {"name": name}})
        priorities.provide(api, SYSTEM)
        roles.provide(api, SYSTEM)
        wanted = [(name, loop) for name, loop in LOOPS.items() if name not in settings.without]
        loops: list[asyncio.Task[Any]] = [asyncio.create_task(loop(api, settings), name=name) for name, loop in wanted]
        stack.push_async_callback(_stop, loops)
        loops.append(asyncio.create_task(define(api), name="custom-resources"))
        authority = Authority()
        known = tokens(settings.identities)
        http = Http(
            api,
            {token: caller for token, (_, caller) in known.items()},
            watches,
            Rbac(api) if settings.rbac else Everything(),
        )
        web = server(http)
        listening = _listen(settings.port)
        stack.push_async_callback(web.shutdown, _GRACE)
        serving = await asyncio.get_running_loop().create_server(web, sock=listening, ssl=authority.context)
        stack.callback(watches.close)
        stack.callback(serving.close)
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        for token, (identity, _) in known.items():
            write_kubeconfig(settings.directory, identity, token, url, authority.certificate)
        gc.collect()
        gc.freeze()  # what is loaded stays: the collector need not look at it again
        ready = {"ready": True, "server": url, "pid": os.getpid(), "event_loop": eventloop.name()}
        sys.stdout.buffer.write(orjson.dumps(ready, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()
        await _ended(loops)
