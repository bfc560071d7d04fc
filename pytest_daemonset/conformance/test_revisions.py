"""Revisions, history and rollback (rows REV-01 to REV-13): core for a controller that keeps a history."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from pytest_daemonset.conformance.goals import StateGoal, counters
from pytest_daemonset.conformance.manifests import IMAGE, OTHER_IMAGE, reference
from pytest_daemonset.conformance.rolling import (
    GUARD,
    VERSION,
    all_at,
    bad,
    by_version,
    exactly,
    made_at,
    revisions,
    revisions_of,
    rolling,
    this_many_at,
    to,
)
from pytest_daemonset.contract import (
    labelled_with_a_revision,
    made_as_its_revision_says,
    status_matches,
)
from pytest_daemonset.contract.events import DELETED, POD, REVISION
from pytest_daemonset.contract.views import Pod, Revision
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.kube.client import STRATEGIC_PATCH
from pytest_daemonset.kube.resources import CONTROLLER_REVISIONS, DAEMONSETS

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig
    from pytest_daemonset.conformance.set_under_test import SetUnderTest
    from pytest_daemonset.contract import State

NOWHERE = {"example.com/nobody": "has-this"}
"""A node selector that no node satisfies: templates change, and no pod slows that down."""


def _rolled(rig: Rig, nodes: int = 3, *, recorded: bool = True, **how: Any) -> SetUnderTest:
    exactly(rig, nodes)
    agent = rig.apply(rolling(**how), guard=GUARD, recorded=recorded)
    agent.eventually(all_at("1") & status_matches)
    return agent


def _podless(rig: Rig, **how: Any) -> SetUnderTest:
    """A set without any pod, whose first template has been recorded."""
    agent = rig.apply(rolling(nodeSelector=NOWHERE, **how), guard=GUARD)
    agent.eventually(counters() & revisions(1))
    return agent


def _numbers(agent: SetUnderTest) -> list[int]:
    return [one.number for one in revisions_of(agent)]


def _version_of(revision: Revision) -> str:
    return str(revision.template["metadata"]["labels"][VERSION])


@pytest.mark.daemonset_requires("audit")
def test_REV_01_the_first_revision_is_there_before_the_first_pod(rig: Rig) -> None:
    """Given a new set, then a revision numbered 1 and owned by the set is there before its first pod is.

    Source: e2e of OnDelete, RollingUpdate and surge. Catches: made after the pods, so that a crash leaves pods without a
    label. Trap: the order across two kinds is read from the write log, not from two watches.
    """
    agent = _rolled(rig)
    (first,) = revisions_of(agent)
    rig.expect(first.number == 1, f"the first revision is numbered {first.number}, not 1")
    written = rig.writes.about(agent.namespace, agent.name)
    created = [entry.resource for entry in written if entry.verb == "create" and entry.code < 400]
    order = [name for name in created if name in ("controllerrevisions", "pods")]
    rig.expect(order[:1] == ["controllerrevisions"], f"the first thing made was one of {order[:1]}, not a revision")


def test_REV_02_a_new_revision_appears_if_and_only_if_the_template_is_new(rig: Rig) -> None:
    """When the template changes, then there is one more revision, numbered on top; when other things do, there is none.

    Source: e2e of revisions. Catches: one revision for each generation. Trap: "only if" is negative, so a barrier, which is one
    more change that must make none.
    """
    agent = _podless(rig)
    for change in (
        {"metadata": {"labels": {"example.com/team": "a"}}},
        {"spec": {"minReadySeconds": 7}},
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "40%"}}}},
    ):
        agent.update(change)
    agent.barrier()
    rig.expect(_numbers(agent) == [1], f"the template never changed, and there are revisions {_numbers(agent)}")
    for version in ("2", "3"):
        before = _numbers(agent)
        agent.update(to(version))
        agent.eventually(counters() & revisions(*before, 0))
        now = _numbers(agent)
        rig.expect(now[:-1] == before and now[-1] > before[-1], f"a new template made revisions {now} of {before}")


def test_REV_03_every_pod_carries_the_label_of_its_revision(rig: Rig) -> None:
    """When pods are made, then each carries the hash of a revision of its set, and is as that revision says.

    Source: e2e checkDaemonSetPodsLabels (at rest). Catches: new pods with the old hash. Trap: every state of a rollout, of a
    rollback and of a replacement is judged, after the fact and from before the set existed; terminating and adopted pods are
    not asked.
    """
    agent = _rolled(rig)
    agent.update(to("2"))
    agent.eventually(all_at("2"))
    rig.delete_pod(agent.pod_on(rig.workers(1)[0]), grace=0)
    agent.update(to("1"))
    agent.eventually(all_at("1"))
    agent.barrier()
    agent.throughout(labelled_with_a_revision, made_as_its_revision_says)


def test_REV_04_the_data_of_a_revision_brings_its_template_back_and_never_changes(rig: Rig) -> None:
    """When the data of a revision is applied to its set, then exactly that template is back; the data never changes.

    Source: test/cmd/apps.sh run_daemonset_history_tests. Catches: a diff that loses something. Trap: the data is applied by
    the API server, as a strategic merge patch, and templates are compared as stored, defaults included.
    """
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    manifest = rolling(
        nodeSelector={**NOWHERE, "kubernetes.io/os": "linux"}, hostNetwork=True, tolerations=[{"operator": "Exists"}]
    )
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = env
    manifest["spec"]["template"]["metadata"]["annotations"] = {"example.com/note": "first"}
    agent = rig.apply(manifest, guard=GUARD)
    agent.eventually(counters() & revisions(1))
    original = agent.get()["spec"]["template"]
    (first,) = revisions_of(agent)

    def change(stored: dict[str, Any]) -> None:
        template = stored["spec"]["template"]
        template["metadata"]["annotations"] = {"example.com/other": "second"}
        template["spec"]["containers"][0] |= {"env": env[1:], "image": OTHER_IMAGE}
        template["spec"]["tolerations"] = []
        template["spec"]["containers"].append({"name": "more", "image": IMAGE})

    agent.update(change)
    agent.eventually(counters() & revisions(1, 2))
    _apply_data(rig, agent, first)
    back = agent.get()["spec"]["template"]
    rig.expect(back == original, f"the data of {first.name} brought back {back} instead of {original}")
    agent.eventually(counters())
    data: dict[str, Any] = {}
    for event in agent.history().events:
        if event.kind == REVISION:
            known = data.setdefault(event.object["metadata"]["uid"], event.object.get("data"))
            rig.expect(known == event.object.get("data"), f"the data of {event.object['metadata']['name']} changed")


def test_REV_05_a_rollback_uses_the_revision_that_is_there_with_a_new_top_number(rig: Rig) -> None:
    """When an earlier template comes back, then its revision is numbered on top, and no twin is made.

    Source: e2e controller_revision.go. Catches: equal revisions that pile up. Trap: numbers may skip, so their order is
    compared and not their values.
    """
    agent = _podless(rig)
    for version, count in (("2", 2), ("3", 3)):
        agent.update(to(version))
        agent.eventually(counters() & revisions(*range(count)))
    before = revisions_of(agent)
    for back in (before[0], before[1]):
        agent.update(to(_version_of(back)))
        agent.eventually(_on_top(back))
        agent.barrier()
        now = [one.uid for one in revisions_of(agent)]
        rig.expect(sorted(now) == sorted(one.uid for one in before), f"revisions {now} after a rollback to {back.name}")


def _apply_data(rig: Rig, agent: SetUnderTest, revision: Revision) -> None:
    """Bring a revision's template back, as a rollback does: by the API server where it knows how."""
    if rig.sets == DAEMONSETS:
        rig.patch(DAEMONSETS, agent.name, revision.object["data"], kind=STRATEGIC_PATCH)
        return
    # For kinds of one's own the API knows no strategic merge; such a patch of a template that it replaces is the template.
    template = {key: value for key, value in revision.template.items() if key != "$patch"}
    agent.update(lambda stored: stored["spec"].update(template=template))


def _on_top(revision: Revision) -> StateGoal:
    def complaint(state: State) -> str | None:
        top = state.current_revision
        return None if top is not None and top.uid == revision.uid else f"{top.name if top else 'none'} is on top"

    return StateGoal(f"{revision.name} is on top", complaint, (REVISION,))


@pytest.mark.daemonset_requires("behave")
def test_REV_06_a_rollback_mid_rollout_leaves_the_pods_that_never_moved(rig: Rig) -> None:
    """When a rollout that halted is rolled back, then pods that never moved stay, and only the moved ones are replaced.

    Source: e2e "should rollback without unnecessary restarts"; flaked as issue 118928. Catches: a rollback taken for a new
    revision. Trap: the pods that must survive are read after the halt, and active ones only.
    """
    agent = _rolled(rig, 4, unavailable=2)
    bad(rig, "2")
    agent.update(to("2"))
    agent.eventually(this_many_at("2", 2))
    agent.barrier()
    unmoved = {pod.uid for pod in by_version(agent)["1"]}
    agent.update(to("1"))
    agent.eventually(all_at("1") & status_matches)
    survivors = unmoved & set(agent.uids().values())
    rig.expect(
        len(unmoved) == 2 and survivors == unmoved, f"{len(survivors)} of {len(unmoved)} pods outlived the rollback"
    )
    rig.expect(
        len(made_at(agent, "1")) == 4 + 2, f"{len(made_at(agent, '1')) - 4} pods were made for the rollback, not 2"
    )


def test_REV_07_old_revisions_beyond_the_limit_go_lowest_number_first(rig: Rig) -> None:
    """When there are more old revisions than the limit, then those that no pod carries are deleted, the oldest first.

    Source: contract.md, no upstream test. Catches: nothing is ever cleaned, or the newest is. Trap: it happens on the next
    sync, so each step has a barrier; numbers are compared by order.
    """
    agent = _podless(rig, history=1)
    for version in ("2", "3", "4"):
        agent.update(to(version))
        agent.eventually(counters())
        agent.barrier()
    kept = [_version_of(one) for one in revisions_of(agent)]
    rig.expect(kept[-2:] == ["3", "4"] and len(kept) <= 3, f"with limit 1, the revisions of versions {kept} are there")
    gone = [
        Revision(one.object, rig.shape)
        for one in agent.history().events
        if one.kind == REVISION and one.type == DELETED
    ]
    order = [_version_of(one) for one in gone if one.owner == agent.uid]
    rig.expect(order == sorted(order) and "1" in order, f"revisions of versions {order} were deleted, in this order")


@pytest.mark.daemonset_requires("behave")
def test_REV_08_a_revision_that_a_pod_carries_is_never_deleted(rig: Rig) -> None:
    """Given limit 0 and a halted rollout, then the revision of the pods that still run is kept; those between may go.

    Source: contract.md, no upstream test. Catches: the revision deleted that half of the fleet runs. Trap: every event is
    judged; the rollout is halted by pods that never become Ready, and syncs are proven by barriers.
    """
    agent = _rolled(rig, 3, history=0)
    bad(rig, "2", "3")
    for version in ("2", "3"):
        agent.update(to(version))
        agent.eventually(this_many_at(version, 1))
        agent.barrier()
    there = {_version_of(one) for one in revisions_of(agent)}
    rig.expect({"1", "3"} <= there, f"pods of versions 1 and 3 run, and the revisions are of versions {sorted(there)}")
    agent.throughout(labelled_with_a_revision)


def test_REV_09_with_limit_zero_only_the_current_revision_is_left(rig: Rig) -> None:
    """Given limit 0, then rollouts end, and only the current revision is left.

    Source: contract.md, no upstream test. Catches: the current one deleted, or zero taken for the default. Trap: none; no
    barrier, for the built-in controller needs none (observed).
    """
    agent = _rolled(rig, 2, history=0)
    for version in ("2", "3"):
        agent.update(to(version))
        agent.eventually(all_at(version))
    agent.eventually(revisions(1) & all_at("3"))
    (only,) = revisions_of(agent)
    rig.expect(_version_of(only) == "3", f"the revision that is left is of version {_version_of(only)}")


def test_REV_10_of_two_revisions_of_one_template_the_highest_number_survives(rig: Rig) -> None:
    """Given a twin of the current revision with a higher number, then it survives, pods are relabelled, and none restarts.

    Source: integration TestDSCUpdatesPodLabelAfterDedupCurHistories. Catches: the one deleted that pods point to, and the
    fleet restarted. Trap: at rest only; planting a revision wakes nobody, so a barrier; its data is what the API stored.
    """
    agent = _rolled(rig, 2)
    before = agent.uids()
    (first,) = revisions_of(agent)
    twin = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{agent.name}-twin",
            "labels": {**first.object["metadata"]["labels"], rig.shape.revision_label: "twin"},
            "ownerReferences": [reference(agent.get())],
        },
        "data": copy.deepcopy(first.object["data"]),
        "revision": first.number + 4,
    }
    planted = rig.create(CONTROLLER_REVISIONS, twin)
    agent.barrier()
    agent.eventually(revisions(1))
    (kept,) = revisions_of(agent)
    rig.expect(
        kept.uid == planted["metadata"]["uid"], f"{kept.name} survived instead of the twin, whose number was higher"
    )
    agent.eventually(StateGoal("all pods relabelled", lambda state: _not_at(state, "twin")))
    rig.expect(agent.uids() == before, "pods restarted when two equal revisions became one")


def _not_at(state: State, label: str) -> str | None:
    wrong = [pod.name for pod in state.owned.values() if pod.active and pod.revision != label]
    return f"not at revision {label}: {', '.join(wrong)}" if wrong else None


def test_REV_11_a_name_that_is_taken_raises_the_collision_counter(rig: Rig) -> None:
    """When the name of a new revision is taken by other content, then the counter rises, and the update goes through.

    Source: integration TestLaunchWithHashCollision. Catches: the wrong content adopted, or "already exists" for ever.
    Trap: only the controller knows its hash, so the name is harvested from a set of the same name and template before.
    """
    other = rig.apply(rolling(nodeSelector=NOWHERE))
    other.eventually(counters() & revisions(1))
    other.update(to("2"))
    other.eventually(counters() & revisions(1, 2))
    taken = revisions_of(other)[-1].name
    other.delete()
    other.eventually(StateGoal("no revision is left", lambda state: "some" if state.revisions else None, (REVISION,)))
    content = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": taken}, "revision": 9}
    rig.create(CONTROLLER_REVISIONS, {**content, "data": {"spec": {"something": "else"}}})
    agent = rig.apply(rolling(nodeSelector=NOWHERE), guard=GUARD)
    agent.eventually(counters() & revisions(1))
    agent.update(to("2"))
    agent.eventually(counters() & revisions(1, 2))
    if taken in (one.name for one in revisions_of(agent)):
        raise Inconclusive(f"{taken} was planted with other content and is the set's now")
    count = agent.get()["status"].get("collisionCount", 0)
    rig.expect(count >= 1, f"the name {taken} was taken, and collisionCount is {count}")


def test_REV_12_a_current_revision_that_somebody_deletes_is_made_again(rig: Rig) -> None:
    """When the current revision is deleted, then it is made again, and no pod restarts.

    Source: e2e controller_revision.go (partly). Catches: a new identity, and so a full rollout. Trap: some controllers do not
    watch revisions, so a barrier; then UIDs are compared.
    """
    agent = _rolled(rig, 2, recorded=False)
    before = agent.uids()
    (first,) = revisions_of(agent)
    rig.delete(CONTROLLER_REVISIONS, first.name)
    agent.barrier()
    agent.eventually(revisions(1))
    (again,) = revisions_of(agent)
    rig.expect(again.uid != first.uid, f"{first.name} was deleted and is still there")
    agent.eventually(all_at("1"))
    rig.expect(agent.uids() == before, "pods restarted when their revision had been deleted")


def test_REV_13_the_identity_of_a_revision_outlives_the_controller(rig: Rig) -> None:
    """When the controller restarts again and again, then no pod does.

    Source: upgrade test daemonset-upgrade ("still running"). Catches: a hash that depends on a map's order, or on the process.
    Trap: one restart proves little; negative, so a barrier after each.
    """
    agent = _rolled(rig, 2)
    agent.update(to("2"))
    agent.eventually(all_at("2"))
    before, numbers = agent.uids(), _numbers(agent)
    for _ in range(3):
        rig.restart()
        agent.barrier()
    rig.expect(agent.uids() == before, "pods were replaced when the controller restarted")
    rig.expect(
        _numbers(agent) == numbers, f"revisions {numbers} became {_numbers(agent)} when the controller restarted"
    )
    seen = [e for e in agent.history().events if e.kind == POD and Pod(e.object).owner == agent.uid]
    rig.expect(bool(seen), "no pod of the set was ever seen")
