"""Whatever README and docs show is run, or read by the program that it is meant for; whatever error they quote exists."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_daemonset.__main__ import parser

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("writing-tests", "your-controller", "profiles", "troubleshooting")),
]
AGENT = (ROOT / "examples" / "downstream" / "deploy" / "agent.yaml").read_text(encoding="utf-8")
# Whose words they are: not ours, so not in our source.
FOREIGN = {"ScopeMismatch", "async def functions are not natively supported"}
NODES = {
    "kind": "List",
    "items": [{"kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}}} for name in "ab"],
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """What follows a prompt in a page, one command each, without its comment."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [part.strip() for line in lines for part in line[2:].split(" # ")[0].split("&&")]


OURS = [
    command.removeprefix("python -m pytest_daemonset ")
    for page in PAGES
    for command in commands(page)
    if command.startswith("python -m pytest_daemonset ")
]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_every_python_block_is_a_test_that_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    """A block may say its file, and a folder before it: the folder is another project, with settings of its own."""
    count: dict[Path, int] = {}
    for number, block in enumerate(blocks(page, "python")):
        named = re.match(r"# (?:(\w+)/)?(\w+\.py)\n", block)
        folder = pytester.path / (named[1] or "first" if named else "first")
        folder.mkdir(exist_ok=True)
        (folder / "agent.yaml").write_text(AGENT, encoding="utf-8")
        (folder / (named[2] if named else f"test_block_{number}.py")).write_text(block, encoding="utf-8")
        tests = len(re.findall(r"^(?:async )?def test_", block, re.MULTILINE))
        assert tests or named, f"{page}: this block is no test, so nothing shows that it is true:\n{block}"
        count[folder] = count.get(folder, 0) + tests
    for folder, tests in count.items():
        monkeypatch.chdir(folder)
        run = pytester.runpytest_subprocess("-p", "no:asyncio", f"--rootdir={folder}", ".")
        run.assert_outcomes(passed=tests)


@pytest.mark.parametrize("command", OURS)
def test_every_command_is_understood(command: str) -> None:
    parser().parse_args(shlex.split(command))


@pytest.mark.parametrize("command", [one for one in OURS if one.startswith(("explain", "doctor", "verify --list"))])
def test_what_needs_no_cluster_is_run(command: str, tmp_path: Path) -> None:
    (tmp_path / "ds.yaml").write_text(AGENT, encoding="utf-8")
    (tmp_path / "nodes.json").write_text(json.dumps(NODES), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest_daemonset", *shlex.split(command)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_option_of_the_readme_exists_with_its_default(pytester: pytest.Pytester) -> None:
    told = re.findall(
        r"^\| `--daemonset-([\w-]+)` \| `?([^|`]*)`? \|", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE
    )
    assert told
    text = " ".join(pytester.runpytest_inprocess("-p", "no:asyncio", "--help").stdout.str().split())
    for option, default in told:
        shown = re.search(rf"--daemonset-{option}=.*?\(default: ([^)]*)\)", text)
        assert shown is not None, option
        assert shown[1] == default.strip(), option


def test_every_fixture_of_the_readme_exists(pytester: pytest.Pytester) -> None:
    table = re.search(r"^\| fixture \|.*?\n\n", PAGES[0].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert table is not None
    names = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in table[0].splitlines()[2:] if row))
    assert "daemonsets" in names
    shown = pytester.runpytest_inprocess("-p", "no:asyncio", "--fixtures").stdout.str()
    assert [name for name in names if not re.search(rf"^{name}\b", shown, re.MULTILINE)] == []


def test_every_error_that_troubleshooting_quotes_is_raised_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pytest_daemonset").rglob("*.py"))
    quoted = [
        words
        for line in PAGES[-1].read_text(encoding="utf-8").splitlines()
        if re.fullmatch(r"### (`[^`]+`(, )?)+", line)
        for words in re.findall(r"`([^`]+)`", line)
    ]
    assert len(quoted) > 10
    unified = re.sub(r'"\s+f?"', "", source)  # strings that are written in several parts
    # "expected a DaemonSet" is put together from the kind that a set under test must be.
    missing = [words for words in quoted if words not in FOREIGN and words not in unified]
    assert missing in ([], ["expected a DaemonSet"])


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page}: {target}"
