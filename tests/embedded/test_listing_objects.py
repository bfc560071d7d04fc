"""Lists: selectors, pages that stay at one version, and what resourceVersion asks for."""

from __future__ import annotations

import orjson
import pytest
from embedded_server import ALICE, config_map, make_api, pod

from pytest_daemonset.embedded import lists
from pytest_daemonset.embedded.statuses import StatusError


def _matching(text: str, **labels: str) -> bool:
    return all(requirement.met(labels) for requirement in lists.parse_labels(text))


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "2"}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1, 2)", {"a": "2"}, True),
        ("a in (1,2)", {}, False),
        ("a notin (1)", {}, True),
        ("a notin (1)", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a>3", {"a": "4"}, True),
        ("a<3", {"a": "4"}, False),
        ("a>3", {"a": "x"}, False),
        ("a=", {"a": ""}, True),
        ("a=,b=2", {"a": "", "b": "2"}, True),
        ("a=1,b in (x,y),!c", {"a": "1", "b": "y"}, True),
        ("example.com/role=x", {"example.com/role": "x"}, True),
    ],
)
def test_a_label_selector_means_what_it_says(text, labels, expected):
    assert _matching(text, **labels) is expected


@pytest.mark.parametrize("text", ["a===b", "a in b", "a b=c", "a=b c", "=a", "a>x", "a in (b", "a=b,", "!", "a=-b"])
def test_a_label_selector_that_cannot_be_read_is_a_bad_request(text):
    with pytest.raises(StatusError) as error:
        lists.parse_labels(text)
    assert (error.value.code, error.value.reason) == (400, "BadRequest")


def _listed(api, resource: str = "configmaps", namespace: str = "here", **query: str) -> dict:
    served = api.served[resource]
    return orjson.loads(lists.encode(served, lists.listing(api.store, served, namespace, query)))


def _names(listed: dict) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


def test_a_list_is_sorted_and_its_items_name_no_kind():
    api = make_api()
    for name in ("b", "a"):
        api.create(ALICE, "configmaps", "here", config_map(name))
    listed = _listed(api)
    assert _names(listed) == ["a", "b"]
    assert "kind" not in listed["items"][0]
    assert (listed["kind"], listed["apiVersion"], listed["metadata"]) == (
        "ConfigMapList",
        "v1",
        {"resourceVersion": "3"},
    )


def test_field_selectors_pick_by_equality_and_inequality():
    api = make_api()
    for name, node in (("p1", "n1"), ("p2", "n2"), ("p3", "")):
        api.create(ALICE, "pods", "here", pod(name, node))
    assert _names(_listed(api, "pods", fieldSelector="spec.nodeName=n1")) == ["p1"]
    assert _names(_listed(api, "pods", fieldSelector="spec.nodeName!=n1,metadata.namespace=here")) == ["p2", "p3"]
    assert _names(_listed(api, "pods", namespace="", fieldSelector="spec.nodeName=,status.phase==Pending")) == ["p3"]
    assert _names(_listed(api, "pods", namespace="", fieldSelector="metadata.name=p2")) == ["p2"]


def test_an_unknown_field_label_is_a_bad_request():
    with pytest.raises(StatusError) as error:
        _listed(make_api(), "pods", fieldSelector="spec.bogus=x")
    assert error.value.message == "field label not supported: spec.bogus"


def test_pages_show_one_version_whatever_is_written_between_them():
    api = make_api()
    for name in "abcde":
        api.create(ALICE, "configmaps", "here", config_map(name))
    first = _listed(api, limit="2")
    api.delete(ALICE, "configmaps", "here", "d")
    api.create(ALICE, "configmaps", "here", config_map("bb"))
    second = _listed(api, limit="2", **{"continue": first["metadata"]["continue"]})
    third = _listed(api, limit="2", **{"continue": second["metadata"]["continue"]})
    assert [*_names(first), *_names(second), *_names(third)] == list("abcde")
    assert first["metadata"]["remainingItemCount"] == 3
    assert {page["metadata"]["resourceVersion"] for page in (first, second, third)} == {"6"}
    assert "continue" not in third["metadata"]


def test_pages_of_a_selector_stay_at_their_version_whatever_enters_and_leaves_it():
    api = make_api()
    for name in "abcd":
        api.create(ALICE, "configmaps", "here", config_map(name, team="red" if name == "c" else "blue"))
    first = _listed(api, limit="1", labelSelector="team=blue")
    for name, team in (("b", "red"), ("c", "blue")):
        api.patch(ALICE, "configmaps", "here", name, {"metadata": {"labels": {"team": team}}})
    rest = _listed(api, labelSelector="team=blue", **{"continue": first["metadata"]["continue"]})
    assert [*_names(first), *_names(rest)] == ["a", "b", "d"]
    assert "remainingItemCount" not in first["metadata"]
    assert _names(_listed(api, labelSelector="team=blue")) == ["a", "c", "d"]


def test_a_page_of_a_forgotten_version_is_gone():
    api = make_api(ring=2)
    for name in "abc":
        api.create(ALICE, "configmaps", "here", config_map(name))
    token = _listed(api, limit="1")["metadata"]["continue"]
    for name in "def":
        api.create(ALICE, "configmaps", "here", config_map(name))
    with pytest.raises(StatusError) as error:
        _listed(api, limit="1", **{"continue": token})
    assert (error.value.code, error.value.reason) == (410, "Expired")


FIRST = lists._continue(1, ("here", "a"))


def test_a_page_may_say_that_any_version_will_do():
    assert _names(_listed(make_api(), **{"continue": FIRST, "resourceVersion": "0"})) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"continue": "garbage"}, 400),
        ({"resourceVersion": "abc"}, 400),
        ({"resourceVersion": "99"}, 504),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "1", "resourceVersionMatch": "Roughly"}, 422),
        ({"limit": "many"}, 400),
        ({"continue": FIRST, "resourceVersion": "1"}, 400),
        ({"continue": "garbage", "resourceVersion": "1"}, 400),
    ],
)
def test_list_options_that_make_no_sense_are_refused(query, code):
    with pytest.raises(StatusError) as error:
        _listed(make_api(), **query)
    assert error.value.code == code


def test_an_exact_version_shows_the_past_and_not_older_than_the_present():
    api = make_api()
    api.create(ALICE, "configmaps", "here", config_map("a"))
    api.create(ALICE, "configmaps", "here", config_map("b"))
    assert _names(_listed(api, resourceVersion="2", resourceVersionMatch="Exact")) == ["a"]
    assert _names(_listed(api, resourceVersion="2", resourceVersionMatch="NotOlderThan")) == ["a", "b"]
    assert _names(_listed(api, resourceVersion="2")) == ["a", "b"]
