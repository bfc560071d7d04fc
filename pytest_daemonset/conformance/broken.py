"""The registry of broken controllers: for each, the rows that must catch it. A row that catches nobody proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class BrokenController:
    """A controller that is wrong in one way, and the rows that say so.

    Args:
        name: how ``python -m pytest_daemonset.reference --broken NAME`` calls it.
        does: what it does wrong.
        caught_by: the rows that must fail, each with a `Violation`; the first one is the row that it is made for.
        spares: a row or two that it must leave green: a suite that is red for everything proves nothing either. Empty only
            for one that breaks an invariant which stands guard in every row.
    """

    name: str
    does: str
    caught_by: tuple[str, ...]
    spares: tuple[str, ...] = ("PLACE-01",)


_ALL: Final = (
    BrokenController("two-pods-per-node", "keeps two pods on every node", ("AMO-01", "PLACE-01"), ("PLACE-02",)),
    BrokenController(
        "counts-replicas",
        "takes the number of nodes for a number of replicas",
        ("PLACE-01", "AMO-01"),
        ("PLACE-02",),
    ),
    BrokenController("any-label", "takes any of a nodeSelector's labels for all", ("PLACE-03",)),
    BrokenController("ands-affinity-terms", "wants every term of the affinity", ("PLACE-04",)),
    BrokenController("preferred-is-required", "takes preferred affinity for required", ("PLACE-08",)),
    BrokenController("unpinned", "makes pods that name no node", ("PLACE-09",), ("PLACE-02",)),
    BrokenController("drops-template-annotations", "drops the template's annotations", ("PLACE-11",)),
    BrokenController("ignores-taints", "does not look at taints", ("TAINT-01", "TAINT-05")),
    BrokenController("exact-tolerations", "wants tolerations to equal taints", ("TAINT-02",)),
    BrokenController("drains-no-schedule", "lets NoSchedule drive pods away", ("TAINT-04",), ("PLACE-01", "TAINT-01")),
    BrokenController("keeps-no-execute", "leaves NoExecute to others", ("TAINT-05",), ("PLACE-01", "TAINT-01")),
    BrokenController("forgets-tolerations", "omits the standard tolerations", ("TAINT-08",)),
    BrokenController("skips-not-ready", "drains nodes that are not Ready", ("NCOND-01",)),
    BrokenController("filters-cordoned", "starts nothing on cordoned nodes", ("NCOND-02", "TAINT-12")),
    BrokenController(
        "computes-nodes-once", "computes the nodes once a generation", ("NODE-01", "PLACE-12", "TAINT-06")
    ),
    BrokenController("watches-itself-only", "does not watch its pods", ("FAIL-01", "FAIL-02", "FAIL-03")),
    BrokenController("events-only", "ignores what was there when it started", ("ROB-07",)),
    BrokenController("replaces-terminating", "takes terminating pods for gone", ("AMO-02",)),
    BrokenController("counts-bound-only", "counts bound pods only", ("AMO-03", "AMO-01"), ("PLACE-02",)),
    BrokenController("recreates-for-vanished-node", "never forgets a node", ("NODE-02",), ("FAIL-01",)),
    BrokenController("keeps-failed", "does not delete failed pods", ("FAIL-02",), ("PLACE-01", "FAIL-03")),
    BrokenController("failed-only", "does not delete succeeded pods", ("FAIL-03",), ("PLACE-01", "FAIL-02")),
    BrokenController("deletes-unready", "deletes pods that are not Ready", ("FAIL-07",), ("PLACE-02",)),
    BrokenController("forces-deletion", "deletes with a grace period of zero", ("TERM-02",)),
    BrokenController("prunes-all", "empties a crowded node to start over", ("AMO-05", "AMO-04")),
    BrokenController("recreates-while-deleting", "works for sets that are being deleted", ("GC-04", "GC-02")),
    BrokenController("keeps-a-finalizer", "keeps a finalizer of its own on every set", ("GC-01", "GC-02")),
    BrokenController("no-block-owner-deletion", "leaves out blockOwnerDeletion", ("GC-06",), spares=()),
    BrokenController("never-adopts", "never adopts a pod", ("OWN-01",)),
    BrokenController("steals-by-label", "takes what its selector matches for its own", ("OWN-03", "PLACE-16")),
    BrokenController("owns-by-name", "finds its pods by their owner's name", ("OWN-05", "GC-07")),
    BrokenController("rolls-on-delete", "rolls whatever the strategy", ("UPD-01", "UPD-02"), ("PLACE-01", "UPD-03")),
    BrokenController("never-rolls", "replaces no old pod", ("UPD-03",), ("PLACE-01", "UPD-01")),
    BrokenController("ignores-budget", "takes all nodes at once", ("UPD-04", "UPD-06"), ("PLACE-01", "UPD-03")),
    BrokenController(
        "counts-missing-only", "charges missing pods only to the budget", ("UPD-06", "UPD-08", "UPD-12"), ("UPD-03",)
    ),
    BrokenController("rounds-down", "rounds percentages down", ("UPD-05",), ("UPD-03",)),
    BrokenController("surges-everywhere", "surges on all nodes at once", ("UPD-16",), ("UPD-03",)),
    BrokenController("retires-early", "deletes old pods before new ones are available", ("UPD-17",), ("UPD-03",)),
    BrokenController("sets-no-timer", "waits for an event where only time passes", ("UPD-12",), ("UPD-03",)),
    BrokenController("keeps-all-history", "deletes no revision", ("REV-07", "REV-09"), ("UPD-03",)),
    BrokenController("deletes-live-revisions", "deletes revisions that pods carry", ("REV-08",), ("UPD-03",)),
    BrokenController(
        "spares-the-sick", "never replaces old pods that are unavailable", ("UPD-07", "UPD-10"), ("UPD-03",)
    ),
    BrokenController(
        "records-the-whole-spec", "takes every change for a new template", ("UPD-09", "REV-02"), ("UPD-03",)
    ),
    BrokenController("keeps-the-first-strategy", "reads the strategy once a template", ("UPD-11",), ("UPD-03",)),
    BrokenController("waits-from-the-first-ready", "counts from the first readiness", ("UPD-13",), ("UPD-12",)),
    BrokenController("ignores-the-down", "charges no node whose pod is going", ("UPD-14", "UPD-04"), ("UPD-01",)),
    BrokenController("rolls-over-the-nodes-of-its-start", "keeps the nodes for a rollout", ("UPD-15",), ("UPD-03",)),
    BrokenController("surges-again", "surges again beside a pod that does not run yet", ("AMO-06",), ("UPD-03",)),
    BrokenController("surge-waits-for-the-end", "with surge too, waits for the end of a pod", ("AMO-07",), ("UPD-17",)),
    BrokenController("surges-over-corpses", "makes pods beside failed ones in back-off", ("FAIL-10",), ("UPD-17",)),
    BrokenController("surges-beside-the-sick-in-turn", "makes the sick wait for a slot", ("UPD-18",), ("UPD-17",)),
    BrokenController("gives-up-at-once", "empties nodes that are given up first", ("UPD-19",), ("UPD-17",)),
    BrokenController("keeps-one-of-each-revision", "leaves two pods when surge is off", ("UPD-20",), ("UPD-17",)),
    BrokenController("records-late", "records a template after the first pods", ("REV-01",), ("UPD-03",)),
    BrokenController("labels-the-first-with-the-last", "gives a first pod the hash before", ("REV-03",), ("REV-01",)),
    BrokenController("records-a-difference", "records what to merge, not what replaces", ("REV-04",), ("REV-02",)),
    BrokenController("never-renumbers", "leaves the number when a template comes back", ("REV-05",), ("REV-02",)),
    BrokenController("rollback-is-new", "takes a rollback for a new template", ("REV-06", "REV-05"), ("REV-02",)),
    BrokenController("keeps-the-oldest-twin", "keeps the lowest number of two twins", ("REV-10",), ("REV-05",)),
    BrokenController("ignores-clashes", "tries a name that is taken for ever", ("REV-11",), ("REV-02",)),
    BrokenController("random-identities", "names each revision anew", ("REV-12",), ("REV-13",)),
    BrokenController("data-of-this-process", "knows no record of another process", ("REV-13",), ("REV-12",)),
    BrokenController("rewrites-status", "writes the status once a second", ("ROB-09",), ("PLACE-01", "STAT-01")),
    BrokenController("restart-rewrites", "writes the status at every start", ("ROB-08",), ("PLACE-01", "ROB-09")),
    BrokenController("early-observed-generation", "observes first and works later", ("STAT-05",)),
    BrokenController("counts-pods", "counts pods instead of nodes", ("STAT-01", "STAT-04")),
    BrokenController("running-is-ready", "counts Running as Ready", ("STAT-02",)),
    BrokenController("silent-when-empty", "writes no status for an empty set", ("PLACE-02",)),
    BrokenController("writes-the-spec", "writes into the spec of a set", ("API-05",)),
)

BROKEN: Final[Mapping[str, BrokenController]] = MappingProxyType({one.name: one for one in _ALL})
"""Every broken controller that the suite is tested with, by name."""

UNPROVEN: Final[Mapping[str, str]] = MappingProxyType({})
"""Rows that no broken controller fails, and why that is accepted."""
