"""The command line: ``verify``, ``matrix``, ``serve``, ``doctor`` and ``explain``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_daemonset.errors import DaemonSetTestError

if TYPE_CHECKING:
    from collections.abc import Sequence

EPILOG = """\
exit codes: 0 all is well; 1 the controller broke a promise, or a check failed; 2 the command cannot be understood or carried out
"""


class _Version(argparse.Action):
    """Looks the version up when it is asked for: that takes longer than all the rest of the command line."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:  # noqa: A002 (argparse's own name)
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, *_: object) -> None:
        from importlib.metadata import version

        print(f"pytest-daemonset {version('pytest-daemonset')}, Python {sys.version.split()[0]}")
        sys.exit(0)


def parser() -> argparse.ArgumentParser:
    """The whole command line, one sub-parser a command."""
    root = argparse.ArgumentParser(
        prog="python -m pytest_daemonset",
        description="Prove, or disprove, that a DaemonSet controller keeps its promise.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action=_Version, help="say which version this is, and stop")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    verify = commands.add_parser("verify", help="run the conformance suite against a controller")
    _cluster_options(verify)
    verify.add_argument(
        "--k3s",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with --cluster k3s, one of its settings, such as image=rancher/k3s:v1.36.4-k3s1 or virtual=yes: what "
        "`pytest --help` lists as --daemonset-k3s-NAME",
    )
    verify.add_argument(
        "--rows",
        metavar="ID,…",
        help="only these rows of the contract, such as AMO-01,PLACE-03 (a prefix will do: AMO)",
    )
    verify.add_argument("--list", action="store_true", help="list the rows that the suite checks, and stop")
    verify.add_argument(
        "--level",
        default="all",
        choices=("core", "all"),
        help="core: only what every controller has to keep; the default is all",
    )
    verify.add_argument(
        "--profile",
        default="",
        metavar="NAME|FILE",
        help="what is known of the controller: reference (the default for the embedded cluster's own), kubernetes, openkruise, or a "
        "TOML file (see docs/profiles.md)",
    )
    verify.add_argument(
        "--daemonset-kind",
        dest="kind",
        default="",
        metavar="RESOURCE",
        help="the kind under test, as plural.version.group; by default the profile's, else daemonsets.v1.apps",
    )
    verify.add_argument(
        "--report", metavar="DIR", type=Path, help="write a report there: JSON, JUnit, Markdown and one HTML page"
    )
    verify.add_argument(
        "--controller-version",
        default="",
        metavar="TEXT",
        help="the controller's own version or revision, for the report",
    )
    verify.add_argument("--junit", metavar="FILE", type=Path, help="write a JUnit report there")
    verify.add_argument("--history", metavar="DIR", type=Path, help="keep what was watched in each failed row")
    verify.add_argument(
        "-n", "--processes", metavar="N", help="spread the rows over N processes, one cluster each (needs pytest-xdist)"
    )
    verify.add_argument("-v", "--verbose", action="count", default=0, help="a line per row")
    verify.add_argument("-x", "--exitfirst", action="store_true", help="stop at the first row that fails")
    verify.add_argument(
        "--controller-ready",
        default="",
        metavar="WHEN",
        help=(
            "when the controller counts as started: 'log: REGEX' (a line of its output), 'http: URL', 'lease: NAMESPACE/NAME' "
            "or 'write'; else at once"
        ),
    )
    verify.add_argument(
        "--controller-timeout",
        default="30",
        metavar="SECONDS",
        help="how long it may take until it is ready (default: 30)",
    )
    verify.add_argument(
        "--controller-replicas", default="1", metavar="N", help="how many processes of the controller run (default: 1)"
    )
    verify.add_argument(
        "--controller-service-account",
        default="",
        metavar="NAMESPACE/NAME",
        help="the ServiceAccount that the controller is, so that its own roles apply",
    )
    verify.add_argument(
        "--controller-manifests",
        default="",
        metavar="PATH …",
        help="manifests that are applied before the controller starts: roles, bindings, definitions",
    )
    verify.add_argument(
        "--controller-images",
        default="",
        metavar="IMAGE …",
        help="images that every node has before a manifest: controller starts: names on the Docker daemon, or paths of tars",
    )

    matrix = commands.add_parser(
        "matrix", help="run controllers that are broken on purpose against the suite, or against your own tests"
    )
    matrix.add_argument("names", nargs="*", metavar="NAME", help="which; all of them if none is named")
    matrix.add_argument("--sample", action="store_true", help="some twenty of them, a few minutes")
    matrix.add_argument(
        "--tests",
        nargs="+",
        default=[],
        type=Path,
        metavar="PATH",
        help="your own tests in place of the suite: whom do they catch?",
    )
    matrix.add_argument(
        "--every-row",
        action="store_true",
        help="run every row against each, not only those that must catch it: minutes each",
    )
    matrix.add_argument("-n", "--abreast", type=int, default=2, metavar="N", help="how many at once (default: 2)")
    matrix.add_argument("--report", metavar="DIR", type=Path, help="write matrix.json and matrix.md there")

    serve = commands.add_parser("serve", help="run a cluster in the foreground, to try things by hand")
    _cluster_options(serve)

    doctor = commands.add_parser("doctor", help="say what this machine can run, one line each, with the remedy")
    doctor.add_argument(
        "--cluster", choices=["embedded", "k3s"], default="embedded", help="for which cluster (default: embedded)"
    )
    doctor.add_argument("--image", default="", metavar="IMAGE", help="the image of k3s, if not its own")

    explain = commands.add_parser(
        "explain", help="say for each node whether it gets a pod, and why, without any cluster"
    )
    explain.add_argument("daemonset", metavar="DS.YAML", help="the DaemonSet's manifest")
    explain.add_argument(
        "nodes", metavar="NODES.JSON", help="what `kubectl get nodes -o json` printed; - reads standard input"
    )
    explain.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return root


def _cluster_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cluster", default="embedded", help="where the cluster comes from (default: embedded)")
    command.add_argument(
        "--nodes", type=int, default=3, metavar="N", help="how many workers it has at the start (default: 3)"
    )
    command.add_argument(
        "--controller",
        default="builtin",
        metavar="SPEC",
        help=(
            "builtin (the default), none, 'command: ./bin/manager --kubeconfig {kubeconfig}', 'python: package.module:main' or, "
            "on k3s, 'manifest: deploy.yaml'"
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command's words; those of the process when None.

    Returns:
        The exit code, as the help text tells.
    """
    options = parser().parse_args(arguments)
    try:
        match options.command:
            case "verify":
                from pytest_daemonset.conformance.verify import verify

                return verify(options)
            case "matrix":
                from pytest_daemonset.conformance.matrix import matrix

                return matrix(options)
            case "serve":
                from pytest_daemonset.serve import serve

                return serve(options.cluster, options.nodes, options.controller)
            case "doctor":
                from pytest_daemonset.clusters.doctor import doctor

                return doctor(sys.stdout, options.cluster, options.image)
            case _:
                from pytest_daemonset.daemonsets.explain import explain

                code = explain(options.daemonset, options.nodes, as_json=options.json, out=sys.stdout)
                sys.stdout.flush()
                return code
    except DaemonSetTestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
