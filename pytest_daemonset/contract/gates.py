"""Gates: what must be known of the set as a whole before its nodes are worth judging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.contract.judging import Finding
from pytest_daemonset.contract.verdicts import BROKEN, UNKNOWN

if TYPE_CHECKING:
    from pytest_daemonset.contract.state import State


def there(state: State) -> Finding | None:
    """The set is there; unknown while it was never seen, broken once it is gone."""
    if state.daemonset is not None:
        return None
    if state.seen:
        return Finding(BROKEN, "gone", f"{state.subject} is gone (UID {state.subject.uid})")
    return Finding(UNKNOWN, "unseen", f"{state.subject} has not been seen yet (UID {state.subject.uid})")


def observed(state: State) -> Finding | None:
    """The set is there and its status speaks of its present generation; before that its counters are unknown."""
    if (finding := there(state)) is not None or state.daemonset is None:
        return finding
    if state.daemonset.observed:
        return None
    if not state.daemonset.has_status:
        return Finding(
            UNKNOWN, "no status", f"{state.subject} has no status yet, so its controller may not have seen it"
        )
    return Finding(
        UNKNOWN,
        "unobserved",
        f"{state.subject} is at generation {state.daemonset.generation} and its controller has observed "
        f"generation {state.daemonset.observed_generation} so far",
    )
