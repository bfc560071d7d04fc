"""What a node is to be like when it joins, checked before anything is asked of a cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Taint:
    """One taint of a node."""

    key: str
    effect: str
    value: str = ""

    @classmethod
    def parse(cls, text: str | Mapping[str, Any] | Taint) -> Taint:
        """Reads ``key=value:Effect`` or ``key:Effect``, as kubectl writes them, or a mapping as the API has them.

        Raises:
            UsageError: not that form, a key or value that the API would refuse, or an unknown effect.
        """
        if isinstance(text, Taint):
            return text
        if isinstance(text, Mapping):
            if unknown := set(text) - {"key", "value", "effect", "timeAdded"}:
                raise UsageError(f"a taint has key, value and effect, not {', '.join(sorted(unknown))}: {dict(text)}")
            key, value, effect = text.get("key", ""), text.get("value") or "", text.get("effect", "")
        elif isinstance(text, str) and ":" in text:
            rest, _, effect = text.rpartition(":")
            key, _, value = rest.partition("=")
        else:
            raise UsageError(f"a taint is written 'key=value:Effect', such as 'dedicated=db:NoSchedule', not {text!r}")
        if effect not in EFFECTS:
            raise UsageError(f"taint {text!r}: the effect {effect!r} is none of {', '.join(EFFECTS)}")
        check_labels({key: value}, f"taint {text!r}")
        return cls(key, effect, value)

    def as_object(self) -> dict[str, str]:
        """As the API has it."""
        return {"key": self.key, "effect": self.effect, **({"value": self.value} if self.value else {})}


@dataclass(frozen=True)
class NodeSpec:
    """A node as it is when it joins.

    Attributes:
        name: its name.
        labels: beside those that every kubelet sets.
        annotations: its annotations.
        taints: its taints.
        ready: False: it registers, but its network plug-in is missing (for CNI sets).
        allocatable: resources, beside the provider's defaults.
        arch: such as ``amd64``.
        os: such as ``linux``.
        unschedulable: whether it comes cordoned.
        settings: of a k3s agent, by the names of k3s's flags.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    allocatable: Mapping[str, str] = field(default_factory=dict)
    arch: str = "amd64"
    os: str = "linux"
    unschedulable: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > 253 or not _SUBDOMAIN.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot be the name of a node: lower case letters, digits, '-' and '.', "
                "beginning and ending with a letter or digit"
            )
        check_labels(self.labels, f"node {self.name}")
        check_annotations(self.annotations, f"node {self.name}")


def taints_of(texts: Iterable[str | Mapping[str, Any] | Taint]) -> tuple[Taint, ...]:
    """Several taints; a lone string is refused, since its letters are no taints.

    Raises:
        UsageError: as `Taint.parse`.
    """
    if isinstance(texts, (str, Mapping, Taint)):
        raise UsageError(f"taints is a list of taints; write [{texts!r}]")
    return tuple(Taint.parse(text) for text in texts)


def check_labels(labels: Mapping[str, str | None], where: str) -> None:
    """Checks keys and values by the API's rules; None as value stands for a removal.

    Raises:
        UsageError: what the API would refuse. Source: k8s.io/apimachinery/pkg/util/validation.
    """
    check_annotations(labels, where)
    for key, value in labels.items():
        if value is not None and (not isinstance(value, str) or (value and not _PART.fullmatch(value))):
            raise UsageError(
                f"{where}: {value!r} cannot be the value of {key!r}: a string of at most 63 letters, digits, '-', '_' "
                "and '.', beginning and ending with a letter or digit, or empty"
            )


def check_annotations(annotations: Mapping[str, str | None], where: str) -> None:
    """Checks the keys; values may be any string.

    Raises:
        UsageError: what the API would refuse.
    """
    for key, value in annotations.items():
        prefix, slash, name = key.rpartition("/") if isinstance(key, str) else ("", "", "")
        if not _PART.fullmatch(name) or (slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix))):
            raise UsageError(f"{where}: {key!r} cannot be a key; it is [prefix/]name, such as 'example.com/zone'")
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{where}: the value of {key!r} must be a string, not {value!r}; quote it")
