"""The pod garbage collector: pods bound to a node that is gone are removed by force.

After kubernetes/pkg/controller/podgc: every period (20 s there) it looks for nodes that have vanished; one that stays away for
the quarantine (40 s there) loses its pods: each is marked Failed with the condition DisruptionTarget, then deleted.
What it also does there has nothing to do here: deleted pods that never got a node go at once, and none is kept to be counted.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from pytest_daemonset.embedded.loops.holding import held
from pytest_daemonset.embedded.loops.identities import POD_GC
from pytest_daemonset.embedded.times import timestamp

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.settings import Settings

_STRATEGIC = "application/strategic-merge-patch+json"
_ENDED = ("Succeeded", "Failed")


async def collect(api: Api, settings: Settings) -> None:
    """Collect pods until cancelled. Its two constants are `pod_gc_period` and `pod_gc_quarantine`, in seconds."""
    collector = PodCollector(api, settings.pod_gc_quarantine)
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(settings.pod_gc_period)
        collector.tick(clock())


class PodCollector:
    """Which nodes are gone, and until when their pods are left alone.

    Args:
        quarantine: how long a node must be gone, in seconds.
    """

    def __init__(self, api: Api, quarantine: float) -> None:
        self._api = api
        self._quarantine = quarantine
        self._until: dict[str, float] = {}

    def tick(self, now: float) -> None:
        """Look once. `now` is on any clock that only goes forward, in seconds."""
        nodes = self._api.served["nodes"].table.entries
        used = self._api.served["pods"].table.index.by_field("spec.nodeName")
        gone = [name for name in used if name and ("", name) not in nodes]
        self._until = {name: self._until.get(name, now + self._quarantine) for name in gone}
        for name in gone:
            if self._until[name] <= now:
                for pod in self._api.list("pods", fields={"spec.nodeName": name}):
                    if held(self._api, pod["metadata"]["namespace"], "pod-gc"):
                        continue
                    where = (pod["metadata"]["namespace"], pod["metadata"]["name"])
                    self._api.attempt(partial(self._end, *where), ("pod-gc", *where))

    def _end(self, namespace: str, name: str) -> None:
        pod = self._api.get("pods", namespace, name)
        if pod is None:
            return
        if pod["metadata"].get("deletionGracePeriodSeconds") == 0:
            # Only a finalizer still holds it; asking again would change nothing.
            return
        if pod["status"].get("phase") not in _ENDED:
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "DeletionByPodGC",
                "message": "PodGC: node no longer exists",
                "lastTransitionTime": timestamp(self._api.now()),
            }
            patch = {"status": {"phase": "Failed", "conditions": [condition]}}
            self._api.patch(POD_GC, "pods", namespace, name, patch, _STRATEGIC, "status")
        self._api.delete(POD_GC, "pods", namespace, name, {"gracePeriodSeconds": 0})
