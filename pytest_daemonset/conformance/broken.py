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
        profile: the shipped profile that it is run with; empty for none.
        replicas: how many of it run; where more than one, they are told to elect a leader.
    """

    name: str
    does: str
    caught_by: tuple[str, ...]
    spares: tuple[str, ...] = ("PLACE-01",)
    profile: str = ""
    replicas: int = 1


_ALL: tuple[BrokenController, ...] = (
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
    BrokenController("ignores-taints", "does not look at taints", ("TAINT-01", "TAINT-05", "TAINT-13")),
    BrokenController("exact-tolerations", "wants tolerations to equal taints", ("TAINT-02",)),
    BrokenController(
        "drains-no-schedule", "lets NoSchedule drive pods away", ("TAINT-04", "TAINT-07"), ("PLACE-01", "TAINT-01")
    ),
    BrokenController("keeps-no-execute", "leaves NoExecute to others", ("TAINT-05",), ("PLACE-01", "TAINT-01")),
    BrokenController("forgets-tolerations", "omits the standard tolerations", ("TAINT-08", "TAINT-09")),
    BrokenController("skips-not-ready", "drains nodes that are not Ready", ("NCOND-01", "NCOND-03")),
    BrokenController("filters-cordoned", "starts nothing on cordoned nodes", ("NCOND-02", "TAINT-12", "NODE-06")),
    BrokenController(
        "computes-nodes-once",
        "computes the nodes once a generation",
        ("NODE-01", "PLACE-12", "TAINT-06", "UPD-15", "NODE-05"),
    ),
    BrokenController(
        "watches-itself-only", "does not watch its pods", ("FAIL-01", "FAIL-02", "FAIL-03", "NODE-04"), ("PLACE-10",)
    ),
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
    BrokenController("never-adopts", "never adopts a pod", ("OWN-01", "OWN-07", "OWN-10", "OWN-08")),
    BrokenController(
        "steals-by-label", "takes what its selector matches for its own", ("OWN-03", "PLACE-16", "OWN-06")
    ),
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
    BrokenController("sets-no-timer", "waits for an event where only time passes", ("UPD-12", "STAT-10"), ("UPD-03",)),
    BrokenController("keeps-all-history", "deletes no revision", ("REV-07", "REV-09"), ("UPD-03",)),
    BrokenController("deletes-live-revisions", "deletes revisions that pods carry", ("REV-08",), ("UPD-03",)),
    BrokenController(
        "spares-the-sick", "never replaces old pods that are unavailable", ("UPD-07", "UPD-10", "UPD-08"), ("UPD-03",)
    ),
    BrokenController(
        "records-the-whole-spec", "takes every change for a new template", ("UPD-09", "REV-02"), ("PLACE-02",)
    ),
    BrokenController("keeps-the-first-strategy", "reads the strategy once a template", ("UPD-11",), ("UPD-03",)),
    BrokenController("waits-from-the-first-ready", "counts from the first readiness", ("UPD-13",), ("UPD-12",)),
    BrokenController("ignores-the-down", "charges no node whose pod is going", ("UPD-14",), ("UPD-01",)),
    BrokenController("charges-the-given-up", "charges nodes that are to have no pod", ("KRU-09",), ("UPD-14",)),
    BrokenController("rolls-over-the-nodes-of-its-start", "keeps the nodes for a rollout", ("UPD-15",), ("UPD-03",)),
    BrokenController("surges-again", "surges again beside a pod that does not run yet", ("AMO-06",), ("UPD-03",)),
    BrokenController("surge-waits-for-the-end", "with surge too, waits for the end of a pod", ("AMO-07",), ("UPD-17",)),
    BrokenController("surges-over-corpses", "makes pods beside failed ones in back-off", ("FAIL-10",), ("UPD-17",)),
    BrokenController("surges-beside-the-sick-in-turn", "makes the sick wait for a slot", ("UPD-18",), ("UPD-17",)),
    BrokenController("gives-up-at-once", "empties nodes that are given up first", ("UPD-19",), ("UPD-17",)),
    BrokenController("keeps-one-of-each-revision", "leaves two pods when surge is off", ("UPD-20",), ("UPD-17",)),
    BrokenController("records-late", "records a template after the first pods", ("REV-01", "REV-03"), ("PLACE-02",)),
    BrokenController("labels-the-first-with-the-last", "gives a first pod the hash before", ("REV-03",), ("REV-01",)),
    BrokenController("records-a-difference", "records what to merge, not what replaces", ("REV-04",), ("REV-02",)),
    BrokenController("never-renumbers", "leaves the number when a template comes back", ("REV-05",), ("REV-02",)),
    BrokenController("rollback-is-new", "takes a rollback for a new template", ("REV-06", "REV-05"), ("REV-02",)),
    BrokenController("keeps-the-oldest-twin", "keeps the lowest number of two twins", ("REV-10",), ("REV-05",)),
    BrokenController("ignores-clashes", "tries a name that is taken for ever", ("REV-11",), ("REV-02",)),
    BrokenController("random-identities", "names each revision anew", ("REV-12",), ("REV-13",)),
    BrokenController("data-of-this-process", "knows no record of another process", ("REV-13",), ("REV-12",)),
    BrokenController(
        "rewrites-status", "writes the status once a second", ("ROB-09", "STAT-06"), ("PLACE-01", "STAT-01")
    ),
    BrokenController("restart-rewrites", "writes the status at every start", ("ROB-08",), ("PLACE-01", "ROB-09")),
    BrokenController("early-observed-generation", "observes first and works later", ("STAT-05", "STAT-11")),
    BrokenController("counts-pods", "counts pods instead of nodes", ("STAT-01", "STAT-04")),
    BrokenController("running-is-ready", "counts Running as Ready", ("STAT-02", "NCOND-03")),
    BrokenController("silent-when-empty", "writes no status for an empty set", ("PLACE-02",)),
    BrokenController("writes-the-spec", "writes into the spec of a set", ("API-05",)),
    BrokenController(
        "or-selector-and-affinity",
        "is content with a node that satisfies nodeSelector or required affinity where both are asked for",
        ("PLACE-06",),
    ),
    BrokenController("forgets-vanished-node", "never removes the unbound pod of a node that is gone", ("NODE-03",)),
    BrokenController("hot-failure-loop", "removes and replaces failed pods without any back-off", ("FAIL-05",)),
    BrokenController("identity-by-uid", "has the identity of a template depend on the set's UID", ("OWN-10",)),
    BrokenController("never-adopts-revisions", "leaves revisions that nobody controls alone", ("OWN-12",)),
    BrokenController("trusts-adopted", "takes every pod that it adopts for one of the current template", ("OWN-11",)),
    BrokenController("never-releases", "keeps pods for its own whose labels do not match any more", ("OWN-04",)),
    BrokenController("equality-only", "reads the equality part of a selector only", ("OWN-08",)),
    BrokenController("never-prunes", "leaves a crowded node crowded", ("AMO-04", "UPD-20", "OWN-02")),
    BrokenController(
        "counts-corpses", "takes a pod that has ended and only a finalizer keeps for one that is there", ("AMO-08",)
    ),
    BrokenController(
        "replaces-beside-the-corpse", "makes the replacement of a failed pod before that is gone", ("FAIL-04",)
    ),
    BrokenController("one-back-off", "has one back-off for all nodes, which no change ends", ("FAIL-06",)),
    BrokenController("errors-end-the-sync", "ends a sync at the first refused write, before its status", ("FAIL-08",)),
    BrokenController(
        "expects-what-it-skipped", "waits for five minutes for pods that it never made", ("ROB-03", "FAIL-08")
    ),
    BrokenController("no-ramp", "creates all pods at once, refused or not", ("ROB-02",)),
    BrokenController("drops-the-rest", "forgets what is left over after a burst", ("ROB-01",)),
    BrokenController("head-of-line", "works for no other set while one fails", ("ROB-11",)),
    BrokenController("deletes-again", "deletes terminating pods again in every sync", ("TERM-01",)),
    BrokenController("waits-for-all", "does nothing more while any pod is terminating", ("TERM-03",)),
    BrokenController(
        "empty-is-an-error", "keeps all pods where no node is eligible, as that must be a mistake", ("TERM-04",)
    ),
    BrokenController("deletes-its-pods", "deletes the pods of a set that is being deleted itself", ("GC-04", "GC-03")),
    BrokenController("silent", "tells nothing by events", ("EVT-01", "EVT-02", "EVT-03")),
    BrokenController(
        "ignores-field-terms", "reads the labels of affinity terms only, and not the node's name", ("PLACE-05",)
    ),
    BrokenController(
        "overwrites-node-name", "overwrites the node's name in a template with that of each node in turn", ("PLACE-07",)
    ),
    BrokenController(
        "replaces-affinity", "puts its pin in the place of all affinity that the template has", ("PLACE-10", "PLACE-11")
    ),
    BrokenController(
        "freezes-rules-on-delete",
        "under OnDelete, goes on placing pods by the template that it saw first",
        ("PLACE-13",),
    ),
    BrokenController(
        "looks-up-bound-only",
        "finds the pods of a node that is no longer eligible by their binding only",
        ("PLACE-14",),
    ),
    BrokenController("compares-keys-only", "has a toleration match every taint of its key", ("TAINT-03", "TAINT-13")),
    BrokenController(
        "appends-tolerations",
        "appends the standard tolerations to the template's own without looking at those",
        ("TAINT-10",),
    ),
    BrokenController(
        "edits-the-template", "writes the tolerations that it adds into the set's own template", ("TAINT-11", "ROB-13")
    ),
    BrokenController(
        "skips-full-nodes", "leaves nodes out whose resources a pod seems to exceed", ("RES-01", "PLACE-08")
    ),
    BrokenController(
        "conflicts-with-itself",
        "takes a host port that its own pod holds for a conflict, and deletes the pod",
        ("RES-02",),
    ),
    BrokenController(
        "labels-with-the-sets-name",
        "labels pods with the whole name of their set, which may be longer than a label",
        ("API-08",),
    ),
    BrokenController(
        "writes-at-each-heartbeat", "writes the status of every set whenever anything of a node changes", ("NCOND-04",)
    ),
    BrokenController("syncs-for-every-pod", "writes the status of every set for every pod of the cluster", ("RES-03",)),
    BrokenController("annotates-nodes", "notes on every node that it has made a pod for it", ("ROB-13",)),
    BrokenController("counts-all-as-updated", "counts every node that has a pod as updated", ("STAT-03", "STAT-11")),
    BrokenController(
        "replaces-status", "replaces the whole status, conditions of others included", ("STAT-08", "API-05")
    ),
    BrokenController(
        "blind-to-taints",
        "reacts to labels of nodes, and to new nodes, and to no other change of theirs",
        ("STAT-09", "TAINT-06"),
    ),
)

_ALL += (
    BrokenController("tells-of-every-node", "writes an event for every node in every sync", ("EVT-04",), ("EVT-02",)),
    BrokenController("trusts-the-kubelet", "takes rejected pods for pods on their way", ("FAIL-09",), ("FAIL-02",)),
    BrokenController("tries-in-ending-namespaces", "tries again in namespaces that end", ("GC-08",), ("GC-01",)),
    BrokenController("knows-its-own-only", "knows only the pods that this very process made", ("AMO-09",)),
    BrokenController("overwrites-status", "writes the status whatever the version", ("STAT-07",)),
    BrokenController("waits-for-the-gone", "waits for the end of a pod that was not there any more", ("ROB-04",)),
    BrokenController("swallows-status-errors", "takes a refused status for written", ("ROB-10",)),
    BrokenController("makes-in-vain", "makes a pod that it lost at birth again at once", ("ROB-15",), ("FAIL-08",)),
    BrokenController("begins-with-the-refused", "tries nodes in one order, and stops at a refusal", ("FAIL-08",)),
    BrokenController("forgets-the-refused", "takes a refused write for done", ("FAIL-08", "ROB-10")),
    BrokenController("stops-at-leftovers", "fails at a pod whose node is gone", ("UPD-21",), ("UPD-17",)),
    BrokenController("trusts-its-cache", "takes what it does not see for not there", ("AMO-10",), ("PLACE-02",)),
    BrokenController("takes-deleted-for-replaced", "counts a pod that it deleted as new", ("ROB-14",), ("UPD-01",)),
    BrokenController("keeps-what-it-doubts", "creates again without an answer, and keeps both", ("AMO-11",)),
    BrokenController("takes-silence-for-success", "takes no answer for a good one", ("AMO-11",)),
    BrokenController("adopts-without-asking", "adopts for a set that may be going", ("GC-05",)),
    BrokenController("waits-for-ever", "waits for lost events without end", ("ROB-05",), profile="reference"),
    BrokenController("keeps-what-a-list-lacks", "keeps what a new list does not have", ("ROB-06",)),
)
_ALL += tuple(
    BrokenController(name, does, (row,), ("PLACE-01", "UPD-03"), profile="reference-kruise")
    for name, does, row in (
        ("partition-counts-updates", "takes a partition for the number of nodes to update", "KRU-01"),
        ("pause-freezes-all", "does nothing for a set whose rollout is paused", "KRU-02"),
        ("update-selector-places", "takes the selector of a rollout for one of placement", "KRU-03"),
        ("makes-all-at-first", "makes pods everywhere, whatever partitioned scaling says", "KRU-06"),
        ("selects-everything", "takes an empty selector for one that matches all", "OWN-09"),
        ("takes-zero-literally", "replaces nothing where both limits are zero", "UPD-22"),
        ("ignores-burst", "makes as many pods in a sync as it likes to", "KRU-07"),
        ("tells-the-newest-hash", "names the revision made last, also after a rollback", "KRU-08"),
    )
)

# API-07 applies no set: with two brains, any other row may find two pods on a node. FAIL-01 comes before the row that freezes one.
_ALL += (
    BrokenController("two-brains", "works in every replica", ("ROB-12",), ("API-07",), replicas=2),
    BrokenController(
        "outlives-its-lease", "goes on writing when another one leads", ("ROB-12",), ("FAIL-01",), replicas=2
    ),
)

BROKEN: Final[Mapping[str, BrokenController]] = MappingProxyType({one.name: one for one in _ALL})
"""Every broken controller that the suite is tested with, by name."""

SAMPLE: Final = (
    "two-pods-per-node",
    "any-label",
    "ignores-taints",
    "drains-no-schedule",
    "skips-not-ready",
    "unpinned",
    "replaces-terminating",
    "deletes-unready",
    "forces-deletion",
    "recreates-while-deleting",
    "no-block-owner-deletion",
    "events-only",
    "owns-by-name",
    "early-observed-generation",
    "counts-pods",
    "restart-rewrites",
    "ignores-the-down",
    "surges-again",
    "records-late",
    "keeps-the-oldest-twin",
    "random-identities",
    "trusts-its-cache",
    "adopts-without-asking",
    "outlives-its-lease",
)
"""Those that a run for every change tries: many different ways to be wrong, each caught in seconds."""

_NO_CONTROLLER: Final = (
    "it is the API server's promise, which no controller breaks; it is checked against whatever serves the kind"
)

UNPROVEN: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("API-01", "API-02", "API-03", "API-04", "API-06", "API-07"), _NO_CONTROLLER)
)
"""Rows that no broken controller fails, and why that is accepted."""
