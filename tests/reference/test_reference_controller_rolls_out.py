from __future__ import annotations

from reference_rig import rig, story

READY = "2030-01-01T00:00:00Z"


def rolling(**limits):
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, **limits} if "maxSurge" in limits else limits,
    }


def lacking(world, nodes):
    """At each event since the start: how many of the nodes had no ready pod."""
    pods, most = {}, []
    for kind, resource, thing in world.events:
        if resource == "pods":
            pods[thing["metadata"]["uid"]] = None if kind == "DELETED" else thing
            served = {p["spec"].get("nodeName") for p in pods.values() if p and ready(p)}
            most.append(len(set(nodes) - served))
    return most


def ready(pod):
    conditions = pod["status"].get("conditions") or ()
    live = "deletionTimestamp" not in pod["metadata"]
    return live and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def test_a_rollout_never_takes_more_than_max_unavailable(cluster):
    async def tell(world):
        cluster.join(*"abcdefgh")
        cluster.start()
        await world.apply(updateStrategy=rolling(maxUnavailable=3))
        await world.settled(8)
        world.events.clear()
        world.events += [("ADDED", "pods", p) for p in world.pods()]
        await world.update("two")
        await world.settled(8)
        assert world.images() == ["two"] * 8
        assert max(lacking(world, "abcdefgh")[8:]) == 3
        assert world.most_active() == 1
        assert [r["revision"] for r in world.revisions()] == [1, 2]

    story(cluster, tell)


def test_on_delete_leaves_pods_alone_until_they_are_deleted(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply(updateStrategy={"type": "OnDelete"})
        await world.settled(2)
        before = world.uids()
        await world.update("two")
        await world.until(lambda: world.status() == (2, 2, 0, 2, 0, 2))
        assert world.uids() == before
        doomed = next(p for p in world.pods() if p["spec"]["nodeName"] == "a")
        await world.delete("pods", doomed["metadata"]["name"])
        cluster.join("c")
        await world.until(lambda: world.status() == (3, 3, 0, 3, 2, 3) and len(world.pods()) == 3)
        assert world.uids()["b"] == before["b"]
        assert world.images() == ["one", "two", "two"]

    story(cluster, tell)


def test_a_bad_update_halts_and_going_back_touches_only_what_has_moved(cluster):
    async def tell(world):
        cluster.join(*"abcde")
        cluster.start()
        await world.apply(updateStrategy=rolling(maxUnavailable=2), revisionHistoryLimit=0)
        await world.settled(5)
        before = world.uids()
        cluster.kubelet("behave", switches={"ready": False}, selector={"matchLabels": {"bad": "yes"}})
        bad = {"template": {"metadata": {"labels": {"bad": "yes"}}}}
        await world.patch("daemonsets", "agent", {"spec": bad})
        await world.until(lambda: world.status() == (5, 5, 0, 3, 2, 3))
        await world.nudge()
        halted = {node for node, uid in world.uids().items() if uid == before.get(node)}
        assert len(halted) == 3
        assert [r["revision"] for r in world.revisions()] == [1, 2]
        await world.patch("daemonsets", "agent", {"spec": {"template": {"metadata": {"labels": {"bad": None}}}}})
        await world.settled(5)
        assert {node: uid for node, uid in world.uids().items() if node in halted} == {n: before[n] for n in halted}
        await world.nudge()
        assert max(r["revision"] for r in world.revisions()) == 3

    story(cluster, tell)


def test_history_keeps_the_newest_within_its_limit_without_a_nudge(cluster):
    async def tell(world):
        cluster.join("a")
        cluster.start()
        await world.apply(revisionHistoryLimit=2)
        await world.settled(1)
        for image in ("two", "three", "four", "five"):
            await world.update(image)
            await world.settled(1)
        await world.until(lambda: [r["revision"] for r in world.revisions()] == [3, 4, 5])

    story(cluster, tell)


def test_min_ready_seconds_holds_the_next_node_back_and_the_rollout_goes_on_by_itself(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply(minReadySeconds=2)
        await world.settled(2)
        world.events.clear()
        await world.update("two")
        await world.settled(2)
        deleted = [
            thing["metadata"]["deletionTimestamp"]
            for kind, resource, thing in world.events
            if resource == "pods" and kind == "MODIFIED" and "deletionTimestamp" in thing["metadata"]
        ]
        assert int(max(deleted)[-3:-1]) != int(min(deleted)[-3:-1])

    story(cluster, tell)


def test_a_surge_keeps_every_node_served_and_no_more_than_two_pods_on_one(cluster):
    async def tell(world):
        cluster.join(*"abcd")
        cluster.start()
        await world.apply(updateStrategy=rolling(maxSurge=1))
        await world.settled(4)
        world.events.clear()
        world.events += [("ADDED", "pods", p) for p in world.pods()]
        await world.update("two")
        await world.settled(4)
        assert world.images() == ["two"] * 4
        assert max(lacking(world, "abcd")[4:]) == 0
        assert world.most_active() == 2

    story(cluster, tell)


def test_a_surge_is_not_stopped_by_a_leftover_on_a_vanished_node(tmp_path):
    with rig(tmp_path, "--without", "pod-gc") as cluster:

        async def tell(world):
            cluster.join(*"abc")
            cluster.start()
            await world.apply(updateStrategy=rolling(maxSurge=1))
            await world.settled(3)
            cluster.kubelet("leave", nodes=["a"])
            await world.update("two")
            await world.until(lambda: world.status() == (2, 2, 0, 2, 2, 2) and world.images() == ["one", "two", "two"])

        story(cluster, tell)


def test_a_twin_of_the_new_revision_planted_mid_rollout_makes_no_old_pod_look_new(cluster):
    async def tell(world):
        cluster.join(*"abc")
        cluster.start()
        await world.apply()
        await world.settled(3)
        cluster.kubelet("behave", switches={"ready": False}, selector={"matchLabels": {"bad": "yes"}})
        await world.patch("daemonsets", "agent", {"spec": {"template": {"metadata": {"labels": {"bad": "yes"}}}}})
        await world.until(lambda: world.status() == (3, 3, 0, 2, 1, 2))
        new = world.revisions()[-1]
        fields = {k: new["metadata"][k] for k in ("labels", "ownerReferences", "namespace")}
        fields["labels"] = {**fields["labels"], "controller-revision-hash": "twin"}
        twin = {**new, "metadata": {**fields, "name": "agent-twin"}, "revision": 9}
        await world.client.create("/apis/apps/v1/namespaces/default/controllerrevisions", twin)
        await world.until(lambda: [r["metadata"]["name"] for r in world.revisions()][1:] == ["agent-twin"])
        await world.nudge()
        hashes = sorted(p["metadata"]["labels"]["controller-revision-hash"] == "twin" for p in world.pods())
        assert hashes == [False, False, True]
        assert world.status() == (3, 3, 0, 2, 1, 2)

    story(cluster, tell)


def test_turning_surge_off_mid_rollout_still_converges(cluster):
    async def tell(world):
        cluster.join(*"abc")
        cluster.start()
        await world.apply(updateStrategy=rolling(maxSurge=2))
        await world.settled(3)
        cluster.kubelet("behave", switches={"start": False})
        await world.update("two")
        await world.until(lambda: len(world.pods()) == 5)
        await world.merge("daemonsets", "agent", {"spec": {"updateStrategy": rolling(maxUnavailable=1, maxSurge=0)}})
        cluster.kubelet("behave-as-before")
        await world.settled(3)
        assert world.images() == ["two"] * 3

    story(cluster, tell)
