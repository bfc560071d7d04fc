from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from reference_rig import rig, story, template

from pytest_daemonset.reference.client import ApiError

ON_DELETE = {"type": "OnDelete"}


async def plant(world, name, node, **metadata):
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "agent"}, **metadata},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "one"}]},
    }
    return await world.seen("pods", await world.client.create("/api/v1/namespaces/default/pods", body))


def test_a_deleted_pod_is_replaced_only_when_it_has_ended(cluster):
    async def tell(world):
        cluster.join("a")
        cluster.start()
        await world.apply()
        await world.settled(1)
        cluster.kubelet("behave", switches={"hold": True})
        name = world.pods()[0]["metadata"]["name"]
        await world.delete("pods", name)
        await world.nudge()
        assert len(world.pods()) == 1
        cluster.kubelet("behave", switches={"hold": False})
        await world.until(lambda: name not in [p["metadata"]["name"] for p in world.pods()])
        await world.settled(1)
        assert [w for w in cluster.writes() if w[0] == "delete"] == []

    story(cluster, tell)


def test_failed_pods_are_replaced_with_growing_pauses(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        cluster.kubelet("behave", node="a", switches={"reject": {"reason": "OutOfcpu"}})
        await world.apply()

        def rejected():
            gone = (t for k, r, t in world.events if r == "pods" and k == "DELETED")
            return sorted(t["metadata"]["creationTimestamp"] for t in gone)

        await world.until(lambda: len(rejected()) >= 4)
        cluster.kubelet("behave-as-before")
        first, *_, last = map(datetime.fromisoformat, (s.replace("Z", "+00:00") for s in rejected()[:4]))
        assert (last - first).total_seconds() >= 2
        assert [t for k, r, t in world.events if r == "pods" and k == "DELETED" and t["spec"]["nodeName"] == "b"] == []

    story(cluster, tell)


def test_with_surge_failing_pods_do_not_pile_up(cluster):
    async def tell(world):
        cluster.join("a")
        cluster.start()
        cluster.kubelet("behave", switches={"reject": {"reason": "OutOfcpu"}})
        surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        await world.apply(updateStrategy=surge)
        ended = [("DELETED", "pods")] * 2
        await world.until(lambda: [e[:2] for e in world.events if e[:2] == ended[0]][:2] == ended)
        assert len(world.pods()) <= 2
        assert [w[:2] for w in cluster.writes()].count(("create", "pods")) <= 4

    story(cluster, tell)


def test_orphans_are_adopted_pruned_and_released(cluster):
    async def tell(world):
        cluster.join("a", "b")
        await plant(world, "orphan", "a")
        await plant(world, "foreign", "b", ownerReferences=[reference("other")])
        cluster.start()
        await world.apply(updateStrategy=ON_DELETE)
        await world.until(lambda: world.status()[:2] == (2, 2) and len(world.pods()) == 3)
        assert "orphan" in [p["metadata"]["name"] for p in world.pods()]
        assert [w[:2] for w in cluster.writes() if w[1] == "pods"].count(("create", "pods")) == 1
        assert not [w for w in cluster.writes() if w[2] == "foreign"]
        owned = next(p for p in world.pods() if p["metadata"]["name"] == "orphan")
        assert owned["metadata"]["ownerReferences"][0]["uid"] == world.set()["metadata"]["uid"]
        # Stripped of its reference it is taken back, of its label it is let go and replaced.
        await world.merge("pods", "orphan", {"metadata": {"ownerReferences": None}})
        await world.until(lambda: named(world, "orphan")["metadata"].get("ownerReferences"))
        await world.patch("pods", "orphan", {"metadata": {"labels": {"app": "free"}}})
        await world.until(
            lambda: "ownerReferences" not in named(world, "orphan")["metadata"] and len(world.pods()) == 3
        )
        assert "deletionTimestamp" not in named(world, "orphan")["metadata"]

    story(cluster, tell)


def reference(uid):
    return {"apiVersion": "example.com/v1", "kind": "Other", "name": "rs", "uid": uid, "controller": True}


def named(world, name):
    return next(p for p in world.objects["pods"].values() if p["metadata"]["name"] == name)


def test_after_an_orphan_deletion_the_same_template_keeps_every_pod_and_another_replaces_them(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply()
        await world.settled(2)
        before, revision = world.uids(), world.revisions()[0]["metadata"]["uid"]

        async def orphan():
            await world.delete("daemonsets", "agent", propagationPolicy="Orphan")
            await world.until(lambda: not world.objects["daemonsets"])

        await orphan()
        await world.apply()
        await world.settled(2)
        assert world.uids() == before
        assert [r["metadata"]["uid"] for r in world.revisions()] == [revision]
        await orphan()
        await world.apply(template=template("agent", "two"))
        await world.settled(2)
        assert world.images() == ["two", "two"]

    story(cluster, tell)


def test_nothing_is_written_for_a_set_that_is_being_deleted(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply()
        await world.settled(2)
        await world.patch("daemonsets", "agent", {"metadata": {"finalizers": ["example.com/hold"]}})
        await world.delete("daemonsets", "agent", propagationPolicy="Orphan")
        await world.until(lambda: "deletionTimestamp" in world.set()["metadata"])
        mark = cluster.mark()
        await world.delete("pods", world.pods()[0]["metadata"]["name"])
        await world.until(lambda: len(world.pods()) == 1)
        cluster.join("c")
        await world.apply("sentinel")
        await world.settled(3, "sentinel")
        assert [w for w in cluster.writes(mark) if not w[2].startswith("sentinel")] == []
        await world.merge("daemonsets", "agent", {"metadata": {"finalizers": None}})

    story(cluster, tell)


def test_a_set_recreated_at_once_gets_its_own_pods(cluster):
    async def tell(world):
        cluster.join("a", "b")
        cluster.start()
        await world.apply()
        await world.settled(2)
        old = set(world.uids().values())
        await world.delete("daemonsets", "agent")
        await world.apply()
        await world.settled(2)
        assert not old & set(world.uids().values())
        uid = world.set()["metadata"]["uid"]
        await world.until(lambda: [r["metadata"]["ownerReferences"][0]["uid"] for r in world.revisions()] == [uid])

    story(cluster, tell)


def test_stripping_owner_references_amid_a_rollout_wedges_nothing(cluster):
    async def tell(world):
        cluster.join("a", "b", "c")
        cluster.start()
        everything = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3}}
        await world.apply(updateStrategy=everything)
        await world.settled(3)
        for number in range(10):
            await world.update(f"image-{number}")
            for pod in world.pods():
                with suppress(ApiError):  # it may be gone already
                    await world.merge("pods", pod["metadata"]["name"], {"metadata": {"ownerReferences": None}})
            await world.settled(3)

    story(cluster, tell)


def test_a_namespace_that_is_being_deleted_is_left_in_peace(tmp_path):
    with rig(tmp_path, "--without", "namespaces") as cluster:

        async def tell(world):
            cluster.join("a")
            cluster.start()
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}}
            await world.client.create("/api/v1/namespaces", space)
            await world.apply(namespace="going")
            await world.settled(1)
            await world.client.delete("/api/v1/namespaces/going", {})
            mark = cluster.mark()
            name = world.pods()[0]["metadata"]["name"]
            await world.client.delete(f"/api/v1/namespaces/going/pods/{name}", {})
            await world.until(lambda: world.status() == (1, 0, 0, 0, 0, 0))
            await world.apply("sentinel")
            await world.settled(1, "sentinel")
            creates = [
                w for w in cluster.writes(mark) if w[:2] == ("create", "pods") and not w[2].startswith("sentinel")
            ]
            assert len(creates) == 1

        story(cluster, tell)
