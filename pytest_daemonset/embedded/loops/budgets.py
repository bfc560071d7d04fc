"""The disruption and the quota controller: statuses of PodDisruptionBudgets and ResourceQuotas follow the pods and what else is counted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import disruption, quotas
from pytest_daemonset.embedded.loops.identities import DISRUPTION, QUOTA

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.settings import Settings
    from pytest_daemonset.embedded.store import Change

Object = dict[str, Any]

_PODS = "pods"
_PAUSE = 0.02  # many pods change at once: they are counted once


async def follow(api: Api, _settings: Settings) -> None:
    """Write statuses until cancelled."""
    budgets_, quotas_ = (api.served[resource].table for resource in (disruption.BUDGETS, quotas.QUOTAS))

    def cares(resource: str, change: Change) -> bool:
        namespace = change.entry.key[0]
        if resource not in {_PODS, disruption.BUDGETS}:
            return bool(namespace) and quotas_.holds(namespace)
        return budgets_.holds(namespace) or quotas_.holds(namespace)

    with api.subscribe(only=cares) as changes:
        for resource in (disruption.BUDGETS, quotas.QUOTAS):
            for namespace in {entry.key[0] for entry in api.served[resource].table}:
                count(api, namespace)
        async for _, change in changes:
            touched = {change.entry.key[0]}
            await asyncio.sleep(_PAUSE)
            touched |= {later.entry.key[0] for _, later in changes.waiting()}
            for namespace in touched:
                count(api, namespace)


def count(api: Api, namespace: str) -> None:
    """Write the statuses of one namespace that no longer tell the truth."""
    for resource, write in ((disruption.BUDGETS, _count_budget), (quotas.QUOTAS, _count_quota)):
        for entry in api.served[resource].table.within(namespace):
            name = entry.key[1]
            api.attempt(partial(write, api, namespace, name), (resource, namespace, name))


def _count_budget(api: Api, namespace: str, name: str) -> None:
    budget = api.get(disruption.BUDGETS, namespace, name)
    if budget is None:
        return
    status = disruption.status_of(budget, api.served[_PODS].table.within(namespace))
    if status != budget["status"]:
        api.update(DISRUPTION, disruption.BUDGETS, namespace, name, {**budget, "status": status}, "status")


def _count_quota(api: Api, namespace: str, name: str) -> None:
    quota = api.get(quotas.QUOTAS, namespace, name)
    if quota is None:
        return
    told: Object = {}
    if hard := quota["spec"].get("hard"):
        told = {"hard": hard, "used": quotas.told(quotas.used(quota, api.served, namespace))}
    if told != quota["status"]:
        api.update(QUOTA, quotas.QUOTAS, namespace, name, {**quota, "status": told}, "status")
