"""Which pods a selector means, and which nodes admit a pod of a template."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

STANDARD = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
    for key, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
]
"""What every daemon tolerates: it belongs on sick and cordoned nodes too."""

WITHOUT_NETWORK = {"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"}


def admits(template: Object, node: Object) -> tuple[bool, bool]:
    """Whether a new pod may start on the node, and whether one that is there may stay."""
    spec, name, labels = template["spec"], node["metadata"]["name"], node["metadata"].get("labels", {})
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    fits = (
        spec.get("nodeName", name) == name
        and all(labels.get(key) == value for key, value in (spec.get("nodeSelector") or {}).items())
        and (required is None or any(_term(one, name, labels) for one in required.get("nodeSelectorTerms") or ()))
    )
    tolerated = tolerations(spec)
    hard = {taint["effect"] for taint in node["spec"].get("taints") or () if not _tolerated(taint, tolerated)}
    return fits and not hard & {"NoSchedule", "NoExecute"}, fits and "NoExecute" not in hard


def tolerations(spec: Object) -> list[Object]:
    """Those of a template and the standard ones, which win over one of the same taints with a time limit."""
    added = [*STANDARD, *([WITHOUT_NETWORK] if spec.get("hostNetwork") else ())]
    own = [one for one in spec.get("tolerations") or () if {**one, "tolerationSeconds": 0} not in _limited(added)]
    return [*own, *added]


def _limited(added: list[Object]) -> list[Object]:
    return [{**one, "tolerationSeconds": 0} for one in added]


def _tolerated(taint: Object, tolerated: list[Object]) -> bool:
    return any(
        one.get("effect", "") in ("", taint["effect"])
        and one.get("key", "") in ("", taint["key"])
        and (one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", ""))
        for one in tolerated
    )


def _term(term: Object, name: str, labels: dict[str, str]) -> bool:
    """Whether a term of node affinity means the node; an empty one means none."""
    fields, expressions = term.get("matchFields") or [], term.get("matchExpressions") or []
    return (
        bool(fields or expressions)
        and all(_meets(one, {"metadata.name": name}) for one in fields)
        and all(_meets(one, labels) for one in expressions)
    )


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector means an object with these labels."""
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _meets(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _meets(requirement: Object, labels: dict[str, str]) -> bool:
    value, wanted = labels.get(requirement["key"]), requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            try:
                here, there = int(value or ""), int(wanted[0])
            except ValueError:
                return False
            return here > there if operator == "Gt" else here < there
    return False
