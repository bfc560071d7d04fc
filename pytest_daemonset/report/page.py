"""The conformance report as one page of HTML that needs nothing else: no script, no font and no picture from anywhere."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_daemonset.report.conformance import Report, RowResult

_CLASSES: Final = {
    "passed": "ok",
    "failed": "bad",
    "inconclusive": "unsure",
    "expected to fail": "known",
    "declared unsupported": "off",
    "not observable here": "off",
    "not yet checked": "later",
}

_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>DaemonSet conformance: $title</title>
<style>
:root{--ok:#1a7f37;--bad:#b42318;--unsure:#8250df;--known:#9a6700;--off:#6e7781;--later:#afb8c1;--ink:#1f2328;--soft:#59636e;
--line:#d8dee4;--page:#fff;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ok:#3fb950;--bad:#f85149;--unsure:#bc8cff;--known:#d29922;--off:#8b949e;--later:#484f58;
--ink:#e6edf3;--soft:#9198a1;--line:#30363d;--page:#0d1117;--card:#161b22}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:66rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.25rem 0 .6rem}h3{font-size:1rem;margin:0}
p{margin:.35rem 0}.soft{color:var(--soft)}code,pre{font:13px/1.45 ui-monospace,monospace}
.verdict{font-size:1.15rem;font-weight:600;margin:.75rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.counts{display:flex;flex-wrap:wrap;gap:.5rem;margin:1rem 0;padding:0;list-style:none}
.counts li{border:1px solid var(--line);border-radius:.5rem;padding:.35rem .7rem;background:var(--card)}
.counts b{font-size:1.05rem}
.matrix{width:100%;border-collapse:collapse}.matrix th{text-align:left;font-weight:500;padding:.25rem .75rem .25rem 0;vertical-align:top;
width:17rem}.matrix td{padding:.25rem 0;vertical-align:top}
.matrix thead th{color:var(--soft);border-bottom:1px solid var(--line)}.matrix tbody tr+tr>*{border-top:1px solid var(--line)}
.cell{display:inline-block;min-width:2.1rem;text-align:center;margin:0 .2rem .2rem 0;padding:.05rem .35rem;border-radius:.3rem;color:#fff;
text-decoration:none;font:12px/1.5 ui-monospace,monospace}
@media(prefers-color-scheme:dark){.cell{color:#0d1117}}
.ok{background:var(--ok)}.bad{background:var(--bad)}.unsure{background:var(--unsure)}.known{background:var(--known)}
.off{background:var(--off)}.cell.later{background:transparent;color:var(--soft);box-shadow:inset 0 0 0 1px var(--later)}
.dot{display:inline-block;width:.7rem;height:.7rem;border-radius:50%;margin-right:.4rem}.dot.later{background:transparent;
box-shadow:inset 0 0 0 2px var(--later)}
details,.found{border:1px solid var(--line);border-radius:.5rem;margin:.6rem 0;background:var(--card)}
.found{border-left:.3rem solid var(--bad);padding:.75rem 1rem}.found.k{border-left-color:var(--known)}
.found.u{border-left-color:var(--unsure)}
.found pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--page);
border:1px solid var(--line);border-radius:.4rem;padding:.6rem .75rem;
margin:.6rem 0 0;max-height:24rem;overflow:auto}
summary{cursor:pointer;padding:.5rem .9rem;font-weight:500}
.rows{width:100%;border-collapse:collapse}.rows td{padding:.35rem .9rem;border-top:1px solid var(--line);vertical-align:top}
.rows td:first-child{white-space:nowrap;font:13px/1.6 ui-monospace,monospace}.rows td:last-child{text-align:right;white-space:nowrap;
color:var(--soft)}
.rows .level{white-space:nowrap;width:7rem}
.rows .what{color:var(--soft);font-size:.9em}tr:target td{background:color-mix(in srgb,var(--known) 18%,transparent)}
</style></head><body><main>
<h1>DaemonSet conformance</h1>
<p class="soft">$title</p>
<p class="verdict">$verdict</p>
<dl>$facts</dl>
<ul class="counts">$counts</ul>
<h2>By section and level</h2>
<table class="matrix"><thead><tr><th>Section</th><th>Core</th><th>Optional</th></tr></thead><tbody>$matrix</tbody></table>
$found
<h2>Row by row</h2>
$rows
<h2>The slowest rows</h2>
<table class="rows">$slow</table>
$notes
</main></body></html>
""")

_SLOWEST: Final = 8


def page(report: Report) -> str:
    """Render a report."""
    summary = report.summary
    judged = sum(summary.values()) - summary["not yet checked"]
    title = report.profile.get("title") or report.controller
    facts = {
        "setting": report.setting,
        **report.cluster,
        "controller": report.controller,
        "profile": report.profile.get("name", ""),
        "suite": f"pytest-daemonset {report.suite}",
        "run": f"{report.began}, {report.seconds:.0f} s",
    }
    counts = "".join(
        f'<li><span class="dot {_CLASSES[name]}"></span><b>{number}</b> {escape(name)}</li>'
        for name, number in summary.items()
        if number
    )
    return _PAGE.substitute(
        title=escape(title),
        verdict=escape(f"{summary['passed']} of {judged} rows kept" + _beside(summary)),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items() if v),
        counts=counts,
        matrix="".join(_section_line(title, rows) for title, rows in report.sections().items()),
        found=_found([row for row in report.rows if row.outcome in ("failed", "inconclusive", "expected to fail")]),
        rows="".join(_section(title, rows) for title, rows in report.sections().items()),
        slow="".join(map(_slow, sorted(report.rows, key=lambda row: -row.seconds)[:_SLOWEST])),
        notes=_notes(report.notes),
    )


def _beside(summary: dict[str, int]) -> str:
    told = [f"{summary[name]} {name}" for name in ("failed", "inconclusive", "expected to fail") if summary[name]]
    return f" ({', '.join(told)})" if told else ""


def _section_line(title: str, rows: list[RowResult]) -> str:
    cells = {
        level: "".join(_cell(row) for row in rows if row.level == level) or '<span class="soft">none</span>'
        for level in ("core", "optional")
    }
    return f"<tr><th>{escape(title)}</th><td>{cells['core']}</td><td>{cells['optional']}</td></tr>"


def _cell(row: RowResult) -> str:
    told = escape(f"{row.id}: {row.sentence} — {row.outcome}", quote=True)
    number = row.id.rpartition("-")[2]
    return f'<a class="cell {_CLASSES[row.outcome]}" href="#{row.id}" title="{told}">{number}</a>'


def _found(rows: list[RowResult]) -> str:
    if not rows:
        return ""
    return "<h2>What is not kept</h2>" + "".join(map(_finding, rows))


def _finding(row: RowResult) -> str:
    kind = {"expected to fail": " k", "inconclusive": " u"}.get(row.outcome, "")
    texts = dict.fromkeys(test.told for test in row.tests if test.outcome == row.outcome and test.told)
    told = "".join(f"<pre>{escape(text)}</pre>" for text in texts) or f"<p>{escape(row.told)}</p>"
    workaround = f"<p>What users can do: {escape(row.workaround)}</p>" if row.workaround else ""
    why = f"<p>{escape(row.told)}</p>" if row.told and row.outcome == "expected to fail" else ""
    head = f"<h3>{row.id}: {escape(row.sentence)}</h3><p class='soft'>{escape(row.outcome)}</p>"
    return f'<div class="found{kind}">{head}{why}{workaround}{told}</div>'


def _section(title: str, rows: list[RowResult]) -> str:
    kept = sum(row.outcome == "passed" for row in rows)
    checked = sum(row.outcome != "not yet checked" for row in rows)
    lines = "".join(map(_row, rows))
    head = f"{escape(title)} <span class='soft'>{kept} of {checked} kept</span>"
    return f"<details open><summary>{head}</summary><table class='rows'>{lines}</table></details>"


def _row(row: RowResult) -> str:
    what = "" if row.outcome == "passed" else f"<div class='what'>{escape(_reason(row))}</div>"
    level = f"{row.level} {row.priority}".strip()
    time = f"{row.seconds:.1f} s" if row.tests else ""
    return (
        f'<tr id="{row.id}"><td><span class="dot {_CLASSES[row.outcome]}"></span>{row.id}</td>'
        f"<td>{escape(row.sentence)}{what}</td><td class='level'>{level}</td><td>{time}</td></tr>"
    )


def _reason(row: RowResult) -> str:
    first = row.told.splitlines()[0] if row.told else ""
    return f"{row.outcome}: {first}" if first else row.outcome


def _slow(row: RowResult) -> str:
    tests = f"{len(row.tests)} test{'s' if len(row.tests) != 1 else ''}"
    return f"<tr><td>{row.id}</td><td>{escape(row.sentence)}</td><td>{tests}</td><td>{row.seconds:.1f} s</td></tr>"


def _notes(notes: tuple[str, ...]) -> str:
    if not notes:
        return ""
    return "<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"
