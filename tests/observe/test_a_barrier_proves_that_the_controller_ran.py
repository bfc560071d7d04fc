"""The barrier against a scripted controller, and what fences do with what a list cannot show."""

# ruff: noqa: SIM117  (what happens inside a guard is the very thing under test)
from __future__ import annotations

from typing import Any

import pytest
from scripted_api import NAMESPACE, World, pod

from pytest_daemonset.contract import Event, at_most_one_pod_per_node, no_pod_for_an_ineligible_node, one_pod_per_node
from pytest_daemonset.errors import Inconclusive
from pytest_daemonset.observe.barrier import LABEL
from pytest_daemonset.observe.constants import Constants
from pytest_daemonset.observe.history import Mark, What


class Controller:
    """Makes the pods of sentinels, and reports every generation as observed: unless told to leave one of it out."""

    def __init__(self, world: World, *, sentinels: bool = True, generations: bool = True) -> None:
        self.api = world.api
        self.sentinels = sentinels
        self.generations = generations
        self.made = 0
        self.syncs: list[str] = []
        world.api.reactions.append(self.react)

    def react(self, plural: str, type_: str, object_: dict[str, Any]) -> None:
        if plural == "daemonsets" and type_ != "DELETED" and self.generations:
            generation = object_["metadata"]["generation"]
            if (object_.get("status") or {}).get("observedGeneration") != generation:
                self.syncs.append(object_["metadata"]["name"])
                self.api.write("daemonsets", {**object_, "status": {"observedGeneration": generation}})
        if self.sentinels:
            for daemonset in list(self.api.objects["daemonsets"].values()):
                self._sync(daemonset)

    def _sync(self, daemonset: dict[str, Any]) -> None:
        wanted = daemonset["spec"]["template"]["spec"].get("nodeSelector") or {}
        pods = self.api.objects["pods"].values()
        uid = daemonset["metadata"]["uid"]
        if LABEL not in wanted or any(one["metadata"]["ownerReferences"][0]["uid"] == uid for one in pods):
            return
        for node in self.api.objects["nodes"].values():
            if (node["metadata"].get("labels") or {}).get(LABEL) == wanted[LABEL]:
                self.made += 1
                self.api.write("pods", pod(f"sentinel-pod-{self.made}", node["metadata"]["name"], uid))


def limit(world: World) -> int:
    return int(world.api.objects["daemonsets"][NAMESPACE, "agent"]["spec"]["revisionHistoryLimit"])


def test_the_barrier_passes_when_the_controller_has_shown_that_it_ran() -> None:
    with World() as world:
        world.node("w1")
        controller = Controller(world)
        before = world.client.wrote
        world.watched.barrier().wait()
        assert controller.made >= 2
        assert controller.syncs[-1] == "agent"
        (barrier,) = [one for one in world.observation.history if isinstance(one, Mark) and one.what is What.BARRIER]
        assert barrier.since >= before
        assert LABEL not in world.api.objects["nodes"]["", "w1"]["metadata"]["labels"]
        assert [name for _, name in world.api.objects["daemonsets"]] == ["agent"]
        assert limit(world) == 11
        world.watched.barrier().wait()
        assert limit(world) == 10


@pytest.mark.parametrize(
    ("lazy", "told"),
    [({"sentinels": False}, "sentinel's pod after node w1"), ({"generations": False}, "report generation")],
)
def test_a_controller_that_does_not_show_that_it_ran_passes_no_barrier(lazy: dict[str, bool], told: str) -> None:
    with World(constants=Constants(barrier=2.0)) as world:
        world.node("w1")
        Controller(world, **lazy)
        with pytest.raises(Inconclusive, match=told):
            world.watched.barrier().wait()
        assert [name for _, name in world.api.objects["daemonsets"]] == ["agent"]


def test_a_set_that_is_gone_passes_no_barrier() -> None:
    with World() as world:
        Controller(world)
        world.api.remove("daemonsets", "agent")
        with pytest.raises(Inconclusive, match="is gone"):
            world.watched.barrier().wait()


def test_a_step_that_the_cluster_refuses_is_no_verdict_and_leaves_nothing_behind() -> None:
    with World() as world:
        world.node("w1")
        Controller(world)
        world.api.hold("nodes")
        world.api.remove("nodes", "w1")
        with pytest.raises(Inconclusive, match=r"refused one of its steps.*nodes/w1"):
            world.watched.barrier().wait()
        assert [name for _, name in world.api.objects["daemonsets"]] == ["agent"]


def test_a_barrier_reaches_the_guards() -> None:
    with World() as world:
        world.node("w1")
        world.pod("w1")
        Controller(world)
        with world.watched.always(no_pod_for_an_ineligible_node, at_most_one_pod_per_node):
            world.watched.barrier().wait()


def test_what_holds_after_a_barrier_is_seen_at_once_though_nothing_happens_any_more() -> None:
    with World(constants=Constants(base=1.0)) as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node).wait()
        # A kind that the goal does not read: those that it reads have been seen beyond their own last events.
        revision = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": "agent-1"},
            "revision": 1,
        }
        last = world.api.put("controllerrevisions", revision)["metadata"]["resourceVersion"]
        world.portal.call(world.observation.fence)

        async def barrier() -> None:
            world.observation.barrier_passed(int(last), "as a barrier ends")

        world.portal.call(barrier)
        world.client.wrote_at(last)
        world.watched.eventually(one_pod_per_node, within=0.5).wait()


def test_a_nudge_annotates_one_of_the_sets_own_pods() -> None:
    with World() as world:
        with pytest.raises(Inconclusive, match="no pod"):
            world.watched.nudge().wait()
        world.pod("w1", "mine")
        world.watched.nudge().wait()
        assert world.api.objects["pods"][NAMESPACE, "mine"]["metadata"]["annotations"]


@pytest.mark.parametrize(("comparable", "reads"), [(True, 1), (False, 4)])
def test_kinds_of_one_store_are_fenced_by_one_read_of_its_version(comparable: bool, reads: int) -> None:
    with World(comparable=comparable) as world:
        last = world.node("w1")["metadata"]["resourceVersion"]
        before = len(world.api.requests)
        reached = world.portal.call(world.observation.fence)
        heads = [path for _, path, query in world.api.requests[before:] if query.get("limit") == "1"]
        assert len(set(heads)) == len(heads) == reads
        assert reached >= int(last)
        assert all(one.progress >= int(last) for one in world.observation.reflectors.values())


def test_an_event_that_a_fence_could_not_wait_for_makes_the_guard_inconclusive_and_not_green() -> None:
    with World(bookmarks=False) as world:
        world.node("w1")
        world.pod("w1")
        with world.watched.always(at_most_one_pod_per_node):
            world.api.hold("pods")
            # Created and removed: no list shows it, and the watch does not bring it either.
            world.pod("w1", "excess")
            world.api.remove("pods", "excess")
        world.api.release("pods")

        async def arrived() -> None:
            while not any(
                isinstance(one, Event) and one.type == "DELETED" and one.kind == "Pod"
                for one in world.observation.history
            ):
                await world.observation.changed()

        world.portal.call(arrived)
        with pytest.raises(Inconclusive, match="arrived after"):
            world.scope.close()


def test_kinds_whose_versions_cannot_be_compared_are_judged_by_arrival() -> None:
    from pytest_daemonset.contract import one_pod_per_node
    from pytest_daemonset.errors import Violation

    with World(comparable=False) as world:
        world.node("w1")
        world.pod("w1")
        world.watched.eventually(one_pod_per_node, within=5).wait()
        world.node("w2")
        with pytest.raises(Violation, match=r"(?s)w2.*by arrival"):
            world.watched.eventually(one_pod_per_node, within=0.1).wait()
        with pytest.raises(Violation, match="w1"):
            with world.watched.always(at_most_one_pod_per_node):
                world.pod("w1")
