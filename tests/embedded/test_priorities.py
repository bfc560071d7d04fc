"""Pods have the priority of their class: as kube-apiserver 1.36.2 was seen to answer, word for word."""

from __future__ import annotations

from typing import Any

import pytest
from embedded_server import ALICE, make_api, pod

from pytest_daemonset.embedded import priorities
from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.statuses import StatusError

Object = dict[str, Any]
CLASSES = "priorityclasses.scheduling.k8s.io"


@pytest.fixture
def api() -> Api:
    made = make_api()
    priorities.provide(made, ALICE)
    return made


def add(api: Api, name: str, value: int = 5, **more: Any) -> Object:
    return api.create(ALICE, CLASSES, "", {"metadata": {"name": name}, "value": value, **more})


def given(api: Api, **spec: Any) -> Object:
    made = pod("p")
    made["spec"].update(spec)
    kept = api.create(ALICE, "pods", "here", made)["spec"]
    return {name: kept[name] for name in ("priority", "preemptionPolicy", "priorityClassName") if name in kept}


def refusal(api: Api, **spec: Any) -> str:
    with pytest.raises(StatusError) as refused:
        given(api, **spec)
    assert refused.value.code == 403
    return refused.value.message


def test_a_class_says_what_was_left_out(api: Api) -> None:
    made = add(api, "a")
    assert (made["preemptionPolicy"], made["metadata"]["generation"], "globalDefault" in made) == (
        "PreemptLowerPriority",
        1,
        False,
    )


def test_a_cluster_has_the_two_system_classes(api: Api) -> None:
    values = {each["metadata"]["name"]: each["value"] for each in api.list(CLASSES)}
    assert values == {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


@pytest.mark.parametrize(
    ("name", "said", "refused"),
    [
        (
            "b",
            {"value": 1_000_000_001},
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
        (
            "system-x",
            {},
            (
                "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
                "error: system-x is not a known system priority class"
            ),
        ),
        (
            "d",
            {"preemptionPolicy": "Maybe"},
            'preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"',
        ),
    ],
)
def test_a_class_that_cannot_be_is_refused(api: Api, name: str, said: Object, refused: str) -> None:
    with pytest.raises(StatusError) as caught:
        add(api, name, **said)
    assert (caught.value.code, caught.value.message) == (
        422,
        f'PriorityClass.scheduling.k8s.io "{name}" is invalid: {refused}',
    )


def test_what_a_class_is_worth_never_changes(api: Api) -> None:
    add(api, "a")
    with pytest.raises(StatusError) as caught:
        api.patch(ALICE, CLASSES, "", "a", {"value": 6, "preemptionPolicy": "Never"})
    assert caught.value.message == (
        'PriorityClass.scheduling.k8s.io "a" is invalid: [value: Forbidden: may not be changed in an update., '
        'preemptionPolicy: Invalid value: "Never": field is immutable]'
    )
    assert api.patch(ALICE, CLASSES, "", "a", {"description": "new"})["description"] == "new"


def test_one_class_only_is_the_default(api: Api) -> None:
    add(api, "e", 7, globalDefault=True)
    add(api, "a")
    for attempt in (
        lambda: add(api, "f", 8, globalDefault=True),
        lambda: api.patch(ALICE, CLASSES, "", "a", {"globalDefault": True}),
    ):
        with pytest.raises(StatusError) as caught:
            attempt()
        assert (
            "is forbidden: PriorityClass e is already marked as default. Only one default can exist"
            in caught.value.message
        )
    api.patch(ALICE, CLASSES, "", "e", {"description": "still the default"})


def test_a_pod_has_the_priority_of_its_class(api: Api) -> None:
    add(api, "a", preemptionPolicy="Never")
    assert given(api, priorityClassName="a") == {"priority": 5, "preemptionPolicy": "Never", "priorityClassName": "a"}


def test_a_pod_without_a_class_is_of_the_default_one_as_long_as_there_is_one(api: Api) -> None:
    add(api, "e", 7, globalDefault=True)
    assert given(api) == {"priority": 7, "preemptionPolicy": "PreemptLowerPriority", "priorityClassName": "e"}
    api.delete(ALICE, CLASSES, "", "e")
    api.delete(ALICE, "pods", "here", "p")
    assert given(api) == {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}


def test_a_pod_cannot_say_another_priority_than_its_class(api: Api) -> None:
    add(api, "a")
    computed = "priority admission controller computed"
    assert f"the integer value of priority (6) must not be provided in pod spec; {computed} 5" in refusal(
        api, priorityClassName="a", priority=6
    )
    assert f"the string value of PreemptionPolicy (Never) must not be provided in pod spec; {computed} Pree" in refusal(
        api, preemptionPolicy="Never"
    )
    assert "no PriorityClass with name vip was found" in refusal(api, priorityClassName="vip")
