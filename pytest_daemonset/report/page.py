"""The conformance report as one page of HTML that needs nothing else: no script, no font and no picture from anywhere."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

from pytest_daemonset.report.conformance import UNKEPT, kept_of

if TYPE_CHECKING:
    from pytest_daemonset.report.conformance import ContractText, Report, RowResult

_LOOKS: Final = {
    "passed": ("ok", "✓"),
    "failed": ("bad", "✗"),
    "inconclusive": ("unsure", "?"),
    "not reached": ("missed", "!"),
    "expected to fail": ("known", "~"),
    "declared unsupported": ("off", "–"),
    "not observable here": ("blind", "∅"),
    "not yet checked": ("later", "…"),
}
"""By outcome, a class and a sign: nothing is told by colour alone."""

_FILTERS: Final = "".join(
    f"body:has(#only-{name}:not(:checked)) .rows tr.{name}{{display:none}}" for name, _ in _LOOKS.values()
)

_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>DaemonSet conformance: $title</title>
<style>
:root{--ok:#1a7f37;--bad:#b42318;--unsure:#8250df;--missed:#b42318;--known:#8a5a00;--off:#59636e;--blind:#59636e;--later:#59636e;
--ink:#1f2328;--soft:#59636e;--line:#d0d7de;--page:#fff;--card:#f6f8fa;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ok:#3fb950;--bad:#ff7b72;--unsure:#bc8cff;--missed:#ff7b72;--known:#d29922;--off:#9198a1;
--blind:#9198a1;--later:#9198a1;--ink:#e6edf3;--soft:#9198a1;--line:#30363d;--page:#0d1117;--card:#161b22;--on:#0d1117}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:68rem;margin:0 auto;padding:2rem 1.25rem 4rem}a{color:inherit}
h1{font-size:1.7rem;line-height:1.2;margin:0}h2{font-size:1.2rem;margin:2.5rem 0 .6rem}h3{font-size:1rem;margin:0}
p{margin:.35rem 0}.soft{color:var(--soft)}pre,.id{font:13px/1.5 ui-monospace,monospace}
.verdict{font-size:1.25rem;font-weight:600;margin:1rem 0;padding:.75rem 1rem;border-left:.35rem solid var(--ok);background:var(--card)}
.verdict.no{border-color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:1rem 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse}caption{text-align:left;color:var(--soft);padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-top:1px solid var(--line)}th{font-weight:500}
thead th{color:var(--soft);border-top:0}.cell{display:inline-block;min-width:3.1rem;text-align:center;margin:0 .2rem .2rem 0;
padding:.1rem .35rem;border-radius:.3rem;color:var(--on);text-decoration:none;font:12px/1.5 ui-monospace,monospace}
.cell.ok{background:var(--ok)}.cell.bad{background:var(--bad)}.cell.unsure{background:var(--unsure)}.cell.known{background:var(--known)}
.cell.missed{background:var(--missed);outline:2px dashed var(--ink);outline-offset:-2px}
.cell.off,.cell.blind,.cell.later{color:var(--soft);box-shadow:inset 0 0 0 1px var(--line)}
.tag{white-space:nowrap;font-weight:500}.tag.ok{color:var(--ok)}.tag.bad,.tag.missed{color:var(--bad)}.tag.unsure{color:var(--unsure)}
.tag.known{color:var(--known)}.tag.off,.tag.blind,.tag.later{color:var(--soft)}
.found{border:1px solid var(--line);border-left:.35rem solid var(--bad);border-radius:.4rem;background:var(--card);padding:.75rem 1rem;
margin:.7rem 0}.found.known{border-left-color:var(--known)}.found.unsure{border-left-color:var(--unsure)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--page);border:1px solid var(--line);border-radius:.4rem;
padding:.6rem .75rem;margin:.6rem 0 0;max-height:26rem;overflow:auto}
.filter{display:flex;flex-wrap:wrap;gap:.4rem;border:0;margin:0 0 1rem;padding:0}.filter legend{color:var(--soft);padding:0 0 .3rem}
.filter label{border:1px solid var(--line);border-radius:.5rem;padding:.25rem .6rem;background:var(--card);cursor:pointer}
:focus-visible{outline:2px solid var(--unsure);outline-offset:2px}
.rows .id a{text-decoration:none}.rows .id{white-space:nowrap;width:6.5rem}.rows .out{width:11rem}.rows .lvl{width:6.5rem}
.rows .sec{width:4rem;text-align:right;white-space:nowrap;color:var(--soft);padding-right:0}.what{color:var(--soft);font-size:.92em;
overflow-wrap:anywhere}tr:target{background:color-mix(in srgb,var(--known) 20%,transparent)}.kept{font-weight:400;color:var(--soft);
font-size:.9rem}$filters
.rows+h3{margin-top:1.6rem}details{margin:.2rem 0 0}summary{cursor:pointer;color:var(--soft);font-size:.92em}details[open] summary{
margin-bottom:.3rem}.text{border-left:2px solid var(--line);padding-left:.8rem;margin:.3rem 0 .6rem;max-width:46rem}
.text b{color:var(--soft);font-weight:500}
@media(max-width:42rem){.rows thead{display:none}.rows tr{display:block;padding:.5rem 0;border-top:1px solid var(--line)}
.rows td,.rows th{display:inline-block;border:0;width:auto!important;padding:.05rem .8rem .05rem 0}.rows .say{display:block}
.matrix thead{display:none}.matrix th,.matrix td{display:block;border:0;padding:.1rem 0}.matrix tr{display:block;padding:.5rem 0;
border-top:1px solid var(--line)}.matrix td::before{content:attr(data-level) " ";color:var(--soft);font-size:.85em}}
@media print{:root{color-scheme:light}main{max-width:none;padding:0}.filter{display:none}pre{max-height:none}
details{break-inside:avoid}.found,tr{break-inside:avoid}.cell{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
</style></head><body><main>
<header><h1>DaemonSet conformance</h1>
<p class="soft">$title</p>
<p class="verdict$no">$verdict</p>
<dl>$facts</dl></header>
<section aria-labelledby="matrix"><h2 id="matrix">By section and level</h2>
<table class="matrix"><caption>Each sign leads to its row: $legend</caption>
<thead><tr><th scope="col">Section</th><th scope="col">Core</th><th scope="col">Optional</th></tr></thead><tbody>$matrix</tbody></table>
</section>
$found
<section aria-labelledby="rows"><h2 id="rows">Row by row</h2>
<fieldset class="filter"><legend>Show</legend>$filter</fieldset>
$rows</section>
<section aria-labelledby="slow"><h2 id="slow">Where the time went</h2>
<p>$times</p>
<table class="rows"><thead><tr><th scope="col">Row</th><th scope="col">Promise</th><th scope="col">Tests</th><th scope="col">Time</th>
</tr></thead><tbody>$slow</tbody></table></section>
$notes
</main></body></html>
""")

_SLOWEST: Final = 8
_TOLD: Final = (*UNKEPT, "expected to fail")


def page(report: Report) -> str:
    """Render a report."""
    title = report.profile.get("title") or report.controller
    facts = {
        "setting": report.setting,
        **report.cluster,
        "controller": "" if report.controller in report.setting else report.controller,
        "controller's version": report.controller_version,
        "profile": "" if report.profile.get("name") == "none" else report.profile.get("name", ""),
        "suite": f"pytest-daemonset {report.suite}",
        "run": f"{report.began}, {report.seconds:.0f} s",
    }
    present = {name: number for name, number in report.summary.items() if number}
    return _PAGE.substitute(
        filters=_FILTERS,
        title=escape(title),
        no="" if report.kept else " no",
        verdict=escape(f"{report.headline}{_beside(present)}"),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items() if v),
        legend=", ".join(f"{_LOOKS[name][1]} {name}" for name in present),
        matrix="".join(_section_line(title, rows) for title, rows in report.sections().items()),
        found=_found([row for row in report.rows if row.outcome in _TOLD], report.causes),
        filter="".join(_choice(name, number) for name, number in present.items()),
        rows="".join(_section(title, rows) for title, rows in report.sections().items()),
        times=", ".join(f"{level} rows {seconds:.1f} s" for level, seconds in report.times().items()),
        slow="".join(map(_slow, report.slowest(_SLOWEST))),
        notes=_notes(report.notes),
    )


def _beside(present: dict[str, int]) -> str:
    told = [f"{present[name]} {name}" for name in _TOLD if name in present]
    return f"; {', '.join(told)}" if told else ""


def _choice(name: str, number: int) -> str:
    kind, sign = _LOOKS[name]
    return f'<label><input type="checkbox" id="only-{kind}" checked> {sign} {escape(name)} <b>{number}</b></label>'


def _tag(outcome: str) -> str:
    kind, sign = _LOOKS[outcome]
    return f'<span class="tag {kind}"><span aria-hidden="true">{sign}</span> {escape(outcome)}</span>'


def _section_line(title: str, rows: list[RowResult]) -> str:
    cells = "".join(
        f'<td data-level="{level}">{"".join(_cell(row) for row in rows if row.level == level) or "none"}</td>'
        for level in ("core", "optional")
    )
    return f'<tr><th scope="row">{escape(title)}</th>{cells}</tr>'


def _cell(row: RowResult) -> str:
    kind, sign = _LOOKS[row.outcome]
    told = escape(f"{row.id}: {row.sentence} ({row.outcome})", quote=True)
    number = row.id.rpartition("-")[2]
    return f'<a class="cell {kind}" href="#{row.id}" title="{told}" aria-label="{told}">{sign} {number}</a>'


def _found(rows: list[RowResult], causes: tuple[str, ...]) -> str:
    if not rows:
        return ""
    found = "".join(f"<p>{escape(cause)}</p>" for cause in causes) + "".join(map(_finding, rows))
    return f'<section aria-labelledby="found"><h2 id="found">What is not kept</h2>{found}</section>'


def _finding(row: RowResult) -> str:
    texts = dict.fromkeys(test.told for test in row.tests if test.outcome == row.outcome and test.told)
    told = "".join(f"<pre>{escape(text)}</pre>" for text in texts) or f"<p>{escape(row.told)}</p>"
    workaround = f"<p><b>What users can do:</b> {escape(row.workaround)}</p>" if row.workaround else ""
    why = f"<p>{escape(row.told)}</p>" if row.told and row.outcome == "expected to fail" else ""
    head = f'<h3><a href="#{row.id}">{row.id}</a>: {escape(row.sentence)}</h3><p>{_tag(row.outcome)}</p>'
    body = f"{head}{why}{workaround}{told}{_contract(row.contract)}"
    return f'<article class="found {_LOOKS[row.outcome][0]}">{body}</article>'


def _contract(texts: tuple[ContractText, ...]) -> str:
    if not texts:
        return ""
    return f"<details><summary>what the contract says</summary>{''.join(map(_text, texts))}</details>"


def _text(text: ContractText) -> str:
    parts = (("Source", text.source), ("It catches", text.catches), ("Trap", text.trap))
    told = "".join(f"<p><b>{name}:</b> {escape(part)}</p>" for name, part in parts if part)
    return f'<div class="text"><p>{escape(text.promise)}</p>{told}<p class="soft id">{escape(text.test)}</p></div>'


def _section(title: str, rows: list[RowResult]) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Row", "Promise", "Outcome", "Level", "Time"))
    return (
        f'<h3>{escape(title)} <span class="kept">{kept_of(rows)} kept</span></h3>'
        f'<table class="rows"><thead><tr>{heads}</tr></thead><tbody>{"".join(map(_row, rows))}</tbody></table>'
    )


def _row(row: RowResult) -> str:
    first = row.told.splitlines()[0] if row.told and row.outcome != "passed" else ""
    what = f'<div class="what">{escape(first)}</div>' if first else ""
    level = f"{row.level} {row.priority}".strip()
    time = f"{row.seconds:.1f} s" if row.tests else ""
    return (
        f'<tr id="{row.id}" class="{_LOOKS[row.outcome][0]}"><th scope="row" class="id"><a href="#{row.id}">{row.id}</a></th>'
        f'<td class="say">{escape(row.sentence)}{what}{_contract(row.contract)}</td><td class="out">{_tag(row.outcome)}</td>'
        f'<td class="lvl">{level}</td><td class="sec">{time}</td></tr>'
    )


def _slow(row: RowResult) -> str:
    tests = f"{len(row.tests)} test{'s' if len(row.tests) != 1 else ''}"
    return (
        f'<tr><th scope="row" class="id"><a href="#{row.id}">{row.id}</a></th><td class="say">{escape(row.sentence)}</td>'
        f'<td class="lvl">{tests}</td><td class="sec">{row.seconds:.1f} s</td></tr>'
    )


def _notes(notes: tuple[str, ...]) -> str:
    if not notes:
        return ""
    return "<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"
