"""The nodes of a cluster, as a test sees them: a collection that grows and shrinks, and verbs on many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pytest_daemonset.errors import UsageError
from pytest_daemonset.nodes.behaviours import behaviour
from pytest_daemonset.nodes.node import Node
from pytest_daemonset.nodes.provider import UNCHANGED
from pytest_daemonset.nodes.spec import NodeSpec, Taint, taints_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.nodes.pool import NodePool
    from pytest_daemonset.nodes.provider import Unchanged
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.scope import Scope

PodLike: TypeAlias = "str | Mapping[str, Any]"
TaintLike: TypeAlias = "str | Mapping[str, Any] | Taint"


class Nodes:
    """The nodes that can leave. Iteration, ``len`` and indexing (by name, or by position) show those of now.

    Args:
        pool: the nodes of the cluster.
        scope: of the test.
    """

    def __init__(self, pool: NodePool, scope: Scope) -> None:
        self._pool = pool
        self._scope = scope

    def __iter__(self) -> Iterator[Node]:
        return iter([self._node(name) for name in self._pool.names()])

    def __len__(self) -> int:
        return len(self._pool.names())

    def __contains__(self, node: object) -> bool:
        name = node.name if isinstance(node, Node) else node
        return name in self._pool.names()

    @overload
    def __getitem__(self, key: str | int) -> Node: ...
    @overload
    def __getitem__(self, key: slice) -> list[Node]: ...
    def __getitem__(self, key: str | int | slice) -> Node | list[Node]:
        names = self._pool.names()
        if isinstance(key, slice):
            return [self._node(name) for name in names[key]]
        if isinstance(key, str):
            self._pool.known(key)
            return self._node(key)
        if not -len(names) <= key < len(names):
            raise UsageError(f"nodes[{key}]: there are {len(names)} nodes now; join more first")
        return self._node(names[key])

    def __repr__(self) -> str:
        return f"<Nodes {', '.join(self._pool.names()) or 'none'}>"

    @overload
    def join(
        self,
        count: None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        taints: Iterable[TaintLike] = (),
        ready: bool = True,
        unschedulable: bool = False,
        allocatable: Mapping[str, str] | None = None,
        arch: str = "amd64",
        os: str = "linux",
        settings: Mapping[str, Any] | None = None,
    ) -> Handle[Node]: ...
    @overload
    def join(
        self,
        count: int,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        taints: Iterable[TaintLike] = (),
        ready: bool = True,
        unschedulable: bool = False,
        allocatable: Mapping[str, str] | None = None,
        arch: str = "amd64",
        os: str = "linux",
        settings: Mapping[str, Any] | None = None,
    ) -> Handle[list[Node]]: ...
    def join(
        self,
        count: int | None = None,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        taints: Iterable[TaintLike] = (),
        ready: bool = True,
        unschedulable: bool = False,
        allocatable: Mapping[str, str] | None = None,
        arch: str = "amd64",
        os: str = "linux",
        settings: Mapping[str, Any] | None = None,
    ) -> Handle[Node] | Handle[list[Node]]:
        """New nodes join, all at once.

        Args:
            count: how many; without, one, and the handle gives that `Node` instead of a list.
            name: the name, with ``count`` followed by -1, -2, ...; default ``node-N``, unique in the session.
            labels: beside those that every kubelet sets.
            annotations: of the Node objects.
            taints: as for `Node.taint`.
            ready: False: registered only, because the network plug-in is missing (for CNI sets).
            unschedulable: True: cordoned from the first moment.
            allocatable: resources beside the defaults, such as ``{"cpu": "2"}``.
            arch: as in the label kubernetes.io/arch.
            os: as in the label kubernetes.io/os.
            settings: of the k3s agent, such as ``{"kubelet-arg": ["max-pods=20"]}``: a list is added to what all agents
                have, else it wins.

        Raises:
            UsageError: a name that is taken or wrong, a wrong label or taint, or nodes that cannot join here.
        """
        if count is not None and (not isinstance(count, int) or count < 1):
            raise UsageError(f"join({count!r}): a number of nodes, at least 1")
        rows = taints_of(taints)
        if count is None:
            names = [name or self._pool.new_name()]
        elif name is None:
            names = [self._pool.new_name() for _ in range(count)]
        else:
            names = [f"{name}-{number}" for number in range(1, count + 1)]
        specs = [
            NodeSpec(
                one,
                labels or {},
                annotations or {},
                rows,
                ready,
                allocatable or {},
                arch,
                os,
                unschedulable,
                settings or {},
            )
            for one in names
        ]
        self._pool.plan_join(specs)
        if count is None:

            async def join_one() -> Node:
                await self._pool.join(specs)
                return self._node(names[0])

            return self._scope.handle(join_one, f"join of node {names[0]}")

        async def join_many() -> list[Node]:
            await self._pool.join(specs)
            return [self._node(one) for one in names]

        return self._scope.handle(join_many, f"join of {count} nodes, {names[0]} to {names[-1]}")

    def leave(self, nodes: Iterable[Node | str]) -> Handle[None]:
        """Several nodes leave at once; see `Node.leave`."""
        return self._act("leave", nodes)

    def crash(self, nodes: Iterable[Node | str]) -> Handle[None]:
        """Several nodes lose power at once; see `Node.crash`."""
        return self._act("crash", nodes)

    def restart(self, nodes: Iterable[Node | str]) -> Handle[None]:
        """Several machines start anew at once; see `Node.restart`."""
        return self._act("restart", nodes)

    def partition(self, nodes: Iterable[Node | str]) -> Handle[None]:
        """Several nodes are cut off at once; see `Node.partition`."""
        return self._act("partition", nodes)

    def heal(self, nodes: Iterable[Node | str]) -> Handle[None]:
        """Ends `partition` for several nodes at once."""
        return self._act("heal", nodes)

    def behave(
        self,
        pods: Mapping[str, Any] | None = None,
        *,
        namespace: str | None = None,
        start: bool | Unchanged = UNCHANGED,
        ready: bool | Unchanged = UNCHANGED,
        hold_termination: bool | Unchanged = UNCHANGED,
        terminal: str | Unchanged | None = UNCHANGED,
        reject: str | tuple[str, str] | Unchanged | None = UNCHANGED,
    ) -> Handle[None]:
        """How all kubelets, also later ones, treat pods until the test ends; see `Node.behave`."""
        self._pool.need("behave", "behave")
        asked = behaviour(None, pods, namespace, start, ready, hold_termination, terminal, reject)
        return self._scope.handle(
            lambda: self._pool.provider.behave(asked), f"behaviour {dict(asked.switches)} of all nodes"
        )

    # -- one pod --

    def fail(self, pod: PodLike, *, reason: str = "", message: str = "", exit_code: int = 1) -> Handle[None]:
        """The pod's containers end for good and its phase becomes Failed.

        Args:
            pod: ``"namespace/name"``, or a Pod as JSON.
            reason: of the pod, such as ``Evicted``.
            message: of the pod.
            exit_code: of its containers.
        """
        return self._pod(pod, "fail", {"reason": reason, "message": message, "exit_code": exit_code})

    def succeed(self, pod: PodLike) -> Handle[None]:
        """The pod's containers end with 0 and its phase becomes Succeeded."""
        return self._pod(pod, "succeed", {})

    def set_ready(self, pod: PodLike, ready: bool = True) -> Handle[None]:
        """This pod's containers become ready, or not ready, whatever `behave` says of others."""
        return self._pod(pod, "set_ready", {"ready": ready})

    def release(self, pod: PodLike) -> Handle[None]:
        """Lets this one pod end that ``hold_termination`` keeps."""
        return self._pod(pod, "release", {})

    # -- how --

    def _node(self, name: str) -> Node:
        return Node(self._pool, self._scope, name)

    def _act(self, verb: str, nodes: Iterable[Node | str]) -> Handle[None]:
        if isinstance(nodes, (str, Node)):
            raise UsageError(f"{verb}: give a list of nodes, or call nodes[...].{verb}()")
        names = [str(node) for node in nodes]
        if not names:
            raise UsageError(f"{verb}: no nodes given")
        self._pool.plan(verb, names)
        return self._scope.handle(lambda: self._pool.act(verb, names), f"{verb} of {len(names)} nodes")

    def _pod(self, pod: PodLike, verb: str, how: Mapping[str, Any]) -> Handle[None]:
        self._pool.need("pods", f"{verb} of a pod")
        if isinstance(pod, str) and pod.count("/") == 1:
            namespace, name = pod.split("/")
        elif isinstance(pod, Mapping) and pod.get("metadata", {}).get("namespace"):
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        else:
            raise UsageError(f"{verb}: a pod is 'namespace/name' or a Pod as JSON, not {pod!r}"[:300])
        return self._scope.handle(
            lambda: self._pool.provider.pod(namespace, name, verb, how), f"{verb} of pod {namespace}/{name}"
        )
