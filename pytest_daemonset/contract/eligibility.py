"""Eligibility: which nodes a pod of a template may start on, and which it may stay on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from pytest_daemonset.contract.node_selection import affinity_fault, affinity_match, selector_fault
from pytest_daemonset.contract.tolerations import expected_tolerations, show_taint, tolerates
from pytest_daemonset.contract.views import KEEPS_PODS_AWAY, Node
from pytest_daemonset.errors import UsageError

Template: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a node may start, or keep, a pod of a template.

    Arguments:
        truth: the decision.
        node: the node's name.
        verb: "start" or "keep".
        rule: what decided: "node name", "node selector", "node affinity" or "taints" (contract section (b), 1 to 4).
        because: the cause, as a clause.
    """

    truth: bool
    node: str
    verb: str
    rule: str
    because: str

    @property
    def reason(self) -> str:
        """The decision and its cause as a sentence."""
        return f"{self.node} {'may' if self.truth else 'may not'} {self.verb} a pod: {self.because}"

    def __bool__(self) -> bool:
        return self.truth

    def __str__(self) -> str:
        return self.reason
