"""Answers obey Kleene's laws, properties combine as their classes say, and nothing can be mistaken for true or false."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from contract_world import World

from pytest_daemonset.contract import (
    BROKEN,
    HOLDS,
    UNKNOWN,
    Answer,
    Goal,
    Invariant,
    Property,
    Reaction,
    Reason,
    Verdict,
    at_most_one_pod_per_node,
    garbage_collected,
    never_replaced_early,
    no_pod_for_an_ineligible_node,
    observed_generation_sane,
    one_pod_per_node,
    owned,
    pod_on,
    status_consistent,
)
from pytest_daemonset.contract.judging import Judgement
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from pytest_daemonset.contract import Change, Event, State

PAIRS = list(itertools.product(Answer, repeat=2))
TRIPLES = list(itertools.product(Answer, repeat=3))


class Fixed(Goal):
    """Answers what it is told to."""

    reads = frozenset(("Pod",))

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.name = f"always_{answer}"

    def judging(self, state: State) -> Judgement:
        return _FixedJudgement(state, self.answer)


class _FixedJudgement(Judgement):
    def __init__(self, state: State, answer: Answer) -> None:
        super().__init__(state)
        self.verdict = Verdict(answer, () if answer is HOLDS else (Reason(f"it is {answer}"),))

    def update(self, _event: Event, _change: Change) -> Verdict:
        return self.verdict


def answer_of(judged: Property) -> Answer:
    return judged.judging(World().state).verdict.answer


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_and_is_the_worse_or_is_the_better_of_two_answers(a: Answer, b: Answer) -> None:
    order = [BROKEN, UNKNOWN, HOLDS]
    assert (a & b) is order[min(order.index(a), order.index(b))]
    assert (a | b) is order[max(order.index(a), order.index(b))]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_de_morgan_holds_for_answers(a: Answer, b: Answer) -> None:
    assert ~(a & b) is (~a | ~b)
    assert ~(a | b) is (~a & ~b)
    assert ~~a is a


@pytest.mark.parametrize(("a", "b", "c"), TRIPLES)
def test_and_and_or_are_associative_and_distribute(a: Answer, b: Answer, c: Answer) -> None:
    assert (a & b) & c is a & (b & c)
    assert (a | b) | c is a | (b | c)
    assert a & (b | c) is (a & b) | (a & c)


def test_unknown_is_its_own_opposite() -> None:
    assert ~UNKNOWN is UNKNOWN
    assert UNKNOWN | ~UNKNOWN is UNKNOWN


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_properties_combine_as_their_answers_do(a: Answer, b: Answer) -> None:
    first, second = Fixed(a), Fixed(b)
    assert answer_of(first & second) is (a & b)
    assert answer_of(first | second) is (a | b)
    assert answer_of(~first) is ~a
    assert answer_of(~(first & second)) is ~(a & b)
    assert answer_of(~(first | ~second)) is ~(a | ~b)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_combination_gives_the_reasons_of_the_parts_that_decided(a: Answer, b: Answer) -> None:
    for whole in (Fixed(a) & Fixed(b), Fixed(a) | Fixed(b)):
        verdict = whole.judging(World().state).verdict
        told = {str(reason) for reason in verdict.reasons}
        assert (verdict.answer is HOLDS) == (not told)
        if verdict.answer is not HOLDS:
            assert f"it is {verdict.answer}" in told


def test_a_property_is_neither_true_nor_false() -> None:
    with pytest.raises(UsageError, match=r"eventually.*always"):
        bool(one_pod_per_node)
    with pytest.raises(UsageError, match="`and`"):
        _ = at_most_one_pod_per_node and one_pod_per_node
    with pytest.raises(UsageError):
        _ = not pod_on("a")


def test_neither_is_an_answer_nor_a_verdict() -> None:
    with pytest.raises(UsageError, match="HOLDS"):
        bool(HOLDS)
    with pytest.raises(UsageError, match="HOLDS"):
        bool(Verdict(BROKEN))


@pytest.mark.parametrize(
    ("combined", "kind"),
    [
        (at_most_one_pod_per_node & never_replaced_early, Invariant),
        (at_most_one_pod_per_node & status_consistent, Invariant),
        (at_most_one_pod_per_node | never_replaced_early, Invariant),
        (at_most_one_pod_per_node | status_consistent, Reaction),
        (~at_most_one_pod_per_node, Invariant),
        (~(at_most_one_pod_per_node & status_consistent), Reaction),
        (at_most_one_pod_per_node & no_pod_for_an_ineligible_node, Reaction),
        (~no_pod_for_an_ineligible_node, Reaction),
        (at_most_one_pod_per_node & one_pod_per_node, Goal),
        (no_pod_for_an_ineligible_node | pod_on("a"), Goal),
        (~garbage_collected, Goal),
        (~pod_on("a"), Goal),
    ],
)
def test_the_class_of_a_combination_follows_from_its_parts(combined: Property, kind: type[Property]) -> None:
    assert isinstance(combined, kind)
    assert sum(isinstance(combined, other) for other in (Invariant, Goal, Reaction)) == 1


def test_a_combination_reads_names_and_stands_for_what_its_parts_do() -> None:
    combined = (owned | status_consistent) & at_most_one_pod_per_node
    assert combined.reads == {"Pod", "ControllerRevision", "DaemonSet"}
    assert combined.name == "(owned | status_consistent) & at_most_one_pod_per_node"
    assert combined.rows == ("GC-06", "STAT-04", "AMO-01")
    assert (~observed_generation_sane).name == "~observed_generation_sane"
    assert "at_most_one_pod_per_node" in repr(at_most_one_pod_per_node)


def test_only_properties_combine() -> None:
    with pytest.raises(TypeError):
        _ = one_pod_per_node & True  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = one_pod_per_node | "ready"  # type: ignore[operator]


def test_twice_the_opposite_is_the_property_itself() -> None:
    assert ~~one_pod_per_node is one_pod_per_node
    assert (~~pod_on("a")).name == "pod_on(a)"


def test_a_conjunction_has_judged_only_what_all_its_parts_have() -> None:
    world = World()
    both = world.judge(at_most_one_pod_per_node & status_consistent)
    either = world.judge(at_most_one_pod_per_node | status_consistent)
    world.pod("a-x", "a")
    assert (both.relevant, either.relevant) == (0, 1)
    world.daemonset()
    world.status()
    assert both.relevant == 1
    assert both.judged == 4


def test_a_forbidden_property_that_holds_says_so_and_since_when() -> None:
    world = World()
    judgement = world.judge(~at_most_one_pod_per_node)
    assert judgement.verdict.answer is BROKEN
    assert str(judgement.verdict.reasons[0]) == "at_most_one_pod_per_node holds, and should not"
    world.pod("a-x", "a")
    world.pod("a-y", "a")
    assert judgement.verdict.answer is HOLDS
    assert judgement.verdict.reasons == ()
    event = world.remove("Pod", "a-x")
    assert judgement.verdict.answer is BROKEN
    assert judgement.verdict.reasons[0].since == event.at
    assert judgement.verdict.event == event
    assert judgement.relevant == 3


def test_the_opposite_of_unknown_keeps_its_reasons() -> None:
    verdict = (~garbage_collected).judging(World().state).verdict
    assert verdict.answer is UNKNOWN
    assert "never seen" in str(verdict)


def test_a_barrier_reaches_the_parts() -> None:
    world = World()
    world.daemonset()
    world.node("a")
    guard = world.judge(no_pod_for_an_ineligible_node & at_most_one_pod_per_node)
    reverse = world.judge(~no_pod_for_an_ineligible_node)
    world.node("a", taints=[{"key": "k", "effect": "NoSchedule"}])
    for judgement in (guard, reverse):
        judgement.barrier()
    world.pod("a-x", "a")
    assert (guard.verdict.answer, reverse.verdict.answer) == (BROKEN, HOLDS)


def test_a_verdict_keeps_the_moment_it_turned_and_refuses_to_guess_a_later_one() -> None:
    world = World()
    judgement = world.judge(one_pod_per_node)
    world.daemonset()
    world.status()
    world.node("a")
    turned = judgement.verdict
    world.node("b")
    repeated = judgement.verdict
    world.node("c")
    kept = judgement.verdict.frozen()
    world.node("d")
    assert [reason.node for reason in turned.reasons] == ["a"]
    assert [reason.node for reason in kept.reasons] == ["a", "b", "c"]
    with pytest.raises(RuntimeError, match="frozen"):
        _ = repeated.reasons
    assert repeated.answer is BROKEN


def test_a_verdict_reads_as_answer_and_reasons() -> None:
    verdict = Verdict(BROKEN, [Reason("a has two pods", "a")])
    assert str(verdict) == "broken\n  a has two pods"
    assert repr(verdict) == "<Verdict broken>"


def test_an_unknown_alternative_tells_its_broken_parts_too() -> None:
    verdict = (Fixed(UNKNOWN) | Fixed(BROKEN)).judging(World().state).verdict
    assert [str(reason) for reason in verdict.reasons] == ["it is unknown", "it is broken"]
    verdict = (Fixed(UNKNOWN) & Fixed(HOLDS)).judging(World().state).verdict
    assert [str(reason) for reason in verdict.reasons] == ["it is unknown"]
