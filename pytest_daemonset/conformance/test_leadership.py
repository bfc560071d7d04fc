"""Several replicas of the controller, of which one leads (row ROB-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_daemonset.conformance.rolling import GUARD, all_at, exactly, hold, let_go, rolling, this_many_at, to
from pytest_daemonset.contract import at_most_unavailable

if TYPE_CHECKING:
    from pytest_daemonset.conformance.rig import Rig


@pytest.mark.daemonset_requires("audit", "behave")
def test_ROB_12_of_several_replicas_only_the_leader_writes_also_after_it_was_frozen(rig: Rig) -> None:
    """Given a rollout half done, when the leader is frozen until another leads, and wakes up within the next one, then the
    rollouts go on within their limit, never two pods on a node, and who holds no Lease writes nothing.

    Source: contract.md, no upstream test. Catches: two brains, from the start or once the frozen one is back. Trap: the leader is
    frozen until the Lease has another holder, so beyond it; what it had under way when it froze was logged long before. Each write
    is held against the holder of that moment, so a further hand-over, as on a slow machine, is none's fault. That the frozen one
    ran again is told by its end, or by its taking the Lease when the other one stops; it finds work left when it wakes up.
    """
    if rig.leaderless:
        pytest.skip(rig.leaderless)
    exactly(rig, 4)
    mark = rig.writes.mark()
    first = rig.leader()
    agent = rig.apply(rolling(), guard=GUARD)
    agent.eventually(all_at("1"))
    hold(rig, "2", "3")
    with agent.daemonset.always(at_most_unavailable(1)):
        agent.update(to("2"))
        agent.eventually(this_many_at("2", 1))
        rig.freeze(first)
        let_go(rig, "2")
        second = rig.leader(other_than=first)
        agent.eventually(all_at("2"))
        agent.update(to("3"))
        agent.eventually(this_many_at("3", 1))
        rig.thaw(first)
        let_go(rig, "3")
        agent.eventually(all_at("3"))
        agent.barrier()
        rig.hand_over(second, to=first)
        rig.start()
        agent.settles(all_at("3"))
    rig.expect_no_writes(rig.writes.of_followers(agent.namespace, mark), "who holds no Lease writes nothing")
