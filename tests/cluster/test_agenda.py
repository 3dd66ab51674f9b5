from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import Failure, Job, Outcome
from cluster.agenda import FIRST_PAUSE, LONGEST_PAUSE, Agenda


def job(name: str, ranks: int = 1, after: str = "", **retries: int) -> Job:
    allowed = {Failure(key): value for key, value in retries.items()}
    return Job(id=name, target="", payload={}, ranks=ranks, after=frozenset(after.split()), retries=allowed)


def started(agenda: Agenda, idle: int, now: float = 0.0) -> Job:
    taken = agenda.take(idle, now)
    assert taken is not None
    agenda.start(taken)
    return taken


def test_the_widest_goes_first_and_equals_keep_their_order() -> None:
    agenda = Agenda([job("a"), job("b", 2), job("c"), job("d", 4)])
    assert [started(agenda, 8).id for _ in range(4)] == ["d", "b", "a", "c"]


def test_slots_are_held_for_a_wide_job() -> None:
    agenda = Agenda([job("w", 2), job("a"), job("b")])
    assert started(agenda, 2).id == "w"
    first, second = started(agenda, 2), started(agenda, 1)
    assert {first.id, second.id} == {"a", "b"}
    held = Agenda([job("a"), job("b"), job("c"), job("w", 2, after="a")])
    a, _ = started(held, 2), started(held, 1)
    held.succeed(a, None, 1.0)
    assert held.take(1, 0.0) is None, "c must not overtake: the wide job would wait for both of b and c"


def test_a_narrow_job_may_overtake_where_it_costs_the_wide_one_nothing() -> None:
    agenda = Agenda([job("w1", 2), job("w2", 2), job("a"), job("b")])
    assert started(agenda, 3).id == "w1"
    assert started(agenda, 1).id == "a", "the third slot is of no use to w2 while w1 runs"


def test_an_overtaker_is_no_excuse_for_further_overtaking() -> None:
    agenda = Agenda([job("x", 2), job("w", 3), job("a", 2), job("b"), job("c")])
    x = agenda.take(2, 0.0)
    assert x is None, "w holds"
    agenda = Agenda([job("first", 3), job("w", 3), *[job(name) for name in "abcd"]])
    first = started(agenda, 4)
    assert started(agenda, 1).id == "a"
    agenda.succeed(first, None, 1.0)
    assert started(agenda, 3).id == "w"


def test_each_failure_class_has_its_own_allowance() -> None:
    agenda = Agenda([job("a", lost=2, diverged=1)])
    verdicts = []
    for failure in (Failure.LOST, Failure.DIVERGED, Failure.LOST, Failure.DIVERGED):
        attempt, outcomes = agenda.fail(started(agenda, 1), failure, "m", "t", 1.0)
        verdicts.append((attempt.number, attempt.will_retry, len(outcomes)))
    assert verdicts == [(1, True, 0), (2, True, 0), (3, True, 0), (4, False, 1)]
    assert agenda.done


def test_a_code_error_is_never_retried() -> None:
    agenda = Agenda([job("a", code=5)])
    attempt, outcomes = agenda.fail(started(agenda, 1), Failure.CODE, "m", "t", 1.0)
    assert not attempt.will_retry
    assert [outcome.status for outcome in outcomes] == ["failed"]


def test_dependants_of_a_failed_job_are_skipped_all_the_way_down() -> None:
    agenda = Agenda([job("a"), job("b", after="a"), job("c", after="b"), job("d", after="a c"), job("e")])
    _, outcomes = agenda.fail(started(agenda, 1), Failure.CODE, "m", "t", 1.0)
    assert [(o.job.id, o.status) for o in outcomes] == [
        ("a", "failed"),
        ("b", "skipped"),
        ("d", "skipped"),
        ("c", "skipped"),
    ]
    assert started(agenda, 1).id == "e"


def test_out_of_memory_is_tried_again_alone_and_last() -> None:
    agenda = Agenda([job("fat", oom=1), job("a"), job("b")])
    fat = started(agenda, 3)
    agenda.fail(fat, Failure.OOM, "m", "t", 1.0)
    a, b = started(agenda, 3), started(agenda, 2)
    assert agenda.take(3, 0.0) is None
    agenda.succeed(a, None, 1.0)
    assert agenda.take(3, 0.0) is None
    agenda.succeed(b, None, 1.0)
    assert started(agenda, 3).id == "fat"
    assert agenda.fail(fat, Failure.OOM, "m", "t", 1.0)[0].will_retry is False


def test_a_deferred_job_comes_back_after_a_growing_pause() -> None:
    agenda = Agenda([job("a")])
    now, pauses = 0.0, []
    for _ in range(8):
        taken = agenda.take(1, now)
        assert taken is not None
        agenda.defer(taken, now)
        wake = agenda.next_wake()
        assert wake is not None
        assert agenda.take(1, (now + wake) / 2) is None
        pauses.append(wake - now)
        now = wake
    assert pauses[0] == FIRST_PAUSE
    assert pauses[-1] == LONGEST_PAUSE
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ([job("a"), job("a")], "unique"),
        ([job("a", after="z")], "not in this run"),
        ([job("a", after="c"), job("b", after="a"), job("c", after="b"), job("d")], "circle: a, b, c"),
    ],
)
def test_contradictions_are_refused(jobs: list[Job], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Agenda(jobs)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), slots=st.integers(1, 5), count=st.integers(1, 14))
def test_any_run_accounts_for_each_job_once(seed: int, slots: int, count: int) -> None:
    """Random widths, dependencies, failures, deferrals and durations: nothing is lost, doubled, overbooked or stuck."""
    dice = random.Random(seed)
    jobs: list[Job] = []
    for number in range(count):
        after = {other.id for other in dice.sample(jobs, min(len(jobs), dice.randint(0, 2)))}
        ranks = dice.randint(1, slots)
        jobs.append(job(str(number), ranks, " ".join(after), lost=1, oom=1, hung=0))
    agenda = Agenda(jobs)
    running: list[Job] = []
    outcomes: list[Outcome] = []
    oomed: set[str] = set()
    now = 0.0
    while not agenda.done:
        idle = slots - sum(each.ranks for each in running)
        taken = agenda.take(idle, now)
        if taken is None:
            if not running:
                wake = agenda.next_wake()
                assert wake is not None, "nothing runs, nothing is deferred, yet nothing may start: stuck"
                now = max(now, wake)
                continue
            ended = running.pop(dice.randrange(len(running)))
            way = dice.choice(["ok", "ok", "ok", "lost", "oom", "hung", "code"])
            if way == "ok":
                outcomes.append(agenda.succeed(ended, None, 1.0))
            else:
                oomed |= {ended.id} if way == "oom" else set()
                outcomes += agenda.fail(ended, Failure(way), "m", "t", 1.0)[1]
            continue
        assert taken.ranks <= idle
        succeeded = {outcome.job.id for outcome in outcomes if outcome.status == "ok"}
        assert taken.after <= succeeded
        if dice.randint(0, 5) == 0:
            agenda.defer(taken, now)
            continue
        if taken.id in oomed:
            assert not running
        assert not any(each.id in oomed for each in running)
        agenda.start(taken)
        running.append(taken)
    assert not running
    assert Counter(outcome.job.id for outcome in outcomes) == Counter(each.id for each in jobs)
    for outcome in outcomes:
        if outcome.status == "skipped":
            assert any(o.job.id in outcome.job.after and o.status != "ok" for o in outcomes)


@settings(max_examples=100, deadline=None)
@given(slots=st.integers(2, 6), before=st.lists(st.integers(1, 5), min_size=1, max_size=6), picks=st.data())
def test_a_wide_job_waits_at_most_for_those_that_began_before_it(
    slots: int, before: list[int], picks: st.DataObject
) -> None:
    """However many narrow jobs there are, overtaking adds nothing to the wait of a wide one."""
    opening = [job(f"before{i}", min(width, slots - 1)) for i, width in enumerate(before)]
    gate = job("gate")
    agenda = Agenda(
        [gate, *opening, job("wide", slots, after="gate"), *[job(f"n{i}", after="gate") for i in range(40)]]
    )
    running: list[Job] = []
    while (taken := agenda.take(slots - sum(each.ranks for each in running), 0.0)) is not None:
        agenda.start(taken)
        running.append(taken)
    while gate not in running:
        agenda.succeed(running.pop(0), None, 1.0)
        while (taken := agenda.take(slots - sum(each.ranks for each in running), 0.0)) is not None:
            agenda.start(taken)
            running.append(taken)
    running.remove(gate)
    agenda.succeed(gate, None, 1.0)
    early = {each.id for each in running}
    while early:
        while (taken := agenda.take(slots - sum(each.ranks for each in running), 0.0)) is not None:
            agenda.start(taken)
            running.append(taken)
            if taken.id == "wide":
                return
        ended = picks.draw(st.sampled_from(running))
        running.remove(ended)
        early.discard(ended.id)
        agenda.succeed(ended, None, 1.0)
    taken = agenda.take(slots - sum(each.ranks for each in running), 0.0)
    assert taken is not None
    assert taken.id == "wide"
