"""Names, labels and taints are checked before a cluster is asked, and providers say what they cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_daemonset.errors import UsageError
from pytest_daemonset.nodes import NodePool, Nodes, NodeSpec, Taint
from pytest_daemonset.nodes.spec import taints_of
from pytest_daemonset.observe.portal import Portal
from pytest_daemonset.observe.scope import Scope

if TYPE_CHECKING:
    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.nodes import NodeProvider


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dedicated=db:NoSchedule", Taint("dedicated", "NoSchedule", "db")),
        ("example.com/gpu:NoExecute", Taint("example.com/gpu", "NoExecute")),
        ({"key": "soft", "effect": "PreferNoSchedule"}, Taint("soft", "PreferNoSchedule")),
    ],
)
def test_taints_are_read_as_kubectl_and_the_api_write_them(text: Any, expected: Taint) -> None:
    assert Taint.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("dedicated", "a taint is written"),
        ("dedicated=db:Never", "the effect 'Never' is none of NoSchedule, PreferNoSchedule, NoExecute"),
        ("a b:NoSchedule", "'a b' cannot be a key"),
        ("a=b c:NoSchedule", "'b c' cannot be the value of 'a'"),
        ("=db:NoSchedule", "'' cannot be a key"),
        ({"key": "a", "effekt": "NoSchedule"}, "not effekt"),
        (7, "a taint is written"),
    ],
)
def test_what_is_no_taint_is_refused(text: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Taint.parse(text)


def test_one_string_is_no_list_of_taints() -> None:
    with pytest.raises(UsageError, match="taints is a list"):
        taints_of("a:NoSchedule")


@pytest.mark.parametrize("name", ["", "Node", "a_b", "-a", "a-", "a..b", "a" * 254])
def test_names_that_the_api_would_refuse_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a node"):
        NodeSpec(name)


@pytest.mark.parametrize(
    "labels", [{"a": "b c"}, {"a": 1}, {"a/b/c": "x"}, {"UPPER.example/x": "x"}, {"a": "x" * 64}, {"-a": "x"}]
)
def test_labels_that_the_api_would_refuse_are_refused(labels: Any) -> None:
    with pytest.raises(UsageError, match=r"cannot be|must be"):
        NodeSpec("n", labels=labels)


def test_good_labels_pass() -> None:
    NodeSpec("n", labels={"example.com/zone": "b", "empty": "", "x": "A-b_c.9"}, annotations={"note": "any: text"})


class FixedNodes:
    """A provider of nodes that only are there."""

    kind = "kubeconfig"
    capabilities: frozenset[str] = frozenset()


def test_a_verb_that_the_provider_lacks_is_told_when_it_is_called() -> None:
    pool = NodePool(cast("Client", None), cast("NodeProvider", FixedNodes()))
    nodes = Nodes(pool, Scope(Portal()))
    with pytest.raises(UsageError, match=r"join: kubeconfig nodes have no capability 'join' \(they have: nothing\)"):
        nodes.join()
    with pytest.raises(UsageError, match="no capability 'behave'"):
        nodes.behave(start=False)
    with pytest.raises(UsageError, match="no capability 'pods'"):
        nodes.fail("default/p")
    assert len(nodes) == 0
