"""The state follows the events, and says exactly which nodes an event may have changed the verdict on."""

from __future__ import annotations

import pytest
from contract_world import START, World, pin, stamp

from pytest_daemonset.contract import ALL, Event, Subject
from pytest_daemonset.contract.views import DaemonSet, Node, Pod, parse_time, target_node


def test_a_subject_is_read_from_the_stored_object() -> None:
    world = World()
    stored = world.daemonset().object
    assert Subject.of(stored) == world.subject
    assert str(world.subject) == "DaemonSet default/agent"


def test_a_node_event_touches_the_node_only_if_labels_or_taints_changed() -> None:
    world = World()
    world.node("a", {"zone": "a"})
    assert world.change.nodes == {"a"}
    world.edit("Node", "a", status__conditions=[{"type": "Ready", "status": "False"}])
    assert world.change.nodes == frozenset()
    assert world.change.before is not None
    world.edit("Node", "a", metadata__annotations={"x": "y"}, spec__unschedulable=True)
    assert world.change.nodes == frozenset()
    world.edit("Node", "a", metadata__labels={"zone": "b"})
    assert world.change.nodes == {"a"}
    world.edit("Node", "a", spec__taints=[{"key": "k", "effect": "NoSchedule"}])
    assert world.change.nodes == {"a"}
    world.edit("Node", "a", spec__taints=[{"key": "k", "effect": "NoSchedule", "timeAdded": stamp(START)}])
    assert world.change.nodes == frozenset()
    world.remove("Node", "a")
    assert world.change.nodes == {"a"}
    assert not world.state.nodes


def test_the_deletion_of_what_was_never_seen_touches_nothing() -> None:
    world = World()
    world.happens("Node", "DELETED", {"metadata": {"name": "ghost"}})
    assert world.change.nodes == frozenset()
    pod = {"metadata": {"name": "p", "namespace": "default", "uid": "u", "ownerReferences": [world.reference()]}}
    world.happens("Pod", "DELETED", pod)
    assert world.change.nodes == frozenset()
    world.happens(
        "ControllerRevision", "DELETED", {"metadata": {"name": "r", "namespace": "default", "uid": "u"}, "revision": 1}
    )
    assert world.change.nodes == frozenset()


def test_an_owned_pod_touches_its_node_when_it_comes_moves_on_and_goes() -> None:
    world = World()
    for happening in (
        lambda: world.pod("a-x", "a"),
        lambda: world.bind("a-x", "a"),
        lambda: world.runs("a-x"),
        lambda: world.runs("a-x", ready=False),
        lambda: world.terminate("a-x"),
        lambda: world.ends("a-x"),
        lambda: world.remove("Pod", "a-x"),
    ):
        happening()
        assert world.change.nodes == {"a"}
    assert not world.state.owned
    assert world.state.targets() == set()


def test_what_no_property_tells_apart_touches_nothing() -> None:
    world = World()
    world.pod("a-x", "a")
    world.edit("Pod", "a-x", metadata__annotations={"x": "y"}, status__phase="Running")
    assert world.change.nodes == frozenset()
    assert world.state.owned["uid-a-x"].phase == "Running"


def test_pods_of_others_are_known_but_touch_nothing() -> None:
    world = World()
    world.pod("other", "a", references=[world.reference(uid="ds-2")])
    world.pod("orphan", "a", references=[])
    world.pod("dependent", "a", references=[world.reference(controller=None)])
    assert world.change.nodes == frozenset()
    assert len(world.state.pods) == 3
    assert not world.state.owned
    world.happens("Pod", "ADDED", {"metadata": {"name": "p", "namespace": "elsewhere", "uid": "u"}})
    assert len(world.state.pods) == 3
    assert world.change.after is None


def test_adoption_and_release_touch_the_node() -> None:
    world = World()
    world.pod("a-x", "a", references=[])
    world.edit("Pod", "a-x", metadata__ownerReferences=[world.reference()])
    assert world.change.nodes == {"a"}
    assert [pod.name for pod in world.state.owned_on("a")] == ["a-x"]
    world.edit("Pod", "a-x", metadata__ownerReferences=None)
    assert world.change.nodes == {"a"}
    assert world.state.owned_on("a") == ()
    assert "uid-a-x" in world.state.pods


def test_a_pod_bound_elsewhere_than_pinned_touches_both_nodes() -> None:
    world = World()
    world.pod("p", "a")
    world.bind("p", "b")
    assert world.change.nodes == {"a", "b"}
    assert world.state.targets() == {"b"}


def test_a_template_touches_all_nodes_and_a_status_none() -> None:
    world = World()
    world.node("a", {"zone": "a"})
    assert world.state.may_start("a") is None
    world.daemonset({"nodeSelector": {"zone": "a"}})
    assert world.change.nodes is ALL
    assert world.state.eligible == {"a"}
    world.status(numberReady=1)
    assert world.change.nodes == frozenset()
    world.edit("DaemonSet", "agent", spec__revisionHistoryLimit=3, metadata__generation=2)
    assert world.change.nodes == frozenset()
    world.retemplate({"nodeSelector": {"zone": "b"}})
    assert world.change.nodes is ALL
    assert world.state.eligible == set()
    world.edit("DaemonSet", "agent", spec__updateStrategy={"type": "OnDelete"})
    assert world.change.nodes is ALL
    world.node("b", {"zone": "b"})
    assert world.state.eligible == {"b"}
    world.remove("Node", "b")
    assert world.state.eligible == set()


def test_the_template_outlives_the_set_and_another_incarnation_is_not_it() -> None:
    world = World()
    world.daemonset({"nodeSelector": {"zone": "a"}})
    world.remove("DaemonSet", "agent")
    assert world.change.nodes is ALL
    assert (world.state.daemonset, world.state.seen) == (None, True)
    again = world.history[0].object
    world.happens("DaemonSet", "ADDED", {**again, "metadata": {**again["metadata"], "uid": "ds-2"}})
    assert world.state.daemonset is None
    world.node("a", {"zone": "b"})
    decision = world.state.may_start("a")
    assert decision is not None
    assert not decision


def test_the_current_revision_is_the_owned_one_with_the_highest_number() -> None:
    world = World()
    world.revision("agent-r1", 1, "r1")
    assert world.change.nodes is ALL
    world.revision("other-r9", 9, "r9", references=[world.reference(uid="ds-2")])
    assert world.change.nodes == frozenset()
    world.revision("agent-r2", 2, "r2")
    assert world.change.nodes is ALL
    current = world.state.current_revision
    assert current is not None
    assert current.hash == "r2"
    world.edit("ControllerRevision", "agent-r1", revision=3)
    assert world.state.current_revision is not None
    assert world.state.current_revision.hash == "r1"
    world.remove("ControllerRevision", "agent-r1")
    assert world.state.current_revision is not None
    assert world.state.current_revision.hash == "r2"
    world.happens("ControllerRevision", "ADDED", {"metadata": {"name": "r", "namespace": "elsewhere", "uid": "u"}})
    assert len(world.state.revisions) == 2


def test_other_kinds_only_move_the_clock() -> None:
    world = World()
    change = world.state.apply(Event("Lease", "ADDED", {"metadata": {"name": "x"}}, 7, START + 5))
    assert (change.nodes, world.state.rv, world.state.at) == (frozenset(), 7, START + 5)
    world.state.apply(Event("Lease", "ADDED", {"metadata": {"name": "x"}}, 6, START))
    assert (world.state.rv, world.state.at) == (7, START + 5)


def test_it_is_known_when_a_node_was_last_touched() -> None:
    world = World()
    assert world.state.touched_at("a") is None
    joined = world.node("a")
    world.edit("Node", "a", metadata__annotations={"x": "y"})
    assert world.state.touched_at("a") == joined.at
    assert world.state.touched_at("b") is None
    created = world.daemonset()
    assert world.state.touched_at("a") == created.at
    pod = world.pod("a-x", "a")
    assert world.state.touched_at("a") == pod.at


def test_active_pods_come_oldest_first() -> None:
    world = World()
    world.pod("z", "a")
    world.pod("b", "a", creationTimestamp=stamp(START + 60))
    world.pod("a", "a", creationTimestamp=stamp(START + 60))
    world.pod("gone", "a")
    world.terminate("gone")
    assert [pod.name for pod in world.state.active_on("a")] == ["z", "a", "b"]


def field_term(*names: str, operator: str = "In", key: str = "metadata.name") -> dict[str, object]:
    return {"matchFields": [{"key": key, "operator": operator, "values": list(names)}]}


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ({"nodeName": "a", "affinity": pin("b")}, "a"),
        ({"affinity": pin("b")}, "b"),
        ({}, None),
        ({"affinity": {"nodeAffinity": {}}}, None),
        ({"affinity": {"podAntiAffinity": {}}}, None),
        ([field_term("a"), field_term("a")], "a"),
        ([field_term("a"), field_term("b")], None),
        ([field_term("a"), {"matchExpressions": []}], None),
        ([field_term("a", "b")], None),
        ([field_term("a", operator="NotIn")], None),
        ([field_term("a", key="metadata.namespace")], None),
        ([], None),
    ],
)
def test_the_target_is_the_bound_node_else_the_only_one_pinned_to(spec: object, target: str | None) -> None:
    if isinstance(spec, list):
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": spec}}
        spec = {"affinity": {"nodeAffinity": required}}
    assert target_node({"spec": spec}) == target


def test_a_pod_is_available_when_it_was_ready_long_enough() -> None:
    world = World()
    world.pod("a-x", "a")
    assert not world.state.pods["uid-a-x"].available(0, START)
    world.runs("a-x")
    pod = world.state.pods["uid-a-x"]
    since = pod.ready_since
    assert since is not None
    assert pod.available(0, since)
    assert not pod.available(5, since + 4.9)
    assert pod.available(5, since + 5)
    world.edit("Pod", "a-x", status={"conditions": [{"type": "Ready", "status": "True"}]})
    assert not world.state.pods["uid-a-x"].available(5, since + 500)


@pytest.mark.parametrize(
    ("strategy", "surge"),
    [
        (None, False),
        ({"type": "OnDelete", "rollingUpdate": {"maxSurge": 1}}, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%"}}, False),
        ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%"}}, True),
        ({"rollingUpdate": {"maxSurge": 1}}, True),
        ({"type": "RollingUpdate"}, False),
    ],
)
def test_surge_is_read_from_the_update_strategy(strategy: object, surge: bool) -> None:
    stored = {"metadata": {"name": "agent", "uid": "u"}, "spec": {"updateStrategy": strategy}}
    assert DaemonSet(stored).surge is surge


def test_absent_counters_are_zero_and_before_the_first_sync_nothing_is_observed() -> None:
    metadata = {"name": "agent", "uid": "u", "generation": 1}
    bare = DaemonSet({"metadata": metadata})
    assert (bare.counter("numberReady"), bare.has_status, bare.observed) == (0, False, False)
    fresh = DaemonSet({"metadata": metadata, "status": {"numberReady": 0}})
    assert (fresh.has_status, fresh.observed_generation, fresh.observed) == (True, 0, False)
    assert DaemonSet({"metadata": metadata, "status": {"observedGeneration": 1}}).observed


def test_a_nodes_readiness_is_its_condition() -> None:
    assert not Node({"metadata": {"name": "a"}}).ready
    assert Node({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}).ready


def test_time_stamps_are_read_with_and_without_fractions() -> None:
    assert parse_time(None) is None
    assert parse_time("1970-01-01T00:01:00Z") == 60
    assert parse_time("1970-01-01T00:01:00.500000Z") == 60.5
    with pytest.raises(ValueError, match="soon"):
        parse_time("soon")


def test_a_pod_without_status_is_pending() -> None:
    pod = Pod({"metadata": {"name": "p", "uid": "u"}})
    assert (pod.phase, pod.active, pod.target, pod.owner) == ("Pending", True, None, None)
