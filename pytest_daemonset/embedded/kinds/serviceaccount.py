"""ServiceAccounts."""

from __future__ import annotations

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds.kind import Kind

SERVICE_ACCOUNT = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    singular="serviceaccount",
    printer=printers.SERVICE_ACCOUNT,
    short_names=("sa",),
    subresources=("token",),
    returns_deleted=True,
)
