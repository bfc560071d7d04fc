"""How much the controller wrote in one test: a hot loop reaches every goal, and nobody sees it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from pytest_daemonset.kube.audit import WRITES

if TYPE_CHECKING:
    from pytest_daemonset.kube.audit import AuditLog, Entry

_MANY_PER_NODE: Final = 50
"""Writes per node in one test, from which on one asks what they are for: a pod that comes and goes takes about five."""

_SHOWN: Final = 4


class Writing:
    """The writes of one user from now on; Leases and Events do not count.

    Args:
        audit: the cluster's log; without one nothing is known.
        user: the controller's.
    """

    def __init__(self, audit: AuditLog | None, user: str) -> None:
        self._audit = audit
        self._user = user
        self._began = time.monotonic()
        self._mark = audit.mark() if audit is not None else 0

    def told(self) -> str:
        """How often it wrote, in how many seconds, and what; empty where nobody can know."""
        return "" if self._audit is None else self._summary(self._writes())

    def warning(self, nodes: int) -> str:
        """The same, where it is so much that it looks like a loop without an end; empty otherwise.

        Args:
            nodes: how many there are: so many pods had to be made, if not more.
        """
        writes = self._writes()
        if len(writes) <= _MANY_PER_NODE * (nodes + 1):
            return ""
        return f"{self._summary(writes)}, with {nodes} nodes: does it write without need? That alone fails no test"

    def _writes(self) -> list[Entry]:
        if self._audit is None:
            return []
        entries = self._audit.entries(user=self._user, verbs=WRITES, since=self._mark)
        return [entry for entry in entries if entry.resource not in ("leases", "events")]

    def _summary(self, writes: list[Entry]) -> str:
        seconds = f"in {time.monotonic() - self._began:.1f} s"
        kinds = Counter(
            f"{one.verb} {one.resource}{f'/{one.subresource}' if one.subresource else ''}" for one in writes
        )
        told = [f"{count} {kind}" for kind, count in kinds.most_common(_SHOWN)]
        more = [f"{len(kinds) - _SHOWN} other kinds"] if len(kinds) > _SHOWN else []
        times = "once" if len(writes) == 1 else f"{len(writes)} times"
        return (
            f"the controller wrote {times} {seconds} ({', '.join(told + more)})"
            if writes
            else f"the controller wrote nothing {seconds}"
        )
