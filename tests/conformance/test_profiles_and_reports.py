"""That profiles say what they mean or are refused, and that a report tells what became of every row."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from matrix import broken_by, verify

from pytest_daemonset.conformance.levels import FEATURES, LATER, SECTIONS, chosen, level_of, section_of
from pytest_daemonset.conformance.outcomes import Outcomes
from pytest_daemonset.conformance.profiles import Profile
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.daemonsets import kinds
from pytest_daemonset.daemonsets.kinds import Timings, shipped
from pytest_daemonset.errors import UsageError
from pytest_daemonset.observe.constants import Constants
from pytest_daemonset.report import conformance
from pytest_daemonset.report.badge import badge
from pytest_daemonset.report.conformance import OUTCOMES, Case, ContractText, Report, RowResult, worst
from pytest_daemonset.report.markdown import markdown
from pytest_daemonset.report.page import page

ROOT = Path(__file__).parents[2]
PODSET = Path(__file__).parent / "podset"


@pytest.mark.parametrize("name", ["reference", "reference-kruise", "kubernetes", "openkruise"])
def test_every_shipped_profile_can_be_read(name: str) -> None:
    assert name in shipped()
    profile = Profile.load(name)
    assert profile.name == name
    assert profile.title
    assert all(known.why for known in profile.expected.values())


def test_a_profile_names_its_kind() -> None:
    assert Profile.load("openkruise").kind.group_version == "apps.kruise.io/v1beta1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[features]\nsurges = true", "features.surges: no such key"),
        ("[features]\nsurge = 1", "expected true or false"),
        ("[kind]\nresource = 'daemonsets'", "plural.version.group"),
        ("[pods]\nplacement = 'somewhere'", "pods.placement"),
        ("[expected-failures.AMO-99]\nwhy = 'x'", "no such row"),
        ("[expected-failures.AMO-01]\nworkaround = 'x'", "says `why`"),
        ("[kind]\ntemplate = 'podTemplate'", "kind.template: expected a path such as spec.template"),
        ("[kind]\nnudge = 3", "kind.nudge: expected a text"),
        ("[kind]\ncrds = ['nowhere.yaml']", "kind.crds: no such file"),
        ("[kind]\ncrds = 'nowhere.yaml'", "kind.crds: expected a list"),
        ("[pods]\nrevision_label = 'x'", "pods.revision_label: no such key; known are owner-api-version"),
        ("[timings]\nresync = '1m'", "timings.resync: expected a number"),
        ("[timings]\npatience = 0.5", "timings.patience: expected a number, no less than 1"),
        ("[timings]\nspeed = 2", "timings.speed: no such key"),
        ("[features", "cannot be read as TOML"),
        ("expected-failures = 3", "expected a table"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        Profile.load(str(path))


def test_timings_say_what_is_known_and_never_hurry_anybody(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[timings]\nback-off = 10\nresync = 30.5\nput-off = 4\npatience = 2")
    assert Profile.load(str(path)).kind.timings == Timings(back_off=10.0, resync=30.5, put_off=4.0, patience=2.0)
    assert Constants(base=30.0, barrier=20.0).patient(2.0).barrier == 40.0


def test_the_page_about_profiles_shows_one_that_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "podset.toml").write_text(block)
    (tmp_path / "podsets.yaml").write_text((PODSET / "podsets.yaml").read_text())
    told = Profile.load(str(tmp_path / "podset.toml"))
    assert told.kind.shape.template == "spec.podTemplate"
    keys = set(re.findall(r"^([\w-]+) = ", block, re.MULTILINE))
    assert kinds._KIND | kinds._PODS | set(kinds._LEAST) <= keys, "every key has an example"
    assert all(feature in text for feature in FEATURES)


def test_a_kind_of_another_shape_is_applied_patched_and_judged_at_its_own_paths(tmp_path: Path) -> None:
    rows = "PLACE-01,PLACE-11,PLACE-12,TAINT-11,GC-06,OWN-05,UPD-03,REV-03,REV-04,REV-10,STAT-05,KRU-01"
    run = verify("--rows", rows, "--profile", str(PODSET / "profile.toml"), cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "11 of 11 rows kept, 1 declared unsupported" in run.stdout
    assert "no such   KRU-01" in run.stdout


def test_a_kind_that_the_cluster_does_not_serve_is_a_command_that_cannot_be_carried_out(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text("[kind]\nresource = 'nodeagents.v1.example.com'")
    run = verify("--rows", "PLACE-01", "--profile", str(profile), cwd=tmp_path)
    assert run.returncode != 0
    assert "the cluster does not serve nodeagents.v1.example.com" in run.stdout + run.stderr


def test_a_kind_without_the_nudged_field_is_told_and_not_judged(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    told = (PODSET / "profile.toml").read_text()
    crds = str(PODSET / "podsets.yaml")
    profile.write_text(told.replace('"podsets.yaml"', f'"{crds}"').replace("[kind]", "[kind]\nnudge = 'spec.nothing'"))
    run = verify("--rows", "PLACE-02", "--profile", str(profile), cwd=tmp_path)
    assert run.returncode == 1
    assert "unsure    PLACE-02" in run.stdout
    assert "its generation did not rise when spec.nothing became" in run.stdout


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


def test_a_case_for_a_feature_that_is_not_offered_says_nothing_of_a_row_that_has_others() -> None:
    def report(told: list[str]) -> pytest.TestReport:
        made = pytest.TestReport("x", ("x", 1, "x"), {}, "passed", None, "call")
        setattr(made, "_daemonset_told", told)  # noqa: B010  (as `outcomes.tell` does)
        return made

    outcomes = Outcomes(frozenset(("STAT-11", "AMO-06")), Profile("mine"))
    for row, name, told in (
        ("STAT-11", "test_STAT_11[without surge]", ["passed", ""]),
        (
            "STAT-11",
            "test_STAT_11[with surge]",
            ["declared unsupported", "the profile mine says that there is no surge"],
        ),
        ("AMO-06", "test_AMO_06", ["declared unsupported", "the profile mine says that there is no surge"]),
    ):
        outcomes.expect(row, name)
        outcomes.add(row, name, report(told))
    assert (outcomes.of("STAT-11"), outcomes.of("AMO-06")) == ("passed", "declared unsupported")


@pytest.mark.parametrize(
    ("guard", "rows", "told"),
    [
        (
            "labelled_with_a_revision was broken [REV-03, REV-08]",
            3,
            "3 of the 3 broken rows ended because labelled_with_a_revision",
        ),
        (
            "labelled_with_a_revision was broken [REV-03, REV-08]",
            3,
            "or say `history = false` under [features] in a profile",
        ),
        (
            "status_consistent was broken [STAT-04]",
            3,
            "[STAT-04], which every row is watched for, was broken: mend that first",
        ),
        ("labelled_with_a_revision was broken [REV-03, REV-08]", 2, ""),
        ("one_pod_per_node did not come true within 3 s [PLACE-01]", 3, ""),
        ("no\n  status_consistent was broken [STAT-04]", 3, ""),
    ],
)
def test_what_many_rows_were_broken_by_is_told_once(guard: str, rows: int, told: str) -> None:
    ids = ["PLACE-01", "PLACE-03", "PLACE-04"][:rows]
    outcomes = Outcomes(frozenset(ids), Profile("mine"))
    for row in ids:
        made = pytest.TestReport("x", ("x", 1, "x"), {}, "failed", None, "call")
        setattr(made, "_daemonset_told", ["failed", f"DaemonSet a/b: {guard}"])  # noqa: B010  (as `outcomes.tell` does)
        outcomes.add(row, f"test_{row}", made)
    assert told in "".join(outcomes.causes())
    assert bool(outcomes.causes()) is bool(told)


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
            (ContractText("test_it", f"given {EVIL}", "issue 1", "two pods", "none"),),
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
        causes=(EVIL,),
    )


def test_the_json_form_is_keyed_by_row_and_has_a_version() -> None:
    told = json.loads(made(*OUTCOMES).as_json())
    assert told["schema"] == 1
    assert told["kept"] is False
    assert set(told["rows"]) == {f"AMO-{number:02}" for number in range(1, len(OUTCOMES) + 1)}
    assert told["rows"]["AMO-01"]["tests"][0]["told"] == EVIL
    assert told["summary"] == dict.fromkeys(OUTCOMES, 1)


SCHEMA = json.loads((Path(conformance.__file__).parent / "schema-1.json").read_text())


def test_every_report_is_of_the_form_that_its_schema_says() -> None:
    jsonschema.validate(json.loads(made(*OUTCOMES).as_json()), SCHEMA)
    assert SCHEMA["$defs"]["outcome"]["enum"] == list(OUTCOMES)
    wrong = json.loads(made("passed").as_json())
    wrong["rows"]["AMO-01"]["outcome"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_report_is_kept_only_if_every_row_was_judged_and_none_is_broken(outcome: str) -> None:
    assert made("passed", outcome).kept is (outcome not in ("failed", "inconclusive", "not reached"))
    assert (", not kept" in badge(made("passed", outcome))) is not made("passed", outcome).kept


class Reader(HTMLParser):
    """Notes tags that would run or load something, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe") or any(name == "src" for name, _ in attrs):
            self.loads.append(tag)
        if tag not in ("meta", "input"):
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
    assert text.count("<summary>what the contract says</summary>") == len(OUTCOMES) + 4, (
        "in each row, and in what is not kept"
    )
    assert escape(f"given {EVIL}") in text
    assert all(outcome in text for outcome in OUTCOMES)


def test_markdown_tells_the_outcomes() -> None:
    text = markdown(made(*OUTCOMES))
    assert "**1 of 6 rows kept, 1 declared unsupported**" in text
    assert text.count("## At most one") == 1
    assert "| [AMO-01](#amo-01) |" in text
    assert f"\n### AMO-01\n\ngiven {EVIL}\n\n- source: issue 1\n- it catches: two pods\n" in text


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
    jsonschema.validate(told, SCHEMA)
    units = (tmp_path / "told" / "junit.xml").read_text()
    assert '<property name="row" value="PLACE-03"' in units
    assert '<property name="contract" value="Given a nodeSelector' in units
    assert told["rows"]["PLACE-03"]["contract"][0]["promise"].startswith("Given a nodeSelector")
    assert told["rows"]["PLACE-03"]["outcome"] == "expected to fail"
    assert told["rows"]["PLACE-03"]["workaround"] == "use one label"
    assert told["rows"]["EVT-01"]["outcome"] == "declared unsupported"
    assert told["rows"]["PLACE-02"]["outcome"] == "passed"
    assert told["rows"]["KRU-04"]["outcome"] == "not yet checked"
    assert {path.name for path in (tmp_path / "told").iterdir()} == {
        "report.json",
        "report.md",
        "report.html",
        "junit.xml",
        "badge.svg",
    }
    again = verify(*rows, cwd=tmp_path)
    assert again.returncode == 1
    told = json.loads((tmp_path / "told" / "report.json").read_text())
    assert told["rows"]["PLACE-03"]["outcome"] == "failed"
    assert "mended" in told["rows"]["PLACE-03"]["told"]
