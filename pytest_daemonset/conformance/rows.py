"""The registry: every row of the contract that the suite checks. The ids are never used again for anything else."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from pytest_daemonset.errors import UsageError


@dataclass(frozen=True)
class Row:
    """One promise.

    Args:
        id: family and number, as in AMO-01.
        sentence: the promise, in one sentence.
        kind: S safety (in every state), L liveness (eventually), SL both.
        priority: P0, P1 or P2.
    """

    id: str
    sentence: str
    kind: str
    priority: str = "P0"


_ALL = (
    Row("PLACE-01", "every node gets exactly one pod, and nothing else is made", "L"),
    Row("PLACE-02", "no eligible node: no pod, zero counters, and the generation is still observed", "L"),
    Row("PLACE-03", "a nodeSelector admits only the nodes that carry all its labels", "SL"),
    Row(
        "PLACE-04",
        "required affinity: terms are alternatives, requirements add up, an empty term matches nothing",
        "SL",
    ),
    Row("PLACE-08", "preferences, soft taints, pod affinity, spread, resources and host ports choose no node", "S"),
    Row("PLACE-09", "every pod names its node from its first moment", "S"),
    Row("PLACE-11", "a pod is its template plus revision label, tolerations, pin and owner, and no more", "S"),
    Row("PLACE-12", "a label that begins or ceases to match brings or takes the pod of that node alone", "SL"),
    Row("PLACE-16", "several sets on the same nodes do not touch each other's pods", "S"),
    Row("TAINT-01", "no pod is made on a node with an untolerated taint", "S"),
    Row("TAINT-02", "a matching toleration admits the pod; spare ones harm nothing", "L"),
    Row("TAINT-04", "a NoSchedule taint leaves the running pod where it is", "S"),
    Row("TAINT-05", "a NoExecute taint makes the controller itself delete the pod", "L"),
    Row("TAINT-06", "a taint that goes brings the pod", "L"),
    Row("TAINT-08", "every pod carries the six standard tolerations, none with a time limit", "S"),
    Row("TAINT-12", "cordoned, pressured and NoExecute-unready nodes are eligible", "L"),
    Row("NCOND-01", "conditions without taints neither keep a pod away nor take one", "SL"),
    Row("NCOND-02", "the unschedulable flag alone is ignored", "SL"),
    Row("NODE-01", "a node that joins gets its pod, and no other node's pod changes", "SL"),
    Row("NODE-02", "nothing is made for a node that left, and the counters follow", "SL"),
    Row("AMO-01", "never two active pods of one set on one node", "S"),
    Row("AMO-02", "no pod is made while the old one is still going", "S"),
    Row("AMO-03", "a pod that is not bound yet counts for the node it names", "S"),
    Row("AMO-04", "a crowded node is pruned to one pod: the bound, then the oldest", "L"),
    Row("AMO-05", "pruning never empties a node", "S"),
    Row("FAIL-01", "a deleted pod comes back on its node, as another pod", "L"),
    Row("FAIL-02", "a failed pod is deleted and replaced on its node", "L"),
    Row("FAIL-03", "a succeeded pod is deleted and replaced on its node", "L"),
    Row("FAIL-07", "an unready, pending or unknown pod is never deleted", "S"),
    Row("TERM-02", "a deletion keeps the pod's own grace period", "S"),
    Row("GC-01", "the set is deleted: pods and revisions follow, nothing is made again", "SL"),
    Row("GC-02", "foreground deletion: the set stays until its pods are gone, and none is made meanwhile", "SL"),
    Row("GC-04", "for a set that is being deleted the controller writes nothing", "S"),
    Row("GC-06", "each pod and revision has exactly one owner reference, complete", "S"),
    Row("GC-07", "deleted and made again under its name: the new set gets its own pods", "L"),
    Row("OWN-01", "a matching orphan is adopted and counts for its node", "L"),
    Row("OWN-03", "what is not its own is never adopted, deleted or written to", "S"),
    Row("OWN-05", "ownership is decided by UID, not by name", "S"),
    Row("STAT-01", "desired, current and misscheduled count nodes, rightly", "L"),
    Row("STAT-02", "ready and available count nodes by their pod; unavailable is the rest", "L"),
    Row("STAT-04", "every status is consistent in itself", "S"),
    Row("STAT-05", "the observed generation never falls, never runs ahead, and catches up", "SL"),
    Row("ROB-07", "what changed while the controller was down is handled at its start", "L"),
    Row("ROB-08", "an idle restart writes nothing", "S"),
    Row("ROB-09", "at rest the controller writes nothing", "S"),
    Row("API-05", "generation counts changes of the spec alone, and status is written through its own door", "S"),
    Row("UPD-01", "OnDelete: a new template leaves every running pod alone", "S"),
    Row(
        "UPD-02", "OnDelete: a pod deleted by hand, or on a new node, is of the new revision; its neighbours stay", "SL"
    ),
    Row("UPD-03", "a rolling update brings every node to the new revision, and then writes stop", "L"),
    Row("UPD-04", "no more nodes lack an available pod than maxUnavailable allows", "S"),
    Row("UPD-05", "percentages are of the nodes desired now, rounded up", "S", "P1"),
    Row("UPD-06", "a rollout of pods that never become ready halts, and healthy pods survive", "S"),
    Row("UPD-07", "old pods that are unavailable are all replaced at once", "L", "P1"),
    Row("UPD-08", "bad updates in a row never reach the healthy pods", "S"),
    Row("UPD-09", "what is no part of the template restarts nothing", "S"),
    Row("UPD-10", "a template that changes mid-rollout is gone to directly", "SL"),
    Row("UPD-11", "the strategy can be switched mid-rollout: it begins, and it freezes", "SL", "P1"),
    Row("UPD-12", "minReadySeconds: the next node waits so long, and then the rollout goes on by itself", "SL"),
    Row("UPD-13", "readiness that flaps begins the wait anew", "S", "P1"),
    Row("UPD-14", "nodes that are down already take from the budget", "SL", "P1"),
    Row("UPD-15", "nodes that join and leave mid-rollout do not keep it from ending", "L", "P1"),
    Row("UPD-16", "no more nodes have an extra pod than maxSurge allows", "S", "P1"),
    Row("UPD-17", "with surge, an available old pod goes only once the new one is available", "S"),
    Row(
        "UPD-18", "with surge, an unavailable old pod gets its successor beyond the limit, and goes at once", "SL", "P1"
    ),
    Row("UPD-19", "with surge, available pods on nodes that are given up go last, and none surges there", "SL", "P1"),
    Row("UPD-20", "surge that is turned off mid-rollout leaves one pod a node", "L", "P2"),
    Row("AMO-06", "with surge, at most two active pods a node, and one of each revision", "S"),
    Row("AMO-07", "with surge, a terminating pod is replaced at once, beyond the limit", "L", "P1"),
    Row("FAIL-10", "with surge, failed pods do not pile up", "S", "P2"),
    Row("REV-01", "the first revision is there before the first pod", "S", "P1"),
    Row("REV-02", "a new revision appears if and only if the template is new, numbered on top", "S", "P1"),
    Row("REV-03", "every pod carries the label of an existing revision, and is as that says", "S"),
    Row("REV-04", "the data of a revision brings its template back, and never changes", "S", "P1"),
    Row("REV-05", "a rollback uses the revision that is there, numbered on top", "SL", "P1"),
    Row("REV-06", "a rollback mid-rollout leaves the pods that never moved", "S"),
    Row("REV-07", "old revisions beyond the limit go, lowest number first", "L", "P1"),
    Row("REV-08", "a revision that a pod carries is never deleted", "S", "P1"),
    Row("REV-09", "with limit zero only the current revision is left, and rollouts end", "SL", "P2"),
    Row("REV-10", "of two revisions of one template the highest number survives, and nothing restarts", "L", "P2"),
    Row("REV-11", "a name that is taken raises the collision counter, and the update goes through", "L", "P2"),
    Row("REV-12", "a current revision that somebody deletes is made again, and nothing restarts", "SL", "P2"),
    Row("REV-13", "the identity of a revision outlives the controller", "S"),
    Row("PLACE-05", "terms on the node's name are honoured, alone and beside labels", "SL", "P1"),
    Row("PLACE-06", "a node must satisfy nodeSelector and required affinity both", "S", "P1"),
    Row("PLACE-07", "a template that names a node is for that node only", "SL", "P1"),
    Row("PLACE-10", "the pin replaces the required node terms alone", "S", "P1"),
    Row("PLACE-13", "under OnDelete too the new rules decide where pods are", "SL"),
    Row("PLACE-14", "an unbound pod goes when its node stops being eligible", "L", "P1"),
    Row("TAINT-03", "a toleration matches by key, operator, value and effect", "S", "P1"),
    Row("TAINT-07", "a tainted node that keeps its pod is misscheduled, and gets no other", "SL", "P1"),
    Row("TAINT-09", "a node without network is for pods of the host network only", "S", "P1"),
    Row("TAINT-10", "own tolerations are kept once each; a time limit on a standard one is lifted", "S", "P1"),
    Row("TAINT-11", "what is added to pods is in no template and in no revision", "S", "P1"),
    Row("TAINT-13", "the NoSchedule forms of not-ready and unreachable are not tolerated", "S", "P1"),
    Row("NCOND-03", "the pod of a lost node is neither deleted nor replaced", "S", "P1"),
    Row("NCOND-04", "changes of a node that cannot matter cause no write", "S", "P1"),
    Row("NODE-03", "the controller removes the unbound pod of a node that vanished, and leaves bound ones", "SL", "P1"),
    Row("NODE-04", "a node that comes back under its name has one pod in the end", "L", "P1"),
    Row("NODE-05", "when labels and taints flap, the last state decides", "L", "P1"),
    Row("NODE-06", "a pod deleted on a cordoned node comes back", "L", "P2"),
    Row("AMO-08", "a terminal pod that a finalizer keeps does not block its replacement", "L", "P1"),
    Row("FAIL-04", "the failed pod is gone before its replacement comes", "S", "P1"),
    Row("FAIL-05", "repeated failure on a node is throttled, ever more", "SL"),
    Row("FAIL-06", "the back-off is per node, and a change of the spec ends it", "L", "P1"),
    Row("FAIL-08", "refused pods are retried, and the status tells the shortfall", "SL"),
    Row("TERM-01", "a terminating pod is not deleted again and again", "S", "P1"),
    Row("TERM-03", "a pod stuck terminating holds up its node only", "L", "P1"),
    Row("TERM-04", "a selector that matches no node empties the set; restored, its pods come back", "L", "P1"),
    Row("GC-03", "deleted with orphans, everything of the set survives, untouched", "SL", "P1"),
    Row("OWN-02", "an older orphan displaces the set's own pod", "L", "P1"),
    Row("OWN-04", "a pod whose labels stop matching is released, runs on, and is replaced", "SL", "P1"),
    Row("OWN-06", "two sets with one selector settle, and wage no war", "SL", "P1"),
    Row("OWN-07", "a pod whose owner reference is stripped is adopted back", "SL", "P1"),
    Row("OWN-08", "set-based selectors decide ownership too", "S", "P1"),
    Row("OWN-10", "made again with the same template, a set takes its orphans on, and nothing restarts", "SL", "P1"),
    Row("OWN-11", "made again with another template, a set replaces its orphans", "L", "P1"),
    Row("OWN-12", "revisions are adopted back; foreign ones are left alone", "SL", "P1"),
    Row("ROB-02", "a refusal costs few doomed calls", "S", "P1"),
    Row("ROB-03", "creations that were skipped after a refusal wedge nothing", "L", "P1"),
    Row("ROB-11", "a set that fails for good does not delay others", "L", "P1"),
    Row("ROB-12", "of several replicas only the leader writes, and a hand-over breaks nothing", "S", "P1"),
    Row("STAT-03", "updated counts nodes whose pod is of the current revision", "L"),
    Row("STAT-06", "when nothing changes, the status is not written", "S", "P1"),
    Row("STAT-08", "conditions of others survive when counters change", "S", "P1"),
    Row("STAT-09", "counters follow changes of nodes alone", "L", "P1"),
    Row("STAT-10", "available rises by itself when pods have been ready long enough", "L", "P1"),
    Row("STAT-11", "the status never says that a rollout has ended before it has", "S"),
    Row("EVT-01", "pods that are made and deleted are told by events", "L", "P1"),
    Row("EVT-02", "a refused pod is told by an event with its cause", "L", "P1"),
    Row("EVT-03", "ended pods that are removed are told by events", "L", "P2"),
    Row("RES-01", "short resources are no reason to skip a node, or to delete a pod", "SL", "P1"),
    Row("RES-02", "own host ports are no reason to delete a pod", "S", "P1"),
    Row("RES-03", "pods of nobody's set make the controller do nothing", "S", "P2"),
    Row("API-01", "what is left out has its default", "S", "P1"),
    Row("API-02", "the selector is needed, has to match the template, and cannot change", "S", "P1"),
    Row("API-03", "pods of a set restart always, and have no deadline", "S", "P2"),
    Row("API-04", "impossible strategies and limits are refused", "S", "P1"),
    Row("API-06", "every verb works on sets", "L", "P1"),
    Row("API-07", "there is no scale of a set", "S", "P2"),
    Row("API-08", "a long name works", "L", "P2"),
    Row("ROB-01", "what one burst leaves over follows without help", "L", "P2"),
    Row("KRU-01", "a partition keeps so many nodes at the old revision, and lowered, the rollout goes on", "SL", "P1"),
    Row("KRU-02", "a pause stops rolling replacement, and nothing else", "S", "P1"),
    Row("KRU-03", "an update selector restricts the rollout to nodes of these labels", "SL", "P1"),
    Row("KRU-06", "partitioned scaling limits the first creation to the nodes that are not held back", "S", "P2"),
    Row("KRU-07", "burst replicas cap the creations of a sync", "S", "P2"),
    Row("KRU-08", "the status names the current revision", "SL", "P2"),
    Row("KRU-09", "pods on nodes that ceased to be eligible take nothing from the budget", "L", "P2"),
    Row("UPD-21", "with surge, a pod left over on a deleted node does not stop the rollout elsewhere", "L", "P2"),
    Row("GC-08", "in a namespace that is being deleted, refused pods are not tried again and again", "S", "P2"),
    Row("EVT-04", "under permanent failure the events stay few", "S", "P2"),
    Row("FAIL-09", "pods that the kubelet rejects or evicts are replaced as failed ones", "L", "P2"),
    Row("AMO-09", "a controller that crashes while it makes pods makes no second one for a node once it is back", "S"),
    Row("STAT-07", "a status write that conflicts is tried again, and loses nothing of others", "L", "P1"),
    Row("ROB-04", "a delete that is answered not found counts as done", "L"),
    Row("ROB-10", "writes that the API server fails are tried again until they are done", "L"),
    Row("OWN-09", "a set with an empty selector is left alone, and never matches everything", "S", "P2"),
    Row("UPD-22", "where both limits are zero, one unavailable node is allowed", "L", "P2"),
    Row("ROB-15", "an API server that takes labels away does not make it create pods without end", "S", "P2"),
    Row("ROB-13", "the controller writes to nothing but what is its own", "S", "P1"),
    Row("AMO-10", "while the events of its pods are late, the controller makes no second one for a node", "S"),
    Row("AMO-11", "a create without an answer leaves at most a transient duplicate, which is pruned", "L", "P1"),
    Row("GC-05", "for a set that only its cache shows alive, the controller adopts nothing", "S", "P1"),
    Row("ROB-05", "lost events wedge no set for ever", "L", "P1"),
    Row("ROB-06", "a watch that breaks and cannot be resumed leads to the right end state", "L"),
    Row("ROB-14", "while the events of its pods are late, a rollout keeps to its limit", "S", "P1"),
)

ROWS = MappingProxyType({row.id: row for row in _ALL})


def selected(wanted: str | None) -> frozenset[str]:
    """The ids of the rows that an option asks for.

    Args:
        wanted: ids or prefixes of ids, separated by commas; empty or None for all.

    Raises:
        UsageError: a part that fits no row.
    """
    if not wanted:
        return frozenset(ROWS)
    chosen: set[str] = set()
    for part in filter(None, (part.strip().upper() for part in wanted.split(","))):
        fitting = {row for row in ROWS if row == part or row.startswith(part + "-")}
        if not fitting:
            families = sorted({row.rpartition("-")[0] for row in ROWS})
            raise UsageError(f"--rows {part}: no such row; the suite checks rows of {', '.join(families)} (see --list)")
        chosen |= fitting
    return frozenset(chosen)
