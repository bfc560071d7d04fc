"""The fixtures of the rows, as a plugin: built on the plugin's private fixtures only, so that nobody's own change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.fixtures import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.conformance.interception import Interception
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.daemonsets.daemonsets import DaemonSets
    from pytest_daemonset.nodes.nodes import Nodes
    from pytest_daemonset.observe.scope import Scope
    from pytest_daemonset.proxy.proxy import Proxy
    from pytest_daemonset.running import Running


@pytest.fixture
def rig(
    pytestconfig: pytest.Config,
    _daemonset_running: Running,
    _daemonset_scope: Scope,
    _daemonset_nodes: Nodes,
    _daemonset_daemonsets: DaemonSets,
    _daemonset_namespace: str,
) -> Iterator[Rig]:
    """The row's hands on the cluster."""
    from pytest_daemonset.conformance.levels import offered
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.suite import PROFILE

    run = pytestconfig.stash[RUN]
    rig = Rig(
        _daemonset_running,
        _daemonset_scope,
        _daemonset_nodes,
        _daemonset_daemonsets,
        _daemonset_namespace,
        run.resource(),
        run.under_test(),
        history=offered("history", pytestconfig.stash[PROFILE].features),
    )
    rig.workers(1)  # on a cluster without any node, most rows would hold without proving anything
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def _proxy(pytestconfig: pytest.Config, _daemonset_running: Running) -> Iterator[Proxy]:
    """For the rows of one file, since the controller has to be started anew for it, and again after it."""
    from pytest_daemonset.conformance.interception import led_through_a_proxy

    run = pytestconfig.stash[RUN]
    with led_through_a_proxy(_daemonset_running, lambda: not run.interrupted) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def _settled() -> set[Proxy]:
    """The proxies behind which the controller has settled a set."""
    return set()


@pytest.fixture
def way(rig: Rig, _proxy: Proxy, _settled: set[Proxy]) -> Interception:
    """The way from the controller to its API, on which things go wrong."""
    from pytest_daemonset.conformance.interception import Interception, settle_a_set

    if _proxy not in _settled:
        settle_a_set(rig)
        _settled.add(_proxy)
    return Interception(rig, _proxy)
