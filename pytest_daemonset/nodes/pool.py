"""The nodes of one cluster, which outlive a test: who is there and in which state, and which verb makes sense when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import NODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.nodes.provider import NodeProvider
    from pytest_daemonset.nodes.spec import NodeSpec

Object: TypeAlias = "dict[str, Any]"

FROM_STATES: Final = {
    "leave": ("running", "crashed", "paused", "partitioned"),
    "crash": ("running", "paused", "partitioned"),
    "restart": ("running", "crashed", "paused", "partitioned"),
    "pause": ("running",),
    "resume": ("paused",),
    "partition": ("running",),
    "heal": ("partitioned",),
    "rejoin": ("left",),
}
"""In which states of a node a verb makes sense."""

TO_STATE: Final = {
    "leave": "left",
    "crash": "crashed",
    "restart": "running",
    "pause": "paused",
    "resume": "running",
    "partition": "partitioned",
    "heal": "running",
    "rejoin": "running",
}

_TRIES = 10


@dataclass
class Record:
    """One node: `planned` is the state that it has when everything that was asked for has happened."""

    spec: NodeSpec
    uid: str = ""
    planned: str = "running"
    state: str = "running"
    ready: bool = True


class NodePool:
    """The nodes of one cluster. The verbs of a test are on `Nodes` and `Node`; this does what they ask for.

    Its coroutines run in the portal's loop.

    Args:
        client: for labels, taints and whatever else needs no provider.
        provider: who makes the nodes.
    """

    def __init__(self, client: Client, provider: NodeProvider) -> None:
        self.client = client
        self.provider = provider
        self.records: dict[str, Record] = {}
        self._last_number = 0

    # -- asked at call time: nothing here waits --

    def need(self, capability: str, what: str) -> None:
        """Raises UsageError if the provider cannot do that."""
        if capability not in self.provider.capabilities:
            have = ", ".join(sorted(self.provider.capabilities)) or "nothing"
            raise UsageError(
                f"{what}: {self.provider.kind} nodes have no capability {capability!r} (they have: {have}); "
                "run this test on a cluster that has it, or mark it as needing it"
            )

    def known(self, name: str) -> Record:
        """The record of a node that is there, or comes.

        Raises:
            UsageError: no such node, or it has left.
        """
        record = self.records.get(name)
        if record is None or record.planned == "left":
            there = ", ".join(self.names()) or "none"
            raise UsageError(f"no node {name!r} here; there are: {there}"[:500])
        return record

    def names(self) -> list[str]:
        """The nodes that are there now, in the order in which they first joined."""
        return [name for name, record in self.records.items() if record.state != "left"]

    def new_name(self) -> str:
        """A name that no node has or had."""
        while True:
            self._last_number += 1
            name = f"node-{self._last_number}"
            if name not in self.records:
                return name

    def plan_join(self, specs: Sequence[NodeSpec]) -> None:
        """Reserves the names.

        Raises:
            UsageError: a name is taken.
        """
        self.need("join", "join")
        for spec in specs:
            if not spec.ready:
                self.need("join_not_ready", f"join of node {spec.name} with ready=False")
            if spec.settings:
                self.need("settings", f"join of node {spec.name} with settings={dict(spec.settings)}")
            old = self.records.get(spec.name)
            if old is not None and (old.planned != "left" or old.state != "left"):
                raise UsageError(f"node {spec.name} is there already; choose another name, or none")
        for spec in specs:
            self.records[spec.name] = Record(spec, planned="running", state="left", ready=spec.ready)

    def plan(self, verb: str, names: Sequence[str]) -> None:
        """Notes that a verb was asked for.

        Raises:
            UsageError: unknown node, or the verb makes no sense in the state that the node will have.
        """
        if verb != "rejoin":
            self.need(verb, f"{verb} of {', '.join(names)}"[:200])
        for name in names:
            record = self.records.get(name) if verb == "rejoin" else self.known(name)
            if record is None or record.planned not in FROM_STATES[verb]:
                state = record.planned if record else "unknown"
                raise UsageError(f"{verb}: node {name} is {state}; {verb} needs one that is {_or(FROM_STATES[verb])}")
        if len(set(names)) < len(names):
            raise UsageError(f"{verb}: a node is named twice: {', '.join(names)}")
        for name in names:
            self.records[name].planned = TO_STATE[verb]

    # -- done in the portal's loop --

    async def join(self, specs: Sequence[NodeSpec], *, same_identity: bool = False) -> None:
        """Makes the nodes of `plan_join`."""
        try:
            uids = await self.provider.join(specs, same_identity=same_identity)
        except BaseException:
            for spec in specs:
                self.records[spec.name].planned = "left"
            raise
        for spec in specs:
            record = self.records[spec.name]
            record.uid, record.state, record.ready = uids[spec.name], "running", spec.ready

    async def act(self, verb: str, names: Sequence[str], *, same_identity: bool = False) -> None:
        """Does what was planned with `plan`."""
        records = [self.records[name] for name in names]
        try:
            if verb == "rejoin":
                await self.join([record.spec for record in records], same_identity=same_identity)
            else:
                await self.provider.act(verb, names)
        except BaseException:
            for record in records:
                record.planned = record.state
            raise
        for record in records:
            record.state = TO_STATE[verb]

    async def set_ready(self, names: Sequence[str], *, ready: bool) -> None:
        """Brings the network of nodes up or down."""
        await self.provider.set_ready(names, ready)
        for name in names:
            self.records[name].ready = ready

    async def patch(self, name: str, body: Object) -> Object:
        """Merges something into the Node object.

        Raises:
            ClusterError: the API server refused.
        """
        try:
            return await self.client.patch(NODES, name, body)
        except ApiError as error:
            raise ClusterError(f"node {name} could not be changed: {error}") from error

    async def change_taints(self, name: str, change: Callable[[list[Object]], list[Object]], more: Object) -> Object:
        """Replaces the taints, whatever others write at the same time; `more` is merged into the spec along with them.

        Raises:
            ClusterError: the API server refused.
        """
        for _ in range(_TRIES):
            try:
                node = await self.client.get(NODES, name)
                taints = change(node["spec"].get("taints") or [])
                version = {"resourceVersion": node["metadata"]["resourceVersion"]}
                body = {"metadata": version, "spec": {**more, "taints": taints or None}}
                return await self.client.patch(NODES, name, body)
            except ApiError as error:
                if error.status != 409:
                    raise ClusterError(f"node {name} could not be changed: {error}") from error
        raise ClusterError(f"the taints of node {name} could not be changed: somebody else changed it {_TRIES} times")


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)
