"""Real faults on a real Ray: processes that are killed, frozen, hang, exit, run out of memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import Attempt, Failure, Hooks, Job, Outcome, SlotSize
from cluster.capacity import ImpossibleRequest
from cluster.pool import Claim, Done, Event, PoolError, Run, Started, Wait
from cluster.ray_pool import RayPool
from cluster.session import Session

TARGETS = "tests.cluster.targets:"
HOOKS = Hooks(warm=TARGETS + "warm", host=TARGETS + "host", leave=TARGETS + "leave")
LOST_ONCE = {Failure.LOST: 1}


def job(name: str, target: str, **payload: Any) -> Job:
    return Job(id=name, target=TARGETS + target, payload=payload, deadline=30.0)


def pair(name: str, retries: dict[Failure, int] | None = None, deadline: float = 30.0, **payload: Any) -> Job:
    return Job(id=name, target=TARGETS + "pair", payload=payload, ranks=2, deadline=deadline, retries=retries or {})


@pytest.fixture(scope="module")
def pool(ray_session: Session) -> Iterator[RayPool]:
    with RayPool(SlotSize(), hooks=HOOKS, session=ray_session) as pool:
        yield pool


def run(pool: RayPool, *jobs: Job) -> dict[str, Outcome]:
    outcomes = list(pool.run(jobs))
    assert Counter(outcome.job.id for outcome in outcomes) == Counter(each.id for each in jobs)
    return {outcome.job.id: outcome for outcome in outcomes}


def pids(pool: RayPool) -> list[int]:
    """Of both slots, which a healthy gang binds."""
    found: list[int] = run(pool, pair("healthy"))["healthy"].result["pids"]
    return found


def test_a_failed_warm_up_ends_the_run(ray_session: Session) -> None:
    with (
        RayPool(SlotSize(), hooks=Hooks(warm=TARGETS + "fail_to_warm"), session=ray_session) as cold,
        pytest.raises(PoolError, match="no such library"),
    ):
        list(cold.run([job("a", "double", value=1)]))


def test_slots_stay_warm_and_are_no_more_than_needed(pool: RayPool) -> None:
    outcomes = run(pool, *[job(str(number), "double", value=number) for number in range(20)])
    assert [outcomes[str(number)].result["value"] for number in range(20)] == [2 * number for number in range(20)]
    assert {outcome.result["warmed"] for outcome in outcomes.values()} == {1}
    assert len({outcome.result["pid"] for outcome in outcomes.values()}) <= 2


def test_a_job_finds_the_main_thread_its_share_and_the_users_umask(pool: RayPool) -> None:
    assert run(pool, job("a", "environment"))["a"].result == {"umask": 0o022, "threads": "1", "main": True}


def test_poison_fails_with_its_reason_and_harms_nobody_else(pool: RayPool, tmp_path: Path) -> None:
    late = Job(id="late", target=TARGETS + "hang", payload={}, deadline=0.5)
    outcomes = run(
        pool,
        job("bug", "value_error"),
        job("gone", "leave_process"),
        late,
        Job(id="killed", target=TARGETS + "killed_once", payload={"flag": str(tmp_path / "f")}, retries=LOST_ONCE),
        job("nan", "job_error", failure="diverged"),
        *[job(str(number), "double", value=number) for number in range(6)],
        Job(id="after", target=TARGETS + "double", payload={"value": 1}, after=frozenset({"killed"})),
        Job(id="skipped", target=TARGETS + "double", payload={"value": 1}, after=frozenset({"bug"})),
    )
    failed = {name: outcome.attempts[0].failure for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert failed == {
        "bug": Failure.CODE,
        "gone": Failure.LOST,
        "late": Failure.HUNG,
        "nan": Failure.DIVERGED,
    }
    assert outcomes["skipped"].status == "skipped"
    assert outcomes["bug"].attempts[0].message == "ValueError: bad hyper-parameter"
    assert "in value_error" in outcomes["bug"].attempts[0].traceback
    assert "in hang" in outcomes["late"].attempts[0].traceback, "the stack tells where it hung"
    assert [attempt.failure for attempt in outcomes["killed"].attempts] == [Failure.LOST]


def test_allowances_are_counted_apart(pool: RayPool, tmp_path: Path) -> None:
    ways = ["lost", "diverged", "lost", "diverged"]
    many = Job(
        id="a",
        target=TARGETS + "varied",
        payload={"log": str(tmp_path / "log"), "ways": ways},
        retries={Failure.LOST: 2, Failure.DIVERGED: 1},
    )
    events: list[Event] = []
    outcome = next(iter(pool.run([many], on_event=events.append)))
    attempts = [event for event in events if isinstance(event, Attempt)]
    assert [attempt.failure for attempt in attempts] == [Failure(way) for way in ways]
    assert [attempt.will_retry for attempt in attempts] == [True, True, True, False]
    assert [event.number for event in events if isinstance(event, Started)] == [1, 2, 3, 4]
    assert outcome.attempts == tuple(attempts)


def test_out_of_memory_is_tried_again_alone(pool: RayPool, tmp_path: Path) -> None:
    fat = Job(
        id="fat",
        target=TARGETS + "memory_error",
        payload={"flag": str(tmp_path / "flag")},
        retries={Failure.OOM: 1},
    )
    outcomes = run(pool, fat, *[job(f"spin{number}", "spin", seconds=0.1) for number in range(4)])
    assert [attempt.failure for attempt in outcomes["fat"].attempts] == [Failure.OOM]
    started, ended = outcomes["fat"].result["started"], outcomes["fat"].result["ended"]
    others = [outcome.result for name, outcome in outcomes.items() if name != "fat"]
    assert all(other["ended"] <= started or other["started"] >= ended for other in others)


def test_a_gang_survives_the_death_of_a_rank(pool: RayPool, tmp_path: Path) -> None:
    before = pids(pool)
    flag = str(tmp_path / "flag")
    outcome = run(pool, pair("a", LOST_ONCE, rank=1, accident="kill", flag=flag))["a"]
    assert [attempt.failure for attempt in outcome.attempts] == [Failure.LOST]
    assert outcome.attempts[0].message.startswith("rank 1: process ")
    assert len(set(before) & set(outcome.result["pids"])) == 1, "the survivor stays warm"


def test_a_frozen_rank_is_killed_and_its_partner_kept(pool: RayPool, tmp_path: Path) -> None:
    before = pids(pool)
    flag = str(tmp_path / "flag")
    frozen = pair("a", {Failure.HUNG: 1}, deadline=1.5, rank=0, accident="freeze", flag=flag)
    outcome = run(pool, frozen)["a"]
    assert [attempt.failure for attempt in outcome.attempts] == [Failure.HUNG]
    assert outcome.attempts[0].message.startswith("rank 0: no result within 1.5 s, frozen")
    kept = set(before) & set(outcome.result["pids"])
    assert len(kept) == 1
    killed = (set(before) - kept).pop()
    assert not Path(f"/proc/{killed}").exists() or "Z" in Path(f"/proc/{killed}/stat").read_text()


def test_a_rank_that_raises_is_the_cause_and_both_slots_are_kept(pool: RayPool) -> None:
    before = pids(pool)
    outcome = run(pool, pair("a", LOST_ONCE, rank=1, accident="raise"))["a"]
    assert [attempt.failure for attempt in outcome.attempts] == [Failure.CODE]
    assert outcome.attempts[0].message == "rank 1: ValueError: rank's own mistake"
    assert pids(pool) == before


def test_impossible_requests_are_refused_before_anything_starts(pool: RayPool) -> None:
    events: list[Event] = []
    wide = Job(id="wide", target=TARGETS + "double", payload={}, ranks=3)
    with pytest.raises(ImpossibleRequest, match="wide asks for 3 ranks x 1 CPU; the cluster has 2 CPUs and 0 GPUs"):
        pool.run([job("a", "double", value=1), wide], on_event=events.append)
    assert not events


def test_a_gpu_that_is_not_there_is_refused(ray_session: Session) -> None:
    with (
        RayPool(SlotSize(gpus=1), session=ray_session) as gpu_pool,
        pytest.raises(ImpossibleRequest, match="1 rank x 1 CPU \\+ 1 GPU; the cluster has 2 CPUs and 0 GPUs"),
    ):
        gpu_pool.run([job("a", "double", value=1)])


def test_claims(pool: RayPool) -> None:
    asked: list[str] = []

    def claim(each: Job) -> Claim:
        asked.append(each.id)
        if each.id == "done":
            return Done(result=7)
        return Wait() if each.id == "busy" and asked.count("busy") == 1 else Run()

    jobs = [job("busy", "double", value=1), job("done", "value_error"), job("other", "double", value=1)]
    outcomes = {outcome.job.id: outcome for outcome in pool.run(jobs, claim)}
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(
        ["busy", "done", "other"], "ok"
    )
    assert outcomes["done"].result == 7
    assert asked.count("busy") == 2


def test_a_run_that_is_left_early_leaves_no_job_behind(pool: RayPool, tmp_path: Path) -> None:
    jobs = [job("a", "double", value=1), job("hangs", "hang", pid_file=str(tmp_path / "pid"))]
    running = pool.run(jobs)
    assert next(running).job.id == "a"
    running.close()  # type: ignore[attr-defined]
    assert run(pool, pair("next"))["next"].status == "ok", "both slots can be had again"
