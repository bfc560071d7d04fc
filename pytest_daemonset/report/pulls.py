"""Images that do not come: what a red test on real kubelets most often has to tell, and no property knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.events import DELETED, POD
from pytest_daemonset.observe.findings import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.state import Subject

BACK_OFF: Final = "ImagePullBackOff"
FAILED: Final = frozenset(
    (
        "ErrImagePull",
        "ErrImageNeverPull",
        "ImageInspectError",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        BACK_OFF,
    )
)
"""Reasons of a container that waits for its image. Source: k8s.io/kubernetes/pkg/kubelet/images/types.go."""

_SHOWN: Final = 5
_REMEDY: Final = (
    "    to try: an image of the Docker daemon goes into every node by --daemonset-k3s-images=NAME, a tiny one of that name\n"
    "    by --daemonset-k3s-tiny-images=NAME (docs/k3s.md); a tag :latest is pulled all the same, unless the\n"
    "    container's imagePullPolicy says otherwise"
)


@dataclass
class PullFailure:
    """A container that waits for its image.

    Args:
        pod: the pod's name.
        node: the node that it is on.
        container: its name.
        image: the image.
        reason: one of `FAILED`.
        message: what the kubelet said, where it said more than that it waits before it tries again.
        since: when that was first seen, in unix seconds.
    """

    pod: str
    node: str
    container: str
    image: str
    reason: str
    message: str
    since: float

    def __str__(self) -> str:
        said = f": {self.message[:300]}" if self.message else ""
        return (
            f"node {self.node}: image {self.image} of pod {self.pod}, container {self.container}: {self.reason} "
            f"since {clock(self.since)}{said}"
        )


def pull_failures(events: Iterable[Event], subject: Subject) -> list[PullFailure]:
    """Which containers of a set's pods wait for an image, after all these events.

    Args:
        events: all that was seen, in order.
        subject: whose pods.
    """
    found: dict[str, dict[str, PullFailure]] = {}
    for event in events:
        if event.kind != POD or not _owned(event.object, subject):
            continue
        uid = event.object["metadata"]["uid"]
        before = found.pop(uid, {})
        if event.type != DELETED:
            found[uid] = {one.container: one for one in _waiting(event, before)}
    return [one for pod in found.values() for one in pod.values()]


def told(failures: list[PullFailure]) -> str:
    """The lines of a red test; none where every image came."""
    if not failures:
        return ""
    lines = ["  images that do not come:", *(f"    {one}" for one in failures[:_SHOWN])]
    if len(failures) > _SHOWN:
        nodes = dict.fromkeys(one.node for one in failures[_SHOWN:])
        lines.append(f"    … and {len(failures) - _SHOWN} more, on {', '.join(list(nodes)[:_SHOWN])}")
    return "\n".join([*lines, _REMEDY])


def _waiting(event: Event, before: Mapping[str, PullFailure]) -> Iterator[PullFailure]:
    pod = event.object
    status = pod.get("status") or {}
    for row in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (row.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason"), waiting.get("message") or ""
        if reason not in FAILED:
            continue
        old = before.get(row["name"])
        if reason == BACK_OFF and old is not None and old.message:
            reason, message = old.reason, old.message
        yield PullFailure(
            pod["metadata"]["name"],
            pod["spec"].get("nodeName") or "none",
            row["name"],
            row.get("image") or "unnamed",
            reason,
            message,
            event.at if old is None else old.since,
        )


def _owned(pod: Mapping[str, Any], subject: Subject) -> bool:
    return any(owner["uid"] == subject.uid for owner in pod["metadata"].get("ownerReferences") or ())
