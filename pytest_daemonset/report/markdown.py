"""The conformance report as Markdown: for a pull request, or a file in a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.report.conformance import UNKEPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_daemonset.report.conformance import Report, RowResult

MARKS = {
    "passed": "✅",
    "failed": "❌",
    "inconclusive": "❓",
    "not reached": "⛔",
    "expected to fail": "⚠️",
    "declared unsupported": "➖",
    "not observable here": "🚫",
    "not yet checked": "…",
}


def markdown(report: Report) -> str:
    """Render a report."""
    summary = report.summary
    lines = [
        "# DaemonSet conformance",
        "",
        f"**{report.headline}** by {report.profile.get('title') or report.controller}",
        "",
        f"- setting: {report.setting}",
        *(f"- {name}: {value}" for name, value in report.cluster.items() if value),
        *([f"- controller's version: {report.controller_version}"] if report.controller_version else []),
        f"- pytest-daemonset {report.suite}, {report.began}, {report.seconds:.0f} s",
        "",
        "| outcome | rows |",
        "|---|---|",
        *(f"| {MARKS[name]} {name} | {number} |" for name, number in summary.items() if number),
    ]
    telling = [row for row in report.rows if row.outcome in (*UNKEPT, "expected to fail")]
    if telling:
        lines += [
            "",
            "## What is not kept",
            "",
            *(f"- {cause}" for cause in report.causes),
            *([""] if report.causes else []),
        ]
        for row in telling:
            lines += [f"### {MARKS[row.outcome]} {row.id}: {row.sentence}", "", _told(row), ""]
    for section, rows in report.sections().items():
        lines += ["", f"## {section}", "", "| row | level | promise | outcome | seconds |", "|---|---|---|---|---|"]
        lines += [
            f"| {_linked(row)} | {row.level} {row.priority} | {_cell(row.sentence)} | {MARKS[row.outcome]} {row.outcome} | "
            f"{f'{row.seconds:.1f}' if row.tests else ''} |"
            for row in rows
        ]
    told = [row for row in report.rows if row.contract]
    if told:
        lines += ["", "## What the contract says"]
        lines += [line for row in told for line in _contract(row)]
    if report.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def _told(row: RowResult) -> str:
    texts = [test.told for test in row.tests if test.outcome == row.outcome and test.told]
    told = "\n\n".join(f"```text\n{text}\n```" for text in dict.fromkeys(texts)) or row.told
    return told + (f"\n\nWhat users can do: {row.workaround}" if row.workaround else "")


def _linked(row: RowResult) -> str:
    return f"[{row.id}](#{row.id.lower()})" if row.contract else row.id


def _contract(row: RowResult) -> Iterator[str]:
    yield from ("", f"### {row.id}")
    for text in row.contract:
        yield from ("", text.promise)
        parts = (("source", text.source), ("it catches", text.catches), ("trap", text.trap))
        yield from ("", *(f"- {name}: {part}" for name, part in parts if part))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
