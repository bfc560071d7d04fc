from __future__ import annotations

from reference_objects import LEAVE, NOW, START, STAY, daemonset, view

from pytest_daemonset.reference.caches import Owners
from pytest_daemonset.reference.ownership import adoption, release, to_adopt, to_release
from pytest_daemonset.reference.placement import by_node
from pytest_daemonset.reference.selectors import selects
from pytest_daemonset.reference.status import changed, counters, merged


def counted(decisions, pods, min_ready=0):
    count = counters(decisions, by_node(pods), "new", lambda p: p.available(min_ready, NOW))
    keys = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")
    rest = ("updatedNumberScheduled", "numberAvailable", "numberUnavailable")
    return tuple(count[key] for key in (*keys, *rest))


def test_the_counters_count_nodes():
    decisions = {"a": START, "b": START, "c": START, "x": STAY, "y": LEAVE, "z": LEAVE}
    pods = [view("a1", "a"), view("a2", "a"), view("b1", "b", ready=None, hash="old"), view("x1", "x"), view("y1", "y")]
    assert counted(decisions, pods) == (3, 2, 2, 1, 1, 1, 2)


def test_ready_is_not_yet_available():
    assert counted({"a": START}, [view("p", ready="2030-01-01T00:00:57Z")], min_ready=4) == (1, 1, 0, 1, 1, 0, 1)


def test_a_corpse_beside_a_running_pod_does_not_hide_it():
    corpse = view("f", phase="Failed", created="2029-01-01T00:00:00Z")
    assert counted({"a": START}, [corpse, view("p")]) == (1, 1, 0, 1, 1, 1, 0)


def test_a_leftover_on_a_vanished_node_counts_nowhere():
    assert counted({}, [view("p", "gone")]) == (0, 0, 0, 0, 0, 0, 0)


def test_a_status_is_written_only_when_it_would_change_and_absent_means_zero():
    count = counters({}, {}, "new", lambda _: False)
    assert changed({}, count, 3)
    assert not changed({"observedGeneration": 3, "numberReady": 0}, count, 3)
    assert changed({"observedGeneration": 3, "numberAvailable": 1}, count, 3)


def test_what_others_wrote_into_the_status_survives():
    count = counters({}, {}, "new", lambda _: False)
    new = merged({"conditions": [{"type": "Mine"}], "collisionCount": 2, "numberAvailable": 4}, count, 3)
    assert new == {
        "conditions": [{"type": "Mine"}],
        "collisionCount": 2,
        "observedGeneration": 3,
        "desiredNumberScheduled": 0,
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    }


def owners(*pods):
    known = Owners()
    for pod in pods:
        known.change(None, pod)
    return known


def test_a_set_adopts_what_matches_in_its_namespace_and_has_no_controller():
    pods = [
        view("yes", owner=None),
        view("other labels", owner=None, labels={"app": "else"}),
        view("ending", owner=None, terminating=True),
        view("foreign", owner="somebody"),
        view("mine"),
    ]
    assert [p.name for p in to_adopt(daemonset(), owners(*pods))] == ["yes"]
    assert adoption("u", {"uid": "set"}) == {"metadata": {"ownerReferences": [{"uid": "set"}], "uid": "u"}}


def test_a_set_releases_what_no_longer_matches_and_nothing_of_others():
    pods = [view("mine"), view("lost", labels={}), view("foreign", owner="somebody", labels={})]
    assert [p.name for p in to_release(daemonset(), owners(*pods))] == ["lost"]
    assert release("u", "set") == {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "set"}], "uid": "u"}}


def test_a_change_of_owner_moves_a_pod_from_one_group_to_the_other():
    known = owners(view("p"))
    known.change(view("p"), view("p", owner=None))
    assert (known.of("set"), [p.name for p in known.orphans("ns")]) == ([], ["p"])
    known.change(view("p", owner=None), None)
    assert known.orphans("ns") == []


def test_selectors_decide_by_pairs_and_expressions_and_the_empty_one_selects_nothing():
    def by(*expressions, **pairs):
        keys = ("key", "operator", "values")
        return {"matchLabels": pairs, "matchExpressions": [dict(zip(keys, e, strict=False)) for e in expressions]}

    labels = {"app": "agent", "tier": "1"}
    assert not selects({}, labels)
    assert not selects({"matchLabels": {}}, labels)
    assert selects(by(app="agent"), labels)
    assert not selects(by(app="agent", tier="2"), labels)
    assert selects(by(("tier", "In", ["1", "2"]), ("zone", "NotIn", ["x"])), labels)
    assert selects(by(("tier", "Exists"), ("zone", "DoesNotExist")), labels)
    assert not selects(by(("tier", "NotIn", ["1"])), labels)
    assert not selects(by(("tier", "DoesNotExist")), labels)
