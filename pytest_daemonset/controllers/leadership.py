"""Which replica leads: the one that holds the Lease, where that can be told."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.audit import WRITES
from pytest_daemonset.kube.resources import LEASES
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_daemonset.controllers.replica import Replica
    from pytest_daemonset.kube.audit import AuditLog
    from pytest_daemonset.kube.client import Client

NODE_LEASES: Final = "kube-node-lease"
_LOG_BYTES: Final = 16 * 2**20


class Leadership:
    """Knows the leader of one controller.

    Args:
        replicas: the candidates.
        client: to watch the Leases with.
        audit: the cluster's log, which tells the credentials of replicas apart; None where there is none.
        lease: namespace/name; empty: any Lease that one of the replicas holds.
    """

    def __init__(self, replicas: Sequence[Replica], client: Client, audit: AuditLog | None, lease: str = "") -> None:
        self._replicas, self._client, self._audit, self._lease = replicas, client, audit, lease

    async def leader(self, *, other_than: int | None, timeout: float) -> Replica:
        """Wait until a replica leads.

        Args:
            other_than: the number of a replica that is not meant.
            timeout: seconds.

        Raises:
            ClusterError: none does, in time.
            UsageError: somebody holds the Lease, but it cannot be said which replica that is.
        """
        namespace = self._lease.partition("/")[0] or None
        found: list[Replica] = []
        holders: dict[str, str] = {}

        def good(seen: Mapping[str, Mapping[str, Any]]) -> bool:
            for lease in seen["Lease"].values():
                if not self._meant(lease) or not held(lease):
                    continue
                replica = self._holder(lease)
                if replica is None:
                    holders[_name(lease)] = lease["spec"]["holderIdentity"]
                elif replica.number != other_than:
                    found[:] = [replica]
            return bool(found)

        if await until(self._client, [(LEASES, namespace)], good, timeout):
            return found[0]
        which = self._lease or "any Lease of theirs"
        if self._lease and self._lease in holders:
            raise UsageError(
                f"{self._lease} is held by {holders[self._lease]!r}, and nothing says which replica that is; have the command use "
                "{identity}, or the environment variable DAEMONSET_IDENTITY, as its identity"
            )
        but = "" if other_than is None else f" but replica {other_than}"
        seen = "; ".join(f"{lease} is held by {holder!r}, none that we know" for lease, holder in holders.items())
        raise ClusterError(
            f"no replica{but} has come to hold {which} within {timeout:g} s{'; ' + seen if seen else ''}. "
            "Do they elect a leader? Name its Lease with ControllerConfig(lease='namespace/name')"
        )

    def _meant(self, lease: Mapping[str, Any]) -> bool:
        return _name(lease) == self._lease if self._lease else lease["metadata"].get("namespace") != NODE_LEASES

    def _holder(self, lease: Mapping[str, Any]) -> Replica | None:
        """By who last wrote it, by a name that we gave, or by the only log that tells of it."""
        holder = str(lease["spec"]["holderIdentity"])
        return self._by_credential(lease, holder) or self._by_name(holder)

    def _by_credential(self, lease: Mapping[str, Any], holder: str) -> Replica | None:
        named = {one.credential.id: one for one in self._replicas if one.credential.id}
        if self._audit is None or not named:
            return None
        metadata = lease["metadata"]
        writes = self._audit.entries(
            resource="leases", namespace=metadata["namespace"], name=metadata["name"], verbs=WRITES, accepted=True
        )
        for entry in reversed(writes):
            body = entry.request if isinstance(entry.request, dict) else {}
            if entry.credential in named and (body.get("spec") or {}).get("holderIdentity") == holder:
                return named[entry.credential]
        return None

    def _by_name(self, holder: str) -> Replica | None:
        named = [one for one in self._replicas if one.identity in holder]
        told = named or [one for one in self._replicas if _tells(one, holder)]
        return told[0] if len(told) == 1 else None


def held(lease: Mapping[str, Any]) -> bool:
    """Whether somebody holds a Lease that has not run out, by its own times and our clock."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity"):
        return False
    renewed = spec.get("renewTime")
    if not renewed:
        return True
    ends = datetime.fromisoformat(renewed.replace("Z", "+00:00")).timestamp() + (spec.get("leaseDurationSeconds") or 0)
    return time.time() < ends


def _name(lease: Mapping[str, Any]) -> str:
    return f"{lease['metadata'].get('namespace')}/{lease['metadata']['name']}"


def _tells(replica: Replica, holder: str) -> bool:
    try:
        with replica.log.open("rb") as log:
            return holder.encode() in log.read(_LOG_BYTES)
    except FileNotFoundError:
        return False
