"""What a red test adds to its reasons: whether the controller was there, what its nodes are to the set, and who wrote what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_daemonset.kube.audit import WRITES
from pytest_daemonset.observe.findings import clock
from pytest_daemonset.report import eligible, pulls, strangers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_daemonset.kube.audit import AuditLog, Entry
    from pytest_daemonset.observe.findings import Finding

_SHOWN: Final = 20


class Explanation:
    """Adds to a violation's text what its nodes are to the set, the images that its pods wait for, and who wrote to what it names.

    Args:
        audit: the cluster's write log; without one no writes are told.
        absence: tells why the controller could do nothing; empty if it could.

    Source: contract.md, method M3: who did something is read from the write log, never from the fact that it happened.
    """

    def __init__(self, audit: AuditLog | None, absence: Callable[[], str] = str) -> None:
        self._audit = audit
        self._absence = absence

    def __call__(self, finding: Finding) -> str:
        """The controller; its nodes; the images that do not come; the writes to its pods, nodes and DaemonSet, oldest first."""
        absent = self._absence()
        state = finding.state()
        parts = (
            f"  {absent}" if absent else "",
            eligible.told(finding, state, absent=bool(absent)),
            strangers.told(finding, state),
            pulls.told(pulls.pull_failures(finding.history.events, finding.subject)),
            self._writes(finding),
        )
        return "\n".join(part for part in parts if part)

    def _writes(self, finding: Finding) -> str:
        if self._audit is None:
            return ""
        pods = {pod for reason in finding.verdict.reasons for pod in reason.pods}
        nodes = {reason.node for reason in finding.verdict.reasons if reason.node}
        entries = [
            entry
            for entry in self._audit.entries(verbs=WRITES)
            if _touches(entry, finding, pods, nodes) and entry.at <= finding.at + 1
        ]
        if not entries:
            return "  who wrote what: the audit log has no write to any of these"
        left = len(entries) - _SHOWN
        head = [f"  who wrote what{f' (the last {_SHOWN} of {len(entries)} writes)' if left > 0 else ''}:"]
        return "\n".join(head + [f"    {_line(entry)}" for entry in entries[-_SHOWN:]])


def _touches(entry: Entry, finding: Finding, pods: set[str], nodes: set[str]) -> bool:
    match entry.resource:
        case "pods":
            return entry.namespace == finding.subject.namespace and entry.name in pods
        case "nodes":
            return entry.name in nodes and entry.subresource != "status"
        case "leases" | "events":
            return False
        case _:
            # A kubelet's or a controller's status writes say nothing about who made a pod.
            here = (entry.namespace, entry.name) == (finding.subject.namespace, finding.subject.name)
            return here and entry.subresource != "status"


def _line(entry: Entry) -> str:
    what = "/".join(part for part in (entry.resource, entry.name, entry.subresource) if part)
    agent = entry.agent.split(" ")[0] or "no user agent"
    refused = "" if entry.code < 400 else f": refused with {entry.code}"
    return f"{clock(entry.at)}  {entry.verb} {what}{refused}  by {entry.user} ({agent})"
