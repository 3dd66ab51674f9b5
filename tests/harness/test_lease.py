"""One holder at a time: live leases are respected, stale ones are taken over by exactly one, lost ones are noticed."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil
import pytest

from harness.lease import LIFETIME, MARGIN, Holder, Lease, LeaseKeeper, LeaseLostError, acquire, holder_of
from harness.store import Store

ELSEWHERE = Holder(run="theirs", host="node7", machine="another boot", pid=os.getpid(), started=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "ab"


@pytest.fixture
def here() -> Holder:
    return Holder.here("mine")


def _taken(folder: Path, holder: Holder) -> Lease:
    lease = acquire(folder, holder)
    assert lease is not None
    return lease


def _age(lease: Lease, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(lease.path, (then, then))


def test_a_live_lease_is_respected_until_released(folder: Path, here: Holder) -> None:
    lease = _taken(folder, here)
    assert acquire(folder, ELSEWHERE) is None
    assert acquire(folder, here) is None
    assert holder_of(folder) == here
    lease.renew()
    lease.release()
    assert not folder.exists()
    assert holder_of(folder) is None
    with pytest.raises(LeaseLostError):
        lease.renew()
    assert _taken(folder, ELSEWHERE).fingerprint == "ab"


def test_a_lease_is_stale_after_its_lifetime_and_a_margin(folder: Path, here: Holder) -> None:
    theirs = _taken(folder, ELSEWHERE)
    _age(theirs, LIFETIME + 0.5 * MARGIN)  # expired, but a slow clock or server may still be about to say otherwise
    assert acquire(folder, here) is None
    _age(theirs, LIFETIME + 2 * MARGIN)
    assert holder_of(folder) is None
    mine = _taken(folder, here)
    with pytest.raises(LeaseLostError, match=r"ab was taken over by run mine \(process \d+ on"):
        theirs.renew()
    theirs.release()  # what is lost is not released
    mine.renew()
    assert holder_of(folder) == here


def test_renewing_keeps_a_lease_alive(folder: Path, here: Holder) -> None:
    theirs = _taken(folder, ELSEWHERE)
    _age(theirs, LIFETIME + 2 * MARGIN)
    theirs.renew()  # late, but nobody has taken it
    assert acquire(folder, here) is None


def test_a_lifetime_is_the_lease_s_own(folder: Path, here: Holder) -> None:
    theirs = acquire(folder, ELSEWHERE, lifetime=10 * LIFETIME)
    assert theirs is not None
    _age(theirs, 5 * LIFETIME)
    assert acquire(folder, here) is None


def test_a_process_that_is_gone_holds_nothing(folder: Path, here: Holder) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = dataclasses.replace(here, pid=child.pid, started=_started(child.pid))
    _taken(folder, theirs)
    assert acquire(folder, here) is None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert theirs.is_gone(), "a zombie works no more"
    child.communicate()
    assert theirs.is_gone()
    assert _taken(folder, here).path.name == "2.json"


def _started(pid: int) -> float:
    return psutil.Process(pid).create_time()


def test_a_pid_used_again_is_another_process(here: Holder) -> None:
    assert not here.is_gone()
    assert dataclasses.replace(here, started=here.started - 60).is_gone()
    assert not dataclasses.replace(here, started=here.started - 60, machine="another boot").is_gone()
    assert not dataclasses.replace(here, started=here.started - 60, machine="").is_gone()


def test_a_torn_lease_is_respected_until_it_expires(folder: Path, here: Holder) -> None:
    lease = _taken(folder, here)
    lease.path.write_text('{"holder": {"run"')
    assert acquire(folder, ELSEWHERE) is None
    _age(lease, LIFETIME + 2 * MARGIN)
    assert acquire(folder, ELSEWHERE) is not None


def _race(folder: Path, number: int, barrier: Barrier, rounds: int) -> None:
    """In each round, all processes try at once for a lease that is free, or stale; winners leave a file."""
    for round_ in range(rounds):
        mine = folder / f"{round_}"
        barrier.wait()
        lease = acquire(mine, Holder.here(f"{number}"))
        if lease is not None:
            (folder / f"won-{round_}-{number}").touch()
        barrier.wait()
        if lease is not None:
            lease.renew()


@pytest.mark.parametrize("stale", [False, True])
def test_of_eight_processes_exactly_one_gets_a_lease(tmp_path: Path, stale: bool) -> None:
    rounds = 30
    if stale:
        for round_ in range(rounds):
            _age(_taken(tmp_path / f"{round_}", ELSEWHERE), LIFETIME + 2 * MARGIN)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8, timeout=60)
    racers = [context.Process(target=_race, args=(tmp_path, number, barrier, rounds)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    won = [path.name.split("-")[1] for path in tmp_path.glob("won-*")]
    assert sorted(won, key=int) == [str(round_) for round_ in range(rounds)]


def test_a_rival_that_wakes_up_late_backs_out(folder: Path, here: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It found the lease stale, then slept while the holder came back to life."""
    theirs = _taken(folder, ELSEWHERE)
    _age(theirs, LIFETIME + 2 * MARGIN)
    really = os.open

    def late(path: Path, flags: int, mode: int = 0o777) -> int:
        theirs.renew()
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", late)
    assert acquire(folder, here) is None
    monkeypatch.undo()
    theirs.renew()
    assert holder_of(folder) == ELSEWHERE


def test_a_keeper_renews_all_and_notices_what_is_lost(tmp_path: Path, here: Holder) -> None:
    store, told, beats = Store.open(tmp_path), threading.Event(), []

    def on_lost(fingerprint: str) -> None:
        beats.append(fingerprint)
        told.set()

    with LeaseKeeper(store.lease, here, every=0.01, on_lost=on_lost) as keeper:
        assert keeper.acquire("aa")
        assert keeper.acquire("aa")
        assert keeper.acquire("bb")
        assert keeper.held == {"aa", "bb"}
        kept = tmp_path / "leases" / "aa" / "1.json"
        os.utime(kept, (1.0, 1.0))
        (tmp_path / "leases" / "bb" / "1.json").unlink()
        theirs = store.lease("bb", ELSEWHERE)
        assert theirs is not None
        assert told.wait(20)
        keeper.renew()
        assert keeper.lost == {"bb"}
        assert keeper.held == {"aa"}
        assert kept.stat().st_mtime > 1.0
        assert not keeper.acquire("bb")
        keeper.release("aa")
        assert keeper.held == frozenset()
        assert keeper.acquire("cc")
    assert beats == ["bb"]
    assert store.holder("cc") is None
    assert store.holder("bb") == ELSEWHERE
