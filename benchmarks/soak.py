"""Runs the conformance suite over and over against a correct controller, and counts what does not come out the same.

    python benchmarks/soak.py [RUNS] [words for verify …]

Every failure of a correct controller is a flake of the suite, or a defect of a floor below it. Ends with 1 if there was one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

SLOWEST = 10
SAME = ("passed", "expected to fail", "declared unsupported", "not observable here", "not yet checked")
"""The outcomes that are no flake; a row that was asked for and "not reached" is one."""


def main(words: list[str]) -> int:
    """Run, and print what came of it."""
    runs = int(words.pop(0)) if words and words[0].isdecimal() else 10
    flakes: Counter[str] = Counter()
    seconds: dict[str, list[float]] = {}
    totals: list[float] = []
    told: dict[str, str] = {}
    broken = 0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        for number in range(1, runs + 1):
            report = Path(folder) / str(number)
            command = [sys.executable, "-m", "pytest_daemonset", "verify", "--report", str(report), *words]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if not (report / "report.json").exists():
                print(f"run {number}: no report, exit code {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
                broken += 1
                continue
            found = json.loads((report / "report.json").read_text())
            totals.append(found["seconds"])
            wrong = [row for row, one in found["rows"].items() if one["outcome"] not in SAME]
            flakes.update(wrong)
            for row, one in found["rows"].items():
                if one["tests"]:
                    seconds.setdefault(row, []).append(one["seconds"])
            told.update({row: found["rows"][row]["told"] for row in wrong})
            print(
                f"run {number}: {found['summary']['passed']} passed, {found['seconds']:.0f} s; {', '.join(wrong) or 'all kept'}",
                flush=True,
            )
    for row, count in flakes.most_common():
        print(f"\n{row}: {count} of {runs} runs\n{told[row][:2000]}")
    if totals:
        print(
            f"\nseconds a run: {min(totals):.0f} to {max(totals):.0f}, median {median(totals):.0f}; the slowest rows:"
        )
        for row in sorted(seconds, key=lambda one: -median(seconds[one]))[:SLOWEST]:
            print(f"  {row:<9} {median(seconds[row]):.1f}")
    print(f"\n{sum(flakes.values())} flakes in {len(totals)} runs")
    return int(bool(flakes) or bool(broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
