from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cluster import Attempt, Failure, Hooks, Job, Outcome
from cluster.capacity import ImpossibleRequest
from cluster.local import LocalPool
from cluster.pool import Claim, Done, Event, PoolError, Run, Started, Wait

TARGETS = "tests.cluster.targets:"


def job(
    name: str, target: str, deadline: float = 60.0, retries: dict[Failure, int] | None = None, **payload: Any
) -> Job:
    return Job(id=name, target=TARGETS + target, payload=payload, deadline=deadline, retries=retries or {})


def run(*jobs: Job) -> dict[str, Outcome]:
    with LocalPool() as pool:
        return {outcome.job.id: outcome for outcome in pool.run(jobs)}


def test_results_are_json_and_failures_are_classed(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    outcomes = run(
        job("ok", "double", value=2),
        job("bug", "value_error"),
        job("exit", "system_exit"),
        job("opaque", "no_json"),
        job("data", "job_error", failure="bad_data"),
        job("again", "varied", retries={Failure.DIVERGED: 2}, log=log, ways=["diverged", "diverged"]),
        job("fat", "memory_error", retries={Failure.OOM: 1}, flag=str(tmp_path / "flag")),
    )
    assert outcomes["ok"].result["value"] == 4
    failed = {name: [a.failure for a in o.attempts] for name, o in outcomes.items() if o.status == "failed"}
    assert failed == {
        "bug": [Failure.CODE],
        "exit": [Failure.CODE],
        "opaque": [Failure.CODE],
        "data": [Failure.BAD_DATA],
    }
    assert outcomes["bug"].attempts[0].message == "ValueError: bad hyper-parameter"
    assert "in value_error" in outcomes["bug"].attempts[0].traceback
    assert (outcomes["again"].result, len(outcomes["again"].attempts)) == (3, 2)
    assert outcomes["fat"].status == "ok"


def test_a_deadline_interrupts_python_code() -> None:
    outcome = run(job("late", "hang", deadline=0.1))["late"]
    assert outcome.attempts[0].failure is Failure.HUNG
    assert "in hang" in outcome.attempts[0].traceback


def test_events_tell_of_attempts() -> None:
    events: list[Event] = []
    with LocalPool(Hooks(warm=TARGETS + "warm")) as pool:
        outcomes = list(pool.run([job("bug", "value_error"), job("ok", "double", value=1)], on_event=events.append))
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert [type(event) for event in events] == [Started, Attempt, Started]


def test_a_claim_may_answer_wait_or_done() -> None:
    asked: list[str] = []

    def claim(each: Job) -> Claim:
        asked.append(each.id)
        if each.id == "done":
            return Done(result="from the store")
        return Wait() if each.id == "busy" and asked.count("busy") == 1 else Run()

    jobs = [job("busy", "double", value=1), job("done", "value_error"), job("other", "double", value=1)]
    with LocalPool() as pool:
        outcomes = list(pool.run(jobs, claim))
    assert [outcome.job.id for outcome in outcomes] == ["done", "other", "busy"]
    assert outcomes[0].result == "from the store"
    assert asked.count("busy") == 2


def test_more_ranks_than_one_are_refused_before_anything_runs() -> None:
    with LocalPool() as pool, pytest.raises(ImpossibleRequest, match="--local runs one rank"):
        pool.run([Job(id="a", target=TARGETS + "double", payload={}, ranks=2)])


def test_a_failed_warm_up_ends_the_run() -> None:
    with LocalPool(Hooks(warm=TARGETS + "fail_to_warm")) as pool, pytest.raises(PoolError, match="no such library"):
        list(pool.run([job("a", "double", value=1)]))


def test_the_twin_needs_no_ray() -> None:
    code = (
        "import sys; from cluster import Job; from cluster.local import LocalPool\n"
        f"with LocalPool() as p: print([o.status for o in p.run([Job(id='a', target='{TARGETS}double',"
        " payload={'value': 1})])], 'ray' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ok'] False False"
