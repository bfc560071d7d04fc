"""What a red test says of pods that look like the set's and are not its own: an orphan on a node that lacks its pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_daemonset.contract.views import target_node
from pytest_daemonset.contract.wording import describe

if TYPE_CHECKING:
    from pytest_daemonset.contract import State
    from pytest_daemonset.contract.views import Pod
    from pytest_daemonset.observe.findings import Finding

_SHOWN: Final = 8


def told(finding: Finding, state: State) -> str:
    """The pods of others with the labels of the set's template, each with its owner, and the set's own that somebody else owns too.

    Args:
        finding: what is explained; where it names nodes, pods on others are left out.
        state: the state that was judged.
    """
    nodes = {reason.node for reason in finding.verdict.reasons if reason.node}
    named = {pod for reason in finding.verdict.reasons for pod in reason.pods}
    labels = ((state.template or {}).get("metadata") or {}).get("labels") or {}
    lines = []
    for pod in sorted(state.pods.values(), key=lambda one: one.name):
        where = target_node(pod.object)
        if pod.uid in state.owned:
            if pod.name in named and len(pod.owner_references) > 1:
                lines.append(f"  {pod.name} is kept by several owners: {_owners(pod)}")
        elif (
            labels
            and labels.items() <= (pod.object["metadata"].get("labels") or {}).items()
            and (not nodes or where in nodes)
        ):
            lines.append(
                f"  {describe(pod)} on {where or 'no node'} carries the labels of the set and is not its own: {_owners(pod)}"
            )
    more = [f"  … and {len(lines) - _SHOWN} more pods like these"] if len(lines) > _SHOWN else []
    return "\n".join(lines[:_SHOWN] + more)


def _owners(pod: Pod) -> str:
    owners = [
        f"{one.get('kind')} {one.get('name')} (UID {one.get('uid')}{', controller' if one.get('controller') else ''})"
        for one in pod.owner_references
    ]
    return f"owned by {', '.join(owners)}" if owners else "an orphan, owned by nobody"
