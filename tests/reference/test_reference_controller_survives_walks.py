"""Random walks: whatever is done to nodes, pods and the set in whatever order, it converges, and never breaks AMO-01 or AMO-06."""

from __future__ import annotations

import random

import pytest
from reference_rig import ApiError, story

NODES = ("a", "b", "c", "d")


def strategies(surge):
    limits = {"maxSurge": 2, "maxUnavailable": 0} if surge else {"maxUnavailable": 2}
    return {"type": "RollingUpdate", "rollingUpdate": limits}


async def step(world, chance, number):
    pods = sorted(world.pods(), key=lambda p: p["metadata"]["name"])
    pod = chance.choice(pods)["metadata"]["name"] if pods else None
    act = chance.choice(("delete", "force", "end", "strip", "relabel", "label", "taint", "image", "limit"))
    node = chance.choice(NODES)
    if act == "label":
        await world.patch("nodes", node, {"metadata": {"labels": {"zone": chance.choice("xy")}}})
    elif act == "taint":
        await world.taint(node, *chance.choice(((), ("NoSchedule",), ("NoExecute",))))
    elif act == "image":
        await world.update(f"image-{chance.randrange(3)}")
    elif act == "limit":
        await world.patch("daemonsets", "agent", {"spec": {"revisionHistoryLimit": chance.randrange(3)}})
    elif pod is None:
        return
    elif act == "delete":
        await world.delete("pods", pod)
    elif act == "force":
        await world.delete("pods", pod, gracePeriodSeconds=0)
    elif act == "end":
        status = {"status": {"phase": "Succeeded"}}
        await world.client.patch(f"/api/v1/namespaces/default/pods/{pod}/status", status)
    elif act == "strip":
        await world.merge("pods", pod, {"metadata": {"ownerReferences": None}})
    elif act == "relabel":
        await world.patch("pods", pod, {"metadata": {"labels": {"app": f"free-{number}"}}})


@pytest.mark.parametrize("surge", [False, True], ids=["without surge", "with surge"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_walk_converges_and_never_crowds_a_node(cluster, surge, seed):
    async def tell(world):
        chance = random.Random(seed)
        cluster.join(*NODES, labels={"zone": "x"})
        cluster.start()
        await world.apply(updateStrategy=strategies(surge))
        await world.settled(4)
        selector = {"spec": {"template": {"spec": {"nodeSelector": {"zone": "x"}}}}}
        await world.patch("daemonsets", "agent", selector)
        for number in range(60):
            try:
                await step(world, chance, number)
            except ApiError as error:
                if error.status not in (404, 409, 422):  # the pod has moved on meanwhile
                    raise
        for node in NODES:
            await world.taint(node)
            await world.patch("nodes", node, {"metadata": {"labels": {"zone": "x"}}})
        await world.update("last")
        await world.settled(4)
        assert world.images() == ["last"] * 4
        assert world.most_active() <= (2 if surge else 1)

    story(cluster, tell)
