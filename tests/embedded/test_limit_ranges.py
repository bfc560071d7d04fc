"""LimitRanges fill in what pods do not ask for and refuse what is beyond them: as kube-apiserver 1.36.2 was seen to do it."""

from __future__ import annotations

from typing import Any

import pytest
from embedded_server import ALICE, make_api, pod

from pytest_daemonset.embedded.api import Api
from pytest_daemonset.embedded.statuses import StatusError

Object = dict[str, Any]

CONTAINER = {
    "type": "Container",
    "max": {"cpu": "2"},
    "min": {"cpu": "100m"},
    "default": {"memory": "1Gi"},
    "maxLimitRequestRatio": {"cpu": "4"},
}


def limited(*items: Object) -> Api:
    api = make_api()
    api.create(ALICE, "limitranges", "here", {"metadata": {"name": "l"}, "spec": {"limits": list(items)}})
    return api


def asking(requests: Object | None = None, limits: Object | None = None) -> Object:
    made = pod("p")
    made["spec"]["containers"][0]["resources"] = {"requests": requests or {}, "limits": limits or {}}
    return made


def test_what_is_left_out_of_a_range_follows_from_the_rest() -> None:
    api = limited(CONTAINER)
    kept = api.get("limitranges", "here", "l")
    assert kept is not None
    said = kept["spec"]["limits"][0]
    assert said["default"] == said["defaultRequest"] == {"cpu": "2", "memory": "1Gi"}


def test_a_pod_gets_what_it_does_not_ask_for_and_is_told_so() -> None:
    api = limited(CONTAINER)
    given = asking({"memory": "10Mi"})
    given["spec"]["initContainers"] = [{"name": "i", "image": "x"}]
    made = api.create(ALICE, "pods", "here", given)
    container = made["spec"]["containers"][0]
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "10Mi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c; "
        "cpu, memory request for init container i; cpu, memory limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (asking({"cpu": "3"}, {"cpu": "3"}), "maximum cpu usage per Container is 2, but limit is 3"),
        (
            asking({"cpu": "50m"}),
            (
                "[minimum cpu usage per Container is 100m, but request is 50m, "
                "cpu max limit to request ratio per Container is 4, but provided ratio is 40.000000]"
            ),
        ),
        (
            asking({"cpu": "200m"}, {"cpu": "2"}),
            "cpu max limit to request ratio per Container is 4, but provided ratio is 10.000000",
        ),
        (asking(limits={"memory": "3Gi"}), "maximum memory usage per Pod is 2Gi, but limit is 3Gi"),
    ],
)
def test_a_pod_beyond_a_range_is_refused(given: Object, why: str) -> None:
    api = limited(CONTAINER, {"type": "Pod", "max": {"memory": "2Gi"}})
    with pytest.raises(StatusError) as refused:
        api.create(ALICE, "pods", "here", given)
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert refused.value.message == f'pods "p" is forbidden: {why}'
    api.create(ALICE, "namespaces", "", {"metadata": {"name": "elsewhere"}})
    api.create(ALICE, "pods", "elsewhere", given)


def test_a_range_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(StatusError) as refused:
        limited(
            {
                "type": "Container",
                "max": {"cpu": "1"},
                "min": {"cpu": "2"},
                "default": {"cpu": "3"},
                "defaultRequest": {"cpu": "4"},
            },
            {"type": "Pod", "default": {"cpu": "1"}},
            {"type": "Nope"},
            {"type": "Container"},
        )
    assert refused.value.code == 422
    for wrong in (
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "4": default request value 4 is greater than default limit value 3',
        "spec.limits[1].default: Forbidden: may not be specified when `type` is 'Pod'",
        'spec.limits[2].type: Invalid value: "Nope": must be a standard limit type or fully qualified',
        'spec.limits[3].type: Duplicate value: "Container"',
    ):
        assert wrong in refused.value.message
