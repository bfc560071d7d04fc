"""What the controllers that roll out or record wrongly are asked, each where it is broken."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from reference_objects import READY, START, STAY, daemonset, names, pod, rules

from pytest_daemonset.reference.caches import Owners
from pytest_daemonset.reference.revisions import History, RevisionView
from pytest_daemonset.reference.views import PodView

SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
ROLLING, ON_DELETE = {"type": "RollingUpdate"}, {"type": "OnDelete"}
BOTH = {"a": START, "b": START}


def planned(*pods, surge=False, failure_wait=0):
    def question(controller):
        there = controller.by_node(controller.pod_view(p) for p in pods)
        result = controller.plan(BOTH, there, rules(surge=surge, failure_wait=failure_wait))
        return sorted(result.create), names(result.delete)

    return question


def rolled(steps, *pods):
    """What the last of several looks at the same pods makes of them; each look has a strategy and decisions."""

    def question(controller):
        there = controller.by_node(controller.pod_view(p) for p in pods)
        for strategy, decisions in steps:
            how = rules(surge=strategy is SURGE)
            result = controller.rollout(daemonset(updateStrategy=strategy), decisions, there, how)
        return sorted(result.create), len(result.delete)

    return question


def flapped(controller):
    """Since when a pod is Ready that was so before, and then was not."""
    controller.pod_view(pod("p", ready="2030-01-01T00:00:10Z"))
    controller.pod_view(pod("p", ready=None))
    return controller.pod_view(pod("p", ready=READY)).ready_since


def revision(name, number):
    labels = {"controller-revision-hash": name}
    whole = {"metadata": {"name": f"agent-{name}", "labels": labels}, "revision": number}
    return RevisionView(f"uid-{name}", "ns", f"agent-{name}", labels, "set", False, number, whole)


def recorded(current=None, twins=(), others=(), *, taken=False):
    """What is written, and under which hash pods are made, where the history is this."""

    def question(controller):
        done = []

        class Writer:
            async def create_revision(self, _, made):
                done.append(("create", made["revision"]))
                labels = made["metadata"]["labels"]
                stored = {**made["metadata"], "uid": "new", "labels": labels}
                return None if taken else {**made, "metadata": stored}

            async def replace_revision(self, _, made):
                done.append(("replace", made["revision"]))

            async def delete_revision(self, _, name, __):
                done.append(("delete", name))

            async def raise_collisions(self, _):
                done.append(("raise",))

        controller.writer, controller.wake = Writer(), lambda _: None
        controller.caches = SimpleNamespace(pods_by=Owners())
        known = History(current, list(twins), list(others))
        return asyncio.run(controller.record_template(daemonset(), known)), done

    return question


def labelled(controller):
    known = [revision("one", 1), revision("two", 2)]
    controller.caches = SimpleNamespace(revisions_by=SimpleNamespace(of=lambda _: known))
    return PodView.of({"status": {}, **_stored(controller.pod_for(daemonset(), "a", "two", []))}).revision


def _stored(made):
    return {**made, "metadata": {**made["metadata"], "uid": "p", "name": "p"}}


QUESTIONS = {
    "spares-the-sick": rolled([(ROLLING, BOTH)], pod("p", ready=None, hash="old"), pod("q", "b")),
    "keeps-the-first-strategy": rolled([(ON_DELETE, BOTH), (ROLLING, BOTH)], pod("p", hash="old"), pod("q", "b")),
    "waits-from-the-first-ready": flapped,
    "ignores-the-down": rolled([(ROLLING, BOTH)], pod("p", terminating=True), pod("q", "b", hash="old")),
    "charges-the-given-up": rolled(
        [(ROLLING, {"a": STAY, "b": START})], pod("p", terminating=True), pod("q", "b", hash="old")
    ),
    "rolls-over-the-nodes-of-its-start": rolled([(ROLLING, BOTH), (ROLLING, {"b": START})], pod("q", "b", hash="old")),
    "surges-again": rolled([(SURGE, BOTH)], pod("p", hash="old"), pod("n", phase="Pending"), pod("q", "b")),
    "surge-waits-for-the-end": planned(pod("p", terminating=True), pod("q", "b"), surge=True),
    "surges-over-corpses": planned(pod("p", phase="Failed"), pod("q", "b"), surge=True, failure_wait=9),
    "surges-beside-the-sick-in-turn": planned(pod("p", ready=None, hash="old"), pod("n", ready=None), surge=True),
    "gives-up-at-once": rolled([(SURGE, {"a": STAY, "b": START})], pod("p", hash="old"), pod("q", "b", ready=None)),
    "keeps-one-of-each-revision": planned(pod("p", hash="old"), pod("n")),
    "records-late": recorded(),
    "records-the-whole-spec": lambda c: c.data_of(daemonset(minReadySeconds=1)),
    "labels-the-first-with-the-last": labelled,
    "records-a-difference": lambda c: c.data_of(daemonset()),
    "never-renumbers": recorded(revision("one", 1), others=[revision("two", 2)]),
    "rollback-is-new": recorded(revision("one", 1), others=[revision("two", 2)]),
    "keeps-the-oldest-twin": recorded(revision("two", 2), twins=[revision("one", 1)]),
    "ignores-clashes": recorded(taken=True),
    "random-identities": lambda c: c.revision_for(daemonset(), 1)["metadata"]["name"],
    "data-of-this-process": lambda c: c.data_of(daemonset()),
}
