"""What is to be done for a set, read off the nodes and its pods; nothing here writes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from eligibility import admits
from pods import HASH, bound, ended, going, ready_since, target, template_hash

Object = dict[str, Any]


@dataclass
class Plan:
    """Pods to delete, with the reason for each, nodes that want one, and when to look again unasked."""

    delete: list[tuple[Object, str]] = field(default_factory=list)
    create: list[str] = field(default_factory=list)
    after: float = math.inf  # seconds


class BackOff:
    """How long a failed pod lies on its node before it is replaced: longer each time, and from the start for a new spec."""

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[int, float, float]] = {}  # generation, seconds, until when

    def left(self, node: str, agent: Object, now: float) -> float:
        """Seconds that are left of the wait for the node; with none left, the next one begins."""
        generation, cap = agent["metadata"]["generation"], agent["spec"].get("maxBackOffSeconds", 900)
        known, seconds, until = self._nodes.get(node, (0, 0.0, 0.0))
        if known == generation and now < until:
            return until - now
        fresh = known != generation or now > until + cap
        seconds = 1.0 if fresh else min(2 * seconds, cap)
        self._nodes[node] = (generation, seconds, now + seconds)
        return 0.0


def plan(agent: Object, nodes: dict[str, Object], pods: list[Object], back_off: BackOff, now: float) -> Plan:
    """One pod on each node that admits one, of the present template as far as the update strategy says."""
    spec, todo = agent["spec"], Plan()
    current, ripe = template_hash(spec["template"]), spec.get("minReadySeconds", 0)
    missing, broken, replaceable = 0, [], []
    wanted = 0
    here = by_node(pods)
    for name in here.keys() - nodes.keys():  # what was bound there is the pod garbage collector's
        todo.delete += [(pod, "SuccessfulDelete") for pod in here[name] if not bound(pod) and not going(pod)]
    for name, node in nodes.items():
        start, stay = admits(spec["template"], node)
        wanted += start
        live = [pod for pod in here.get(name, ()) if not going(pod)]
        if not stay:
            todo.delete += [(pod, "SuccessfulDelete") for pod in live]
            continue
        for pod in filter(ended, live):
            failed = pod["status"]["phase"] == "Failed"
            wait = back_off.left(name, agent, now) if failed else 0.0
            if wait:
                todo.after = min(todo.after, wait)
            else:
                todo.delete.append((pod, "FailedDaemonPod" if failed else "SucceededDaemonPod"))
        running = sorted((pod for pod in live if not ended(pod)), key=_precedence)
        todo.delete += [(pod, "SuccessfulDelete") for pod in running[1:]]
        if not start:
            continue
        if not running:
            missing += 1
            # A pod that has ended and is being deleted may be kept by a finalizer: it runs no more.
            if all(going(pod) and ended(pod) for pod in here.get(name, ())):
                todo.create.append(name)
            continue
        pod, since = running[0], ready_since(running[0])
        wait = math.inf if since is None else since + ripe - now
        if wait > 0:
            todo.after = min(todo.after, wait)
        if pod["metadata"].get("labels", {}).get(HASH) == current:
            missing += wait > 0
        elif wait > 0:
            missing += 1
            broken.append(pod)
        else:
            replaceable.append(pod)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
        budget = max(0, max(1, _number(limit, wanted)) - missing)  # with none allowed, nothing would ever be replaced
        # What is down anyway is replaced at once; it has been charged to the budget already.
        todo.delete += [(pod, "SuccessfulDelete") for pod in (*broken, *replaceable[:budget])]
    return todo


def status(agent: Object, nodes: dict[str, Object], pods: list[Object], now: float) -> Object:
    """The counters, which count nodes and not pods."""
    spec, here = agent["spec"], by_node(pods)
    current, ripe = template_hash(spec["template"]), spec.get("minReadySeconds", 0)
    desired = scheduled = misscheduled = updated = ready = available = 0
    for name, node in nodes.items():
        start, _ = admits(spec["template"], node)
        counted = sorted((pod for pod in here.get(name, ()) if not (going(pod) and ended(pod))), key=_precedence)
        desired += start
        misscheduled += bool(counted and not start)
        if counted and start:
            since = ready_since(counted[0])
            scheduled += 1
            updated += counted[0]["metadata"].get("labels", {}).get(HASH) == current
            ready += since is not None
            available += since is not None and since + ripe <= now
    return {
        "observedGeneration": agent["metadata"]["generation"],
        "desiredNumberScheduled": desired,
        "currentNumberScheduled": scheduled,
        "updatedNumberScheduled": updated,
        "numberMisscheduled": misscheduled,
        "numberReady": ready,
        "numberAvailable": available,
        "numberUnavailable": desired - available,
    }


def by_node(pods: list[Object]) -> dict[str, list[Object]]:
    """The pods by the node that each is for; strays that name none are left alone."""
    found: dict[str, list[Object]] = {}
    for pod in pods:
        if name := target(pod):
            found.setdefault(name, []).append(pod)
    return found


def _precedence(pod: Object) -> tuple[bool, str, str]:
    """Of several on a node, which one counts: the bound one, then the oldest."""
    return not bound(pod), pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]


def _number(limit: int | str, of: int) -> int:
    return math.ceil(of * int(limit.rstrip("%")) / 100) if isinstance(limit, str) else limit
