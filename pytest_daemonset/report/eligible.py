"""What a red test says of the nodes that it names: whether they may have a pod, why they have none, and what to try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.contract import State
    from pytest_daemonset.contract.views import Pod
    from pytest_daemonset.observe.findings import Finding

_SHOWN: Final = 5
_NAMED: Final = 8

_TRY: Final = {
    "taints": "a toleration of it in the template, or another node",
    "node selector": "labels on the node that match, as node.label({...}), or another selector",
    "node affinity": "labels on the node that match, as node.label({...}), or another affinity",
    "node name": "no nodeName in the template, which is for one node only",
}
"""By what decided that a node may have no pod: what makes it eligible."""


def told(finding: Finding, state: State, *, absent: bool = False) -> str:
    """Of each node that a finding names and its reasons do not explain: whether it exists, may start a pod, and what its pod lacks.

    Args:
        finding: what is explained.
        state: the nodes as they were then, and the template of then.
        absent: there is no controller that could have made a pod, so it is no good to look at it.
    """
    named = list(dict.fromkeys(reason.node for reason in finding.verdict.reasons if reason.node))
    if not named:
        return ""
    said = " ".join(reason.text for reason in finding.verdict.reasons)
    return "\n".join(line for node in named[:_SHOWN] for line in _of(node, state, said, absent))


def _of(node: str, state: State, said: str, absent: bool) -> Iterator[str]:
    if node not in state.nodes:
        there = sorted(state.nodes)
        more = f", … ({len(there)} in all)" if len(there) > _NAMED else ""
        yield f"  {node} does not exist; there are: {', '.join(there[:_NAMED]) or 'no nodes'}{more}"
        return
    decision = state.may_start(node)
    if decision is None:
        yield f"  of {node} it is not known whether it may have a pod: {state.subject} was not there to be looked at"
        return
    pods = state.owned_on(node)
    for pod in pods:
        yield from _of_pod(pod)
    if pods:
        return
    if decision.because not in said:
        yield f"  {decision.reason}"
    if decision.truth:
        if not absent:
            yield f"    to try: nothing keeps a pod from {node}, so look at what the controller wrote last, and at its log"
    else:
        yield f"    to try: {_TRY[decision.rule]}; `python -m pytest_daemonset explain` tells it of all nodes"


def _of_pod(pod: Pod) -> Iterator[str]:
    """What keeps a pod from being Ready, as far as it tells itself; images that do not come are told elsewhere."""
    if not pod.active or pod.ready:
        return
    status = pod.object.get("status") or {}
    if not pod.bound:
        scheduler = (pod.object.get("spec") or {}).get("schedulerName") or "default-scheduler"
        yield f"  {pod.name} is bound to no node yet; to try: see that a scheduler named {scheduler} runs, and has room for it"
        return
    waiting = [
        f"container {one.get('name')} waits: {state.get('reason')}"
        for one in status.get("containerStatuses") or ()
        if (state := (one.get("state") or {}).get("waiting")) and state.get("reason")
    ]
    yield f"  {pod.name} is {pod.phase} and not Ready{''.join(f', {one}' for one in waiting)}"
