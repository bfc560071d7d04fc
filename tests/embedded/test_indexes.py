"""Indexes: a list looks at what it returns, and finds what a look at everything would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_daemonset.embedded.indexes import BEGINNING
from pytest_daemonset.embedded.lists import Selector, listing, parse_labels
from pytest_daemonset.embedded.store import Store, Table

NAMESPACES = ["a", "a-b", "b"]
NAMES = ["x", "y", "z", "x-1"]
WORDS = ["", "1", "2", "10"]
LABELS = ["app", "zone"]
SELECTORS = [
    "", "app=1", "app==", "app!=1", "app in (1,2)", "app in (1,)", "app notin (1)", "app", "!app", "app>1", "zone<10",
    "app=1,zone=2", "app,zone!=2", "app in (1,2),zone in (2,10)", "app=1,app=2", "nowhere=1", "nowhere",
]  # fmt: skip
FIELDS = ["spec.nodeName=n1", "spec.nodeName!=n1", "metadata.name=x", "metadata.namespace=a"]


def put(store: Store, table: Table, key: tuple[str, str], labels: dict[str, str], node: str = "") -> None:
    namespace, name = key
    obj = {"metadata": {"name": name, "namespace": namespace, "labels": labels}}
    fields = {"metadata.name": name, "metadata.namespace": namespace, "spec.nodeName": node}
    store.put(table, obj, labels, fields)


def made() -> tuple[Store, Table]:
    store = Store()
    return store, store.add_table("pods", Table("v1", "Pod", 1000))


def filled(count: int) -> Table:
    store, table = made()
    for number in range(count):
        put(store, table, ("many", f"{number:05}"), {"app": "agent", "one": f"of-{number}"}, f"node-{number}")
    for number in range(3):
        put(store, table, ("few", f"{number}"), {"app": "agent", "team": "blue"}, "mine")
    return table


def looked_at(table: Table, selector: Selector, after: tuple[str, str] = BEGINNING) -> int:
    """How many objects a list would look at."""
    needed = [(each.label, each.values) for each in selector.requirements if each.needed]
    _, first, last = table.index.narrowed(selector.namespace, selector.equal or {}, needed, after)
    return last - first


def test_a_list_looks_at_what_it_returns() -> None:
    table = filled(1000)
    for selector, count in {
        Selector("few"): 3,
        Selector("few", parse_labels("app=agent")): 3,
        Selector("", parse_labels("team=blue")): 3,
        Selector("", parse_labels("team")): 3,
        Selector("", parse_labels("team in (blue,red)")): 3,
        Selector("", parse_labels("one in (of-1,of-2,of-x)")): 2,
        Selector("", parse_labels("app=agent,team=blue")): 3,
        Selector("", parse_labels("nowhere=1")): 0,
        Selector("many", parse_labels("team=blue")): 0,
    }.items():
        list(selector.find(table))  # of a selector with several labels, each list makes one index
        assert len(list(selector.find(table))) == looked_at(table, selector) == count, selector
    for equal, count in (
        ({"spec.nodeName": "mine"}, 3),
        ({"spec.nodeName": "node-7", "metadata.namespace": "many"}, 1),
        ({"metadata.name": "00007"}, 1),
        ({"metadata.name": "00007", "metadata.namespace": "few"}, 0),
        ({"metadata.namespace": "few"}, 3),
    ):
        assert len(list(Selector("", (), equal).find(table))) == looked_at(table, Selector("", (), equal)) == count
    assert looked_at(table, Selector(), ("many", "00990")) == 9


def test_a_page_looks_at_no_more_than_it_returns_and_one() -> None:
    table, seen = filled(1000), 0

    class Counted(dict[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            nonlocal seen
            seen += 1
            return super().__getitem__(key)

    table.entries = Counted(table.entries)
    served: Any = SimpleNamespace(table=table, kind=None)
    store: Any = SimpleNamespace(rv=5000)
    page = listing(store, served, "many", {"limit": "10"})
    assert (len(page.entries), page.remaining, seen) == (10, 990, 11)


def test_a_client_that_asks_for_ever_new_labels_makes_nothing_grow() -> None:
    store, table = made()
    put(store, table, ("a", "x"), {str(number): "v" for number in range(500)})
    for number in range(1000):
        assert len(list(Selector("", parse_labels(f"{number}=v")).find(table))) == (number < 500)
    assert sum(str(number) in table.index._labels for number in range(1000)) == 64


WRITE = st.tuples(
    st.sampled_from(NAMESPACES),
    st.sampled_from(NAMES),
    st.one_of(st.none(), st.dictionaries(st.sampled_from(LABELS), st.sampled_from(WORDS))),
    st.sampled_from(["", "n1", "n2"]),
)


def write(store: Store, table: Table, namespace: str, name: str, labels: dict[str, str] | None, node: str) -> None:
    """Keep an object, or take it away if it has no labels to say."""
    if labels is not None:
        put(store, table, (namespace, name), labels, node)
    elif (namespace, name) in table.entries:
        store.remove(table, (namespace, name))


@settings(deadline=None)
@given(
    st.lists(WRITE, min_size=10, max_size=25),
    st.lists(WRITE, min_size=2, max_size=10),
    st.one_of(st.just(""), st.sampled_from(SELECTORS)),
    st.one_of(st.just(""), st.sampled_from([*NAMESPACES, "c"])),
    st.one_of(st.just(""), st.sampled_from(FIELDS)),
    st.integers(1, 3),
)
def test_pages_are_what_a_look_at_everything_finds(before, between, labels, namespace, fields, limit) -> None:
    store, table = made()
    kind = SimpleNamespace(
        field_labels=lambda _: dict.fromkeys(["metadata.name", "metadata.namespace", "spec.nodeName"])
    )
    served: Any = SimpleNamespace(table=table, kind=kind)
    query = {"labelSelector": labels, "fieldSelector": fields}
    for each in before:
        write(store, table, *each)
        listing(store, served, namespace, query)  # the indexes are there from the beginning, and follow
    everything = sorted(table.entries.values(), key=lambda entry: entry.key)
    field, _, value = fields.replace("!", "").partition("=")
    expected = [
        entry
        for entry in everything
        if namespace in {"", entry.key[0]}
        and all(requirement.met(entry.labels) for requirement in parse_labels(labels))
        and (not fields or (entry.fields[field] == value) != ("!" in fields))
    ]
    assert listing(store, served, namespace, query).entries == expected
    found, rv, writes = [], store.rv, list(between)
    page = listing(store, served, namespace, {**query, "limit": str(limit)})
    while True:
        found += page.entries
        assert page.rv == rv
        if not (labels or fields):
            assert page.remaining == len(expected) - len(found)
        if not page.token:
            break
        for each in writes[:2]:
            write(store, table, *each)
        del writes[:2]
        page = listing(store, served, namespace, {**query, "limit": str(limit), "continue": page.token})
    assert found == expected
