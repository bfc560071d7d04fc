"""How many k3s clusters one machine has room for."""

from __future__ import annotations

import os
from typing import Final

from pytest_daemonset.errors import UsageError

MEMORY: Final = 2 * 2**30  # bytes for a server and a few agents; measured: 7 nodes take 1.5 GiB
PROCESSORS: Final = 2  # a server that starts keeps two busy


def cap(said: str) -> tuple[int, str]:
    """How many clusters may run at once, and why.

    Args:
        said: the user's number; empty for ours, which counts two processors and 2 GiB of memory for each.

    Raises:
        UsageError: no whole number above 0.
    """
    if said:
        if not said.isdecimal() or int(said) < 1:
            raise UsageError(f"--daemonset-k3s-clusters={said}: expected a whole number above 0")
        return int(said), "--daemonset-k3s-clusters says so"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    processors = os.cpu_count() or 1
    most = max(1, min(processors // PROCESSORS, memory // MEMORY))
    return int(most), (
        f"each has a k3s cluster, and there are {processors} processors and {memory / 2**30:.0f} GiB; "
        "--daemonset-k3s-clusters=N raises it"
    )
