"""Quantities are spelled as Kubernetes spells them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_daemonset.embedded.kinds.quantity import canonical, value


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("0", "0"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("512Mi", "512Mi"),
        ("1023Ki", "1023Ki"),
        ("100m", "100m"),
        ("1e3", "1e3"),
        ("0.1Ki", "102400m"),
        ("-1500m", "-1500m"),
        ("2", "2"),
        (".5", "500m"),
        ("1.", "1"),
        ("1E", "1E"),
        ("1E3", "1e3"),
        ("0.0000000001", "1n"),
    ],
)
def test_a_quantity_has_one_spelling(text: str, spelled: str) -> None:
    assert canonical(text) == spelled


@pytest.mark.parametrize("text", ["", "one", "1 Gi", "1gi", "--1", "1e", "Gi", "1_000", "١"])
def test_what_is_no_quantity_has_none(text: str) -> None:
    assert canonical(text) is None
    assert value(text) is None


@given(
    number=st.integers(-(10**9), 10**9),
    digits=st.integers(0, 999),
    suffix=st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]),
)
def test_the_spelling_means_the_same_and_is_its_own_spelling(number: int, digits: int, suffix: str) -> None:
    text = f"{number}.{digits:03}{suffix}"
    spelled = canonical(text)
    assert spelled is not None
    assert canonical(spelled) == spelled
    meant, told = value(text), value(spelled)
    assert meant is not None
    assert told is not None
    assert abs(meant - told) < Fraction(1, 10**9)
