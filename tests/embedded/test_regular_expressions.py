"""Regular expressions of users: none can hold up the server, and they are read as Go reads them."""

from __future__ import annotations

import pytest

from pytest_daemonset.embedded import regexes

pytest.importorskip("re2")


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|aa)*$", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_one_that_would_backtrack_without_end_is_answered(pattern: str) -> None:
    assert regexes.compiled(pattern).search("a" * 100_000 + "!") is None


def test_they_are_those_of_go() -> None:
    assert regexes.compiled(r"^\pL+\z").search("Größe")
    assert not regexes.compiled("^a$").search("a\n")
    for beyond in ("(?=a)", r"(a)\1", "("):
        with pytest.raises(ValueError, match=r".+"):
            regexes.compiled(beyond)
