"""Queue, expectations, back-off, batches, event filter, store: with clocks of their own."""

from __future__ import annotations

import asyncio

from pytest_daemonset.reference.backoff import Backoff
from pytest_daemonset.reference.batches import slow_start
from pytest_daemonset.reference.events import Filter
from pytest_daemonset.reference.expectations import EXPIRY, Expectations
from pytest_daemonset.reference.informer import Store
from pytest_daemonset.reference.queue import WorkQueue


class Clock:
    """A clock that moves only when told to, and calls what is due."""

    def __init__(self):
        self.time, self.due = 0.0, []

    def __call__(self):
        return self.time

    def call_later(self, delay, call, key):
        entry = [self.time + delay, call, key]
        self.due.append(entry)

        class Timer:
            def cancel(self, due=self.due):
                due.remove(entry)

        return Timer()

    def advance(self, seconds):
        self.time += seconds
        for entry in sorted(e for e in self.due if e[0] <= self.time):
            self.due.remove(entry)
            entry[1](entry[2])


def queue(clock):
    return WorkQueue(clock, clock.call_later)


def drained(work):
    """The keys that are there now."""

    async def all_of_it():
        keys = []
        while work._ready:
            keys.append(await work.get())
            work.done(keys[-1])
        return keys

    return asyncio.run(all_of_it())


def test_a_key_added_twice_comes_up_once():
    work = queue(Clock())
    for key in "aba":
        work.add(key)
    assert drained(work) == ["a", "b"]


def test_a_key_added_while_it_is_worked_on_comes_up_once_more_afterwards():
    async def story():
        work = queue(Clock())
        work.add("a")
        key = await work.get()
        work.add("a")
        work.add("a")
        assert not work._ready
        work.done(key)
        return await work.get(), len(work._ready)

    assert asyncio.run(story()) == ("a", 0)


def test_whoever_waits_is_woken_by_an_add():
    async def story():
        work = queue(Clock())
        waiting = [asyncio.ensure_future(work.get()) for _ in range(2)]
        await asyncio.sleep(0)
        work.add("a")
        work.add("b")
        return sorted(await asyncio.wait_for(asyncio.gather(*waiting), 60))

    assert asyncio.run(story()) == ["a", "b"]


def test_of_several_delays_the_earliest_stands():
    clock = Clock()
    work = queue(clock)
    work.add_after("a", 5)
    work.add_after("a", 2)
    work.add_after("a", 9)
    clock.advance(1.9)
    assert drained(work) == []
    clock.advance(0.1)
    assert drained(work) == ["a"]
    clock.advance(60)
    assert drained(work) == []


def test_a_failing_key_waits_twice_as_long_each_time_up_to_the_cap_and_success_starts_over():
    clock = Clock()
    work = queue(clock)

    def wait():
        work.retry("a")
        delay = clock.due[0][0] - clock.time
        clock.advance(delay)
        assert drained(work) == ["a"]
        return round(delay, 6)

    assert [wait() for _ in range(5)] == [0.005, 0.01, 0.02, 0.04, 0.08]
    for _ in range(20):
        last = wait()
    assert last == 1000
    work.succeeded("a")
    assert wait() == 0.005


def test_a_forgotten_key_never_comes_up():
    clock = Clock()
    work = queue(clock)
    work.add_after("a", 1)
    work.forget("a")
    clock.advance(2)
    assert drained(work) == []


def seen(pods=0, daemonsets=0):
    return {"pods": pods, "daemonsets": daemonsets}


def test_a_write_is_unseen_until_the_cache_of_its_kind_has_come_that_far():
    expected = Expectations(Clock())
    expected.wrote("set", "pods", "7")
    expected.wrote("set", "pods", "5")
    expected.wrote("set", "daemonsets", "9")
    assert expected.unseen("set", seen(6, 9)) == EXPIRY
    assert expected.unseen("other", seen()) is None
    assert expected.unseen("set", seen(7, 9)) is None


def test_a_deletion_is_seen_by_uid_whoever_owns_the_pod_by_then():
    expected = Expectations(Clock())
    expected.deleting("set", "u1")
    expected.deleting("set", "u2")
    assert expected.gone("u1") == "set"
    assert expected.unseen("set", seen()) == EXPIRY
    assert expected.gone("u2") == "set"
    assert expected.gone("u2") is None
    assert expected.unseen("set", seen()) is None


def test_what_never_shows_is_given_up_after_five_minutes():
    clock = Clock()
    expected = Expectations(clock)
    expected.wrote("set", "pods", "7")
    clock.advance(10)
    expected.deleting("set", "u")
    assert expected.unseen("set", seen()) == 290
    clock.advance(290)
    assert expected.unseen("set", seen()) == 10
    clock.advance(10)
    assert expected.unseen("set", seen()) is None


def test_a_recreated_set_inherits_no_expectation():
    expected = Expectations(Clock())
    expected.wrote("set", "pods", "7")
    expected.deleting("set", "u")
    expected.forget("set")
    assert expected.unseen("set", seen()) is None
    assert expected.gone("u") is None


def test_failures_wait_one_second_doubling_to_fifteen_minutes():
    clock = Clock()
    backoff = Backoff(clock)
    waits = []
    for _ in range(13):
        assert backoff.remaining("k") == 0
        backoff.advance("k")
        waits.append(backoff.remaining("k"))
        clock.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_health_shortens_the_wait_but_keeps_the_step_until_twice_the_cap_has_passed():
    clock = Clock()
    backoff = Backoff(clock)
    backoff.advance("k")
    clock.advance(100)
    backoff.advance("k")
    assert backoff.remaining("k") == 2
    assert backoff.remaining("other") == 0
    clock.advance(1801)
    backoff.advance("k")
    assert backoff.remaining("k") == 1


def started(count, fails_at=()):
    batches, running = [], []

    async def act(item):
        if not running:
            batches.append(0)
        running.append(item)
        batches[-1] += 1
        await asyncio.sleep(0)
        running.clear()
        return ValueError(item) if item in fails_at else None

    errors = asyncio.run(slow_start(range(count), act))
    return batches, len(errors)


def test_batches_double():
    assert started(20) == ([1, 2, 4, 8, 5], 0)
    assert started(0) == ([], 0)


def test_the_first_batch_with_an_error_is_the_last():
    assert started(100, fails_at={4, 5}) == ([1, 2, 4], 2)
    assert started(100, fails_at={0}) == ([1], 1)


def test_events_on_one_object_are_filtered_and_others_are_not():
    clock = Clock()
    events = Filter(clock)
    assert [events.allows("a") for _ in range(30)].count(True) == 25
    assert events.allows("b")
    clock.advance(300)
    assert [events.allows("a") for _ in range(3)] == [True, False, False]


def thing(uid, version, value):
    return {"metadata": {"uid": uid, "resourceVersion": version}, "value": value}


def test_a_store_tells_each_change_once_and_nothing_that_does_not_matter():
    told, moved = [], []
    store = Store(lambda o: o["value"], lambda *change: told.append(change), lambda: moved.append(True))
    store.replace([thing("a", "1", "x"), thing("b", "2", "y")], "5")
    assert told == [(None, "x"), (None, "y")]
    told.clear()
    store.apply(
        [
            {"type": "MODIFIED", "object": thing("a", "6", "x")},
            {"type": "MODIFIED", "object": thing("b", "7", "z")},
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}},
        ]
    )
    assert told == [("y", "z")]
    assert (store.progress, len(moved)) == (9, 2)


def test_a_new_list_tells_what_was_deleted_while_nobody_watched():
    told = []
    store = Store(lambda o: o["value"], lambda *change: told.append(change), lambda: None)
    store.replace([thing("a", "1", "x"), thing("b", "2", "y")], "5")
    told.clear()
    store.replace([thing("b", "2", "y"), thing("c", "8", "x")], "8")
    assert told == [("x", None), (None, "x")]
