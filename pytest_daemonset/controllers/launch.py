"""The process of a ``python:`` controller: ``python -m pytest_daemonset.controllers.launch package.module:main KUBECONFIG``."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys


def main(target: str, kubeconfig: str) -> None:
    """Import a function and call it with the path of the controller's kubeconfig; a coroutine is run to its end."""
    module, _, name = target.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, but something that it imports is not
        sys.exit(f"python: {target}: no module {error.name!r} on the path {sys.path}")
    except AttributeError:
        sys.exit(f"python: {target}: {module} has no function {name!r}")
    if not callable(function):
        sys.exit(f"python: {target}: expected a function of one argument, the kubeconfig's path; found {function!r}")
    result = function(kubeconfig)
    if inspect.isawaitable(result):
        asyncio.run(_finish(result))


async def _finish(result: object) -> None:
    if inspect.isawaitable(result):
        await result


if __name__ == "__main__":
    main(*sys.argv[1:])
