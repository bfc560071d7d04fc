"""Commands that start the reference controller as if it were somebody's own."""

from __future__ import annotations

import sys

REFERENCE = f"command: {sys.executable} -m pytest_daemonset.reference --kubeconfig {{kubeconfig}}"
ELECTED = (
    f"{REFERENCE} --leader-elect --leader-elect-lease-duration=5 --leader-elect-renew-deadline=4 "
    "--leader-elect-retry-period=0.5"
)
