"""What goes wrong for a row between the controller and its API: a proxy that the controller is led through."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

import pytest

from pytest_daemonset.conformance.goals import orphaned
from pytest_daemonset.conformance.manifests import daemonset
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.controllers.diversion import Diversion, obstacle
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.proxy.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.proxy.faults import Fault
    from pytest_daemonset.running import Running

F = TypeVar("F", bound="Fault")


@contextlib.contextmanager
def led_through_a_proxy(running: Running, go_on: Callable[[], bool]) -> Iterator[Proxy]:
    """Start the controller anew behind a proxy, and, at the end of the block, anew without it.

    A controller that cannot be led through a proxy makes the rows that ask for it "not observable here".

    Args:
        running: the session's cluster and controller.
        go_on: whether other tests come, at the end of the block.
    """
    controller, portal = running.controller, running.portal
    if why := obstacle(controller):
        pytest.skip(why)
    proxy = Proxy(running.cluster.client.kubeconfig)
    with contextlib.ExitStack() as stack:

        @stack.callback
        def start_again() -> None:
            if go_on():
                portal.call(controller.start, "start of the controller on its own way", despite_poison=True)

        stack.callback(lambda: portal.call(proxy.close, "end of the proxy", despite_poison=True))
        portal.call(proxy.start, "start of the proxy")
        diversion = Diversion(controller, proxy.server, proxy.authority)
        stack.callback(lambda: portal.call(diversion.end, "end of the diversion", despite_poison=True))
        portal.call(diversion.begin, "start of the controller behind a proxy")
        yield proxy


def settle_a_set(rig: Rig) -> None:
    """See that the controller does its work before anything goes wrong on its way.

    A controller that has just started may be ready and still be listing what there is: held back then, it would not begin at all.

    Args:
        rig: the row's; nothing of the set is left to it.

    Raises:
        Violation: the set did not come to be as it should.
        Inconclusive: that cannot be said.
    """
    __tracebackhide__ = True
    agent = rig.apply(daemonset("beforehand"), guard=(), recorded=False)
    agent.settles(one_pod_per_node & ready & status_matches)
    agent.delete()
    agent.eventually(orphaned)


class Interception:
    """One row's faults; those that are left end with it.

    Args:
        rig: the row's.
        proxy: which the controller is led through.
    """

    def __init__(self, rig: Rig, proxy: Proxy) -> None:
        self._rig = rig
        self._proxy = proxy

    @contextlib.contextmanager
    def during(self, fault: F) -> Iterator[F]:
        """Have something go wrong while the block runs.

        Args:
            fault: what.

        Raises:
            Inconclusive: at the end of the block, the fault has had no effect.
        """
        __tracebackhide__ = True
        self.begin(fault)
        try:
            yield fault
        finally:
            self.end(fault)
        self.expect_effect(fault)

    def begin(self, fault: F) -> F:
        """Have something go wrong from now on, to the end of the row."""

        async def begin() -> None:
            self._proxy.begin(fault)

        self._rig.at_end(lambda: self.end(fault))
        self._rig.do(begin)
        return fault

    def end(self, fault: Fault) -> None:
        """Let it go right again; that it does so already is no error."""

        async def end() -> None:
            self._proxy.end(fault)

        self._rig.do(end)

    def expect_effect(self, fault: Fault) -> None:
        """A fault that has not happened has shown nothing.

        Raises:
            Inconclusive: it has not.
        """
        __tracebackhide__ = True
        if not fault.effects:
            raise Inconclusive(
                f"{fault} had no effect, so nothing was shown: the controller sent nothing that it concerns by the kubeconfig that "
                "it was given. Does it use another one, or does it not watch what this row holds?"
            )
