"""``doctor``: what this machine can run, one line each, with the remedy."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple, TextIO

from pytest_daemonset.keeper import Keeper, KeeperError

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDED_DISK = 256 * 2**20  # bytes: an audit log and the histories of a long run
_FIRST = {"embedded": "python -m pytest_daemonset verify", "k3s": "pytest --daemonset-cluster=k3s"}
NEEDED_FILES = 1024  # open files: one socket a watch, some per process


class Finding(NamedTuple):
    """One line of the doctor.

    Args:
        fine: True, False, or None for what only an extra needs.
        text: what was found.
        remedy: what to do about it; empty when fine.
    """

    fine: bool | None
    text: str
    remedy: str = ""


def doctor(out: TextIO, cluster: str = "embedded", image: str = "") -> int:
    """Examine the machine and print a line per finding.

    Args:
        out: where to.
        cluster: which cluster is to run here.
        image: of k3s; the pinned one when empty.

    Returns:
        0 when that cluster can run here, 1 when it cannot.
    """
    checks = (_python, _packages, _loopback, _folder, _open_files, _keeper, _asyncio, _kubernetes, _uvloop)
    findings = [check() for check in checks]
    if cluster == "k3s":
        from pytest_daemonset.clusters.k3s.doctor import findings as more

        findings += more(image)
    for finding in findings:
        mark = {True: "ok  ", False: "FAIL", None: "-   "}[finding.fine]
        out.write(f"{mark}  {finding.text}" + (f"; {finding.remedy}" if finding.remedy else "") + "\n")
    broken = any(finding.fine is False for finding in findings)
    out.write(
        f"the {cluster} cluster cannot run here\n"
        if broken
        else f"the {cluster} cluster can run here: try `{_FIRST[cluster]}`\n"
    )
    return int(broken)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.platform not in ("linux", "darwin"):
        return Finding(
            False,
            f"Python {version} on {sys.platform}",
            "Linux or macOS is needed: processes are kept by POSIX sessions; on Windows use WSL",
        )
    return Finding(True, f"Python {version} on {sys.platform}")


def _packages() -> Finding:
    missing = [name for name in ("aiohttp", "orjson", "yaml", "trustme") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(
            False,
            f"packages missing: {', '.join(missing)}",
            "reinstall with `pip install --force-reinstall pytest-daemonset`",
        )
    return Finding(True, "all packages of the base install are there")


def _loopback() -> Finding:
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=2),
        ):
            return Finding(True, "127.0.0.1 accepts connections on a free port")
    except OSError as error:
        return Finding(
            False,
            f"127.0.0.1 does not accept connections: {error}",
            "allow loopback in the sandbox or firewall that this runs in",
        )


def _folder() -> Finding:
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix="pytest-daemonset-"):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(False, f"{folder} cannot be written to: {error}", "set TMPDIR to a folder that can")
    if free < NEEDED_DISK:
        return Finding(
            False,
            f"{folder} has {free >> 20} MiB free",
            f"free {NEEDED_DISK >> 20} MiB, or set TMPDIR to a larger disk",
        )
    return Finding(True, f"{folder} can be written to, {free >> 20} MiB free")


def _open_files() -> Finding:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < NEEDED_FILES:
        return Finding(False, f"only {soft} open files are allowed", f"raise it with `ulimit -n {min(65536, hard)}`")
    return Finding(True, f"{soft} open files are allowed" if soft >= 0 else "open files are not limited")


def _keeper() -> Finding:
    try:
        with Keeper():
            return Finding(True, "the keeper starts, and ends")
    except (KeeperError, OSError) as error:
        return Finding(
            False, f"the keeper does not start: {error}", "a run that is killed would leave processes behind"
        )


def _extra(module: str, purpose: str, extra: str) -> Callable[[], Finding]:
    def check() -> Finding:
        if importlib.util.find_spec(module) is None:
            return Finding(None, f"{purpose}: not installed", f"if wanted, `pip install 'pytest-daemonset[{extra}]'`")
        return Finding(True, f"{purpose}: installed")

    return check


_asyncio = _extra("pytest_asyncio", "async tests (pytest-asyncio)", "asyncio")
_uvloop = _extra("uvloop", "a faster event loop for the embedded API server (uvloop)", "fast")
_kubernetes = _extra("kubernetes_asyncio", "typed objects and an ApiClient (kubernetes-asyncio)", "kubernetes")
