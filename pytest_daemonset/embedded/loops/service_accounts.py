"""The service account controller: every namespace has a ServiceAccount `default`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_daemonset.embedded.loops.identities import SERVICE_ACCOUNTS
from pytest_daemonset.embedded.store import DELETED

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.settings import Settings

NAME = "default"


async def provide(api: Api, _settings: Settings) -> None:
    """Create what is missing, until cancelled."""
    with api.subscribe("namespaces", "serviceaccounts") as changes:
        for namespace in api.list("namespaces"):
            _ensure(api, namespace["metadata"]["name"])
        async for resource, change in changes:
            if resource == "namespaces" and change.type != DELETED:
                _ensure(api, change.entry.key[1])
            elif resource == "serviceaccounts" and change.type == DELETED and change.entry.key[1] == NAME:
                _ensure(api, change.entry.key[0])


def _ensure(api: Api, namespace: str) -> None:
    api.attempt(partial(_create, api, namespace), ("service-accounts", namespace))


def _create(api: Api, namespace: str) -> None:
    found = api.served["namespaces"].table.entries.get(("", namespace))
    if found is None or found.deleting or api.get("serviceaccounts", namespace, NAME) is not None:
        return
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}}
    api.create(SERVICE_ACCOUNTS, "serviceaccounts", namespace, account)
