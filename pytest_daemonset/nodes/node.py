"""One node of a test: every verb is checked when it is called, and happens when its handle is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.resources import NODES
from pytest_daemonset.nodes.behaviours import behaviour
from pytest_daemonset.nodes.provider import UNCHANGED
from pytest_daemonset.nodes.spec import EFFECTS, Taint, check_annotations, check_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_daemonset.nodes.pool import NodePool
    from pytest_daemonset.nodes.provider import Unchanged
    from pytest_daemonset.observe.handles import Handle
    from pytest_daemonset.observe.scope import Scope

Object: TypeAlias = "dict[str, Any]"

CORDONED: Final = "node.kubernetes.io/unschedulable"
"""The taint that the node lifecycle loop gives a cordoned node; where no such loop runs, the verb does."""


class Node:
    """A node that a test can do things to. Two of one name are equal."""

    def __init__(self, pool: NodePool, scope: Scope, name: str) -> None:
        self._pool = pool
        self._scope = scope
        self.name = name

    def __repr__(self) -> str:
        record = self._pool.records.get(self.name)
        return f"<Node {self.name}: {record.state if record else 'gone'}>"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def uid(self) -> str:
        """The uid of its Node object as of its last joining."""
        return self._pool.records[self.name].uid

    @property
    def state(self) -> str:
        """``running``, ``crashed``, ``paused``, ``partitioned`` or ``left``; as of the last awaited verb."""
        record = self._pool.records.get(self.name)
        return record.state if record else "left"

    def get(self) -> Handle[Object]:
        """The Node object as the API server has it now."""
        self._pool.known(self.name)
        return self._scope.handle(lambda: self._pool.client.get(NODES, self.name), f"reading node {self.name}")

    # -- the machine --

    def leave(self) -> Handle[None]:
        """Takes the node away: its kubelet ends, its Node object goes; its pods are left to whom they belong to."""
        return self._act("leave")

    def rejoin(self, *, same_identity: bool = False) -> Handle[None]:
        """Comes back under the same name, as it first joined, with a new Node object.

        Args:
            same_identity: as the same machine (with its node password), as after a repair; else as another one that got
                its name. A virtual node has no identity beside its name.
        """
        self._pool.plan("rejoin", [self.name])
        return self._scope.handle(
            lambda: self._pool.act("rejoin", [self.name], same_identity=same_identity), f"rejoin of node {self.name}"
        )

    def crash(self) -> Handle[None]:
        """Power cut: the Node object stays and turns NotReady (Unknown), with the unreachable taints; pods stay."""
        return self._act("crash")

    def restart(self) -> Handle[None]:
        """Starts the machine anew, from whatever state; the containers of its pods restart."""
        return self._act("restart")

    def pause(self) -> Handle[None]:
        """Freezes the kubelet, for less than anybody would notice: pods bound meanwhile wait."""
        return self._act("pause")

    def resume(self) -> Handle[None]:
        """Ends `pause`."""
        return self._act("resume")

    def partition(self) -> Handle[None]:
        """Cuts the kubelet off from the API server: for the cluster like `crash`, but containers run on."""
        return self._act("partition")

    def heal(self) -> Handle[None]:
        """Ends `partition`: the kubelet catches up."""
        return self._act("heal")

    def set_ready(self, ready: bool = True) -> Handle[None]:
        """Brings the node's network up, or down: its Ready condition, and the not-ready taints."""
        self._pool.need("set_ready", f"set_ready of {self.name}")
        self._pool.known(self.name)
        what = f"node {self.name} turning {'ready' if ready else 'not ready'}"
        return self._scope.handle(lambda: self._pool.set_ready([self.name], ready=ready), what)

    def heartbeats(self, on: bool) -> Handle[None]:
        """Switches the node's lease on or off."""
        self._pool.need("heartbeats", f"heartbeats of {self.name}")
        self._pool.known(self.name)
        what = f"heartbeats of node {self.name} {'on' if on else 'off'}"
        return self._scope.handle(lambda: self._pool.provider.heartbeats([self.name], on), what)

    # -- the Node object --

    def cordon(self) -> Handle[None]:
        """As ``kubectl cordon``; with the taint that the node lifecycle loop adds then."""
        return self._unschedulable(cordoned=True)

    def uncordon(self) -> Handle[None]:
        """As ``kubectl uncordon``."""
        return self._unschedulable(cordoned=False)

    def taint(self, taint: str | Mapping[str, Any] | Taint) -> Handle[None]:
        """Adds a taint, or gives the one of that key and effect a new value.

        Args:
            taint: ``"key=value:Effect"`` or ``"key:Effect"``, as kubectl has it, or a mapping as the API has it.

        Raises:
            UsageError: no taint, or an effect that does not exist.
        """
        new = Taint.parse(taint)

        def change(taints: list[Object]) -> list[Object]:
            kept = [row for row in taints if (row["key"], row["effect"]) != (new.key, new.effect)]
            return [*kept, new.as_object()]

        return self._change_taints(change, {}, f"taint {new.key}:{new.effect} on node {self.name}")

    def untaint(self, taint: str) -> Handle[None]:
        """Removes a taint.

        Args:
            taint: ``"key"`` for all of that key, or ``"key:Effect"``. That there is none is no error.
        """
        key, _, effect = taint.rstrip("-").partition(":")
        key = key.partition("=")[0]
        if effect and effect not in EFFECTS:
            raise UsageError(f"untaint {taint!r}: the effect {effect!r} is none of {', '.join(EFFECTS)}")

        def change(taints: list[Object]) -> list[Object]:
            return [row for row in taints if row["key"] != key or effect not in ("", row["effect"])]

        return self._change_taints(change, {}, f"taint {taint} off node {self.name}")

    def label(self, labels: Mapping[str, str | None] | None = None, /, **more: str | None) -> Handle[None]:
        """Sets labels; None removes one.

        Raises:
            UsageError: a key or a value that the API would refuse.
        """
        wanted = {**(labels or {}), **more}
        check_labels(wanted, f"label of node {self.name}")
        return self._metadata("labels", wanted)

    def annotate(self, annotations: Mapping[str, str | None] | None = None, /, **more: str | None) -> Handle[None]:
        """Sets annotations; None removes one.

        Raises:
            UsageError: a key that the API would refuse, or a value that is no string.
        """
        wanted = {**(annotations or {}), **more}
        check_annotations(wanted, f"annotation of node {self.name}")
        return self._metadata("annotations", wanted)

    # -- its kubelet --

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
        """How its kubelet treats pods, those of now and those to come, until the test ends.

        Args:
            pods: which ones: labels, or a label selector; default all.
            namespace: only pods of this one.
            start: False: pods stay Pending.
            ready: False: containers run and are not ready.
            hold_termination: True: terminating pods stay (see `Nodes.release`).
            terminal: the phase that a terminating pod gets before it goes, ``Succeeded`` (as after a clean exit),
                ``Failed``, or None (just removed, as before Kubernetes 1.27).
            reject: a reason, or reason and message, with which pods are refused at admission: Failed at once.

        Raises:
            UsageError: nothing was asked for, or something that cannot be.
        """
        self._pool.need("behave", f"behave of {self.name}")
        self._pool.known(self.name)
        asked = behaviour(self.name, pods, namespace, start, ready, hold_termination, terminal, reject)
        return self._scope.handle(
            lambda: self._pool.provider.behave(asked), f"behaviour {dict(asked.switches)} of node {self.name}"
        )

    # -- how --

    def _act(self, verb: str) -> Handle[None]:
        self._pool.plan(verb, [self.name])
        return self._scope.handle(lambda: self._pool.act(verb, [self.name]), f"{verb} of node {self.name}")

    def _unschedulable(self, *, cordoned: bool) -> Handle[None]:
        def change(taints: list[Object]) -> list[Object]:
            if self._pool.provider.lifecycle:
                return taints
            kept = [row for row in taints if row["key"] != CORDONED]
            return [*kept, {"key": CORDONED, "effect": "NoSchedule"}] if cordoned else kept

        what = f"{'cordon' if cordoned else 'uncordon'} of node {self.name}"
        return self._change_taints(change, {"unschedulable": True if cordoned else None}, what)

    def _change_taints(self, change: Callable[[list[Object]], list[Object]], more: Object, what: str) -> Handle[None]:
        self._pool.known(self.name)

        async def work() -> None:
            await self._pool.change_taints(self.name, change, more)

        return self._scope.handle(work, what)

    def _metadata(self, field: str, wanted: Mapping[str, str | None]) -> Handle[None]:
        self._pool.known(self.name)
        if not wanted:
            raise UsageError(f"node {self.name}: no {field} given")

        async def work() -> None:
            await self._pool.patch(self.name, {"metadata": {field: dict(wanted)}})

        return self._scope.handle(work, f"{field} {dict(wanted)} of node {self.name}")
