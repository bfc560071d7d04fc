"""What the controller under test wrote, read from the cluster's audit log (method M3 of the contract)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.shape import NUDGE, nested, value_at
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.audit import WRITES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.kube.audit import AuditLog, Entry

UNCOUNTED: Final = frozenset({"events", "leases"})
"""What a controller may write at any time: its log, and the proof that it leads."""


class WriteLog:
    """The writes of one identity, such as the controller's.

    Args:
        audit: the cluster's log.
        user: who the controller is.
        sets: the plural of the kind under test.
        nudge: the field of its spec that a barrier changes.
    """

    def __init__(self, audit: AuditLog | None, user: str, sets: str = "daemonsets", nudge: str = NUDGE) -> None:
        self._audit = audit
        self.user = user
        self._sets = sets
        self._nudge = nudge

    @property
    def audit(self) -> AuditLog:
        """The log.

        Raises:
            Inconclusive: the cluster has none.
        """
        if self._audit is None:
            raise Inconclusive("this cluster has no audit log, so it cannot be said who wrote what")
        return self._audit

    def mark(self) -> int:
        """This moment, for ``since``."""
        return self.audit.mark()

    def about(self, namespace: str, name: str, since: int = 0) -> list[Entry]:
        """What the controller wrote for one set: its object, its pods and its revisions; refused writes too.

        Args:
            namespace: the set's.
            name: the set's; what it makes is called ``NAME-…``, so no other set's name may begin like that.
            since: a `mark`.
        """
        return [
            entry
            for entry in self.audit.entries(namespace=namespace, user=self.user, verbs=WRITES, since=since)
            if entry.resource not in UNCOUNTED and (entry.name == name or _made_by(entry, name))
        ]

    def of_followers(self, namespace: str, since: int = 0) -> list[Entry]:
        """What replicas wrote in a namespace while they held no Lease; refused writes too.

        Args:
            namespace: where.
            since: a `mark`.
        """
        holders: dict[str, str] = {}
        found = []
        for entry in self.audit.entries(user=self.user, verbs=WRITES):
            if entry.resource == "leases":
                holder = (_body(entry).get("spec") or {}).get("holderIdentity")
                # None is a patch of other fields; empty is how a leader steps down.
                if entry.code < 400 and holder is not None:
                    holders[f"{entry.namespace}/{entry.name}"] = entry.credential if holder else ""
            elif entry.offset >= since and entry.namespace == namespace and entry.resource not in UNCOUNTED:
                found += [] if entry.credential in holders.values() else [entry]
        return found

    def to_pods(self, *names: str, namespace: str, since: int = 0) -> list[Entry]:
        """What the controller wrote to these pods, less their creation.

        Args:
            names: of the pods.
            namespace: theirs.
            since: a `mark`.
        """
        entries = self.audit.entries(
            resource="pods", namespace=namespace, user=self.user, verbs=WRITES - {"create"}, since=since
        )
        return [entry for entry in entries if entry.name in names]

    def events(self, agent: SetUnderTest, since: int = 0) -> list[Entry]:
        """The events on a set that the controller wrote.

        Args:
            agent: the set.
            since: a `mark`.
        """
        entries = self.audit.entries(
            resource="events", namespace=agent.namespace, user=self.user, verbs=WRITES, since=since
        )
        return [
            entry for entry in entries if str(_body(entry).get("involvedObject", {}).get("uid", agent.uid)) == agent.uid
        ]

    def unasked(self, namespace: str, name: str, since: int = 0) -> list[Entry]:
        """What the controller wrote for a set, less its answer to a barrier: the status, after the spec was nudged.

        Arguments: as for `about`.
        """
        nudges = [
            entry.offset
            for entry in self.audit.entries(
                resource=self._sets, namespace=namespace, name=name, verbs=("patch",), since=since
            )
            if entry.user != self.user and _is_nudge(_body(entry), self._nudge)
        ]
        first = min(nudges, default=None)
        return [
            entry
            for entry in self.about(namespace, name, since)
            if first is None or entry.offset < first or entry.resource != self._sets
        ]


def _made_by(entry: Entry, name: str) -> bool:
    if entry.name.startswith(f"{name}-"):
        return True
    # A refused create has no name yet.
    return str(_body(entry).get("metadata", {}).get("generateName", "")).startswith(f"{name}-")


def _is_nudge(patch: Mapping[str, Any], field: str) -> bool:
    value = value_at(patch, field)
    return value is not None and patch.get("spec") == nested(field, value)["spec"]


def _body(entry: Entry) -> Mapping[str, Any]:
    return entry.request if isinstance(entry.request, dict) else {}


def told(entries: list[Entry]) -> str:
    """Writes, one a line, for a message."""
    return "\n".join(f"  {entry}" for entry in entries[:20])
