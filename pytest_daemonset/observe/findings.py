"""What was found, in words: the text of a `Violation` or an `Inconclusive`, complete without any report."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from pytest_daemonset.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def _reason(self, reason: Reason) -> str:
        pods = tuple(pod for pod in reason.pods if pod not in reason.text)
        node = f"node {reason.node}" if reason.node and reason.node not in reason.text else ""
        missing = [text for text in (node, _pods(pods)) if text]
        where = f" ({'; '.join(missing)})" if missing else ""
        if reason.since is None:
            when = ", since before the observation began"
        else:
            when = f", since {clock(reason.since)} ({max(0.0, self.at - reason.since):.1f} s before this verdict)"
        return f"  - {reason.text}{where}{when}"

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
