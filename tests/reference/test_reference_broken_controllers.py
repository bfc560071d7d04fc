"""That each controller broken on purpose decides otherwise than the correct one, where its name says so."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
import reference_rollout_questions
from reference_objects import NOW, START, daemonset, names, node, pod, rules
from reference_rig import story

from pytest_daemonset.reference.broken import BROKEN, controller_class
from pytest_daemonset.reference.caches import Owners
from pytest_daemonset.reference.controller import Controller
from pytest_daemonset.reference.eligibility import Decision
from pytest_daemonset.reference.revisions import History, RevisionView
from pytest_daemonset.reference.views import PodView


def asked(name, question):
    """The answers of the broken controller and of the correct one."""
    answers = []
    for made in (controller_class([name]), Controller):
        controller = made.__new__(made)
        vars(controller).update(_first={}, _strategies={}, _nodes={}, _begun=set(), _process="this")
        answers.append(question(controller))
    return answers


def decision_on(spec, **fields):
    def question(controller):
        view = controller.node_view({**node("a", **fields), "status": fields.get("status", {})})
        return controller.eligibility({"spec": spec}).decide(view)

    return question


def affinity(*terms):
    expressions = [
        {"matchExpressions": [{"key": k, "operator": "In", "values": [v]} for k, v in t.items()]} for t in terms
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": expressions}}
    return {"nodeAffinity": required}


def preferring(term):
    (wanted,) = affinity(term)["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    weighted = [{"weight": 1, "preference": wanted}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}


def planned(*pods, surge=False):
    def question(controller):
        controller._made = 0
        there = controller.by_node(controller.pod_view(p) for p in pods)
        result = controller.plan({"a": START, "b": START}, there, rules(surge=surge))
        return sorted(result.create), names(result.delete)

    return question


def rolled(strategy, *pods, surge=False):
    def question(controller):
        there = controller.by_node(controller.pod_view(p) for p in pods)
        how = rules(surge=surge)
        result = controller.rollout(daemonset(updateStrategy=strategy), {"a": START, "b": START}, there, how)
        return sorted(result.create), len(result.delete)

    return question


def cleaned(*pods):
    """The names of the revisions that are deleted with a history limit of zero."""

    def question(controller):
        deleted = []

        class Writer:
            async def delete_revision(self, _, name, __):
                deleted.append(name)

        labels = {"controller-revision-hash": "old"}
        old = RevisionView("u", "ns", "agent-old", labels, "set", terminating=False, number=1, object={})
        controller.writer = Writer()
        controller._still = lambda _: True
        history = History(None, [], [old])
        asyncio.run(controller.clean_up(daemonset(revisionHistoryLimit=0), history, [PodView.of(p) for p in pods]))
        return deleted

    return question


def made_pod(controller):
    ds = daemonset()
    ds["spec"]["template"]["metadata"]["annotations"] = {"a": "b"}
    return controller.pod_for(ds, "a", "h", controller.eligibility(ds["spec"]["template"]).tolerations)


def counted(*pods):
    def question(controller):
        there = controller.by_node(controller.pod_view(p) for p in pods)
        return controller.counters({"a": START}, there, rules())

    return question


def owners(*pods):
    known = Owners()
    for one in pods:
        known.change(None, PodView.of(one))
    return known


SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
SPREAD = {"labels": {"x": "1"}}
TAINTED = {"taints": [{"key": "t", "effect": "NoSchedule"}]}
EVICTING = {"taints": [{"key": "t", "effect": "NoExecute"}]}
BOTH = {"nodeSelector": {"x": "1"}, "affinity": affinity({"y": "1"})}
QUESTIONS = {
    "two-pods-per-node": planned(),
    "counts-replicas": planned(),
    "any-label": decision_on({"nodeSelector": {"x": "1", "y": "1"}}, **SPREAD),
    "or-selector-and-affinity": decision_on(BOTH, **SPREAD),
    "ands-affinity-terms": decision_on({"affinity": affinity({"x": "1"}, {"y": "1"})}, **SPREAD),
    "ignores-taints": decision_on({}, **TAINTED),
    "drains-no-schedule": decision_on({}, **TAINTED),
    "keeps-no-execute": decision_on({}, **EVICTING),
    "forgets-tolerations": lambda c: made_pod(c)["spec"]["tolerations"],
    "skips-not-ready": decision_on({}, status={"conditions": [{"type": "Ready", "status": "Unknown"}]}),
    "filters-cordoned": decision_on({}, unschedulable=True),
    "unpinned": lambda c: made_pod(c)["spec"]["affinity"],
    "drops-template-annotations": lambda c: made_pod(c)["metadata"].get("annotations"),
    "replaces-terminating": planned(pod("p", terminating=True)),
    "counts-bound-only": planned(pod("p", bound=False, phase="Pending")),
    "forgets-vanished-node": planned(pod("p", "gone", bound=False, phase="Pending")),
    "keeps-failed": planned(pod("p", phase="Failed")),
    "failed-only": planned(pod("p", phase="Succeeded")),
    "deletes-unready": planned(pod("p", ready=None)),
    "forces-deletion": lambda c: c.delete_options(PodView.of(pod("p"))),
    "recreates-while-deleting": lambda c: c.may_act({"metadata": {"deletionTimestamp": "now"}}),
    "no-block-owner-deletion": lambda c: c.owner_reference(daemonset()),
    "never-adopts": lambda c: [p.name for p in c.to_adopt(daemonset(), owners(pod("p", owner=None)))],
    "owns-by-name": lambda c: c.pod_view(pod("p", owner="another-uid")).owner == c.owner_key(daemonset()),
    "counts-pods": counted(pod("p"), pod("q")),
    "running-is-ready": counted(pod("p", ready=None)),
    "preferred-is-required": decision_on({"affinity": preferring({"x": "1"})}),
    "exact-tolerations": decision_on({"tolerations": [{"key": "t", "operator": "Exists"}]}, **TAINTED),
    "prunes-all": planned(pod("p"), pod("q")),
    "silent-when-empty": lambda c: c.status_changed(daemonset(), {"desiredNumberScheduled": 0}),
}
QUESTIONS |= {
    "rolls-on-delete": rolled({"type": "OnDelete"}, pod("p", hash="old"), pod("q", "b")),
    "never-rolls": rolled({}, pod("p", hash="old"), pod("q", "b", hash="old")),
    "ignores-budget": rolled({}, pod("p", hash="old"), pod("q", "b", hash="old")),
    "counts-missing-only": rolled({}, pod("p", ready=None), pod("q", "b", hash="old")),
    "rounds-down": rolled(
        {"rollingUpdate": {"maxUnavailable": "10%"}}, pod("p", hash="old"), pod("q", "b", hash="old")
    ),
    "surges-everywhere": rolled(SURGE, pod("p", hash="old"), pod("q", "b", hash="old"), surge=True),
    "retires-early": planned(pod("p", hash="old"), pod("q", ready=None), surge=True),
    "sets-no-timer": lambda c: c.ripening([PodView.of(pod("p"))], 60, NOW),
    "keeps-all-history": cleaned(),
    "deletes-live-revisions": cleaned(pod("p", hash="old")),
}
QUESTIONS |= reference_rollout_questions.QUESTIONS
WHOLE = {
    "computes-nodes-once",
    "watches-itself-only",
    "events-only",
    "recreates-for-vanished-node",
    "hot-failure-loop",
    "steals-by-label",
    "rewrites-status",
    "restart-rewrites",
    "early-observed-generation",
    "keeps-a-finalizer",
    "writes-the-spec",
}


BY_THE_SUITE = {
    name
    for name, entry in BROKEN.items()
    if entry.mixin.__module__.rpartition(".")[2]
    in ("adopting", "enduring", "extending", "faulting", "lagging", "leading", "recovering", "restless", "selecting")
}
"""Those that only tests/conformance asks, by the rows that must catch them."""


def test_every_broken_controller_is_asked_here_or_run_whole():
    assert set(QUESTIONS) | WHOLE | BY_THE_SUITE == set(BROKEN)
    assert not set(QUESTIONS) & WHOLE


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_broken_controller_decides_otherwise(name):
    broken, correct = asked(name, QUESTIONS[name])
    assert broken != correct


@pytest.mark.parametrize("name", sorted(set(QUESTIONS) - {"two-pods-per-node", "counts-replicas"}))
def test_a_broken_controller_is_right_where_it_is_not_broken(name):
    for question in (decision_on({}), planned(pod("p")), counted(pod("p"))):
        if name != "owns-by-name":
            broken, correct = asked(name, question)
            assert broken == correct


def test_ways_to_be_broken_add_up():
    both = controller_class(["any-label", "no-block-owner-deletion"])
    controller = both.__new__(both)
    assert "blockOwnerDeletion" not in controller.owner_reference(daemonset())
    assert decision_on({"nodeSelector": {"x": "1", "y": "1"}}, **SPREAD)(controller) is Decision.START


def test_the_list_of_broken_controllers_is_printed_as_json():
    command = [sys.executable, "-m", "pytest_daemonset.reference", "--list-broken"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(run.stdout)
    assert [entry["name"] for entry in told] == list(BROKEN)
    assert all(entry["does"].endswith(".") and entry["caught_by"] for entry in told)


def run_whole(cluster, name, tell):
    async def told(world):
        cluster.join("a")
        cluster.start(name)
        await tell(world)

    story(cluster, told)


@pytest.mark.parametrize("name", ["computes-nodes-once"])
def test_late_nodes_are_missed(cluster, name):
    async def tell(world):
        await world.apply()
        await world.settled(1)
        cluster.join("b")
        await world.apply("sentinel")
        await world.settled(2, "sentinel")
        assert world.nodes_served() == ["a"]

    run_whole(cluster, name, tell)


def test_deleted_pods_are_missed(cluster):
    async def tell(world):
        await world.apply()
        await world.until(lambda: world.status()[0] == 1 and len(world.pods()) == 1)
        await world.delete("pods", world.pods()[0]["metadata"]["name"])
        await world.until(lambda: not world.pods())
        await world.apply("sentinel")
        await world.until(lambda: len(world.pods("sentinel")) == 1)
        assert not world.pods()

    run_whole(cluster, "watches-itself-only", tell)


def test_what_was_there_before_is_missed(cluster):
    async def tell(world):
        await world.apply()
        cluster.join("a")
        cluster.start("events-only")
        await world.apply("sentinel")
        await world.settled(1, "sentinel")
        assert not world.pods()

    story(cluster, tell)


def test_a_pod_is_made_for_a_vanished_node(cluster):
    async def tell(world):
        await world.apply()
        await world.settled(1)
        cluster.kubelet("leave", nodes=["a"])
        await world.until(lambda: [p for p in world.pods() if not p["spec"].get("nodeName")])

    run_whole(cluster, "recreates-for-vanished-node", tell)


def test_failing_pods_are_replaced_hotly(cluster):
    async def tell(world):
        cluster.kubelet("behave", switches={"reject": {"reason": "OutOfcpu"}})
        await world.apply()
        await world.until(lambda: [e[:2] for e in world.events].count(("DELETED", "pods")) >= 20)

    run_whole(cluster, "hot-failure-loop", tell)


def test_foreign_pods_are_pruned(cluster):
    async def tell(world):
        other = {"apiVersion": "example.com/v1", "kind": "Other", "name": "rs", "uid": "rs", "controller": True}
        spec = {"nodeName": "a", "containers": [{"name": "c", "image": "one"}]}
        for name in ("x", "y"):
            metadata = {"name": name, "labels": {"app": "agent"}, "ownerReferences": [other]}
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            await world.client.create("/api/v1/namespaces/default/pods", body)
        await world.apply()
        await world.until(lambda: [w for w in cluster.writes() if w[:2] == ("delete", "pods") and w[2] in ("x", "y")])

    run_whole(cluster, "steals-by-label", tell)


def test_status_is_written_at_rest(cluster):
    async def tell(world):
        await world.apply()
        await world.settled(1)
        mark = cluster.mark()
        await world.apply("sentinel", minReadySeconds=2)
        await world.settled(1, "sentinel")
        assert ("update", "daemonsets/status", "agent") in cluster.writes(mark)

    run_whole(cluster, "rewrites-status", tell)


def test_status_is_written_after_a_restart(cluster):
    async def tell(world):
        await world.apply()
        await world.settled(1)
        cluster.controllers[0].stop()
        mark = cluster.mark()
        cluster.start("restart-rewrites")
        await world.apply("sentinel")
        await world.settled(1, "sentinel")
        assert ("update", "daemonsets/status", "agent") in cluster.writes(mark)

    run_whole(cluster, "restart-rewrites", tell)


def test_a_spec_is_observed_before_it_is_acted_on(cluster):
    async def tell(world):
        await world.apply()
        await world.settled(1)
        observed = [
            thing for _, kind, thing in world.events if kind == "daemonsets" and "observedGeneration" in thing["status"]
        ]
        created = [thing for change, kind, thing in world.events if (change, kind) == ("ADDED", "pods")]
        # which of two watches tells first says nothing
        first, second = (min(int(one["metadata"]["resourceVersion"]) for one in each) for each in (observed, created))
        assert first < second

    run_whole(cluster, "early-observed-generation", tell)


@pytest.mark.parametrize("name", ["keeps-a-finalizer", "writes-the-spec"])
def test_more_of_a_set_is_written_than_its_status(cluster, name):
    async def tell(world):
        await world.apply()
        await world.settled(1)
        await world.until(lambda: ("patch", "daemonsets", "agent") in cluster.writes())

    run_whole(cluster, name, tell)
