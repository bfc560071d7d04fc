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
from typing import TYPE_CHECKING, Any

from pytest_daemonset.reference.broken import BROKEN, controller_class
from pytest_daemonset.reference.client import ApiError, Client
from pytest_daemonset.reference.election import LeadershipLostError, Terms
from pytest_daemonset.reference.kinds import Kind, KindClient
from pytest_daemonset.reference.kubeconfig import Access, KubeconfigError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

log = logging.getLogger(__name__)


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
    kind = Kind(options.kind, options.template, options.selector, options.revision_label, options.status_hash)
    try:
        terms = _terms(options) if options.leader_elect else None
    except ValueError as error:
        _parser().error(str(error))
    try:
        asyncio.run(_serve(access, options.broken, terms, kind))
    except ApiError as error:
        print(f"--kind {kind.resource}: {error}", file=sys.stderr)
        return 2
    except LeadershipLostError as error:
        log.error("leader election lost: %s", error)  # noqa: TRY400 (it is no defect of ours)
        return 1
    return 0


def _terms(options: argparse.Namespace) -> Terms:
    return Terms(
        options.leader_elect_resource_namespace,
        options.leader_elect_resource_name,
        options.leader_elect_lease_duration,
        options.leader_elect_renew_deadline,
        options.leader_elect_retry_period,
        options.leader_elect_identity,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_daemonset.reference", description="A small, correct DaemonSet controller."
    )
    parser.add_argument("--kubeconfig", type=Path, help="how to reach the API server; its current context is used")
    plain = Kind()
    parser.add_argument(
        "--kind",
        default=plain.resource,
        type=_resource,
        metavar="PLURAL.VERSION.GROUP",
        help="serve another kind of the form of a DaemonSet; it must be defined already",
    )
    parser.add_argument("--template", default=plain.template, metavar="PATH", help="where its pod template stands")
    parser.add_argument("--selector", default=plain.selector, metavar="PATH", help="where its selector stands")
    parser.add_argument(
        "--revision-label", default=plain.revision_label, metavar="LABEL", help="what ties its pods to revisions"
    )
    parser.add_argument(
        "--status-hash", default="", metavar="FIELD", help="the field of its status that names the current revision"
    )
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
    usual = Terms()
    elect = parser.add_argument_group(
        "leader election", "one of several works, by a Lease as client-go's; who loses it ends with 1"
    )
    elect.add_argument("--leader-elect", action="store_true", help="work only while it holds the Lease")
    elect.add_argument("--leader-elect-resource-namespace", default=usual.namespace, metavar="NAMESPACE")
    elect.add_argument("--leader-elect-resource-name", default=usual.name, metavar="NAME")
    elect.add_argument("--leader-elect-lease-duration", type=float, default=usual.lease_duration, metavar="S")
    elect.add_argument("--leader-elect-renew-deadline", type=float, default=usual.renew_deadline, metavar="S")
    elect.add_argument("--leader-elect-retry-period", type=float, default=usual.retry_period, metavar="S")
    elect.add_argument(
        "--leader-elect-identity",
        default="",
        metavar="NAME",
        help="what the Lease calls it; host, process and chance else",
    )
    return parser


def _resource(text: str) -> str:
    if text.count(".") < 2:
        raise argparse.ArgumentTypeError(f"expected plural.version.group, found {text!r}")
    return text


async def _serve(access: Access, broken: Sequence[str], terms: Terms | None, kind: Kind) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=_until_input_ends, args=(loop, stop), daemon=True).start()
    if terms is None:
        async with _client(access, kind) as client:
            await _work(client, broken, stop, kind)
        return
    async with Client(access, connections=2, timeout=terms.renew_deadline) as apart:
        election = controller_class(broken).election(apart, terms)
        if not await _until(stop, election.acquire(), election.entered):
            return
        async with _client(access, kind, fence=election.check) as client:
            holding = asyncio.ensure_future(election.hold())
            working = asyncio.ensure_future(_work(client, broken, stop, kind, said=True))
            try:
                done, _ = await asyncio.wait([holding, working], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (holding, working):
                    task.cancel()
                await asyncio.gather(holding, working, return_exceptions=True)
        await election.release()


def _client(access: Access, kind: Kind, **more: Any) -> Client:
    return Client(access, **more) if kind == Kind() else KindClient(access, kind=kind, **more)


async def _work(client: Client, broken: Sequence[str], stop: asyncio.Event, kind: Kind, *, said: bool = False) -> None:
    """Run the controller until told to stop.

    Args:
        said: it has been told already that we are ready.
    """
    ready = asyncio.Event()
    if isinstance(client, KindClient):
        await client.look_up()
    controller = controller_class(broken)(client)
    controller.kind = kind
    await _until(stop, controller.run(ready), None if said else ready)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None], ready: asyncio.Event | None) -> bool:
    """Do something until it ends or we are told to stop, and say once that we are ready.

    Args:
        ready: what to wait for before we say so; None where it has been said.

    Returns:
        Whether it ended by itself.
    """
    running, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    tasks: list[asyncio.Future[Any]] = [running, stopping]
    try:
        if ready is not None:
            tasks.append(asyncio.ensure_future(ready.wait()))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ready.is_set():
                print('{"ready": true}', flush=True)
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        ended_by_itself = running.done()
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(running, return_exceptions=True)
    if ended_by_itself and isinstance(results[0], BaseException):
        raise results[0]
    return ended_by_itself


def _until_input_ends(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # A thread, because a loop cannot wait for files such as /dev/null.
    while os.read(0, 4096):
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:
        return  # The loop has ended already, and so has the wish to end it.
