"""The oracle: which nodes deserve a pod, what a cluster looks like at one moment, and which sentences hold there.

Pure: standard library only, no I/O, no clock. It shares no code with any controller.
"""

from pytest_daemonset.contract.eligibility import Decision, may_start, may_stay
from pytest_daemonset.contract.events import Event
from pytest_daemonset.contract.exclusivity import (
    at_most_one_pod_per_node,
    at_most_two_pods_per_node,
    never_replaced_early,
)
from pytest_daemonset.contract.explanation import Explanation, explain
from pytest_daemonset.contract.history import labelled_with_a_revision, made_as_its_revision_says, never_done_early
from pytest_daemonset.contract.judging import Judgement
from pytest_daemonset.contract.limits import at_most_surging, at_most_unavailable, never_retired_early
from pytest_daemonset.contract.ownership import garbage_collected, owned
from pytest_daemonset.contract.placement import one_pod_per_node, pod_on
from pytest_daemonset.contract.properties import Goal, Invariant, Property, Reaction
from pytest_daemonset.contract.reactions import no_pod_for_an_ineligible_node
from pytest_daemonset.contract.rollout import ready, rolled_out
from pytest_daemonset.contract.shape import Shape
from pytest_daemonset.contract.state import ALL, Change, State, Subject
from pytest_daemonset.contract.status import observed_generation_sane, status_consistent, status_matches
from pytest_daemonset.contract.tolerations import expected_tolerations
from pytest_daemonset.contract.verdicts import BROKEN, HOLDS, UNKNOWN, Answer, Reason, Verdict

__all__ = [
    "ALL",
    "BROKEN",
    "HOLDS",
    "UNKNOWN",
    "Answer",
    "Change",
    "Decision",
    "Event",
    "Explanation",
    "Goal",
    "Invariant",
    "Judgement",
    "Property",
    "Reaction",
    "Reason",
    "Shape",
    "State",
    "Subject",
    "Verdict",
    "at_most_one_pod_per_node",
    "at_most_surging",
    "at_most_two_pods_per_node",
    "at_most_unavailable",
    "expected_tolerations",
    "explain",
    "garbage_collected",
    "labelled_with_a_revision",
    "made_as_its_revision_says",
    "may_start",
    "may_stay",
    "never_done_early",
    "never_replaced_early",
    "never_retired_early",
    "no_pod_for_an_ineligible_node",
    "observed_generation_sane",
    "one_pod_per_node",
    "owned",
    "pod_on",
    "ready",
    "rolled_out",
    "status_consistent",
    "status_matches",
]
