"""A k3s agent: what is in its configuration file, when it counts as ready, and what its log says when it cannot join."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pytest_daemonset.engine.tiny_image import NAME as TINY
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_daemonset.nodes.spec import NodeSpec

Object: TypeAlias = "dict[str, Any]"

CONFIG: Final = "/etc/rancher/k3s/config.yaml"
PASSWORD: Final = "/etc/rancher/node/password"  # noqa: S105 (where it is, not what it is)
IMAGES: Final = "/var/lib/rancher/k3s/agent/images"

UNINITIALIZED: Final = "node.cloudprovider.kubernetes.io/uninitialized"
NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
_STARTING = (UNINITIALIZED, NOT_READY, UNREACHABLE)
_RESERVED = re.compile(r"(^|\.)(kubernetes\.io|k8s\.io)/")
_BY_KUBELETS = re.compile(r"^(node|kubelet)\.kubernetes\.io/")
_FLAG = re.compile(r"[a-z][a-z0-9-]*")
_OURS: Final = {
    "server": "the cluster's server is the one that the node joins",
    "token": "it is the cluster's",
    "node-name": "use name=",
    "with-node-id": "the node would join under another name than it is awaited by",
}

DISK_FULL: Final = re.compile(r"database or disk is full|no space left on device", re.IGNORECASE)
"""What a server or an agent goes on saying that can write no more."""

LOOPS: Final = (
    # what its log repeats; how often until it is sure; what it means
    (
        re.compile(r"Node password rejected"),
        2,
        "the server knows another node of that name: its Node or its secret {name}.node-password.k3s in kube-system is still there",
    ),
    (re.compile(r"/v1-k3s/\S+: 401|not authorized"), 2, "its token is not the server's"),
    (
        re.compile(r"snapshotter cannot be enabled|level=\w+ .*operation not permitted"),
        2,
        "it may not do what it must: run it privileged, and not in a sandbox that forbids that",
    ),
    (
        re.compile(r"Unable to register node with API server.*(is invalid|is forbidden|denied the request)"),
        2,
        "the API server refuses its Node, by the reason in its last lines: is it a label, a taint, or a policy of admission?",
    ),
    (DISK_FULL, 3, "its disk is full"),
    (re.compile(r"failed to get CA certs"), 15, "it cannot reach the server"),
    (re.compile(r"level=fatal"), 1, "it gave up"),
)


class Diagnosis:
    """Reads an agent's log, line by line. An agent that cannot join does not exit: it loops."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count: Counter[str] = Counter()

    def read(self, line: str) -> str:
        """What is wrong with it; empty as long as nothing is, or nothing for sure."""
        for pattern, enough, meaning in LOOPS:
            if pattern.search(line):
                self._count[meaning] += 1
                if self._count[meaning] >= enough:
                    return meaning.replace("{name}", self._name)
        return ""


def config(spec: NodeSpec, server: str, kubelet: Mapping[str, str], more: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's configuration: what may be set by flag at first registration.

    Args:
        spec: the node.
        server: the server's URL as seen from the agent.
        kubelet: arguments of the kubelet.
        more: settings of the user's own for all agents, by the names of k3s's flags; they win, and the node's own over them.
    """
    wanted: dict[str, Any] = {
        "server": server,
        "node-name": spec.name,
        "pause-image": TINY,  # every pod's sandbox is made of it: k3s's own would have to be pulled
        "node-label": [f"{key}={value}" for key, value in spec.labels.items() if settable(key)],
        "node-taint": [
            f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"
            for taint in spec.taints
        ],
        "kubelet-arg": [f"{key}={value}" for key, value in kubelet.items()],
    }
    wanted = {key: value for key, value in wanted.items() if value != []}
    for key, value in (*more.items(), *spec.settings.items()):
        wanted[key] = [*wanted[key], *value] if isinstance(wanted.get(key), list) and isinstance(value, list) else value
    return wanted


def settable(label: str) -> bool:
    """Whether a kubelet may give itself this label. Source: NodeRestriction, and kubelet's IsKubernetesLabel."""
    return not _RESERVED.search(label) or bool(_BY_KUBELETS.match(label))


def check(spec: NodeSpec, arch: str) -> None:
    """Refuse what no container can be.

    Raises:
        UsageError: another architecture or system, resources of its own, or settings that are none or are not the user's.
    """
    for key, value in spec.settings.items():
        if not isinstance(key, str) or not _FLAG.fullmatch(key):
            raise UsageError(
                f"node {spec.name}: settings= has names of k3s's flags, such as 'kubelet-arg', not {key!r}"
            )
        if key in _OURS:
            raise UsageError(f"node {spec.name}: settings= cannot say {key!r}: {_OURS[key]}")
        if not all(isinstance(one, (str, int, float)) for one in (value if isinstance(value, list) else [value])):
            raise UsageError(
                f"node {spec.name}: the value of {key!r} in settings= is text, a number, a switch or a list, not {value!r}"
            )
    if spec.os != "linux" or spec.arch not in ("amd64", arch):
        raise UsageError(
            f"node {spec.name}: k3s nodes here are linux/{arch}, not {spec.os}/{spec.arch}; virtual nodes can be"
        )
    if spec.allocatable:
        raise UsageError(
            f"node {spec.name}: the resources of a k3s node are its machine's; allocatable= is for virtual nodes"
        )


def is_fresh(lease: Object | None, before: str, started: datetime | None) -> bool:
    """Whether the kubelet that runs now has renewed the node's lease.

    A Node stays Ready for 35 s after its container has gone, so its condition alone proves nothing.

    Args:
        lease: of the node, in kube-node-lease.
        before: its renewTime before the verb began.
        started: when the container started; None where it never stopped.
    """
    said = ((lease or {}).get("spec") or {}).get("renewTime")
    if not said or said == before:
        return False
    return started is None or moment(said) >= started


def is_ready(node: Object | None) -> bool:
    """Whether a Node is Ready and free of the taints of starting."""
    return node is not None and _ready(node) == "True" and not _taints(node) & set(_STARTING)


def is_lost(node: Object | None, nodes: Collection[Object]) -> bool:
    """Whether the node lifecycle loop has noticed that nobody reports, to the end: all its taints are there.

    Args:
        node: the node.
        nodes: all nodes of the cluster: where most of them are lost, the loop holds its NoExecute taints back.
    """
    if node is None:
        return False
    effects = {taint["effect"] for taint in node["spec"].get("taints") or [] if taint["key"] == UNREACHABLE}
    wanted = {"NoSchedule"} if _disrupted(node, nodes) else {"NoSchedule", "NoExecute"}
    return _ready(node) == "Unknown" and effects >= wanted


def is_back(node: Object | None) -> bool:
    """Whether nothing is left of its having been lost."""
    return node is not None and _ready(node) != "Unknown" and UNREACHABLE not in _taints(node)


def _disrupted(node: Object, nodes: Collection[Object]) -> bool:
    """Whether no node is Ready, or in the node's zone more than two and 55 % are not.

    Source: pkg/controller/nodelifecycle, ComputeZoneState and handleDisruption, with the defaults of its flags.
    """
    lost = [one for one in nodes if _ready(one) != "True"]
    zone = [one for one in nodes if _zone(one) == _zone(node)]
    lost_there = sum(_zone(one) == _zone(node) for one in lost)
    return len(lost) == len(nodes) or (lost_there > 2 and lost_there >= 0.55 * len(zone))


def _zone(node: Object) -> tuple[str, ...]:
    labels = node["metadata"].get("labels") or {}
    return tuple(labels.get(f"topology.kubernetes.io/{what}", "") for what in ("region", "zone"))


def told(node: Object | None) -> str:
    """A Node, in a few words."""
    if node is None:
        return "it has not registered"
    taints = ", ".join(sorted(_taints(node))) or "none"
    rows = (node.get("status") or {}).get("conditions") or []
    why = next((row.get("message", "") for row in rows if row["type"] == "Ready"), "")
    return f"Ready={_ready(node)} ({why[:200]}), taints: {taints}"


def _ready(node: Object) -> str:
    rows = (node.get("status") or {}).get("conditions") or []
    return next((str(row["status"]) for row in rows if row["type"] == "Ready"), "unset")


def _taints(node: Object) -> set[str]:
    return {taint["key"] for taint in node["spec"].get("taints") or []}


def moment(text: str) -> datetime:
    """A time as the API or Docker writes it, nanoseconds cut to microseconds; both are UTC."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return datetime.strptime(f"{whole}.{(rest or '0')[:6]}", "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=timezone.utc)
