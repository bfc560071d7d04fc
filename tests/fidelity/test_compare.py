"""The comparison of answers itself: what differs is told, what may differ is not."""

from __future__ import annotations

from typing import Any

import pytest
from compare import Symbols, differences

UID = "6f5684cf-1a62-462c-b37d-8a9b745952d8"
OTHER = "d0498ce8-5c84-4dce-a90e-2674825c02a3"


def differ(expected: Any, actual: Any, symbols: Symbols | None = None) -> list[str]:
    return list(differences(expected, actual, "", symbols or Symbols()))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": "<time>"}, {"a": "2026-01-01T00:00:00Z"}),
        ({"a": "<uid:1>", "b": "<uid:1>", "c": "<uid:2>"}, {"a": UID, "b": UID, "c": OTHER}),
        ({"a": "<rv:1>", "b": "<rv:2>", "c": "<rv:2>"}, {"a": "9", "b": "10", "c": "10"}),
        ({"name": "gen-<gen:1>"}, {"name": "gen-x7k2p"}),
        ({"kind": "Status", "message": "so"}, {"kind": "Status", "message": "otherwise"}),
    ],
)
def test_answers_that_mean_the_same_agree(expected: Any, actual: Any) -> None:
    assert differ(expected, actual) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ({"a": [1]}, {"a": [1, 2]}),
        ({"a": {}}, {"a": None}),
        ({"a": "<time>"}, {"a": None}),
        ({"a": "<time>"}, {"a": "now"}),
        ({"a": "<uid:1>"}, {"a": "1"}),
        ({"a": "<uid:1>", "b": "<uid:1>"}, {"a": UID, "b": OTHER}),
        ({"a": "<uid:1>", "b": "<uid:2>"}, {"a": UID, "b": UID}),
        ({"a": "<rv:1>", "b": "<rv:2>"}, {"a": "10", "b": "9"}),
        ({"a": "<rv:1>", "b": "<rv:2>"}, {"a": "9", "b": "9"}),
        ({"type": "Ready", "message": "m"}, {"type": "Ready", "message": "other"}),
        ({"name": "gen-<gen:1>"}, {"name": "gen-"}),
    ],
)
def test_answers_that_differ_are_told(expected: Any, actual: Any) -> None:
    assert len(differ(expected, actual)) == 1


def test_a_lists_resource_version_may_be_that_of_the_last_write_but_not_older() -> None:
    expected = [{"a": "<rv:7>"}, {"kind": "PodList", "metadata": {"resourceVersion": "<rv:8>"}}]
    listed = {"kind": "PodList", "metadata": {"resourceVersion": "11"}}
    assert differ(expected, [{"a": "11"}, listed]) == []
    assert len(differ(expected, [{"a": "12"}, listed])) == 1
