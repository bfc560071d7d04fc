"""Eligibility, rule by rule, with its reasons; and against a second, naive formulation of the same rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_daemonset.contract import expected_tolerations, explain, may_start, may_stay
from pytest_daemonset.contract.node_selection import affinity_match
from pytest_daemonset.contract.views import Node
from pytest_daemonset.errors import UsageError


def node(name: str = "n1", labels: dict[str, str] | None = None, taints: list[dict[str, Any]] | None = None) -> Any:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": taints or []}}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    selection = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"spec": {"affinity": {"nodeAffinity": selection}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


def field(operator: str, *values: str, key: str = "metadata.name") -> dict[str, Any]:
    return {"matchFields": [{"key": key, "operator": operator, "values": list(values)}]}


LABELLED = node(labels={"zone": "a", "rank": "5", "word": "high", "empty": ""})


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (expression("zone", "In", "a", "b"), True),
        (expression("zone", "In", "b"), False),
        (expression("absent", "In", "a"), False),
        (expression("empty", "In", ""), True),
        (expression("zone", "NotIn", "a"), False),
        (expression("zone", "NotIn", "b"), True),
        (expression("absent", "NotIn", "a"), True),
        (expression("empty", "Exists"), True),
        (expression("absent", "Exists"), False),
        (expression("zone", "DoesNotExist"), False),
        (expression("absent", "DoesNotExist"), True),
        (expression("rank", "Gt", "4"), True),
        (expression("rank", "Gt", "5"), False),
        (expression("rank", "Lt", "6"), True),
        (expression("rank", "Lt", "5"), False),
        (expression("rank", "Lt", "06"), True),
        (expression("word", "Gt", "4"), False),
        (expression("word", "Lt", "4"), False),
        (expression("absent", "Gt", "4"), False),
        (field("In", "n1"), True),
        (field("In", "n2"), False),
        (field("NotIn", "n1"), False),
        (field("NotIn", "n2"), True),
        (field("In", "x", key="metadata.namespace"), False),
        ({**expression("zone", "In", "a"), **field("In", "n1")}, True),
        ({**expression("zone", "In", "b"), **field("In", "n1")}, False),
        ({**expression("zone", "In", "a"), **field("In", "n2")}, False),
    ],
)
def test_a_term_matches_by_all_its_requirements(term: dict[str, Any], expected: bool) -> None:
    assert may_start(LABELLED, required(term)).truth is expected
    assert may_stay(LABELLED, required(term)).truth is expected


@pytest.mark.parametrize(
    ("term", "why"),
    [
        ({}, "it is empty"),
        ({"matchExpressions": [], "matchFields": []}, "it is empty"),
        (expression("zone", "In"), "In needs values"),
        (expression("zone", "NotIn"), "NotIn needs values"),
        (expression("zone", "Exists", "a"), "Exists takes no values"),
        (expression("absent", "DoesNotExist", "a"), "DoesNotExist takes no values"),
        (expression("rank", "Gt"), "Gt takes exactly one value"),
        (expression("rank", "Gt", "1", "2"), "Gt takes exactly one value"),
        (expression("rank", "Gt", "high"), "Gt takes an integer"),
        (expression("rank", "Gt", " 4"), "Gt takes an integer"),
        (expression("rank", "Gt", "1_0"), "Gt takes an integer"),
        (expression("rank", "Lt", "٦"), "Lt takes an integer"),
        (expression("rank", "Lt", "9223372036854775808"), "Lt takes an integer"),
        (expression("rank", "Lt", "9" * 64), "Lt takes an integer"),
        (expression("rank", "Gt", "-1"), "'-1' can be no label's value"),
        (expression("zone", "NotIn", "b c"), "'b c' can be no label's value"),
        (expression("zone", "NotIn", "b" * 64), "can be no label's value"),
        (expression("zone", "Matches", "a"), "'Matches' is no operator"),
        (expression("", "DoesNotExist"), "its key is no label key"),
        (expression("a b", "DoesNotExist"), "its key is no label key"),
        (expression("Upper.example/x", "DoesNotExist"), "its key is no label key"),
        (expression("/x", "DoesNotExist"), "its key is no label key"),
        (field("Exists"), "a field takes In or NotIn"),
        (field("NotIn", "n2", "n3"), "a field takes exactly one value"),
    ],
)
def test_a_term_that_is_empty_or_cannot_be_parsed_matches_nothing_and_spares_the_others(
    term: dict[str, Any], why: str
) -> None:
    alone = may_start(LABELLED, required(term))
    assert not alone
    assert alone.rule == "node affinity"
    assert why in alone.reason
    assert may_start(LABELLED, required(term, expression("zone", "In", "a")))


def test_a_prefixed_key_is_a_label_key() -> None:
    assert may_start(node(), required(expression("node.kubernetes.io/x", "DoesNotExist")))


def test_an_affinity_without_terms_matches_nothing_and_none_at_all_everything() -> None:
    assert "has no terms" in may_start(node(), required()).reason
    assert may_start(node(), {"spec": {"affinity": {"nodeAffinity": {}}}})
    assert may_start(node(), {"spec": {"affinity": None, "nodeSelector": None, "tolerations": None}})
    assert may_start(node(), {})


def test_the_term_that_matches_is_named() -> None:
    decision = may_start(LABELLED, required(expression("zone", "In", "b"), expression("rank", "Gt", "1")))
    assert decision.because == "no untolerated taint, term 2 of the required node affinity matches (rank Gt [1])"
    with pytest.raises(ValueError, match="n1"):
        affinity_match(Node(LABELLED), {"nodeSelectorTerms": [{}]})


def test_each_rule_gives_its_reason() -> None:
    tainted = node(taints=[{"key": "dedicated", "value": "db", "effect": "NoSchedule"}])
    named = may_start(node(), {"spec": {"nodeName": "n2"}})
    assert (named.rule, named.reason) == ("node name", "n1 may not start a pod: the template names node n2")
    selected = may_stay(LABELLED, {"spec": {"nodeSelector": {"zone": "b", "disk": "ssd"}}})
    assert selected.reason == (
        "n1 may not keep a pod: the node selector asks for zone=b and the node has zone=a; "
        "the node selector asks for disk=ssd and the node has no label disk"
    )
    affine = may_start(LABELLED, required(expression("zone", "In", "b"), field("In", "n2")))
    assert affine.reason == (
        "n1 may not start a pod: no term of the required node affinity matches "
        "(term 1: zone In [b] is asked for and the node has zone=a; "
        "term 2: metadata.name In [n2] is asked for and the node is n1)"
    )
    kept_away = may_start(tainted, {})
    assert kept_away.reason == "n1 may not start a pod: no toleration matches its taint dedicated=db:NoSchedule"
    assert (
        may_stay(tainted, {}).reason
        == "n1 may keep a pod: its untolerated taint dedicated=db:NoSchedule only keeps new pods away"
    )
    assert (
        str(may_start(LABELLED, {"spec": {"nodeSelector": {"zone": "a"}, "nodeName": "n1"}}))
        == "n1 may start a pod: no untolerated taint, the template names it, node selector zone=a matches"
    )


@pytest.mark.parametrize(
    ("toleration", "matches"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoExecute"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Equal", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoExecute", "tolerationSeconds": 0}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "k"}, False),
        ({"key": "k", "operator": "Lt", "value": "v"}, False),
        ({"key": "k", "operator": "Gt", "value": "v"}, False),
        ({"key": "k", "operator": "exists"}, False),
    ],
)
def test_a_toleration_matches_by_key_operator_value_and_effect(toleration: dict[str, Any], matches: bool) -> None:
    tainted = node(taints=[{"key": "k", "value": "v", "effect": "NoExecute"}])
    assert may_start(tainted, {"spec": {"tolerations": [toleration]}}).truth is matches


def test_a_taint_without_a_value_equals_a_toleration_without_one() -> None:
    assert may_start(node(taints=[{"key": "k", "effect": "NoSchedule"}]), {"spec": {"tolerations": [{"key": "k"}]}})


def test_a_standard_toleration_with_a_time_limit_becomes_unlimited_in_its_place() -> None:
    own = {"key": "my", "value": "v"}
    limited = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 5,
    }
    template = {"spec": {"tolerations": [own, limited, own]}}
    expected = expected_tolerations(template)
    assert expected[:3] == [own, {k: v for k, v in limited.items() if k != "tolerationSeconds"}, own]
    assert [toleration["key"].partition("/")[2] for toleration in expected[3:]] == [
        "not-ready",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    ]
    assert template["spec"]["tolerations"] == [own, limited, own]


def test_a_toleration_that_spells_its_operator_otherwise_is_another_one() -> None:
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Equal", "effect": "NoExecute"}
    assert len(expected_tolerations({"spec": {"tolerations": [own]}})) == 7


# A second formulation: no reasons, no order, every rule as one line over sets.

KEYS, VALUES = ["a", "b"], ["", "1", "2", "10", "x"]
EFFECTS = ["NoSchedule", "NoExecute", "PreferNoSchedule"]
STANDARD = {
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    *((pressure, "NoSchedule") for pressure in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")),
}

labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
taints = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([*KEYS, *(f"node.kubernetes.io/{name}" for name, _ in sorted(STANDARD))]),
            "value": st.sampled_from(VALUES),
            "effect": st.sampled_from(EFFECTS),
        }
    ),
    max_size=3,
)
requirements = st.fixed_dictionaries(
    {
        "key": st.sampled_from(KEYS),
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
        "values": st.lists(st.sampled_from(VALUES), max_size=2),
    }
)
name_fields = st.fixed_dictionaries(
    {
        "key": st.just("metadata.name"),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.lists(st.sampled_from(["n1", "n2"]), max_size=2),
    }
)
terms = st.fixed_dictionaries(
    {"matchExpressions": st.lists(requirements, max_size=2), "matchFields": st.lists(name_fields, max_size=1)}
)
tolerations = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(["Exists", "Equal", "Lt"]),
            "value": st.sampled_from(VALUES),
            "effect": st.sampled_from(EFFECTS),
        },
    ),
    max_size=2,
)


def naive_requirement(requirement: dict[str, Any], seen: str | None) -> bool:
    operator, values = requirement["operator"], requirement["values"]
    wellformed = {
        "In": bool(values),
        "NotIn": bool(values),
        "Exists": not values,
        "DoesNotExist": not values,
        "Gt": len(values) == 1 and values[0].isdigit(),
        "Lt": len(values) == 1 and values[0].isdigit(),
    }[operator]
    numeric = wellformed and seen is not None and seen.isdigit()
    holds = {
        "In": seen in values,
        "NotIn": seen not in values,
        "Exists": seen is not None,
        "DoesNotExist": seen is None,
        "Gt": numeric and operator == "Gt" and int(seen or 0) > int(values[0]),
        "Lt": numeric and operator == "Lt" and int(seen or 0) < int(values[0]),
    }[operator]
    return wellformed and holds


def naive_term(term: dict[str, Any], labels: dict[str, str]) -> bool:
    by_label = [naive_requirement(each, labels.get(each["key"])) for each in term["matchExpressions"]]
    by_name = [len(each["values"]) == 1 and naive_requirement(each, "n1") for each in term["matchFields"]]
    return bool(by_label + by_name) and all(by_label + by_name)


def naive_untolerated(taints: list[dict[str, Any]], tolerations: list[dict[str, Any]]) -> set[str]:
    def spared(taint: dict[str, Any]) -> bool:
        if (taint["key"].partition("/")[2], taint["effect"]) in STANDARD:
            return True
        return any(
            toleration.get("key", taint["key"]) == taint["key"]
            and toleration.get("effect", taint["effect"]) == taint["effect"]
            and {
                "Exists": True,
                "Equal": toleration.get("value", "") == taint["value"],
            }.get(toleration.get("operator", "Equal"), False)
            for toleration in tolerations
        )

    return {taint["effect"] for taint in taints if not spared(taint)} - {"PreferNoSchedule"}


@given(
    labels=labels,
    taints=taints,
    name=st.sampled_from([None, "n1", "n2"]),
    selector=labels,
    terms=st.none() | st.lists(terms, max_size=2),
    tolerations=tolerations,
)
def test_two_formulations_of_the_rules_agree(
    labels: dict[str, str],
    taints: list[dict[str, Any]],
    name: str | None,
    selector: dict[str, str],
    terms: list[dict[str, Any]] | None,
    tolerations: list[dict[str, Any]],
) -> None:
    template = required(*terms) if terms is not None else {"spec": {}}
    template["spec"] |= {"nodeName": name, "nodeSelector": selector, "tolerations": tolerations}
    chosen = name in (None, "n1") and selector.items() <= labels.items()
    chosen = chosen and (terms is None or any(naive_term(term, labels) for term in terms))
    untolerated = naive_untolerated(taints, tolerations)
    stored = node(labels=labels, taints=taints)
    assert may_start(stored, template).truth == (chosen and not untolerated)
    assert may_stay(stored, template).truth == (chosen and "NoExecute" not in untolerated)


# Explanations


def test_an_explanation_says_for_each_node_whether_it_gets_a_pod_and_why() -> None:
    daemonset = {"spec": {"template": {"spec": {"nodeSelector": {"zone": "a"}}}}}
    tainted = node("n3", {"zone": "a"}, [{"key": "k", "effect": "NoSchedule"}])
    told = explain(daemonset, {"kind": "NodeList", "items": [node("n1", {"zone": "a"}), node("n2"), tainted]})
    assert [str(each) for each in told] == [
        "n1 gets a pod: no untolerated taint, node selector zone=a matches",
        "n2 gets no pod: the node selector asks for zone=a and the node has no label zone",
        "n3 gets no pod: no toleration matches its taint k:NoSchedule; a pod that is there already stays",
    ]
    assert [each.node for each in explain(daemonset, tainted)] == ["n3"]
    assert [each.node for each in explain(daemonset, iter([tainted]))] == ["n3"]


def test_an_explanation_refuses_what_is_no_daemonset_or_no_node() -> None:
    with pytest.raises(UsageError, match=r"spec\.template"):
        explain({"kind": "Pod", "spec": {}}, [])
    with pytest.raises(UsageError, match=r"item 1 has no metadata\.name"):
        explain({"spec": {"template": {}}}, [node(), {"metadata": {}}])


@pytest.mark.parametrize(
    ("key", "value", "parsed"),
    [
        ("k" * 63, "v" * 63, True),
        ("k" * 64, "v", False),
        ("k", "v" * 64, False),
        ("p" * 253 + "/k", "v", True),
        ("p" * 254 + "/k", "v", False),
    ],
)
def test_keys_and_values_have_a_longest_length(key: str, value: str, parsed: bool) -> None:
    assert may_start(node(), required(expression(key, "NotIn", value))).truth is parsed
