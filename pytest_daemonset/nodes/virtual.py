"""Virtual nodes: each has a virtual kubelet in the kubelets program, which is commanded over its standard input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import ClusterError
from pytest_daemonset.kube.resources import NODES, PODS
from pytest_daemonset.kube.until import until
from pytest_daemonset.nodes import agent
from pytest_daemonset.nodes.provider import MACHINE_VERBS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.nodes.provider import Behaviour
    from pytest_daemonset.nodes.spec import NodeSpec
    from pytest_daemonset.processes import Process

_FIRST: Final = 30.0  # seconds for one command
_EACH: Final = 0.2  # seconds more for every node in it
_NOTICES: Final = 120.0  # seconds until a node lifecycle loop must have noticed what a node does


class VirtualNodes:
    """The provider of virtual nodes.

    Args:
        client: is told the versions that the kubelets wrote.
        kubelets: the program ``python -m pytest_daemonset.kubelets``, started and ready.
        lifecycle: whether a real node lifecycle loop runs (then the program must run with ``--real-lifecycle``).
        exclusive: whether every node of the cluster is one of these.
    """

    kind = "virtual"
    capabilities = frozenset(("join", "join_not_ready", "set_ready", "heartbeats", "behave", "pods", *MACHINE_VERBS))

    def __init__(self, client: Client, kubelets: Process, *, lifecycle: bool = False, exclusive: bool = True) -> None:
        self.exclusive = exclusive
        self.lifecycle = lifecycle
        self._client = client
        self._kubelets = kubelets

    async def join(self, specs: Sequence[NodeSpec], *, same_identity: bool = False) -> Mapping[str, str]:  # noqa: ARG002
        """Registers these nodes. Two requests each; a thousand take about a second. Their names are their identity."""
        answer = await self._ask("join", len(specs), nodes=[_wanted(spec) for spec in specs])
        uids: Mapping[str, str] = answer["nodes"]
        return uids

    async def act(self, verb: str, names: Sequence[str]) -> None:
        """See `NodeProvider.act`."""
        await self._ask(verb, len(names), nodes=list(names))
        if verb == "leave":
            # The answer to a deletion carries no version of it.
            await self._client.wrote_until_now(NODES)
        elif self.lifecycle and verb in ("crash", "partition", "restart", "heal"):
            await self._noticed(verb, names, lost=verb in ("crash", "partition"))

    async def _noticed(self, verb: str, names: Sequence[str], *, lost: bool) -> None:
        """A lifecycle loop of somebody else's takes its time; the program itself does it at once."""

        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            nodes = seen["Node"]
            every = nodes.values()
            return all(agent.is_lost(nodes.get(one), every) if lost else agent.is_back(nodes.get(one)) for one in names)

        if not await until(self._client, [(NODES, None)], good, _NOTICES):
            raise ClusterError(
                f"{verb} of {', '.join(names)}: the cluster's node lifecycle loop has not noticed it within {_NOTICES:g} s"
            )

    async def set_ready(self, names: Sequence[str], ready: bool) -> None:
        """See `NodeProvider.set_ready`."""
        await self._ask("ready", len(names), nodes=list(names), ready=ready)

    async def heartbeats(self, names: Sequence[str], on: bool) -> None:
        """See `NodeProvider.heartbeats`."""
        await self._ask("heartbeats", len(names), nodes=list(names), on=on)

    async def behave(self, behaviour: Behaviour) -> None:
        """See `NodeProvider.behave`."""
        await self._ask(
            "behave",
            1000,
            node=behaviour.node,
            namespace=behaviour.namespace,
            selector=dict(behaviour.selector),
            switches=dict(behaviour.switches),
        )
        await self._client.wrote_until_now(PODS)

    async def pod(self, namespace: str, name: str, verb: str, how: Mapping[str, Any]) -> None:
        """See `NodeProvider.pod`."""
        await self._ask("pod", 1, namespace=namespace, name=name, verb=verb, **how)
        await self._client.wrote_until_now(PODS)

    async def states(self) -> Mapping[str, str]:
        """See `NodeProvider.states`."""
        answer = await self._ask("nodes", 1000)
        states: Mapping[str, str] = answer["nodes"]
        return states

    async def clean_up(self) -> None:
        """See `NodeProvider.clean_up`."""
        await self._ask("behave-as-before", 1000)
        if (await self._ask("forget", 1000))["removed"]:
            await self._client.wrote_until_now(PODS)

    async def _ask(self, what: str, size: int, **details: Any) -> dict[str, Any]:
        answer = await self._kubelets.request({"do": what, **details}, timeout=_FIRST + _EACH * size)
        self._client.wrote_at(answer["wrote"])
        if answer["problems"]:
            told = "; ".join(answer["problems"][:3])
            raise ClusterError(
                f"{len(answer['problems'])} times a virtual kubelet could not do its part, which may have left pods "
                f"stuck: {told}. Its log: {self._kubelets.log}"
            )
        return answer


def _wanted(spec: NodeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "labels": dict(spec.labels),
        "annotations": dict(spec.annotations),
        "taints": [taint.as_object() for taint in spec.taints],
        "ready": spec.ready,
        "allocatable": dict(spec.allocatable),
        "arch": spec.arch,
        "os": spec.os,
        "unschedulable": spec.unschedulable,
    }
