"""The store: versions rise, the ring is bounded, indexes follow, the past can be told while the ring holds it."""

from __future__ import annotations

import pytest

from pytest_daemonset.embedded.store import CompactedError, Store, Table


def _obj(name: str, namespace: str = "ns", **spec: str) -> dict:
    return {
        "kind": "Thing",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "uid": f"u-{name}"},
        "spec": spec,
    }


def _put(store: Store, table: Table, name: str, node: str = "", namespace: str = "ns"):
    return store.put(table, _obj(name, namespace, node=node), {}, {"metadata.name": name, "node": node})


def _table(store: Store, ring: int = 10) -> Table:
    return store.add_table("things", Table("v1", "Thing", ring))


def test_every_write_gets_a_higher_version_across_all_tables():
    store = Store()
    things, others = _table(store), store.add_table("others", Table("v1", "Other", 10))
    versions = [_put(store, table, "a").rv for table in (things, others, things, others)]
    assert versions == [1, 2, 3, 4]
    assert store.remove(things, ("ns", "a")).rv == 5


def test_an_entry_tells_its_version_kind_and_bytes():
    store = Store()
    entry = _put(store, _table(store), "a").entry
    assert entry.object == {**_obj("a", node=""), "metadata": {**_obj("a")["metadata"], "resourceVersion": "1"}}
    assert entry.encoded.startswith(b'{"kind":"Thing","apiVersion":"v1","metadata"')
    assert entry.raw.startswith(b'{"metadata"')
    assert (entry.uid, entry.deleting) == ("u-a", False)


def test_a_deleted_object_is_told_in_its_last_state_under_the_version_of_its_end():
    store = Store()
    table = _table(store)
    _put(store, table, "a", node="n1")
    change = store.remove(table, ("ns", "a"))
    assert (change.type, change.entry.object["spec"], change.entry.object["metadata"]["resourceVersion"]) == (
        "DELETED",
        {"node": "n1"},
        "2",
    )
    assert len(table) == 0


def test_a_namespace_is_told_from_the_others():
    store = Store()
    table = _table(store)
    _put(store, table, "a", namespace="one")
    _put(store, table, "a", namespace="two")
    assert [entry.key for entry in table.within("two")] == [("two", "a")]
    assert table.within("three") == []
    assert (table.holds("two"), table.holds("tw")) == (True, False)


def test_the_changes_since_a_version_come_in_order():
    store = Store()
    table = _table(store)
    for name in "abcd":
        _put(store, table, name)
    assert [change.rv for change in table.since(2)] == [3, 4]
    assert table.since(4) == []


def test_a_version_before_the_ring_is_compacted():
    store = Store()
    table = _table(store, ring=2)
    for name in "abcd":
        _put(store, table, name)
    assert [change.rv for change in table.since(2)] == [3, 4]
    with pytest.raises(CompactedError) as error:
        table.since(1)
    assert (error.value.asked, error.value.oldest) == (1, 2)


def test_the_ring_never_grows_beyond_its_size():
    store = Store()
    table = _table(store, ring=3)
    for turn in range(50):
        _put(store, table, "a", node=str(turn))
    assert len(table.ring) == 3
    assert table.compacted == 47


def test_the_past_is_told_by_undoing_what_came_later():
    store = Store()
    table = _table(store)
    _put(store, table, "a", node="n1")
    _put(store, table, "b")
    _put(store, table, "a", node="n2")
    store.remove(table, ("ns", "b"))
    _put(store, table, "c")
    past = table.undone(2)
    was = {key[1]: entry and entry.object["spec"]["node"] for key, entry in past.items()}
    assert was == {"a": "n1", "b": "", "c": None}
    assert table.undone(table.ring[-1].rv) == {}


def test_watchers_are_told_in_order_and_only_of_their_table():
    store = Store()
    table, other = _table(store), store.add_table("others", Table("v1", "Other", 10))
    seen: list[tuple[str, int]] = []
    table.watchers.add(lambda change: seen.append((change.type, change.rv)))
    for change in (_put(store, table, "a"), _put(store, table, "a"), store.remove(table, ("ns", "a"))):
        store.publish(table, change)
    store.publish(other, _put(store, other, "x"))
    assert seen == [("ADDED", 1), ("MODIFIED", 2), ("DELETED", 3)]
