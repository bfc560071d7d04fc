"""How long things take in a cluster that works, so that a default time-out is neither a guess nor a wall."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Constants:
    """A cluster's own constants, in seconds.

    Args:
        base: what anything may take: a start of the controller's informers, a rate limit, a slow machine.
        per_node: what each node adds.
        pod_gc_period: how often pod garbage collection looks (kube-controller-manager: 20 s).
        pod_gc_quarantine: how long it waits after a node has gone (kube-controller-manager: 40 s).
        bookmark: how long it is worth waiting for an idle watch to say that it is idle, before a fence is asked for. A real
            server says so once a minute: that is never worth waiting for.
        fence: how long a watch may take to catch up with a list before we say that we cannot see.
        barrier: how long a controller may take to show that it ran.
    """

    base: float = 30.0
    per_node: float = 0.2
    pod_gc_period: float = 20.0
    pod_gc_quarantine: float = 40.0
    bookmark: float = 0.1
    fence: float = 30.0
    barrier: float = 30.0

    def patient(self, factor: float) -> Constants:
        """The same for a controller that takes so many times as long; never shorter."""
        return replace(
            self,
            base=self.base * factor,
            per_node=self.per_node * factor,
            barrier=self.barrier * factor,
        )

    def within(self, nodes: int) -> float:
        """The default of ``within``, in seconds, for a cluster of so many nodes."""
        return self.base + self.per_node * nodes + self.pod_gc_quarantine + 2 * self.pod_gc_period
