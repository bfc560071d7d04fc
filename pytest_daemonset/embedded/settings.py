"""What the command line says: where to write, who may come in, and the constants of the loops."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_daemonset.embedded import eventloop

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPS = ("garbage", "namespaces", "binder", "pod-gc", "service-accounts", "budgets")


@dataclass(frozen=True)
class Identity:
    """One who may come in: the name of its kubeconfig file, its user and its groups."""

    name: str
    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """All settings of one server. Times are in seconds.

    Args:
        directory: where kubeconfigs and the audit log are written.
        port: on 127.0.0.1; 0 for any that is free.
        pod_gc_period, pod_gc_quarantine: how often the pod garbage collector looks for pods of nodes that are gone, and how long a node
            must be gone (a real control plane: 20 and 40).
        namespace_delay: how long a deleted namespace refuses new content before it is emptied (a real control plane: 5).
        bookmark_interval: how long after a change an idle watch hears of it by a bookmark.
        ring: how many events of each kind a watch can resume over.
        watch_buffer: how many bytes may wait for one slow watcher before it is cut off.
        without: loops that do not run.
        event_loop: one of `eventloop.LOOPS`.
        rbac: whether roles and their bindings say who may do what; else every token may do everything.
    """

    directory: Path
    port: int = 0
    identities: tuple[Identity, ...] = (Identity("admin", "kubernetes-admin", ("system:masters",)),)
    pod_gc_period: float = 20.0
    pod_gc_quarantine: float = 40.0
    namespace_delay: float = 0.2
    bookmark_interval: float = 0.02
    ring: int = 8192
    watch_buffer: int = 32 * 1024 * 1024
    without: tuple[str, ...] = ()
    rbac: bool = False
    event_loop: str = "auto"


def identity(text: str) -> Identity:
    """Read NAME=USER[:GROUP[,GROUP]]. A user may contain colons, as service accounts do: then its groups start after "::".

    Raises:
        ValueError: the text has no NAME or no USER.
    """
    name, equals, rest = text.partition("=")
    if not (name and equals and rest) or "/" in name:
        raise ValueError(f"expected NAME=USER[:GROUP[,GROUP]], got {text!r}; try admin=kubernetes-admin:system:masters")
    if rest.startswith("system:"):
        user, _, groups = rest.partition("::")
    else:
        user, _, groups = rest.partition(":")
    return Identity(name, user, tuple(group for group in groups.split(",") if group))


def _identity(text: str) -> Identity:
    try:
        return identity(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line; ends the program with a usage message if it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_daemonset.embedded",
        description="A Kubernetes API server for tests: in memory, on 127.0.0.1.",
    )
    default = Settings(Path())
    parser.add_argument("--dir", type=Path, required=True, help="an existing folder, for kubeconfigs and audit.log")
    parser.add_argument("--port", type=int, default=default.port)
    parser.add_argument(
        "--identity",
        type=_identity,
        action="append",
        metavar="NAME=USER[:GROUP,...]",
        help="writes DIR/NAME.kubeconfig; repeatable",
    )
    parser.add_argument("--pod-gc-period", type=float, default=default.pod_gc_period, metavar="S")
    parser.add_argument("--pod-gc-quarantine", type=float, default=default.pod_gc_quarantine, metavar="S")
    parser.add_argument("--namespace-delay", type=float, default=default.namespace_delay, metavar="S")
    parser.add_argument("--bookmark-interval", type=float, default=default.bookmark_interval, metavar="S")
    parser.add_argument(
        "--ring", type=int, default=default.ring, metavar="N", help="events per kind that a watch can resume over"
    )
    parser.add_argument("--watch-buffer", type=int, default=default.watch_buffer, metavar="BYTES")
    parser.add_argument("--without", action="append", choices=LOOPS, default=[], metavar="LOOP", help=", ".join(LOOPS))
    parser.add_argument("--rbac", action="store_true", help="let roles and their bindings say who may do what")
    parser.add_argument(
        "--event-loop",
        choices=eventloop.LOOPS,
        default=default.event_loop,
        help="auto: uvloop's if it is installed, else asyncio's",
    )
    said = parser.parse_args(arguments)
    if not said.dir.is_dir():
        parser.error(f"--dir {said.dir}: no such folder")
    if said.ring < 1:
        parser.error(f"--ring {said.ring}: must be at least 1")
    if said.event_loop == "uvloop" and not eventloop.installed():
        parser.error(
            "--event-loop uvloop: not installed; try `pip install 'pytest-daemonset[fast]'`, or --event-loop asyncio"
        )
    return Settings(
        directory=said.dir,
        port=said.port,
        identities=tuple(said.identity or default.identities),
        pod_gc_period=said.pod_gc_period,
        pod_gc_quarantine=said.pod_gc_quarantine,
        namespace_delay=said.namespace_delay,
        bookmark_interval=said.bookmark_interval,
        ring=said.ring,
        watch_buffer=said.watch_buffer,
        without=tuple(said.without),
        rbac=said.rbac,
        event_loop=said.event_loop,
    )
