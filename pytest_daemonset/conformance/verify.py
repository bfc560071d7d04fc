"""``verify``: the installed conformance suite, run with its own settings and nobody's conftest."""

from __future__ import annotations

import importlib.util
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.levels import LATER, chosen, level_of
from pytest_daemonset.conformance.manifests import IMAGE, OTHER_IMAGE
from pytest_daemonset.conformance.profiles import Profile
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.errors import UsageError
from pytest_daemonset.folders import make_writable
from pytest_daemonset.options import OPTIONS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent


def verify(options: argparse.Namespace) -> int:
    """Run the suite.

    Args:
        options: the command line's ``verify`` options.

    Returns:
        0 when every row is kept, 1 when one is broken or was not judged, 2 for a command that cannot be carried out.

    Raises:
        UsageError: an option that asks for what there is not.
    """
    rows = chosen(options.rows, options.level)
    if options.profile:
        Profile.load(options.profile)
    if options.list:
        for row in ROWS.values():
            if row.id in rows:
                print(f"{row.id:<9} {row.priority}  {level_of(row.id):<9} {row.sentence}")
        for later, why in LATER.items():
            print(f"{later:<9} --  not yet checked: {why}")
        return 0
    words = ["-c", str(HERE / "pytest.ini"), "--rootdir", str(HERE), "--noconftest"]
    words += [
        "-p",
        "pytest_daemonset.plugin",
        "-p",
        "pytest_daemonset.conformance.suite",
        "-p",
        "pytest_daemonset.conformance.rig_fixtures",
        f"--rows={options.rows or ''}",
        f"--level={options.level}",
        f"--daemonset-profile={_profile(options)}",
        f"--controller-version={options.controller_version}",
        f"--daemonset-kind={options.kind}",
    ]
    words += [f"--daemonset-cluster={options.cluster}", f"--daemonset-nodes={options.nodes}"]
    words += _k3s(options.k3s, options.cluster)
    words += [
        f"--daemonset-controller={options.controller}",
        f"--daemonset-controller-ready={options.controller_ready}",
        f"--daemonset-controller-timeout={options.controller_timeout}",
        f"--daemonset-controller-replicas={options.controller_replicas}",
        f"--daemonset-controller-service-account={options.controller_service_account}",
        f"--daemonset-controller-manifests={options.controller_manifests}",
        f"--daemonset-controller-images={options.controller_images}",
    ]
    words += ["-v"] * options.verbose or ["-q"]
    if options.exitfirst:
        words.append("-x")
    junit = options.junit
    if junit:
        make_writable(junit.absolute().parent, f"--junit {junit}")
    if options.report:
        make_writable(options.report, f"--report {options.report}")
        words.append(f"--report={options.report.absolute()}")
        junit = junit or options.report / "junit.xml"
    if junit:
        words.append(f"--junit-xml={junit.absolute()}")
    if options.history:
        words.append(f"--daemonset-history={options.history.absolute()}")
    if options.processes:
        if importlib.util.find_spec("xdist") is None:
            raise UsageError(f"-n {options.processes}: needs pytest-xdist; try `pip install pytest-xdist`")
        words += ["-p", "xdist.plugin", "-n", options.processes]
    with _own_settings_only():
        code = pytest.main([*words, str(HERE)])
    return {pytest.ExitCode.OK: 0, pytest.ExitCode.TESTS_FAILED: 1, pytest.ExitCode.INTERRUPTED: 130}.get(
        pytest.ExitCode(code), 2
    )


def _profile(options: argparse.Namespace) -> str:
    """The one that is asked for, or else that of the controller inside the embedded cluster."""
    own = options.cluster == "embedded" and options.controller == "builtin" and not options.kind
    return options.profile or ("reference" if own else "")


def _k3s(settings: Sequence[str], cluster: str) -> list[str]:
    """The settings of the k3s cluster; the suite's own images need no registry there."""
    if cluster != "k3s":
        if settings:
            raise UsageError(f"--k3s {settings[0]}: only with --cluster k3s")
        return []
    images = [IMAGE, OTHER_IMAGE]
    words = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or f"k3s_{name.replace('-', '_')}" not in OPTIONS:
            known = ", ".join(one[4:].replace("_", "-") for one in OPTIONS if one.startswith("k3s_"))
            raise UsageError(f"--k3s {setting}: expected NAME=VALUE, with a NAME of {known}")
        if name == "tiny-images":
            images.append(value)
        else:
            words.append(f"--daemonset-k3s-{name}={value}")
    return [*words, f"--daemonset-k3s-tiny-images={','.join(images)}"]


@contextmanager
def _own_settings_only() -> Iterator[None]:
    # Somebody's PYTEST_ADDOPTS or another installed plugin could deselect rows or turn a failure into a pass.
    names = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(before)
