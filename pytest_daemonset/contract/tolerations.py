"""Tolerations: which taints a template's pods put up with, and what a controller adds to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STANDARD: Final = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_HOST_NETWORK: Final = (("node.kubernetes.io/network-unavailable", "NoSchedule"),)


def expected_tolerations(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tolerations that a controller puts on every pod of a template (contract section (a); rows TAINT-08 to -10).

    Those of the template come first, each in its place; one that is the same as a standard one but for its time limit
    is replaced by the unlimited form; the standard ones still missing follow.
    """
    spec = template.get("spec") or {}
    wanted = _STANDARD + (_HOST_NETWORK if spec.get("hostNetwork") else ())
    standard = {_identity(toleration): toleration for toleration in (_exists(key, effect) for key, effect in wanted)}
    merged = [dict(standard.get(_identity(own), own)) for own in spec.get("tolerations") or ()]
    present = {_identity(toleration) for toleration in merged}
    return merged + [toleration for identity, toleration in standard.items() if identity not in present]


def _exists(key: str, effect: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists", "effect": effect}


def _identity(toleration: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(toleration.get(field) or "" for field in ("key", "effect", "operator", "value"))


def tolerates(tolerations: Iterable[Mapping[str, Any]], taint: Mapping[str, Any]) -> bool:
    """Whether any of the tolerations matches a taint (row TAINT-03).

    An absent effect matches every effect, an absent key every key; an absent operator compares values. Operators that
    are unknown, or behind a feature gate that is off (Lt, Gt), match nothing.
    """
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    for field in ("effect", "key"):
        if toleration.get(field) and toleration[field] != taint.get(field):
            return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Equal":
        return (toleration.get("value") or "") == (taint.get("value") or "")
    return bool(operator == "Exists")


def show_taint(taint: Mapping[str, Any]) -> str:
    """A taint as kubectl writes it: key=value:effect."""
    value = taint.get("value")
    return f"{taint.get('key')}{f'={value}' if value else ''}:{taint.get('effect')}"
