"""A view polled from a thread of its own is never called by two at a time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import harness.watched
from harness.live import View
from harness.progress import Event
from harness.watched import Watched

EVENT = Event(kind="queued", job="a", stage="pretrain", fingerprint="f")


class Probe(View):
    def __init__(self) -> None:
        self.inside = threading.Lock()
        self.polled = threading.Semaphore(0)
        self.overlaps = 0
        self.taken: list[Event] = []
        self.left = False

    def _alone(self) -> None:
        if not self.inside.acquire(blocking=False):
            self.overlaps += 1
            return
        self.inside.release()

    def take(self, event: Event) -> None:
        self._alone()
        with self.inside:
            self.taken.append(event)

    def poll(self) -> None:
        self._alone()
        with self.inside:
            assert not self.left, "polled after its end"
            self.polled.release()

    def __exit__(self, *exception: Any) -> None:
        self.left = True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.watched, "INTERVAL", 0.001)


def test_it_polls_while_its_driver_waits_and_passes_events_on() -> None:
    view = Probe()
    with Watched(view) as watched:
        for _ in range(20):
            watched.take(EVENT)
            assert view.polled.acquire(timeout=10), "nobody polls"
    assert view.taken == [EVENT] * 20
    assert view.overlaps == 0
    assert view.left


def test_the_view_is_left_whatever_happens() -> None:
    view = Probe()
    with pytest.raises(KeyboardInterrupt), Watched(view):
        raise KeyboardInterrupt
    assert view.left
    assert not [thread for thread in threading.enumerate() if thread.name == "view"]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_view_that_breaks_says_nothing_from_its_thread() -> None:
    """The reader of a pipe has gone: the driver's next event meets that, in the thread that can end the run."""
    broken = threading.Event()

    class Broken(Probe):
        def poll(self) -> None:
            broken.set()
            raise BrokenPipeError

    with Watched(Broken()) as watched:
        assert broken.wait(10)
        watched.take(EVENT)
