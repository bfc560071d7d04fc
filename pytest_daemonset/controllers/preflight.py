"""What can be told of a controller that will not start, before anything is started for it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.documents import documents

if TYPE_CHECKING:
    from pytest_daemonset.controllers.config import ControllerConfig


def check(config: ControllerConfig) -> None:
    """See that its program or package, its working folder and its manifests are there.

    Args:
        config: which controller.

    Raises:
        UsageError: one of them is not, or a manifest cannot be read.
    """
    for source in config.manifests:
        documents(source)
    if config.cwd is not None and not config.cwd.is_dir():
        raise UsageError(f"cwd={str(config.cwd)!r} of --daemonset-controller={config.spec!r}: no such folder")
    if config.kind == "command":
        _check_program(config)
    if config.kind == "python":
        _check_package(config)


def _check_program(config: ControllerConfig) -> None:
    program = config.words()[0]
    if "{" in program:
        return  # a placeholder: it has a name only when it is started
    told = f"--daemonset-controller={config.spec!r}"
    if os.sep not in program:
        path = {**os.environ, **config.env}.get("PATH", os.defpath)
        if shutil.which(program, path=path) is None:
            raise UsageError(f"{told}: no program {program!r} on the PATH ({path}); is it installed, and built?")
        return
    where = (config.cwd or Path.cwd()) / program
    if not where.is_file():
        found = "a folder" if where.is_dir() else "no such file"
        raise UsageError(f"{told}: {where}: {found}; expected a program; is it built, and is this the right folder?")
    if not os.access(where, os.X_OK):
        raise UsageError(
            f"{told}: {where} is not executable; try `chmod +x {program}`, or name its interpreter before it"
        )


def _check_package(config: ControllerConfig) -> None:
    """The outermost package only: to find what is in it would be to import it."""
    package = config.argument.partition(":")[0].partition(".")[0]
    path = [str(config.cwd or Path.cwd()), *config.env.get("PYTHONPATH", "").split(os.pathsep)]
    if PathFinder.find_spec(package, path) is None and find_spec(package) is None:
        raise UsageError(
            f"--daemonset-controller={config.spec!r}: no module {package!r} in {path[0]}, nor in the environment of "
            f"{sys.executable}; is it installed there, and is this the right folder?"
        )
