"""Behaviour of kubelets as a test asks for it, checked when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.errors import UsageError
from pytest_daemonset.nodes.provider import UNCHANGED, Behaviour, Unchanged
from pytest_daemonset.nodes.spec import check_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def behaviour(
    node: str | None,
    pods: Mapping[str, Any] | None,
    namespace: str | None,
    start: bool | Unchanged,
    ready: bool | Unchanged,
    hold_termination: bool | Unchanged,
    terminal: str | Unchanged | None,
    reject: str | tuple[str, str] | Unchanged | None,
) -> Behaviour:
    """The arguments of `Node.behave`, checked.

    Raises:
        UsageError: nothing was asked for, or something that cannot be.
    """
    switches: dict[str, Any] = {"start": start, "ready": ready, "hold": hold_termination, "terminal": terminal}
    if isinstance(reject, str):
        reject = (reject, f"rejected by the test: {reject}")
    switches["reject"] = {"reason": reject[0], "message": reject[1]} if isinstance(reject, tuple) else reject
    switches = {name: value for name, value in switches.items() if value is not UNCHANGED}
    if not switches:
        raise UsageError("behave: give at least one of start, ready, hold_termination, terminal, reject")
    for name in ("start", "ready", "hold"):
        if name in switches and not isinstance(switches[name], bool):
            raise UsageError(f"behave: {name} is True or False, not {switches[name]!r}")
    if switches.get("terminal") not in (None, "Succeeded", "Failed"):
        raise UsageError(f"behave: terminal is 'Succeeded', 'Failed' or None, not {switches['terminal']!r}")
    return Behaviour(switches, node, namespace, _selector(pods or {}))


def _selector(pods: Mapping[str, Any]) -> dict[str, Any]:
    if set(pods) & {"matchLabels", "matchExpressions"}:
        for row in pods.get("matchExpressions") or ():
            if row.get("operator") not in _OPERATORS:
                raise UsageError(f"behave: a label selector knows {', '.join(_OPERATORS)}, not {row.get('operator')!r}")
        return dict(pods)
    check_labels(dict(pods), "behave, pods=")
    return {"matchLabels": dict(pods)} if pods else {}
