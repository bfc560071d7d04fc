from __future__ import annotations

from reference_rig import rig, story, template


def test_every_node_gets_one_pod_and_late_nodes_too(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply()
        await world.settled(2)
        before = world.uids()
        cluster.join("c")
        await world.settled(3)
        assert {node: uid for node, uid in world.uids().items() if node in before} == before
        cluster.kubelet("leave", nodes=["a"])
        await world.settled(2)
        assert world.nodes_served() == ["b", "c"]
        assert world.most_active() == 1

    story(cluster, tell)


def test_a_set_without_nodes_is_observed_all_the_same(cluster):
    async def tell(world):
        cluster.start()
        await world.apply()
        await world.until(lambda: world.status() == (0,) * 6)

    story(cluster, tell)


def test_at_rest_and_after_an_idle_restart_nothing_is_written(cluster):
    async def tell(world):
        cluster.join("a", "b", labels={"zone": "x"})
        first = cluster.start()
        quiet = {"type": "OnDelete"}
        await world.apply()
        await world.apply("quiet", updateStrategy=quiet, minReadySeconds=1)
        await world.settled(2)
        await world.settled(2, "quiet")
        mark = cluster.mark()
        for node in "ab":
            await world.patch("nodes", node, {"metadata": {"annotations": {"noise": "1"}}})
            capacity = {"status": {"allocatable": {"cpu": "3"}, "capacity": {"cpu": "3"}}}
            await world.client.patch(f"/api/v1/nodes/{node}/status", capacity)
        first.stop()
        cluster.start()
        # A sentinel on the node stream: when it has its pods, everything before it was seen.
        await world.apply("sentinel")
        await world.settled(2, "sentinel")
        assert [write for write in cluster.writes(mark) if not write[2].startswith("sentinel")] == []

    story(cluster, tell)


def test_what_changed_while_the_controller_was_down_is_made_good_at_its_start(cluster):
    async def tell(world):
        cluster.join("a", "b", "c")
        first = cluster.start()
        await world.apply()
        await world.settled(3)
        first.kill()
        gone, ended = world.pods()[:2]
        await world.delete("pods", gone["metadata"]["name"])
        cluster.kubelet("pod", namespace="default", name=ended["metadata"]["name"], verb="succeed")
        cluster.join("d")
        await world.update("two")
        await world.patch("nodes", "a", {"metadata": {"labels": {"zone": "a"}}})
        cluster.start()
        await world.settled(4)
        assert world.images() == ["two"] * 4

    story(cluster, tell)


def test_a_no_schedule_taint_keeps_the_pod_moves_the_counters_and_replaces_nothing(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply()
        await world.settled(2)
        before = world.uids()
        await world.taint("a", "NoSchedule")
        await world.until(lambda: world.status() == (1, 1, 1, 1, 1, 1))
        assert world.uids() == before
        doomed = next(p for p in world.pods() if p["spec"]["nodeName"] == "a")
        await world.delete("pods", doomed["metadata"]["name"])
        await world.until(lambda: world.status() == (1, 1, 0, 1, 1, 1) and world.nodes_served() == ["b"])
        await world.taint("a")
        await world.settled(2)

    story(cluster, tell)


def test_a_no_execute_taint_has_the_pod_deleted_by_the_controller(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply()
        await world.settled(2)
        await world.taint("a", "NoExecute")
        await world.settled(1)
        assert world.nodes_served() == ["b"]
        assert [w[:2] for w in cluster.writes() if w[0] == "delete"] == [("delete", "pods")]

    story(cluster, tell)


def test_pods_follow_labels_and_the_selector_of_the_template(cluster):
    async def tell(world):
        cluster.join("a", labels={"zone": "x"})
        cluster.join("b", labels={"zone": "y"})
        cluster.start()
        await world.apply(template=template("agent", nodeSelector={"zone": "x"}), updateStrategy={"type": "OnDelete"})
        await world.settled(1)
        await world.patch("nodes", "b", {"metadata": {"labels": {"zone": "x"}}})
        await world.settled(2)
        await world.patch("nodes", "a", {"metadata": {"labels": {"zone": "z"}}})
        await world.settled(1)
        await world.patch("daemonsets", "agent", {"spec": {"template": {"spec": {"nodeSelector": {"zone": "z"}}}}})
        await world.until(lambda: world.nodes_served() == ["a"] and world.status() == (1, 1, 0, 1, 1, 1))

    story(cluster, tell)


def test_unbound_pods_count_for_their_node_and_go_with_it(tmp_path):
    with rig(tmp_path, "--without", "binder") as cluster:

        async def tell(world):
            cluster.join("a", "b", "c", "d")
            cluster.start()
            await world.apply()
            await world.until(lambda: world.status() == (4, 4, 0, 0, 4, 0))
            await world.nudge()
            assert world.nodes_served() == ["a", "b", "c", "d"]
            # No nudge from here on: each of these makes one unbound pod superfluous.
            await world.taint("a", "NoExecute")
            cluster.kubelet("leave", nodes=["b"])
            await world.taint("c", "NoSchedule")
            await world.until(lambda: world.nodes_served() == ["c", "d"] and world.status() == (1, 1, 1, 0, 1, 0))
            assert world.most_active() == 1

        story(cluster, tell)


def test_hundreds_of_nodes_are_served_in_bursts_and_without_repeats(cluster):
    async def tell(world):
        cluster.join(*(f"n{number}" for number in range(300)))
        cluster.start()
        await world.apply()
        await world.settled(300)
        assert world.most_active() == 1
        assert [w[:2] for w in cluster.writes()].count(("create", "pods")) == 300

    story(cluster, tell)
