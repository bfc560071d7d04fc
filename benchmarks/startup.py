"""What the installed plugin adds to ``pytest --collect-only`` of an empty suite, against an environment without it."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

RUNS = 30
HERE = Path(__file__).parent.parent


def environment(folder: Path, *packages: str) -> Path:
    """A new virtual environment with these packages; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def cpu(python: Path, folder: Path) -> float:
    """Milliseconds of processor time for one collection."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [python, "-m", "pytest", "--collect-only", "-q"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=False,
        env=environ,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure in turn, A B A B …, and print medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty").mkdir()
        bare = environment(folder / "bare", "pytest")
        ours = environment(folder / "ours", str(HERE))
        pairs = [(cpu(ours, folder / "empty"), cpu(bare, folder / "empty")) for _ in range(RUNS + 3)][3:]
    with_plugin, without = (statistics.median(column) for column in zip(*pairs, strict=True))
    added = statistics.median(a - b for a, b in pairs)
    print(f"Python {sys.version.split()[0]}, {RUNS} pairs, processor time")
    print(
        f"without {without:.0f} ms, with {with_plugin:.0f} ms: added {added:.1f} ms, ratio {with_plugin / without:.3f}"
    )


if __name__ == "__main__":
    main()
