"""That profiles say what they mean or are refused, and that a report tells what became of every row."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matrix import broken_by, verify

from pytest_daemonset.conformance.levels import FEATURES, LATER, SECTIONS, chosen, level_of, section_of
from pytest_daemonset.conformance.profiles import Profile, shipped
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.errors import UsageError
from pytest_daemonset.report.conformance import OUTCOMES, Case, Report, RowResult, worst
from pytest_daemonset.report.markdown import markdown
from pytest_daemonset.report.page import page


@pytest.mark.parametrize("name", ["reference", "kubernetes", "openkruise"])
def test_every_shipped_profile_can_be_read(name: str) -> None:
    assert name in shipped()
    profile = Profile.load(name)
    assert profile.name == name
    assert profile.title
    assert all(known.why for known in profile.expected.values())


def test_a_profile_names_its_kind() -> None:
    assert Profile.load("openkruise").group_version == "apps.kruise.io/v1beta1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[features]\nsurges = true", "features.surges: no such key"),
        ("[features]\nsurge = 1", "expected true or false"),
        ("[kind]\nresource = 'daemonsets'", "plural.version.group"),
        ("[pods]\nplacement = 'somewhere'", "pods.placement"),
        ("[expected-failures.AMO-99]\nwhy = 'x'", "no such row"),
        ("[expected-failures.AMO-01]\nworkaround = 'x'", "says `why`"),
        ("[features", "cannot be read as TOML"),
        ("expected-failures = 3", "expected a table"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        Profile.load(str(path))


def test_an_unknown_profile_is_a_command_that_cannot_be_carried_out(tmp_path: Path) -> None:
    run = verify("--profile", "nobody", "--rows", "PLACE-01", cwd=tmp_path)
    assert run.returncode == 2
    assert "kubernetes" in run.stderr


def test_every_row_has_a_section_a_level_and_features_that_exist() -> None:
    for row in (*ROWS, *LATER):
        assert section_of(row) in SECTIONS.values()
        assert level_of(row) in ("core", "optional")
    assert set().union(*FEATURES.values()) <= {*ROWS, *LATER}
    assert not set(ROWS) & set(LATER)


def test_the_core_level_leaves_the_optional_rows_out() -> None:
    assert "UPD-04" in chosen(None, "core")
    assert "UPD-17" not in chosen(None, "core")
    with pytest.raises(UsageError, match="no row is left"):
        chosen("EVT", "core")


def test_a_row_is_as_its_worst_test() -> None:
    assert worst(["passed", "inconclusive", "expected to fail"]) == "inconclusive"
    assert worst(["passed", "declared unsupported"]) == "declared unsupported"
    assert worst([]) == "not yet checked"


EVIL = "<script>alert('pod & node')</script>"


def made(*outcomes: str) -> Report:
    rows = tuple(
        RowResult(
            f"AMO-{number:02}",
            "never two",
            "At most one",
            "core",
            "P0",
            outcome,
            1.5,
            EVIL,
            "wait",
            (Case("t", outcome, 1.5, EVIL),),
        )
        for number, outcome in enumerate(outcomes, 1)
    )
    return Report(
        "0.1",
        "embedded cluster",
        {"Kubernetes": "v1"},
        "builtin",
        {"name": "n", "title": EVIL},
        "now",
        3.0,
        rows,
        (EVIL,),
    )


def test_the_json_form_is_keyed_by_row_and_has_a_version() -> None:
    told = json.loads(made(*OUTCOMES).as_json())
    assert told["schema"] == 1
    assert told["kept"] is False
    assert set(told["rows"]) == {f"AMO-{number:02}" for number in range(1, len(OUTCOMES) + 1)}
    assert told["rows"]["AMO-01"]["tests"][0]["told"] == EVIL
    assert told["summary"] == dict.fromkeys(OUTCOMES, 1)


class Reader(HTMLParser):
    """Notes tags that would run or load something, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe") or any(name == "src" for name, _ in attrs):
            self.loads.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_escapes_what_was_told() -> None:
    text = page(made(*OUTCOMES))
    reader = Reader()
    reader.feed(text)
    assert not reader.loads
    assert not reader.open
    assert EVIL not in text
    assert all(outcome in text for outcome in OUTCOMES)


def test_markdown_tells_the_outcomes() -> None:
    text = markdown(made(*OUTCOMES))
    assert "**1 of 6 rows kept**" in text
    assert text.count("## At most one") == 1


def test_a_known_failure_is_expected_and_a_row_that_is_kept_after_all_is_told(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(
        "title = 'mine'\n[features]\nevents = false\n"
        "[expected-failures.PLACE-03]\nwhy = 'labels are confused'\nworkaround = 'use one label'\n"
    )
    rows = ("--rows", "PLACE-03,EVT-01,PLACE-02", "--profile", str(profile), "--report", "told")
    run = verify(*rows, *broken_by("any-label"), cwd=tmp_path)
    assert run.returncode == 0, run.stdout
    told = json.loads((tmp_path / "told" / "report.json").read_text())
    assert told["rows"]["PLACE-03"]["outcome"] == "expected to fail"
    assert told["rows"]["PLACE-03"]["workaround"] == "use one label"
    assert told["rows"]["EVT-01"]["outcome"] == "declared unsupported"
    assert told["rows"]["PLACE-02"]["outcome"] == "passed"
    assert told["rows"]["AMO-10"]["outcome"] == "not yet checked"
    assert {path.name for path in (tmp_path / "told").iterdir()} == {
        "report.json",
        "report.md",
        "report.html",
        "junit.xml",
    }
    again = verify(*rows, cwd=tmp_path)
    assert again.returncode == 1
    told = json.loads((tmp_path / "told" / "report.json").read_text())
    assert told["rows"]["PLACE-03"]["outcome"] == "failed"
    assert "mended" in told["rows"]["PLACE-03"]["told"]
