"""docs/unimitated.md names all that is answered with 501, and nothing that is served."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_daemonset.embedded import discovery
from pytest_daemonset.embedded.kinds import ALL_KINDS
from pytest_daemonset.embedded.reviews import REVIEWS

TEXT = (Path(__file__).parents[2] / "docs/unimitated.md").read_text(encoding="utf-8")
REFUSED = set(re.findall(r"`([^`]+)`", TEXT.partition("## Always empty")[0]))
EMPTY = set(re.findall(r"^- .*", TEXT.partition("## Always empty")[2].partition("## Answered, but")[0], re.MULTILINE))


def test_every_resource_group_and_path_that_is_refused_is_named() -> None:
    served = {kind.group for kind in ALL_KINDS}
    groups = discovery._UNIMITATED_GROUPS - served
    paths = {path for path in discovery._UNIMITATED_PATHS if path.count("/") == 1}
    resources = {name for _, name in discovery.UNIMITATED}
    assert not (resources | groups | paths) - REFUSED


def test_nothing_that_is_served_is_named_as_refused() -> None:
    served = {kind.plural for kind in ALL_KINDS} | {
        f"{kind.plural}/{part}" for kind in ALL_KINDS for part in kind.subresources
    }
    served |= {kind.plural for kind in REVIEWS}
    assert REFUSED & served == {"pods/binding"}


def test_every_kind_of_which_there_is_never_one_is_named() -> None:
    named = {name for line in EMPTY for name in re.findall(r"`([^`]+)`", line)}
    assert named == {kind.plural for kind in ALL_KINDS if kind.empty}
