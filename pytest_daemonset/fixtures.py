"""The fixtures: all synchronous, so that no event loop of anybody's matters. Nothing starts before a test asks.

What begins with an underscore is what the plugin's own fixtures stand on; a project's fixture of the same public name
takes nothing from under them.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.clusters.config import CAPABILITIES, ClusterConfig
from pytest_daemonset.controllers.config import ControllerConfig
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from pytest_daemonset.clusters.k3s.settings import K3sConfig
    from pytest_daemonset.clusters.under_test import ClusterUnderTest
    from pytest_daemonset.controllers.under_test import ControllerUnderTest
    from pytest_daemonset.daemonsets.daemonsets import DaemonSets
    from pytest_daemonset.daemonsets.kinds import KindUnderTest
    from pytest_daemonset.kube.resources import Resource
    from pytest_daemonset.nodes.nodes import Nodes
    from pytest_daemonset.observe.scope import Scope
    from pytest_daemonset.report.writing import Writing
    from pytest_daemonset.running import Running


class Run:
    """What one pytest process was told, and what it has running.

    Args:
        cluster_config: the cluster of the options.
        controller_config: the controller of the options.
        history: where histories of failed tests are kept; None for nowhere.
        kind: the kind under test, as plural.version.group; empty for the profile's.
        profile: what is known of it: a shipped profile, or the path of one; empty for none.
    """

    # No dataclass: making one costs a millisecond of every pytest start, whether or not a test uses the plugin.

    def __init__(
        self,
        cluster_config: ClusterConfig,
        controller_config: ControllerConfig,
        history: Path | None = None,
        kind: str = "",
        profile: str = "",
    ) -> None:
        self.cluster_config = cluster_config
        self.controller_config = controller_config
        self.history = history
        self.kind = kind
        self.profile = profile
        self._under_test: KindUnderTest | None = None
        self._resource: Resource | None = None
        self.running: Running | None = None
        self.item: pytest.Item | None = None
        self.lasting = False  # a fixture that outlives the test is being made
        self.interrupted = False  # by Ctrl-C: no other test comes
        self.remarks: list[str] = []
        self.closing: list[str] = []

    @classmethod
    def configured(cls, options: Mapping[str, str]) -> Run:
        """Read the options; a wrong one ends pytest with one line."""
        try:
            nodes = int(options["nodes"])
        except ValueError:
            raise pytest.UsageError(f"--daemonset-nodes={options['nodes']}: expected a whole number") from None
        history = Path(options["history"]) if options["history"] else None
        try:
            if history is not None:
                from pytest_daemonset.folders import make_writable

                make_writable(history, f"--daemonset-history={history}")
            run = cls(
                ClusterConfig(kind=options["cluster"], nodes=nodes, k3s=cls._k3s(options)),
                cls._controller(options),
                history,
                options["kind"],
                options["profile"],
            )
            if run.profile:
                run.under_test()  # a profile that cannot be read is told before anything starts
            return run
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None

    @staticmethod
    def _controller(options: Mapping[str, str]) -> ControllerConfig:
        replicas = options["controller_replicas"]
        if not replicas.isdecimal():
            raise UsageError(f"--daemonset-controller-replicas={replicas}: expected a whole number above 0")
        try:
            timeout = float(options["controller_timeout"])
        except ValueError:
            raise UsageError(
                f"--daemonset-controller-timeout={options['controller_timeout']}: expected a number of seconds"
            ) from None
        return ControllerConfig(
            options["controller"],
            ready=options["controller_ready"],
            timeout=timeout,
            replicas=int(replicas),
            service_account=options["controller_service_account"],
            manifests=tuple(options["controller_manifests"].split()),
            images=tuple(re.findall(r"[^,\s]+", options["controller_images"])),
        )

    @staticmethod
    def _k3s(options: Mapping[str, str]) -> K3sConfig | None:
        if options["cluster"] != "k3s":
            if options["keep"].lower() not in ("no", "false", "0"):
                raise UsageError(
                    f"--daemonset-keep={options['keep']}: the {options['cluster']} cluster ends with its session; to look at it, stop "
                    "in a test with --pdb, or start one with `python -m pytest_daemonset serve`. It is k3s that can be kept: "
                    "--daemonset-cluster=k3s, or K3sConfig(keep=True)"
                )
            return None
        from pytest_daemonset.clusters.k3s.settings import K3sConfig

        return K3sConfig.from_options(options)

    def cap(self, xdist: argparse.Namespace, said: str) -> None:
        """Have no more workers than there is room for clusters: each has one of its own.

        Args:
            xdist: the options of pytest-xdist, which are cut where they ask for too many.
            said: the user's cap; empty for ours.
        """
        from pytest_daemonset.clusters.k3s.capacity import cap

        try:
            most, why = cap(said)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        workers = getattr(xdist, "tx", None) or []
        if len(workers) > most:
            xdist.tx = workers[:most]
            self.remarks.append(f"{len(workers)} workers were asked for, {most} run: {why}")

    @property
    def setting(self) -> str:
        """Which cluster and whose controller, in one line."""
        controller = self.controller_config.spec
        if controller == "builtin" and self.cluster_config.kind == "embedded":
            controller += " (reference controller, not Kubernetes)"
        if self.controller_config.replicas > 1:
            controller += f", {self.controller_config.replicas} replicas"
        kind = self.cluster_config.kind
        if self.cluster_config.k3s is not None:
            kind += f" ({self.cluster_config.k3s.full_image})"
        return f"{kind} cluster, {self.cluster_config.nodes} nodes, controller {controller}"

    def under_test(self) -> KindUnderTest:
        """The kind under test, as options and profile tell of it.

        Raises:
            UsageError: the profile cannot be read.
        """
        if self._under_test is None:
            from dataclasses import replace

            from pytest_daemonset.daemonsets.kinds import KindUnderTest

            told = KindUnderTest.load(self.profile) if self.profile else KindUnderTest()
            self._under_test = replace(told, resource=self.kind) if self.kind else told
        return self._under_test

    def resource(self) -> Resource:
        """The kind under test, as the running cluster serves it.

        Raises:
            UsageError: no cluster runs, or it does not serve it.
        """
        from pytest_daemonset.kube.discovery import Discovery

        if self.running is None:
            raise UsageError("the kind under test is looked up in a cluster, and none runs")
        if self._resource is None:
            discovery = Discovery(self.running.cluster.client)
            name = self.under_test().resource
            self._resource = self.running.portal.call(lambda: discovery.named(name), f"look-up of {name}")
        return self._resource

    def whereabouts(self) -> str:
        """How to reach the running cluster; empty when none runs."""
        return f"KUBECONFIG={self.running.cluster.kubeconfig}" if self.running else ""

    def scope(self) -> Scope:
        """What the present test asks for; made when it is first asked for.

        Raises:
            UsageError: no test runs.
        """
        if self.item is None or self.running is None:
            raise UsageError(
                "nodes and DaemonSets belong to a test, and none runs: ask for them in a test or in its fixtures"
            )
        scope = self.item.stash.get(SCOPE, None)
        if scope is None:
            from pytest_daemonset.observe.scope import Scope

            scope = self.item.stash[SCOPE] = Scope(self.running.portal)
        return scope

    def nodes(self) -> Nodes:
        """The nodes of the present test: what the tests before it did to them is undone when they are first asked for.

        Raises:
            UsageError: no test runs, or a fixture that outlives the test asks.
        """
        if self.lasting:
            raise UsageError(
                "nodes belong to a test: what a fixture of a wider scope does to them would be undone before the second test; "
                "ask for them in a function-scoped fixture, or start with more: --daemonset-nodes"
            )
        scope = self.scope()
        assert self.item is not None  # noqa: S101 (for mypy: scope() saw to it)
        assert self.running is not None  # noqa: S101 (likewise)
        nodes = self.item.stash.get(NODES, None)
        if nodes is None:
            from pytest_daemonset.nodes.nodes import Nodes

            cluster = self.running.cluster
            self.running.portal.call(cluster.restore, "restoring of the nodes")
            nodes = self.item.stash[NODES] = Nodes(cluster.nodes, scope)
        return nodes

    def sections(self, item: pytest.Item) -> Iterator[tuple[str, str]]:
        """What a failed test's report says beside the failure."""
        if self.running is None or SCOPE not in item.stash:
            return
        yield (
            "daemonset cluster",
            f"{self.setting}; {self.running.cluster.name}, Kubernetes {self.running.cluster.version}\n{self.whereabouts()}",
        )
        if silence := self.running.silence():
            yield "daemonset controller", silence
        elif WRITING in item.stash and (written := item.stash[WRITING].told()):
            yield "daemonset controller", f"in this test {written}"
        if refusals := self.running.refusals():
            yield "daemonset controller, refused by the cluster (403)", refusals
        if tail := self.running.controller.tail():
            yield "daemonset controller, last lines of its log", tail
        for path in item.stash.get(HISTORIES, ()):
            yield "daemonset history", f"what was watched: {path}"


RUN = pytest.StashKey[Run]()
SCOPE = pytest.StashKey["Scope"]()
NODES = pytest.StashKey["Nodes"]()
HISTORIES = pytest.StashKey[list[Path]]()
FAILED = pytest.StashKey[bool]()
WRITING: pytest.StashKey[Writing] = pytest.StashKey()


@pytest.fixture(scope="session")
def daemonset_cluster_config(pytestconfig: pytest.Config) -> ClusterConfig:
    """Which cluster the session asks for; override it to return another `ClusterConfig`."""
    return pytestconfig.stash[RUN].cluster_config


@pytest.fixture(scope="session")
def daemonset_controller_config(pytestconfig: pytest.Config) -> ControllerConfig:
    """Whose controller the session verifies; override it to return another `ControllerConfig`."""
    return pytestconfig.stash[RUN].controller_config


@pytest.fixture(scope="session")
def _daemonset_running(
    pytestconfig: pytest.Config,
    daemonset_cluster_config: ClusterConfig,
    daemonset_controller_config: ControllerConfig,
) -> Iterator[Running]:
    from pytest_daemonset.running import Running

    run = pytestconfig.stash[RUN]
    run.cluster_config, run.controller_config = daemonset_cluster_config, daemonset_controller_config
    began = time.monotonic()
    _say(pytestconfig, f"starting {run.setting} ...")
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(
                Running(daemonset_cluster_config, daemonset_controller_config, pytestconfig.stash[RUN].under_test())
            )
        except UsageError as error:
            # Every test would say the same.
            pytest.exit(f"daemonset: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
        run.running = running
        where = f"{running.cluster.name} cluster, Kubernetes {running.cluster.version}"
        _say(pytestconfig, f"ready after {time.monotonic() - began:.1f} s: {where}")
        try:
            yield running
        finally:
            run.running = None

            async def close() -> None:
                unimitated = await running.cluster.unimitated()
                run.closing.extend(
                    f"daemonset: not imitated, answered with 501: {request} ({count} times)"
                    for request, count in sorted(unimitated.items())
                )

            running.tidy(close, "list of what was not imitated")
            if kept := running.cluster.kept():
                run.closing.append(f"daemonset: {kept}")


def _say(config: pytest.Config, text: str) -> None:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    if terminal is not None and capture is not None and terminal.verbosity >= 0:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(f"daemonset: {text}")


@pytest.fixture
def _daemonset_scope(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, _daemonset_running: Running
) -> Iterator[Scope]:
    from pytest_daemonset.report import writing

    run = pytestconfig.stash[RUN]
    skip_what_cannot_be(request.node)
    scope = run.scope()
    controller = _daemonset_running.controller
    wrote = request.node.stash[WRITING] = writing.Writing(_daemonset_running.cluster.audit, controller.user)
    controller.on_death = lambda error: scope.fail(lambda: type(error)(*error.args), for_good=True)
    try:
        controller.check()
        yield scope
        scope.close(body_failed=request.node.stash.get(FAILED, False))
    finally:
        if warning := wrote.warning(len(request.node.stash.get(NODES, ())) or run.cluster_config.nodes):
            run.closing.append(f"daemonset: {request.node.nodeid}: {warning}")
        controller.on_death = None
        ends = run.interrupted or request.session.shouldfail or request.session.shouldstop
        if not ends:  # no test comes that would need it, and its start may take long
            _daemonset_running.tidy(controller.restore, "restart of the controller")


def skip_what_cannot_be(item: pytest.Item) -> None:
    """Skip a test that is marked to need what the running cluster cannot do; without a cluster, do nothing.

    Raises:
        UsageError: the mark names no capability, or one that no cluster has.
    """
    running = item.config.stash[RUN].running
    if running is None:
        return
    for mark in item.iter_markers("daemonset_requires"):
        unknown = [asked for asked in mark.args if asked not in CAPABILITIES]
        if unknown or not mark.args:
            told = f"no cluster has {', '.join(map(repr, unknown))}" if unknown else "names nothing"
            raise UsageError(
                f"@pytest.mark.daemonset_requires: {told}; expected some of {', '.join(sorted(CAPABILITIES))}"
            )
        missing = sorted(set(mark.args) - running.cluster.capabilities)
        if missing:
            pytest.skip(f"the {running.cluster.name} cluster has no {', '.join(missing)}")


@pytest.fixture
def _daemonset_namespace(
    _daemonset_running: Running, _daemonset_scope: Scope, request: pytest.FixtureRequest
) -> Iterator[str]:
    from pytest_daemonset.kube.resources import NAMESPACES

    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    name = f"{stem or 'test'}-{os.urandom(3).hex()}"
    portal, client = _daemonset_running.portal, _daemonset_running.cluster.client
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    portal.call(lambda: client.create(NAMESPACES, body), f"creation of namespace {name}")
    yield name
    # Not awaited: it costs the next test nothing, and the session's end removes the whole cluster.
    _daemonset_running.tidy(lambda: client.delete(NAMESPACES, name), f"deletion of namespace {name}")


@pytest.fixture
def _daemonset_nodes(pytestconfig: pytest.Config, _daemonset_scope: Scope) -> Nodes:
    return pytestconfig.stash[RUN].nodes()


@pytest.fixture
def _daemonset_daemonsets(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    _daemonset_running: Running,
    _daemonset_scope: Scope,
    _daemonset_namespace: str,
    _daemonset_nodes: Nodes,
) -> Iterator[DaemonSets]:
    from pytest_daemonset.contract.events import DAEMONSET
    from pytest_daemonset.daemonsets.daemonsets import DaemonSets
    from pytest_daemonset.daemonsets.manifest import Kind
    from pytest_daemonset.observe.observation import KINDS, Observation
    from pytest_daemonset.report.explanation import Explanation

    running, resource = _daemonset_running, pytestconfig.stash[RUN].resource()
    under_test = pytestconfig.stash[RUN].under_test()
    kind = Kind(resource.api_version, resource.kind, under_test.shape)
    constants = running.cluster.constants.patient(under_test.timings.patience)
    explanation = Explanation(running.cluster.audit, running.absence)

    def observe(namespace: str) -> Observation:
        return Observation(
            running.cluster.client,
            namespace,
            portal=running.portal,
            kinds={**KINDS, DAEMONSET: resource},
            constants=constants,
            cluster=running.cluster.name,
            explain=explanation,
        )

    daemonsets = DaemonSets(running.cluster.client, _daemonset_namespace, _daemonset_scope, observe, kind)
    yield daemonsets
    run = pytestconfig.stash[RUN]
    if run.history is not None and request.node.stash.get(FAILED, False):
        request.node.stash[HISTORIES] = list(_keep(run.history, request.node.nodeid, daemonsets))
    running.tidy(daemonsets.close, "end of the watches")


def _keep(folder: Path, nodeid: str, daemonsets: DaemonSets) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for namespace, observation in daemonsets.observations.items():
        path = folder / (re.sub(r"[^\w.-]+", "_", f"{nodeid}-{namespace}") + ".jsonl")
        observation.history.save(path)
        yield path


# The public names


@pytest.fixture(scope="session")
def daemonset_cluster(_daemonset_running: Running, pytestconfig: pytest.Config) -> ClusterUnderTest:
    """The cluster: `kubeconfig`, `nodes`, `request`, `api_client`, `version`, `capabilities`."""
    from pytest_daemonset.clusters.under_test import ClusterUnderTest

    run = pytestconfig.stash[RUN]
    return ClusterUnderTest(_daemonset_running.cluster, run.scope, run.nodes)


@pytest.fixture(scope="session")
def cluster(daemonset_cluster: ClusterUnderTest) -> ClusterUnderTest:
    """Short for `daemonset_cluster`."""
    return daemonset_cluster


@pytest.fixture
def controller(_daemonset_running: Running, _daemonset_scope: Scope) -> ControllerUnderTest:
    """The controller under test: `stop`, `kill`, `pause`, `resume`, `restart`; the next test finds it running."""
    from pytest_daemonset.controllers.under_test import ControllerUnderTest

    return ControllerUnderTest(_daemonset_running.controller, _daemonset_scope)


@pytest.fixture
def namespace(_daemonset_namespace: str) -> str:
    """The name of the test's own namespace."""
    return _daemonset_namespace


@pytest.fixture
def nodes(_daemonset_nodes: Nodes) -> Nodes:
    """The cluster's nodes: `join`, and on each `leave`, `crash`, `taint`, `label`, …; undone before the next test."""
    return _daemonset_nodes


@pytest.fixture
def daemonsets(_daemonset_daemonsets: DaemonSets) -> DaemonSets:
    """`apply(source)`: the DaemonSets of this test."""
    return _daemonset_daemonsets
