"""When a controller that is a process counts as started."""

from __future__ import annotations

import re

from pytest_daemonset.controllers import placeholders
from pytest_daemonset.errors import UsageError

USAGE = "'log: REGEX', 'http: URL', 'lease: NAMESPACE/NAME' or 'write'"


def parsed(ready: str, *, replicas: int) -> tuple[str, str]:
    """The kind of a readiness, and its argument.

    Args:
        ready: as the user wrote it; empty for "as soon as the process runs".
        replicas: how many have to become ready.

    Raises:
        UsageError: it cannot be read, or would take one replica for all.
    """
    if not ready:
        return "", ""
    told = f"--daemonset-controller-ready={ready!r}"
    kind, _, argument = ready.partition(":")
    kind, argument = kind.strip(), argument.strip()
    if kind not in ("log", "http", "lease", "write") or bool(argument) == (kind == "write"):
        raise UsageError(f"{told}: expected {USAGE}")
    if kind == "http":
        if not argument.startswith(("http://", "https://")):
            raise UsageError(f"{told}: expected a whole URL, such as 'http: http://127.0.0.1:8081/readyz'")
        placeholders.check(argument, told, ("replica",))
        if replicas > 1 and "{replica}" not in argument:
            raise UsageError(
                f"{told}: {replicas} replicas cannot listen on one port; write {{replica}} where theirs differ, as in "
                "'http: http://127.0.0.1:808{replica}/readyz'"
            )
    if kind == "lease" and not re.fullmatch(r"[^/\s]+/[^/\s]+", argument):
        raise UsageError(f"{told}: expected 'lease: NAMESPACE/NAME', such as 'lease: kube-system/my-controller'")
    if kind == "log":
        try:
            re.compile(argument)
        except re.error as error:
            raise UsageError(f"{told}: no regular expression: {error}") from None
    return kind, argument
