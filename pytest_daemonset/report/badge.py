"""The conformance report as a badge: one picture for a README, SVG without any font or address of somebody else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_daemonset.report.conformance import Report

_LABEL: Final = "DaemonSet conformance"
_WIDE: Final = 6.6  # of one character of 11 px Verdana, about
_HEIGHT: Final = 20


def badge(report: Report) -> str:
    """Render a report."""
    summary = report.summary
    judged = sum(summary.values()) - summary["not yet checked"] - summary["declared unsupported"]
    told = f"{summary['passed']} of {judged}" + ("" if report.kept else ", not kept")
    left, right = (round(_WIDE * len(text)) + 12 for text in (_LABEL, told))
    colour = "#b42318" if not report.kept else "#1a7f37" if summary["passed"] == judged else "#8a5a00"
    name = escape(f"{_LABEL}: {told} rows")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" aria-label="{name}">'
        f"<title>{name}</title>"
        f'<rect width="{left}" height="{_HEIGHT}" fill="#444c56"/><rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{colour}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2}" y="14">{_LABEL}</text><text x="{left + right / 2}" y="14">{told}</text></g></svg>\n'
    )
