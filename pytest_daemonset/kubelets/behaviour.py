"""How kubelets behave: switches by node and by pod, the later rule winning over the earlier one."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Object: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True)
class Switches:
    """What a kubelet does with one pod (contract.md, section (g)).

    Attributes:
        start: whether it starts the pod; without, the pod stays Pending.
        ready: whether the pod's containers become, and stay, ready.
        hold: whether it keeps a terminating pod from ending.
        terminal: the phase that it gives a terminating pod before it removes it, as kubelets do since 1.27;
            None: it just removes it, as they did before.
        reject: reason and message with which it refuses the pod at admission.
    """

    start: bool = True
    ready: bool = True
    hold: bool = False
    terminal: str | None = "Succeeded"
    reject: tuple[str, str] | None = None


@dataclass(frozen=True)
class Rule:
    """Switches for some pods on some nodes; `node` None means every node, also later ones."""

    node: str | None
    namespace: str | None
    selector: Object
    change: Object = field(default_factory=dict)

    def applies(self, node: str, pod: Object) -> bool:
        """Whether it speaks of this pod on this node."""
        metadata = pod["metadata"]
        return (
            self.node in (None, node)
            and self.namespace in (None, metadata["namespace"])
            and matches(self.selector, metadata.get("labels") or {})
        )


def switches(rules: Iterable[Rule], node: str, pod: Object) -> Switches:
    """What holds for this pod on this node."""
    result = Switches()
    for rule in rules:
        if rule.applies(node, pod):
            result = replace(result, **rule.change)
    return result


def parse_change(change: Object) -> Object:
    """Checks the switches of a command.

    Raises:
        ValueError: an unknown switch, or a value that it cannot have.
    """
    known = {one.name for one in fields(Switches)}
    if unknown := set(change) - known:
        raise ValueError(f"unknown switches: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
    result = dict(change)
    for name in ("start", "ready", "hold"):
        if name in result and not isinstance(result[name], bool):
            raise ValueError(f"{name} is true or false, not {result[name]!r}")
    if result.get("terminal") not in (None, "Succeeded", "Failed"):
        raise ValueError(f"terminal is Succeeded, Failed or null, not {result['terminal']!r}")
    if result.get("reject") is not None:
        result["reject"] = (result["reject"]["reason"], result["reject"].get("message", ""))
    return result


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) selects these labels; the empty one selects all.

    Raises:
        ValueError: an unknown operator.
    """
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for row in selector.get("matchExpressions") or []:
        key, operator, values = row["key"], row["operator"], row.get("values") or []
        if operator == "In":
            good = labels.get(key) in values
        elif operator == "NotIn":
            good = labels.get(key) not in values
        elif operator == "Exists":
            good = key in labels
        elif operator == "DoesNotExist":
            good = key not in labels
        else:
            raise ValueError(f"a label selector knows In, NotIn, Exists and DoesNotExist, not {operator!r}")
        if not good:
            return False
    return True
