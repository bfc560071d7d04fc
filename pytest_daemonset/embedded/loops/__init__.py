"""The loops of the control plane that run inside the server: each a coroutine on the in-process Api, until it is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.loops import binder, budgets, garbage, namespaces, podgc, service_accounts

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.settings import Settings

Loop = Callable[["Api", "Settings"], Coroutine[Any, Any, None]]

LOOPS: Mapping[str, Loop] = MappingProxyType(
    {
        "garbage": garbage.collect,
        "namespaces": namespaces.empty,
        "binder": binder.bind,
        "pod-gc": podgc.collect,
        "service-accounts": service_accounts.provide,
        "budgets": budgets.follow,
    }
)
"""By the names that `--without` takes."""
