from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.progress import Event, EventKind, Progress, Snapshot, read_snapshots


def event(kind: EventKind, job: str = "m/d/0", stage: str = "pretrain", seconds: float = 0.0) -> Event:
    return Event(kind=kind, job=job, stage=stage, fingerprint=job.replace("/", "-"), seconds=seconds)


def write(folder: Path, job: str, **fields: object) -> None:
    (folder / f"{job.replace('/', '-')}.json").write_text(json.dumps(fields))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["queued", "started", "retried", "finished", "failed", "skipped"]), st.sampled_from("abc")
        )
    )
)
def test_a_job_is_always_in_one_place(history: list[tuple[EventKind, str]]) -> None:
    progress, place, ended = Progress(0.0), dict[str, str](), 0
    for kind, job in history:
        progress.take(event(kind, job), 1.0)
        place[job] = kind
        ended += kind in ("finished", "failed", "skipped")
    assert len(progress.running) == sum(kind == "started" for kind in place.values())
    assert progress.waiting == sum(kind in ("queued", "retried") for kind in place.values())
    assert sum(progress.ended.values()) == ended
    assert progress.total == ended + len(progress.running) + progress.waiting


@pytest.mark.parametrize(
    "content",
    [b"", b'{"step": 3, "st', b"\xff\xfe", b"[1]", b"null", b"[" * 100_000, b"1" * 10_000],
)
def test_a_torn_or_alien_file_is_left_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_bytes(content)
    (tmp_path / "folder.json").mkdir()
    write(tmp_path, "good", step=1, steps=4, loss=0.5, phase="stage 1")
    found = read_snapshots(tmp_path, ["torn", "folder", "missing", "good"])
    assert found == {"good": Snapshot(phase="stage 1", step=1, steps=4, loss=0.5)}


@pytest.mark.parametrize("value", [None, "7", True, [], float("nan"), float("inf"), 10**400])
def test_a_field_that_is_no_number_is_unknown(value: object, tmp_path: Path) -> None:
    write(tmp_path, "odd", step=value, steps=value, loss=value, phase=value if value != "7" else 7)
    assert read_snapshots(tmp_path, ["odd"]) == {"odd": Snapshot()}


@pytest.mark.parametrize(("step", "steps", "fraction"), [(1, 4, 0.25), (9, 4, 1.0), (-1, 4, 0.0), (1, 0, None)])
def test_fractions_stay_within_bounds(step: float, steps: float, fraction: float | None) -> None:
    assert Snapshot(step=step, steps=steps).fraction == fraction


def test_time_left_is_unknown_until_something_is_known() -> None:
    progress = Progress(0.0)
    assert progress.seconds_left(0.0) == 0.0
    progress.take(event("queued"), 0.0)
    assert progress.seconds_left(1.0) is None
    progress.take(event("started"), 0.0)
    assert progress.seconds_left(1.0) is None


def test_a_job_at_work_is_expected_to_go_on_as_it_does(tmp_path: Path) -> None:
    progress = Progress(0.0)
    progress.take(event("started"), 10.0)
    write(tmp_path, "m/d/0", step=25, steps=100)
    progress.refresh(tmp_path)
    assert progress.seconds_left(20.0) == pytest.approx(30.0)


def test_likeness_goes_before_stage_and_slots_share_the_work() -> None:
    progress = Progress(0.0)
    for job, seconds in (("m/d/0", 10.0), ("m/d/1", 20.0), ("n/d/0", 100.0)):
        progress.take(event("started", job), 0.0)
        progress.take(event("finished", job, seconds=seconds), 0.0)
    progress.take(event("queued", "m/d/2"), 0.0)
    assert progress.seconds_left(0.0) == pytest.approx(15.0)
    progress.take(event("queued", "new/d/0"), 0.0)
    assert progress.seconds_left(0.0) == pytest.approx(15.0 + 130.0 / 3)
    progress.take(event("queued", "m/d/2", stage="evaluate"), 0.0)
    assert progress.seconds_left(0.0) is None


def test_two_at_work_halve_the_time_but_never_below_the_longest() -> None:
    progress = Progress(0.0)
    progress.take(event("finished", "m/d/0", seconds=10.0), 0.0)
    for job in ("m/d/1", "m/d/2"):
        progress.take(event("started", job), 0.0)
    assert progress.seconds_left(0.0) == pytest.approx(10.0)
    for seed in range(3, 7):
        progress.take(event("queued", f"m/d/{seed}"), 0.0)
    assert progress.seconds_left(0.0) == pytest.approx(30.0)
