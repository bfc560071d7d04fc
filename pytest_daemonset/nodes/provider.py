"""What the verbs on nodes ask of whoever makes the nodes: virtual kubelets, or containers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.nodes.spec import NodeSpec

MACHINE_VERBS: Final = ("leave", "crash", "restart", "pause", "resume", "partition", "heal")
"""What `NodeProvider.act` can be asked, each also the name of a capability."""


class Unchanged(Enum):
    """The type of `UNCHANGED`: a switch that `behave` leaves as it is (None means something else there)."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True)
class Behaviour:
    """How kubelets are to behave towards some pods.

    Attributes:
        switches: which of start, ready, hold, terminal and reject change, as the kubelets program has them.
        node: one node, or None for all.
        namespace: one namespace, or None for all.
        selector: a label selector as the API has it; the empty one selects every pod.
    """

    switches: Mapping[str, Any]
    node: str | None = None
    namespace: str | None = None
    selector: Mapping[str, Any] = field(default_factory=dict)


class NodeProvider(Protocol):
    """Makes nodes. Every method runs in the portal's loop, and tells the kube client what versions it wrote.

    Attributes:
        kind: what to call it in messages, such as ``virtual``.
        capabilities: which verbs it has: ``join``, those of `MACHINE_VERBS`, ``join_not_ready``, ``set_ready``,
            ``heartbeats``, ``behave``, ``pods`` (the verbs on one pod); and ``settings``, if a node's may be given.
        exclusive: whether every node of the cluster is this provider's, so that strange ones may be removed.
        lifecycle: whether a node lifecycle loop runs, which taints cordoned nodes.
    """

    kind: str
    capabilities: frozenset[str]
    exclusive: bool
    lifecycle: bool

    async def join(self, specs: Sequence[NodeSpec], *, same_identity: bool = False) -> Mapping[str, str]:
        """Makes these nodes, all at once, and returns their uids; if one cannot be made, none stays.

        Args:
            specs: the nodes.
            same_identity: they come back as the machines that they were, where a machine has an identity of its own.
        """

    async def act(self, verb: str, names: Sequence[str]) -> None:
        """Does one of `MACHINE_VERBS` to these nodes. ``leave`` never deletes pods."""

    async def set_ready(self, names: Sequence[str], ready: bool) -> None:
        """Brings the network of these nodes up or down."""

    async def heartbeats(self, names: Sequence[str], on: bool) -> None:
        """Switches leases on or off."""

    async def behave(self, behaviour: Behaviour) -> None:
        """Adds a rule of behaviour; it holds for pods of now and to come."""

    async def pod(self, namespace: str, name: str, verb: str, how: Mapping[str, Any]) -> None:
        """Does ``fail``, ``succeed``, ``set_ready`` or ``release`` to one pod."""

    async def states(self) -> Mapping[str, str]:
        """The nodes that there are and their states (as in `pool.TO_STATE`), once nothing is under way any more."""

    async def clean_up(self) -> None:
        """After a test: the behaviour of the beginning again, and no pods left on nodes that are gone."""
