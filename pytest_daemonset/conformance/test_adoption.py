"""Adoption and release, overlapping sets, orphan deletion (rows GC-03, OWN-02 to OWN-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import (
    StateGoal,
    StateInvariant,
    adopted,
    counters,
    every_eligible_node_served,
    gone,
    orphaned,
)
from pytest_daemonset.conformance.manifests import OTHER_IMAGE, daemonset, pod
from pytest_daemonset.conformance.rig import SAFETY
from pytest_daemonset.conformance.rolling import VERSION, all_at, revisions, revisions_of, rolling, to
from pytest_daemonset.contract import one_pod_per_node, ready, status_matches
from pytest_daemonset.contract.views import Pod, Revision, controller_of
from pytest_daemonset.kube.resources import CONTROLLER_REVISIONS, PODS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.contract import State

AGENT = {"app": "agent"}
NO_OWNER: dict[str, Any] = {"metadata": {"ownerReferences": None}}
QUIET = 0.5


def _orphaned(agent: SetUnderTest) -> None:
    """Delete the set, and leave all that it has."""
    agent.delete("Orphan")
    agent.eventually(orphaned)


@pytest.mark.daemonset_requires("audit")
def test_GC_03_deleted_with_orphans_everything_of_the_set_survives(rig: Rig) -> None:
    """When a set is deleted with orphans, then pods and revisions survive, the same ones, without owner, and untouched.

    Source: none for DaemonSets in present e2e. Catches: pods deleted on the set's own deletion. Trap: the orphaning has ended
    once no reference is left; the controller's own writes are read from the log, after a barrier on another set.
    """
    other = rig.apply(daemonset("other"))
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready & status_matches)
    before = {one["metadata"]["uid"] for one in (*agent.pods(), *(r.object for r in revisions_of(agent)))}
    mark = rig.writes.mark()
    _orphaned(agent)
    other.barrier()
    there = {one["metadata"]["uid"] for one in (*rig.objects(PODS), *rig.objects(CONTROLLER_REVISIONS))}
    rig.expect(before <= there, f"{len(before - there)} of {len(before)} objects did not survive")
    rig.expect_no_writes(rig.writes.about(agent.namespace, agent.name, mark), "the set was deleted with orphans")


def test_OWN_02_an_older_orphan_displaces_the_set_s_own_pod(rig: Rig) -> None:
    """When an older pod comes to match on a node that has one, then it is adopted, and the younger one of the set's own goes.

    Source: code; observed. Catches: own pods preferred always. Trap: stamps have whole seconds, so more than one passes between
    the two; OnDelete, for the orphan carries no revision.
    """
    node = rig.workers(1)[0]
    orphan = rig.plant(pod("z-orphan", labels={"app": "not-yet"}, bound_to=node.name))
    other = rig.apply(daemonset("other"), recorded=False)
    other.eventually(one_pod_per_node)
    other.stays(one_pod_per_node, for_=1.2)
    agent = rig.apply(daemonset(strategy="OnDelete"), guard=SAFETY[1:], recorded=False)
    agent.eventually(one_pod_per_node)
    younger = agent.pod_on(node)["metadata"]["uid"]
    rig.patch(PODS, "z-orphan", {"metadata": {"labels": AGENT}})
    agent.eventually(adopted(orphan["metadata"]["uid"]) & gone(younger))
    agent.barrier()
    rig.expect(agent.survived(orphan), "the older pod, which was adopted, did not survive")


def test_OWN_04_a_pod_whose_labels_stop_matching_is_released_and_replaced(rig: Rig) -> None:
    """When a pod's labels stop matching, then its owner reference goes, it runs on, and another one is made on its node.

    Source: unit TestDealsWithExistingPods. Catches: deleted, or counted still. Trap: the released pod may hold host ports: none
    here; that it runs on is negative, so a barrier after the rest.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    released = agent.pod_on(node)
    rig.patch(PODS, released["metadata"]["name"], {"metadata": {"labels": {"app": "apart"}}})

    def complaint(state: State) -> str | None:
        return "the pod is still the set's" if released["metadata"]["uid"] in state.owned else None

    agent.eventually(StateGoal("released", complaint))
    agent.eventually(one_pod_per_node & ready)
    agent.barrier()
    now = rig.get(PODS, released["metadata"]["name"])
    rig.expect(now is not None and Pod(now).active and controller_of(now) is None, "the released pod does not run on")


@pytest.mark.daemonset_requires("audit")
def test_OWN_06_two_sets_with_one_selector_settle_and_wage_no_war(rig: Rig) -> None:
    """Given two sets with the same selector, then both settle with one pod a node each, and nothing more is written.

    Source: unit TestUpdatePodOrphanWithNewLabels (wake-ups). Catches: each deletes the other's pods as surplus. Trap: that
    writes stop is watched for a while after both have settled.
    """
    agent = rig.apply(daemonset("agent"))
    rival = daemonset("rival", labels=AGENT, selector={"matchLabels": AGENT})
    rival["spec"]["template"]["metadata"]["labels"] = AGENT
    other = rig.apply(rival)
    for one in (agent, other):
        one.settles(one_pod_per_node & ready & status_matches)
    mark = rig.writes.mark()
    agent.stays(one_pod_per_node, for_=QUIET)
    for one in (agent, other):
        rig.expect_no_writes(rig.writes.about(one.namespace, one.name, mark), "both sets had settled")
        rig.expect(set(one.made_for().values()) == {1}, f"{one.daemonset} made {one.made_for()}: one a node is enough")


def test_OWN_07_a_pod_whose_owner_reference_is_stripped_is_adopted_back(rig: Rig) -> None:
    """When somebody strips the owner reference of a pod, then it is adopted back, and no other one is made.

    Source: unit TestUpdatePodControllerRefRemoved. Catches: a duplicate, and a healthy pod pruned. Trap: two active pods by
    label are watched for beside those by owner.
    """
    node = rig.workers(1)[0]
    agent = rig.apply(daemonset())
    agent.eventually(one_pod_per_node & ready)
    stripped, made = agent.pod_on(node), agent.made_for()

    def complaint(state: State) -> str | None:
        there = [one for one in state.pods.values() if one.target == node.name and one.active]
        there = [one for one in there if (one.object["metadata"].get("labels") or {}).get("app") == "agent"]
        return f"{node} has {len(there)} pods of that label" if len(there) > 1 else None

    with agent.daemonset.always(StateInvariant("one pod of that label", complaint)):
        rig.patch(PODS, stripped["metadata"]["name"], NO_OWNER)
        agent.eventually(adopted(stripped["metadata"]["uid"]))
    agent.barrier()
    rig.expect(agent.survived(stripped), f"the pod of {node} did not outlive the loss of its owner reference")
    rig.expect(agent.made_for() == made, f"pods were made although none was missing: {agent.made_for()}")


@pytest.mark.parametrize(
    ("requirement", "stranger"),
    [
        ({"key": "tier", "operator": "In", "values": ["node", "edge"]}, {"tier": "core"}),
        ({"key": "tier", "operator": "NotIn", "values": ["core"]}, {"tier": "core"}),
        ({"key": "tier", "operator": "Exists"}, {}),
        ({"key": "web", "operator": "DoesNotExist"}, {"tier": "node", "web": "yes"}),
    ],
    ids=["In", "NotIn", "Exists", "DoesNotExist"],
)
def test_OWN_08_set_based_selectors_decide_ownership_too(
    rig: Rig, requirement: dict[str, Any], stranger: dict[str, str]
) -> None:
    """Given a selector of requirements, then a pod that they admit is adopted, and one that they do not is left alone.

    Source: code. Catches: the equality part read only. Trap: that it is left alone is negative, so a barrier; OnDelete, for
    planted pods carry no revision, and a tainted node, so that no pod of the set's own is in the way.
    """
    node = rig.workers(1)[0]
    node.taint("example.com/dedicated:NoSchedule").wait()
    fits = rig.plant(pod("fits", labels={**AGENT, "tier": "node"}, bound_to=node.name))
    other = rig.plant(pod("stranger", labels={**AGENT, **stranger}, bound_to=node.name))
    selector = {"matchLabels": AGENT, "matchExpressions": [requirement]}
    agent = rig.apply(daemonset(labels={"tier": "node"}, selector=selector, strategy="OnDelete"), recorded=False)
    agent.eventually(adopted(fits["metadata"]["uid"]))
    agent.barrier()
    now = rig.get(PODS, "stranger")
    untouched = now is not None and now["metadata"]["uid"] == other["metadata"]["uid"] and controller_of(now) is None
    rig.expect(untouched, "a pod that the selector does not admit was adopted or deleted")


def test_OWN_10_made_again_with_the_same_template_a_set_takes_its_orphans_on(rig: Rig) -> None:
    """When a set is deleted with orphans and made again alike, then pods and revisions are adopted, and nothing restarts.

    Source: none now (an e2e was dropped in PR 59883); observed. Catches: an identity that depends on the set's UID, and so a
    full restart. Trap: UIDs are compared, after a barrier.
    """
    old = rig.apply(rolling())
    old.eventually(all_at("1") & status_matches)
    before, kept = old.uids(), {one.uid for one in revisions_of(old)}
    _orphaned(old)
    new = rig.apply(rolling())
    new.eventually(one_pod_per_node & status_matches)
    new.barrier()
    rig.expect(new.uids() == before, f"pods {before} became {new.uids()}")
    now = {one.uid for one in revisions_of(new)}
    rig.expect(now == kept, f"{len(kept - now)} revisions were not adopted, {len(now - kept)} were made")


def test_OWN_11_made_again_with_another_template_a_set_replaces_its_orphans(rig: Rig) -> None:
    """When a set is deleted with orphans and made again otherwise, then its pods are adopted and rolled to the new template.

    Source: none; the built-in controller keeps them (observed). Catches: adopted pods taken for current. Trap: none; no nudge.
    """
    old = rig.apply(rolling(version="1"), recorded=False)
    old.eventually(all_at("1") & status_matches)
    _orphaned(old)
    manifest = rolling(version="1")
    # The labels stay, so that an image alone tells old from new.
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = OTHER_IMAGE
    new = rig.apply(manifest, recorded=False)

    def complaint(state: State) -> str | None:
        images = {one.name: one.object["spec"]["containers"][0]["image"] for one in state.owned.values() if one.active}
        stale = [name for name, image in images.items() if image != OTHER_IMAGE]
        return f"of the old template: {', '.join(stale)}" if stale or not images else None

    new.eventually(StateGoal("no pod of the old template", complaint) & every_eligible_node_served & counters())
    new.eventually(one_pod_per_node & ready)


def test_OWN_12_a_revision_is_adopted_back_and_foreign_ones_are_left_alone(rig: Rig) -> None:
    """When a revision loses its owner reference, then it is adopted back; one that matches no more is released, others are left alone.

    Source: unit TestControlledHistories; observed. Catches: orphaned history that no rollback can use. Trap: some controllers
    do not watch revisions, so a barrier.
    """
    agent = rig.apply(rolling(), recorded=False)
    agent.eventually(all_at("1") & revisions(1))
    (mine,) = revisions_of(agent)
    elsewhere = rig.another_namespace()
    labels = {**AGENT, VERSION: "1"}
    content = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "data": {"spec": {"x": 1}}, "revision": 3}
    foreign = rig.create(
        CONTROLLER_REVISIONS, {**content, "metadata": {"name": "agent-far", "labels": labels}}, elsewhere
    )
    rig.patch(CONTROLLER_REVISIONS, mine.name, NO_OWNER)
    agent.barrier()
    now = rig.get(CONTROLLER_REVISIONS, mine.name)
    rig.expect(now is not None and Revision(now).owner == agent.uid, f"revision {mine.name} was not adopted back")
    rig.expect(now is not None and now["metadata"]["uid"] == mine.uid, f"revision {mine.name} was made anew")
    far = rig.get(CONTROLLER_REVISIONS, "agent-far", elsewhere)
    same = far is not None and far["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]
    rig.expect(same, f"a revision of another namespace was {'deleted' if far is None else 'written to'}")
    agent.update(to("2"))
    agent.eventually(all_at("2") & revisions(1, 2))
    rig.patch(CONTROLLER_REVISIONS, mine.name, {"metadata": {"labels": {"app": "apart"}}})
    agent.barrier()
    now = rig.get(CONTROLLER_REVISIONS, mine.name)
    rig.expect(
        now is not None and controller_of(now) is None, f"revision {mine.name} matches no more and was not released"
    )
