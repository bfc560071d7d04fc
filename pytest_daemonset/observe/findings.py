"""What was found, in words: the text of a `Violation` or an `Inconclusive`, complete without any report."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_daemonset.contract.events import ADDED, NODE
from pytest_daemonset.contract.state import State
from pytest_daemonset.errors import Violation
from pytest_daemonset.observe.history import Mark, What

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_daemonset.contract.events import Event
    from pytest_daemonset.contract.state import Subject
    from pytest_daemonset.contract.verdicts import Reason, Verdict
    from pytest_daemonset.observe.history import History

_SHOWN: Final = 12


@dataclass(frozen=True)
class Finding:
    """A verdict that ends a check, with what is needed to explain it.

    Args:
        subject: whose DaemonSet.
        sentence: what was asked and what came of it, such as ``one_pod_per_node did not come true within 30 s``.
        property: the property's name.
        rows: the contract rows that it stands for.
        verdict: the verdict, its reasons collected.
        version: the resourceVersion of the judged state.
        at: when it was judged, in unix seconds.
        history: what had been observed.
    """

    subject: Subject
    sentence: str
    property: str
    rows: tuple[str, ...]
    verdict: Verdict
    version: int
    at: float
    history: History

    def text(self) -> str:
        """The finding in full: which node, which pods, why, since when, and how far we saw."""
        rows = f" [{', '.join(self.rows)}]" if self.rows else ""
        lines = [f"{self.subject}: {self.sentence}{rows}"]
        reasons = self.verdict.reasons
        lines += [self._reason(reason) for reason in reasons[:_SHOWN]]
        if len(reasons) > _SHOWN:
            lines.append(f"  … and {len(reasons) - _SHOWN} more like these")
        if not reasons:
            lines.append(f"  (the verdict is {self.verdict.answer}, without a reason)")
        lines.append(self._seen())
        return "\n".join(lines)

    def state(self) -> State:
        """The state that was judged, from all that had been observed up to it."""
        state = State(self.subject)
        for event in self._judged():
            state.apply(event)
        return state

    def _judged(self) -> Iterator[Event]:
        return (event for event in self.history.events if not self.history.comparable or event.rv <= self.version)

    @cached_property
    def _chances(self) -> dict[str, tuple[float, str]]:
        """By node: since when at most it can lack a pod, and what happened then; not of what was there before it was watched."""
        state, chances = State(self.subject), dict[str, tuple[float, str]]()
        listed = {
            mark.kind: mark.rv
            for mark in reversed(self.history.records)
            if isinstance(mark, Mark) and mark.what is What.SYNCED
        }
        for event in self._judged():
            name = event.object["metadata"]["name"]
            seen, eligible = state.seen, name in state.eligible
            state.apply(event)
            if event.rv <= listed.get(event.kind, 0):
                continue
            if event.kind == NODE and event.type == ADDED:
                chances[name] = (event.at, "when it joined")
            elif event.kind == NODE and seen and not eligible and name in state.eligible:
                chances[name] = (event.at, "when it became eligible")
            elif state.seen and not seen:
                chances.update(dict.fromkeys(state.nodes, (event.at, f"when {self.subject} was made")))
        return chances

    def _reason(self, reason: Reason) -> str:
        pods = tuple(pod for pod in reason.pods if pod not in reason.text)
        node = f"node {reason.node}" if reason.node and reason.node not in reason.text else ""
        missing = [text for text in (node, _pods(pods)) if text]
        where = f" ({'; '.join(missing)})" if missing else ""
        chance = None if reason.pods or not reason.node else self._chances.get(reason.node)
        if chance is not None and chance[0] >= (reason.since or 0.0):
            # A pod cannot be missing for longer than that.
            when = (
                f", since {clock(chance[0])}, {chance[1]} ({max(0.0, self.at - chance[0]):.1f} s before this verdict)"
            )
        elif reason.since is None:
            when = f", for as long as it has been watched{self._watched()}"
        else:
            when = f", since {clock(reason.since)} ({max(0.0, self.at - reason.since):.1f} s before this verdict)"
        return f"  - {reason.text}{where}{when}"

    def _watched(self) -> str:
        first = next((event.at for event in self.history.events), None)
        return (
            "" if first is None else f": since {clock(first)} ({max(0.0, self.at - first):.1f} s before this verdict)"
        )

    def _seen(self) -> str:
        whose = f" of {self.history.cluster}" if self.history.cluster else ""
        if self.history.comparable:
            return f"  judged at resourceVersion {self.version}{whose}, at {clock(self.at)}"
        return (
            f"  judged by arrival{whose} (versions of its kinds cannot be compared, so the order between kinds is that in "
            f"which they came), at {clock(self.at)}"
        )


Explain: TypeAlias = "Callable[[Finding], str]"


def violation(finding: Finding, explain: Explain | None = None) -> Violation:
    """The exception for a finding; an explanation is added below its text, and cannot spoil it."""
    text = finding.text()
    if explain is not None:
        try:
            more = explain(finding)
        except Exception as error:  # noqa: BLE001  (whatever the explanation dies of, the verdict stands and is told)
            more = f"(this could not be explained further: {type(error).__name__}: {error})"
        if more:
            text = f"{text}\n{more}"
    return Violation(text)


def clock(at: float) -> str:
    """Unix seconds as a time of day, UTC, to the millisecond."""
    return dt.datetime.fromtimestamp(at, dt.timezone.utc).strftime("%H:%M:%S.%f")[:-3] + "Z"


def _pods(pods: tuple[str, ...]) -> str:
    if not pods:
        return ""
    return f"pod{'s' if len(pods) > 1 else ''} {', '.join(pods)}"
